"""The gated recurrent unit, with the reset gate after or before the recurrent product.

The new state is (1 − z) one + z other: of the candidate and the old state where z = 1 keeps, the other way round where
it takes.
"""

from __future__ import annotations

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
    add_bias_gradient,
    add_product,
    add_weight_gradient,
    columns_of_a_panel,
    steps_at_once,
)

__all__ = ["backward_after", "backward_before", "forward_after", "forward_before"]


@part
def _candidate(n: np.ndarray, x: np.ndarray, r: np.ndarray, u: np.ndarray) -> None:
    for j in range(n.size):
        n[j] = tanh(x[j] + r[j] * u[j])


@compiled
def forward_after(
    projected: np.ndarray, packed: tuple[np.ndarray], bias: np.ndarray, hidden: np.ndarray, cell: np.ndarray,
    saved: np.ndarray, scratch: np.ndarray, keeps: bool, first: int, last: int,
) -> None:  # fmt: skip
    """n = tanh(x + r (U h + c)); saves r, z, U h + c and n of every step."""
    _, times, batch, size = hidden.shape
    width, panel = saved.shape[3], columns_of_a_panel(hidden)
    for m in range(first, last):
        u = packed[0][m]
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            add_product(
                saved, (m * saved.shape[1] + at) * batch * width, width, bias, m * bias.shape[1], 0, panel,
                hidden, (m * times + t) * batch * size, size, 1, u, 0, panel, size * panel, batch, size, 3 * size,
            )  # fmt: skip
            for i in range(batch):
                s, x, h = saved[m, at, i], projected[m, t, i], hidden[m, t, i]
                n = s[3 * size : 4 * size]
                sigmoid_of_sum(s[: 2 * size], x[: 2 * size])
                _candidate(n, x[2 * size :], s[:size], s[2 * size : 3 * size])
                one, other = (n, h) if keeps else (h, n)
                mix(hidden[m, t + 1, i], s[size : 2 * size], one, other)


@compiled
def forward_before(
    projected: np.ndarray, packed: tuple[np.ndarray, np.ndarray], bias: np.ndarray, hidden: np.ndarray,
    cell: np.ndarray, saved: np.ndarray, scratch: np.ndarray, keeps: bool, first: int, last: int,
) -> None:  # fmt: skip
    """n = tanh(x + U (r h) + c); saves r h, r, z and n of every step."""
    _, times, batch, size = hidden.shape
    width, panel = saved.shape[3], columns_of_a_panel(hidden)
    for m in range(first, last):
        u_gates, u_candidate, c = packed[0][m], packed[1][m], m * bias.shape[1]
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            start = (m * saved.shape[1] + at) * batch * width
            add_product(
                saved, start + size, width, bias, c, 0, panel, hidden, (m * times + t) * batch * size, size, 1,
                u_gates, 0, panel, size * panel, batch, size, 2 * size,
            )  # fmt: skip
            for i in range(batch):
                s = saved[m, at, i]
                sigmoid_of_sum(s[size : 3 * size], projected[m, t, i, : 2 * size])
                product_of(s[:size], s[size : 2 * size], hidden[m, t, i])
            add_product(
                saved, start + 3 * size, width, bias, c + 2 * size, 0, panel, saved, start, width, 1,
                u_candidate, 0, panel, size * panel, batch, size, size,
            )  # fmt: skip
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
def backward_after(
    d_hidden: np.ndarray, packed: tuple[np.ndarray], hidden: np.ndarray, cell: np.ndarray, saved: np.ndarray,
    scratch: np.ndarray, keeps: bool, gradient: np.ndarray, d_weight: np.ndarray, d_bias: np.ndarray,
    d_state: np.ndarray, d_cell: np.ndarray, fixed: np.ndarray, first: int, last: int,
) -> None:  # fmt: skip
    """Differentiates U h + c of the candidate, then the projections of r, z and n; U and c in the order n, r, z."""
    _, times, batch, size = hidden.shape
    wide, panel, chunk = d_state.shape[2], columns_of_a_panel(hidden), steps_at_once(batch)
    for m in range(first, last):
        u, carried = packed[0][m], m * batch * wide
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 4 * size
            for i in range(batch):
                s, g, d = saved[m, t, i], gradient[m, t, i], d_state[m, i, :size]
                r, z, n, d_n = s[:size], s[size : 2 * size], s[3 * size : 4 * size], g[3 * size :]
                add(d, d_hidden[m, t, i])
                _through_mix(d_n, g[2 * size : 3 * size], d, hidden[m, t, i], n, z, keeps)
                product_of(g[:size], d_n, r)
                sigmoid_gradient(g[size : 2 * size], d_n, s[2 * size : 3 * size], r)
            add_product(
                d_state, carried, wide, d_state, carried, wide, panel,
                gradient, here, 4 * size, 1, u, 0, panel, 3 * size * panel, batch, 3 * size, size,
            )  # fmt: skip
            if t % chunk == 0:
                rows, old = min(chunk, times - 1 - t) * batch, (m * times + t) * batch * size
                add_weight_gradient(d_weight, m, 0, 3 * size, gradient, here, 4 * size, hidden, old, size, rows)
                add_bias_gradient(d_bias, m, 3 * size, gradient, here, 4 * size, rows, fixed)


@compiled
def backward_before(
    d_hidden: np.ndarray, packed: tuple[np.ndarray, np.ndarray], hidden: np.ndarray, cell: np.ndarray,
    saved: np.ndarray, scratch: np.ndarray, keeps: bool, gradient: np.ndarray, d_weight: np.ndarray,
    d_bias: np.ndarray, d_state: np.ndarray, d_cell: np.ndarray, fixed: np.ndarray, first: int, last: int,
) -> None:  # fmt: skip
    """Differentiates the projections of r, z and n."""
    _, times, batch, size = hidden.shape
    width, wide, panel, chunk = saved.shape[3], d_state.shape[2], columns_of_a_panel(hidden), steps_at_once(batch)
    for m in range(first, last):
        u_gates, u_candidate, carried = packed[0][m], packed[1][m], m * batch * wide
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 3 * size
            for i in range(batch):
                s, g, d = saved[m, t, i], gradient[m, t, i], d_state[m, i, :size]
                n, z = s[3 * size : 4 * size], s[2 * size : 3 * size]
                add(d, d_hidden[m, t, i])
                _through_mix(g[2 * size :], g[size : 2 * size], d, hidden[m, t, i], n, z, keeps)
            add_product(
                scratch, carried, wide, fixed, 0, 0, 0, gradient, here + 2 * size, 3 * size, 1,
                u_candidate, 0, panel, size * panel, batch, size, size,
            )  # fmt: skip
            for i in range(batch):
                r, d_product = saved[m, t, i, size : 2 * size], scratch[m, i, :size]
                sigmoid_gradient(gradient[m, t, i, :size], d_product, hidden[m, t, i], r)
                add_product_of(d_state[m, i, :size], d_product, r)
            add_product(
                d_state, carried, wide, d_state, carried, wide, panel,
                gradient, here, 3 * size, 1, u_gates, 0, panel, 2 * size * panel, batch, 2 * size, size,
            )  # fmt: skip
            if t % chunk == 0:
                rows, old = min(chunk, times - 1 - t) * batch, (m * times + t) * batch * size
                shown = (m * (times - 1) + t) * batch * width
                add_weight_gradient(d_weight, m, 0, 2 * size, gradient, here, 3 * size, hidden, old, size, rows)
                add_weight_gradient(
                    d_weight, m, 2 * size, size, gradient, here + 2 * size, 3 * size, saved, shown, width, rows
                )
                add_bias_gradient(d_bias, m, 3 * size, gradient, here, 3 * size, rows, fixed)
