"""The gated recurrent unit, with the reset gate after or before the recurrent product.

The new state is (1 − z) one + z other: of the candidate and the old state where z = 1 keeps, the other way round where
it takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gru_viz.backends.compiled.activations import tanh
from gru_viz.backends.compiled.compiler import compiled, part
from gru_viz.backends.compiled.elementwise import (
    add,
    add_product_of,
    mix,
    product_of,
    sigmoid_gradient,
    sigmoid_of_sum,
    tanh_of_sum,
)
from gru_viz.backends.compiled.product import (
    PanelRows,
    Size,
    Starts,
    add_bias_gradient,
    add_product,
    add_weight_gradient,
    columns_of_a_panel,
    steps_at_once,
)
from gru_viz.backends.compiled.training_arrays import (
    BackwardArrays,
    ForwardArrays,
    Gradients,
    backward_product,
    forward_product,
)

__all__ = ["backward_after", "backward_before", "forward_after", "forward_before"]


@part
def _candidate(n: np.ndarray, x: np.ndarray, r: np.ndarray, u: np.ndarray) -> None:
    for j in range(n.size):
        n[j] = tanh(x[j] + r[j] * u[j])


@compiled
def forward_after(arrays: tuple[Any, ...], keeps: bool, first: int, last: int) -> None:
    """n = tanh(x + r (U h + b_h)); saves r, z, U h + b_h and n of every step."""
    projected, packed, bias, hidden, _, saved, _ = ForwardArrays(*arrays)
    _, times, batch, size = hidden.shape
    width = saved.shape[3]
    for m in range(first, last):
        product = forward_product(saved, width, bias, hidden, size, packed[0][m])
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            start, old = (m * saved.shape[1] + at) * batch * width, (m * times + t) * batch * size
            add_product(product, Starts(start, m * bias.shape[1], old, 0), Size(batch, size, 3 * size))
            for i in range(batch):
                s, x, h = saved[m, at, i], projected[m, t, i], hidden[m, t, i]
                n = s[3 * size : 4 * size]
                sigmoid_of_sum(s[: 2 * size], x[: 2 * size])
                _candidate(n, x[2 * size :], s[:size], s[2 * size : 3 * size])
                one, other = (n, h) if keeps else (h, n)
                mix(hidden[m, t + 1, i], s[size : 2 * size], one, other)


@compiled
def forward_before(arrays: tuple[Any, ...], keeps: bool, first: int, last: int) -> None:
    """n = tanh(x + U (r h) + b_h); saves r h, r, z and n of every step."""
    projected, packed, bias, hidden, _, saved, _ = ForwardArrays(*arrays)
    _, times, batch, size = hidden.shape
    width = saved.shape[3]
    for m in range(first, last):
        of_gates = forward_product(saved, width, bias, hidden, size, packed[0][m])
        of_candidate = forward_product(saved, width, bias, saved, width, packed[1][m])
        b_h = m * bias.shape[1]
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            start, old = (m * saved.shape[1] + at) * batch * width, (m * times + t) * batch * size
            add_product(of_gates, Starts(start + size, b_h, old, 0), Size(batch, size, 2 * size))
            for i in range(batch):
                s = saved[m, at, i]
                sigmoid_of_sum(s[size : 3 * size], projected[m, t, i, : 2 * size])
                product_of(s[:size], s[size : 2 * size], hidden[m, t, i])
            add_product(of_candidate, Starts(start + 3 * size, b_h + 2 * size, start, 0), Size(batch, size, size))
            for i in range(batch):
                s, h = saved[m, at, i], hidden[m, t, i]
                n = s[3 * size : 4 * size]
                tanh_of_sum(n, projected[m, t, i, 2 * size :])
                one, other = (n, h) if keeps else (h, n)
                mix(hidden[m, t + 1, i], s[2 * size : 3 * size], one, other)


@part
def _through_mix(
    d_n: np.ndarray, d_z: np.ndarray, d: np.ndarray, h: np.ndarray, n: np.ndarray, z: np.ndarray, keeps: bool
) -> None:
    """From the gradient of the new state to those of n and z before their squashing; d becomes that of the old."""
    one, other = (n, h) if keeps else (h, n)
    for j in range(d.size):
        d_z[j] = d[j] * (other[j] - one[j]) * (z[j] - z[j] * z[j])
    if keeps:
        for j in range(d.size):
            d_new = d[j] - d[j] * z[j]
            d_n[j] = d_new - d_new * n[j] * n[j]
        for j in range(d.size):
            d[j] *= z[j]
    else:
        for j in range(d.size):
            d_new = d[j] * z[j]
            d_n[j] = d_new - d_new * n[j] * n[j]
        for j in range(d.size):
            d[j] -= d[j] * z[j]


@compiled
def backward_after(arrays: tuple[Any, ...], filled: tuple[np.ndarray, ...], keeps: bool, first: int, last: int) -> None:
    """Differentiates U h + b_h of the candidate, then the projections of r, z and n; U and b_h in the order n, r, z."""
    d_hidden, packed, hidden, _, saved, _, fixed = BackwardArrays(*arrays)
    gradient, d_weight, d_bias, d_state, _ = Gradients(*filled)
    _, times, batch, size = hidden.shape
    wide, chunk = d_state.shape[2], steps_at_once(batch)
    base = PanelRows(d_state, wide, columns_of_a_panel(hidden))
    for m in range(first, last):
        product, carried = backward_product(d_state, base, gradient, 4 * size, packed[0][m]), m * batch * wide
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 4 * size
            for i in range(batch):
                s, g, d = saved[m, t, i], gradient[m, t, i], d_state[m, i, :size]
                r, z, n, d_n = s[:size], s[size : 2 * size], s[3 * size : 4 * size], g[3 * size :]
                add(d, d_hidden[m, t, i])
                _through_mix(d_n, g[2 * size : 3 * size], d, hidden[m, t, i], n, z, keeps)
                product_of(g[:size], d_n, r)
                sigmoid_gradient(g[size : 2 * size], d_n, s[2 * size : 3 * size], r)
            add_product(product, Starts(carried, carried, here, 0), Size(batch, 3 * size, size))
            if t % chunk == 0:
                rows, read = min(chunk, times - 1 - t) * batch, ((m * times + t) * batch * size, size)
                start, given = m * d_weight.shape[1] * wide, (here, 4 * size)
                add_weight_gradient(d_weight, start, 3 * size, gradient, given, hidden, read, rows)
                add_bias_gradient(d_bias, m, 3 * size, gradient, given, rows, fixed)


@compiled
def backward_before(
    arrays: tuple[Any, ...], filled: tuple[np.ndarray, ...], keeps: bool, first: int, last: int
) -> None:
    """Differentiates the projections of r, z and n."""
    d_hidden, packed, hidden, _, saved, scratch, fixed = BackwardArrays(*arrays)
    gradient, d_weight, d_bias, d_state, _ = Gradients(*filled)
    _, times, batch, size = hidden.shape
    width, wide, chunk = saved.shape[3], d_state.shape[2], steps_at_once(batch)
    nothing, base = PanelRows(fixed, 0, 0), PanelRows(d_state, wide, columns_of_a_panel(hidden))
    for m in range(first, last):
        of_gates = backward_product(d_state, base, gradient, 3 * size, packed[0][m])
        of_candidate = backward_product(scratch, nothing, gradient, 3 * size, packed[1][m])
        carried, start = m * batch * wide, m * d_weight.shape[1] * wide
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 3 * size
            for i in range(batch):
                s, g, d = saved[m, t, i], gradient[m, t, i], d_state[m, i, :size]
                n, z = s[3 * size : 4 * size], s[2 * size : 3 * size]
                add(d, d_hidden[m, t, i])
                _through_mix(g[2 * size :], g[size : 2 * size], d, hidden[m, t, i], n, z, keeps)
            add_product(of_candidate, Starts(carried, 0, here + 2 * size, 0), Size(batch, size, size))
            for i in range(batch):
                r, d_product = saved[m, t, i, size : 2 * size], scratch[m, i, :size]
                sigmoid_gradient(gradient[m, t, i, :size], d_product, hidden[m, t, i], r)
                add_product_of(d_state[m, i, :size], d_product, r)
            add_product(of_gates, Starts(carried, carried, here, 0), Size(batch, 2 * size, size))
            if t % chunk == 0:
                rows, read = min(chunk, times - 1 - t) * batch, ((m * times + t) * batch * size, size)
                reset_read, given = ((m * (times - 1) + t) * batch * width, width), (here, 3 * size)
                add_weight_gradient(d_weight, start, 2 * size, gradient, given, hidden, read, rows)
                of_n, start_n = (here + 2 * size, 3 * size), start + 2 * size * wide
                add_weight_gradient(d_weight, start_n, size, gradient, of_n, saved, reset_read, rows)
                add_bias_gradient(d_bias, m, 3 * size, gradient, given, rows, fixed)
