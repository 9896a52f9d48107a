"""Long short-term memory: c = f c₋ + i g, h = o tanh c."""

from __future__ import annotations

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
    add_bias_gradient,
    add_product,
    add_weight_gradient,
    columns_of_a_panel,
    steps_at_once,
)

__all__ = ["backward", "forward"]


@part
def _cell(new: np.ndarray, old: np.ndarray, i: np.ndarray, f: np.ndarray, g: np.ndarray) -> None:
    for j in range(new.size):
        new[j] = f[j] * old[j] + i[j] * g[j]


@part
def _show(h: np.ndarray, squashed: np.ndarray, c: np.ndarray, o: np.ndarray) -> None:
    for j in range(h.size):
        squashed[j] = tanh(c[j])
        h[j] = o[j] * squashed[j]


@compiled
def forward(
    projected: np.ndarray, packed: tuple[np.ndarray], bias: np.ndarray, hidden: np.ndarray, cell: np.ndarray,
    saved: np.ndarray, scratch: np.ndarray, keeps: bool, first: int, last: int,
) -> None:  # fmt: skip
    """Saves i, f, g, o and tanh c of every step."""
    _, times, batch, size = hidden.shape
    width, panel = saved.shape[3], columns_of_a_panel(hidden)
    for m in range(first, last):
        u = packed[0][m]
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            add_product(
                saved, (m * saved.shape[1] + at) * batch * width, width, bias, m * bias.shape[1], 0, panel,
                hidden, (m * times + t) * batch * size, size, 1, u, 0, panel, size * panel, batch, size, 4 * size,
            )  # fmt: skip
            for row in range(batch):
                s, x, new = saved[m, at, row], projected[m, t, row], cell[m, t + 1, row]
                i, f, g, o = s[:size], s[size : 2 * size], s[2 * size : 3 * size], s[3 * size : 4 * size]
                sigmoid_of_sum(s[: 2 * size], x[: 2 * size])
                tanh_of_sum(g, x[2 * size : 3 * size])
                sigmoid_of_sum(o, x[3 * size :])
                _cell(new, cell[m, t, row], i, f, g)
                _show(hidden[m, t + 1, row], s[4 * size : 5 * size], new, o)


@part
def _through_show(d_c: np.ndarray, d: np.ndarray, o: np.ndarray, squashed: np.ndarray) -> None:
    for j in range(d.size):
        d_squashed = d[j] * o[j]
        d_c[j] += d_squashed - d_squashed * squashed[j] * squashed[j]


@compiled
def backward(
    d_hidden: np.ndarray, packed: tuple[np.ndarray], hidden: np.ndarray, cell: np.ndarray, saved: np.ndarray,
    scratch: np.ndarray, keeps: bool, gradient: np.ndarray, d_weight: np.ndarray, d_bias: np.ndarray,
    d_state: np.ndarray, d_cell: np.ndarray, fixed: np.ndarray, first: int, last: int,
) -> None:  # fmt: skip
    """Differentiates the projections of i, f, g and o."""
    _, times, batch, size = hidden.shape
    wide, panel, chunk = d_state.shape[2], columns_of_a_panel(hidden), steps_at_once(batch)
    for m in range(first, last):
        u = packed[0][m]
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 4 * size
            for row in range(batch):
                s, d, d_c, d_x = saved[m, t, row], d_state[m, row, :size], d_cell[m, row], gradient[m, t, row]
                i, f, g, o = s[:size], s[size : 2 * size], s[2 * size : 3 * size], s[3 * size : 4 * size]
                squashed = s[4 * size : 5 * size]
                add(d, d_hidden[m, t, row])
                _through_show(d_c, d, o, squashed)
                sigmoid_gradient(d_x[3 * size :], d, squashed, o)
                sigmoid_gradient(d_x[:size], d_c, g, i)
                sigmoid_gradient(d_x[size : 2 * size], d_c, cell[m, t, row], f)
                tanh_gradient(d_x[2 * size : 3 * size], d_c, i, g)
                product_of(d_c, d_c, f)
            add_product(
                d_state, m * batch * wide, wide, fixed, 0, 0, 0,
                gradient, here, 4 * size, 1, u, 0, panel, 4 * size * panel, batch, 4 * size, size,
            )  # fmt: skip
            if t % chunk == 0:
                rows, old = min(chunk, times - 1 - t) * batch, (m * times + t) * batch * size
                add_weight_gradient(d_weight, m, 0, 4 * size, gradient, here, 4 * size, hidden, old, size, rows)
                add_bias_gradient(d_bias, m, 4 * size, gradient, here, 4 * size, rows, fixed)
