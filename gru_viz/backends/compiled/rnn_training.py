"""The plain recurrent network: h = tanh(x + U h₋ + c)."""

from __future__ import annotations

import numpy as np

from gru_viz.backends.compiled.activations import tanh
from gru_viz.backends.compiled.compiler import compiled, part
from gru_viz.backends.compiled.product import (
    add_bias_gradient,
    add_product,
    add_weight_gradient,
    columns_of_a_panel,
    steps_at_once,
)

__all__ = ["backward", "forward"]


@part
def _squash(h: np.ndarray, s: np.ndarray, x: np.ndarray) -> None:
    for j in range(h.size):
        h[j] = tanh(s[j] + x[j])


@compiled
def forward(
    projected: np.ndarray, packed: tuple[np.ndarray], bias: np.ndarray, hidden: np.ndarray, cell: np.ndarray,
    saved: np.ndarray, scratch: np.ndarray, keeps: bool, first: int, last: int,
) -> None:  # fmt: skip
    """Saves nothing: the hidden state is all that the backward pass needs."""
    _, times, batch, size = hidden.shape
    wide, panel = scratch.shape[2], columns_of_a_panel(hidden)
    for m in range(first, last):
        u = packed[0][m]
        for t in range(times - 1):
            add_product(
                scratch, m * batch * wide, wide, bias, m * bias.shape[1], 0, panel,
                hidden, (m * times + t) * batch * size, size, 1, u, 0, panel, size * panel, batch, size, size,
            )  # fmt: skip
            for i in range(batch):
                _squash(hidden[m, t + 1, i], scratch[m, i], projected[m, t, i])


@part
def _through_tanh(d_x: np.ndarray, d: np.ndarray, d_hidden: np.ndarray, h: np.ndarray) -> None:
    for j in range(d_x.size):
        d_h = d[j] + d_hidden[j]
        d_x[j] = d_h - d_h * h[j] * h[j]


@compiled
def backward(
    d_hidden: np.ndarray, packed: tuple[np.ndarray], hidden: np.ndarray, cell: np.ndarray, saved: np.ndarray,
    scratch: np.ndarray, keeps: bool, gradient: np.ndarray, d_weight: np.ndarray, d_bias: np.ndarray,
    d_state: np.ndarray, d_cell: np.ndarray, fixed: np.ndarray, first: int, last: int,
) -> None:  # fmt: skip
    """Differentiates the projection."""
    _, times, batch, size = hidden.shape
    wide, panel, chunk = d_state.shape[2], columns_of_a_panel(hidden), steps_at_once(batch)
    for m in range(first, last):
        u = packed[0][m]
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * size
            for i in range(batch):
                _through_tanh(gradient[m, t, i], d_state[m, i], d_hidden[m, t, i], hidden[m, t + 1, i])
            add_product(
                d_state, m * batch * wide, wide, fixed, 0, 0, 0,
                gradient, here, size, 1, u, 0, panel, size * panel, batch, size, size,
            )  # fmt: skip
            if t % chunk == 0:
                rows, old = min(chunk, times - 1 - t) * batch, (m * times + t) * batch * size
                add_weight_gradient(d_weight, m, 0, size, gradient, here, size, hidden, old, size, rows)
                add_bias_gradient(d_bias, m, size, gradient, here, size, rows, fixed)
