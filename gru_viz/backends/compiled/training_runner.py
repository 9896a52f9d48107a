"""From a layer's arrays to its compiled forward and backward pass: packing, memory to compute in, threads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from gru_viz.backends.compiled import training_kernels as kernels
from gru_viz.backends.compiled.array_layout import panels, reuse_pages
from gru_viz.backends.compiled.product import PANEL_BYTES
from gru_viz.backends.compiled.training_kernels import BackwardArrays, ForwardArrays, Gradients
from gru_viz.conventions import Convention

__all__ = ["ForwardPass", "TrainingKernels", "backward", "forward", "kernels_of", "warm"]

reuse_pages()


class TrainingKernels(NamedTuple):
    """A cell's two kernels, and how many blocks of ``hidden`` rows or columns each step has.

    ``products``: of U in each product; ``saved``: for the backward pass; ``differentiated``: of gradients, those of the
    projection last; ``turned``: by which the backward pass takes U, and returns its gradient and that of b_h, turned.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    products: tuple[int, ...]
    saved: int
    differentiated: int
    turned: int = 0


CELLS = {
    ("gru", "after"): TrainingKernels(kernels.gru_forward_after, kernels.gru_backward_after, (3,), 4, 4, turned=1),
    ("gru", "before"): TrainingKernels(kernels.gru_forward_before, kernels.gru_backward_before, (2, 1), 4, 3),
    ("lstm", None): TrainingKernels(kernels.lstm_forward, kernels.lstm_backward, (4,), 5, 4),
    ("rnn", None): TrainingKernels(kernels.rnn_forward, kernels.rnn_backward, (1,), 0, 1),
}


class ForwardPass(NamedTuple):
    """What a forward pass fills, (models, steps, batch, …) each; ``hidden`` and ``cells`` begin with the initial state.

    Where there will be no backward pass, ``saved`` has one step.
    """

    hidden: np.ndarray
    cells: np.ndarray
    saved: np.ndarray


class Layout(NamedTuple):
    """The shapes of a forward pass, and the elements of a panel."""

    hidden: tuple[int, ...]
    cells: tuple[int, ...]
    saved: tuple[int, ...]
    panel: int


def kernels_of(convention: Convention) -> TrainingKernels:
    """The kernels that run a convention."""
    return CELLS[convention.cell, convention.reset]


def layout(cell: TrainingKernels, shape: Sequence[int], size: int, states: int, training: bool, item: int) -> Layout:
    """Lay out a forward pass over a projection (models, steps, batch, …) whose elements have ``item`` bytes."""
    models, steps, batch, _ = shape
    panel = PANEL_BYTES // item
    width = size + -size % panel + (cell.saved - 1) * size if cell.saved else 0
    hidden = (models, steps + 1, batch, size)
    cells = hidden if states == 2 else (models, 0, 0, 0)
    return Layout(hidden, cells, (models, steps if training else min(steps, 1), batch, width), panel)


def padded(like: np.ndarray, shape: tuple[int, ...], panel: int) -> np.ndarray:
    """An empty array past whose end there is memory: a product reads whole panels, and ignores what is too much."""
    return np.empty(math.prod(shape) + panel, like.dtype)[:-panel].reshape(shape)


def forward(
    cell: TrainingKernels,
    keeps: bool,
    threads: int,
    projected: np.ndarray,
    u: np.ndarray,
    bias: np.ndarray,
    states: Sequence[np.ndarray],
    filled: ForwardPass,
) -> None:
    """Fill a forward pass; the kernels take plain tuples, whose type numba reads faster than that of a named one."""
    models, _, batch, height = projected.shape
    size, panel = u.shape[-1], PANEL_BYTES // u.itemsize
    for every, state in zip((filled.hidden, filled.cells), states, strict=False):
        every[:, 0] = state
    wider_bias = np.zeros((models, height + panel), u.dtype)
    wider_bias[:, :height] = bias
    packed = tuple(panels(block.swapaxes(1, 2), panel) for block in _blocks(u, cell))
    scratch = np.empty((models, batch, size + -size % panel), u.dtype)
    arrays = ForwardArrays(projected, packed, wider_bias, *filled, scratch)
    _over_models(cell.forward, models, threads, tuple(arrays), keeps)


def backward(
    cell: TrainingKernels,
    keeps: bool,
    threads: int,
    d_hidden: np.ndarray,
    u: np.ndarray,
    given: ForwardPass,
    gradient: np.ndarray,
) -> list[np.ndarray]:
    """Fill the gradients before each squashing; return those of U, of b_h and of each initial state."""
    models, _, batch, size = given.hidden.shape
    height, panel = u.shape[1], PANEL_BYTES // u.itemsize
    wide, states = size + -size % panel, 2 if given.cells.shape[1] else 1
    d_weight, d_bias = np.zeros((models, height, wide), u.dtype), np.zeros((models, height + panel), u.dtype)
    d_state = np.zeros((models, batch, wide), u.dtype)
    d_cell = np.zeros((models, batch, size) if states == 2 else (models, 0, 0), u.dtype)
    zeros_and_one = np.zeros(panel + 1, u.dtype)
    zeros_and_one[panel] = 1
    packed = tuple(panels(block, panel) for block in _blocks(_turned(u, cell.turned * size), cell))
    arrays = BackwardArrays(d_hidden, packed, *given, np.empty_like(d_state), zeros_and_one)
    filled = Gradients(gradient, d_weight, d_bias, d_state, d_cell)
    _over_models(cell.backward, models, threads, tuple(arrays), tuple(filled), keeps)
    d_weight, d_bias = d_weight[..., :size], d_bias[:, :height]
    results = [_turned(d_weight, -cell.turned * size), _turned(d_bias, -cell.turned * size)]
    return results + [d_state[..., :size], d_cell][:states]


def warm(convention: Convention, dtype: str) -> None:
    """Compile the kernels of a convention, or load them from the disk, by a step of one unit."""
    cell, states = kernels_of(convention), len(convention.states)
    gates = len(convention.gates)
    projected, u, bias = np.zeros((1, 1, 1, gates), dtype), np.zeros((1, gates, 1), dtype), np.zeros((1, gates), dtype)
    shapes = layout(cell, projected.shape, 1, states, True, u.itemsize)
    hidden = padded(u, shapes.hidden, shapes.panel)
    made = ForwardPass(hidden, np.empty(shapes.cells, dtype), np.empty(shapes.saved, dtype))
    forward(cell, True, 1, projected, u, bias, list(np.zeros((states, 1, 1, 1), dtype)), made)
    gradient = padded(u, (1, 1, 1, cell.differentiated), shapes.panel)
    backward(cell, True, 1, np.zeros((1, 1, 1, 1), dtype), u, made, gradient)


def _turned(rows: np.ndarray, by: int) -> np.ndarray:
    """The last rows of every model first."""
    return np.concatenate((rows[:, -by:], rows[:, :-by]), 1) if by else rows


def _blocks(weight: np.ndarray, cell: TrainingKernels) -> list[np.ndarray]:
    """The rows of U that each product takes."""
    ends = [n * weight.shape[-1] for n in itertools.accumulate(cell.products, initial=0)]
    return [weight[:, start:end] for start, end in itertools.pairwise(ends)]


def _over_models(kernel: Callable[..., None], models: int, threads: int, *arguments: Any) -> None:
    """Run a kernel over all models, in so many threads; each model is computed alike however they are shared out."""
    parts = max(1, min(threads, models))
    if parts == 1:
        kernel(*arguments, 0, models)
        return
    edges = [models * n // parts for n in range(parts + 1)]
    with ThreadPoolExecutor(parts - 1) as pool:
        rest = [pool.submit(kernel, *arguments, edges[n], edges[n + 1]) for n in range(1, parts)]
        kernel(*arguments, 0, edges[1])
        for each in rest:
            each.result()
