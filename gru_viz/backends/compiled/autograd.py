"""The compiled recurrences as one differentiable function of torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gru_viz.backends.compiled import training_kernels as kernels
from gru_viz.backends.compiled.array_layout import panels, reuse_pages
from gru_viz.backends.compiled.product import PANEL_BYTES
from gru_viz.backends.compiled.training_kernels import BackwardArrays, ForwardArrays, Gradients
from gru_viz.conventions import Convention

__all__ = ["run"]

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


def run(
    convention: Convention, projected: Tensor, weight: Tensor, bias: Tensor, states: tuple[Tensor, ...], threads: int
) -> Tensor:
    """``gru_viz.backends.compiled.recurrence`` after its arguments were checked.

    The kernels take plain tuples, whose type numba reads faster than that of a named one.
    """
    cell, keeps = CELLS[convention.cell, convention.reset], convention.update != "takes"
    training = torch.is_grad_enabled() and any(each.requires_grad for each in (projected, weight, bias, *states))
    apply: Callable[..., Tensor] = _Recurrence.apply
    return apply(cell, keeps, threads, training, projected, weight, bias, *states)


class _Recurrence(torch.autograd.Function):
    """Works on numpy's arrays, which cost a tenth of a tensor to make; what may outlive a call is torch's memory."""

    @staticmethod
    def forward(
        ctx: Any, cell: TrainingKernels, keeps: bool, threads: int, training: bool,
        projected: Tensor, weight: Tensor, bias: Tensor, *states: Tensor,
    ) -> Tensor:  # fmt: skip
        models, steps, batch, height = projected.shape
        u, size, panel = weight.numpy(), weight.shape[-1], PANEL_BYTES // projected.element_size()
        wide = size + -size % panel
        hidden = _with_padding(projected, (models, steps + 1, batch, size), panel)
        cells = projected.new_empty((models, steps + 1, batch, size) if len(states) == 2 else (models, 0, 0, 0))
        h, c = hidden.numpy(), cells.numpy()
        for every, state in zip((h, c), states, strict=False):
            every[:, 0] = state.numpy()
        width = wide + (cell.saved - 1) * size if cell.saved else 0
        saved = projected.new_empty(models, steps if training else min(steps, 1), batch, width)
        wider_bias = np.zeros((models, height + panel), u.dtype)
        wider_bias[:, :height] = bias.numpy()
        packed = tuple(panels(block.swapaxes(1, 2), panel) for block in _blocks(u, cell))
        scratch = np.empty((models, batch, wide), u.dtype)
        x = projected.contiguous().numpy()
        arrays = ForwardArrays(x, packed, wider_bias, h, c, saved.numpy(), scratch)
        _over_models(cell.forward, models, threads, tuple(arrays), keeps)
        if training:
            ctx.save_for_backward(weight, hidden, cells, saved)
            ctx.cell, ctx.keeps, ctx.threads, ctx.states = cell, keeps, threads, len(states)
        return hidden[:, 1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_hidden: Tensor) -> tuple[Tensor | None, ...]:
        weight, hidden, cells, saved = ctx.saved_tensors
        cell, (models, times, batch, size) = ctx.cell, hidden.shape
        height, panel, u = weight.shape[1], PANEL_BYTES // hidden.element_size(), weight.numpy()
        wide = size + -size % panel
        gradient = _with_padding(hidden, (models, times - 1, batch, cell.differentiated * size), panel)
        d_weight, d_bias = np.zeros((models, height, wide), u.dtype), np.zeros((models, height + panel), u.dtype)
        d_state = np.zeros((models, batch, wide), u.dtype)
        d_cell = np.zeros((models, batch, size) if ctx.states == 2 else (models, 0, 0), u.dtype)
        zeros_and_one = np.zeros(panel + 1, u.dtype)
        zeros_and_one[panel] = 1
        packed = tuple(panels(block, panel) for block in _blocks(_turned(u, cell.turned * size), cell))
        given = (packed, hidden.numpy(), cells.numpy(), saved.numpy(), np.empty_like(d_state), zeros_and_one)
        arrays = BackwardArrays(d_hidden.contiguous().numpy(), *given)
        filled = Gradients(gradient.numpy(), d_weight, d_bias, d_state, d_cell)
        _over_models(cell.backward, models, ctx.threads, tuple(arrays), tuple(filled), ctx.keeps)
        d_weight, d_bias = d_weight[..., :size], d_bias[:, :height]
        results = [_turned(d_weight, -cell.turned * size), _turned(d_bias, -cell.turned * size)]
        results += [d_state[..., :size], d_cell][: ctx.states]
        return None, None, None, None, gradient[..., -height:], *map(torch.from_numpy, results)


def _with_padding(like: Tensor, shape: tuple[int, ...], panel: int) -> Tensor:
    """An empty tensor past whose end there is memory: a product reads whole panels, and ignores what is too much."""
    return like.new_empty(math.prod(shape) + panel)[:-panel].view(shape)


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
