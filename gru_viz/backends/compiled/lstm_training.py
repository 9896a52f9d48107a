"""Long short-term memory: c = f c₋ + i g, h = o tanh c."""

from __future__ import annotations

from typing import Any

import numpy as np

from gru_viz.backends.compiled.activations import tanh
from gru_viz.backends.compiled.compiler import compiled, part
from gru_viz.backends.compiled.elementwise import (
    add,
    product_of,
    sigmoid_gradient,
    sigmoid_of_sum,
    tanh_gradient,
    tanh_of_sum,
)
from gru_viz.backends.compiled.product import (
    PanelRows,
    Size,
    Starts,
    add_bias_gradient,
    add_product,
    add_weight_gradient,
    steps_at_once,
)
from gru_viz.backends.compiled.training_arrays import (
    BackwardArrays,
    ForwardArrays,
    Gradients,
    backward_product,
    forward_product,
)

__all__ = ["backward", "forward"]


@part
def _cell(new: np.ndarray, old: np.ndarray, i: np.ndarray, f: np.ndarray, g: np.ndarray) -> None:
    for j in range(new.size):
        new[j] = f[j] * old[j] + i[j] * g[j]


@part
def _output(h: np.ndarray, squashed: np.ndarray, c: np.ndarray, o: np.ndarray) -> None:
    for j in range(h.size):
        squashed[j] = tanh(c[j])
        h[j] = o[j] * squashed[j]


@compiled
def forward(arrays: tuple[Any, ...], keeps: bool, first: int, last: int) -> None:
    """Saves i, f, g, o and tanh c of every step."""
    projected, packed, bias, hidden, cells, saved, _ = ForwardArrays(*arrays)
    _, times, batch, size = hidden.shape
    width = saved.shape[3]
    for m in range(first, last):
        product = forward_product(saved, width, bias, hidden, size, packed[0][m])
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            start, old = (m * saved.shape[1] + at) * batch * width, (m * times + t) * batch * size
            add_product(product, Starts(start, m * bias.shape[1], old, 0), Size(batch, size, 4 * size))
            for row in range(batch):
                s, x, new = saved[m, at, row], projected[m, t, row], cells[m, t + 1, row]
                i, f, g, o = s[:size], s[size : 2 * size], s[2 * size : 3 * size], s[3 * size : 4 * size]
                sigmoid_of_sum(s[: 2 * size], x[: 2 * size])
                tanh_of_sum(g, x[2 * size : 3 * size])
                sigmoid_of_sum(o, x[3 * size :])
                _cell(new, cells[m, t, row], i, f, g)
                _output(hidden[m, t + 1, row], s[4 * size : 5 * size], new, o)


@part
def _through_output(d_c: np.ndarray, d: np.ndarray, o: np.ndarray, squashed: np.ndarray) -> None:
    for j in range(d.size):
        d_squashed = d[j] * o[j]
        d_c[j] += d_squashed - d_squashed * squashed[j] * squashed[j]


@compiled
def backward(arrays: tuple[Any, ...], filled: tuple[np.ndarray, ...], keeps: bool, first: int, last: int) -> None:
    """Differentiates the projections of i, f, g and o."""
    d_hidden, packed, hidden, cells, saved, _, fixed = BackwardArrays(*arrays)
    gradient, d_weight, d_bias, d_state, d_cell = Gradients(*filled)
    _, times, batch, size = hidden.shape
    wide, chunk = d_state.shape[2], steps_at_once(batch)
    for m in range(first, last):
        product = backward_product(d_state, PanelRows(fixed, 0, 0), gradient, 4 * size, packed[0][m])
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 4 * size
            for row in range(batch):
                s, d, d_c, d_x = saved[m, t, row], d_state[m, row, :size], d_cell[m, row], gradient[m, t, row]
                i, f, g, o = s[:size], s[size : 2 * size], s[2 * size : 3 * size], s[3 * size : 4 * size]
                squashed = s[4 * size : 5 * size]
                add(d, d_hidden[m, t, row])
                _through_output(d_c, d, o, squashed)
                sigmoid_gradient(d_x[3 * size :], d, squashed, o)
                sigmoid_gradient(d_x[:size], d_c, g, i)
                sigmoid_gradient(d_x[size : 2 * size], d_c, cells[m, t, row], f)
                tanh_gradient(d_x[2 * size : 3 * size], d_c, i, g)
                product_of(d_c, d_c, f)
            add_product(product, Starts(m * batch * wide, 0, here, 0), Size(batch, 4 * size, size))
            if t % chunk == 0:
                rows, read = min(chunk, times - 1 - t) * batch, ((m * times + t) * batch * size, size)
                start, given = m * d_weight.shape[1] * wide, (here, 4 * size)
                add_weight_gradient(d_weight, start, 4 * size, gradient, given, hidden, read, rows)
                add_bias_gradient(d_bias, m, 4 * size, gradient, given, rows, fixed)
