"""The plain recurrent network: h = tanh(x + U h₋ + b_h)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gru_viz.backends.compiled.activations import tanh
from gru_viz.backends.compiled.compiler import compiled, part
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
def _squash(h: np.ndarray, s: np.ndarray, x: np.ndarray) -> None:
    for j in range(h.size):
        h[j] = tanh(s[j] + x[j])


@compiled
def forward(arrays: tuple[Any, ...], keeps: bool, first: int, last: int) -> None:
    """Saves nothing: the hidden state is all that the backward pass needs."""
    projected, packed, bias, hidden, _, _, scratch = ForwardArrays(*arrays)
    _, times, batch, size = hidden.shape
    wide = scratch.shape[2]
    for m in range(first, last):
        product = forward_product(scratch, wide, bias, hidden, size, packed[0][m])
        for t in range(times - 1):
            starts = Starts(m * batch * wide, m * bias.shape[1], (m * times + t) * batch * size, 0)
            add_product(product, starts, Size(batch, size, size))
            for i in range(batch):
                _squash(hidden[m, t + 1, i], scratch[m, i], projected[m, t, i])


@part
def _through_tanh(d_x: np.ndarray, d: np.ndarray, d_hidden: np.ndarray, h: np.ndarray) -> None:
    for j in range(d_x.size):
        d_h = d[j] + d_hidden[j]
        d_x[j] = d_h - d_h * h[j] * h[j]


@compiled
def backward(arrays: tuple[Any, ...], filled: tuple[np.ndarray, ...], keeps: bool, first: int, last: int) -> None:
    """Differentiates the projection."""
    d_hidden, packed, hidden, _, _, _, fixed = BackwardArrays(*arrays)
    gradient, d_weight, d_bias, d_state, _ = Gradients(*filled)
    _, times, batch, size = hidden.shape
    wide, chunk = d_state.shape[2], steps_at_once(batch)
    for m in range(first, last):
        product = backward_product(d_state, PanelRows(fixed, 0, 0), gradient, size, packed[0][m])
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * size
            for i in range(batch):
                _through_tanh(gradient[m, t, i], d_state[m, i], d_hidden[m, t, i], hidden[m, t + 1, i])
            add_product(product, Starts(m * batch * wide, 0, here, 0), Size(batch, size, size))
            if t % chunk == 0:
                rows, read = min(chunk, times - 1 - t) * batch, ((m * times + t) * batch * size, size)
                start, given = m * d_weight.shape[1] * wide, (here, size)
                add_weight_gradient(d_weight, start, size, gradient, given, hidden, read, rows)
                add_bias_gradient(d_bias, m, size, gradient, given, rows, fixed)
