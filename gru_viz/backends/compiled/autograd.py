"""The compiled recurrences as one differentiable function of torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gru_viz.backends.compiled import training_runner
from gru_viz.backends.compiled.product import PANEL_BYTES
from gru_viz.backends.compiled.training_runner import ForwardPass, TrainingKernels
from gru_viz.conventions import Convention

__all__ = ["run"]


def run(
    convention: Convention, projected: Tensor, weight: Tensor, bias: Tensor, states: tuple[Tensor, ...], threads: int
) -> Tensor:
    """``gru_viz.backends.compiled.recurrence`` after its arguments were checked."""
    cell, keeps = training_runner.kernels_of(convention), convention.update != "takes"
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
        given, size = (len(states), training, projected.element_size()), weight.shape[-1]
        shapes = training_runner.layout(cell, projected.shape, size, *given)
        hidden = _with_padding(projected, shapes.hidden, shapes.panel)
        cells, saved = projected.new_empty(shapes.cells), projected.new_empty(shapes.saved)
        filled = ForwardPass(hidden.numpy(), cells.numpy(), saved.numpy())
        x, u, b_h, *start = (each.numpy() for each in (projected.contiguous(), weight, bias, *states))
        training_runner.forward(cell, keeps, threads, x, u, b_h, start, filled)
        if training:
            ctx.save_for_backward(weight, hidden, cells, saved)
            ctx.cell, ctx.keeps, ctx.threads = cell, keeps, threads
        return hidden[:, 1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_hidden: Tensor) -> tuple[Tensor | None, ...]:
        weight, *saved = ctx.saved_tensors
        hidden, height, panel = saved[0], weight.shape[1], PANEL_BYTES // weight.element_size()
        models, times, batch, size = hidden.shape
        gradient = _with_padding(hidden, (models, times - 1, batch, ctx.cell.differentiated * size), panel)
        given = ForwardPass(*(each.numpy() for each in saved))
        arrays = (d_hidden.contiguous().numpy(), weight.numpy(), given, gradient.numpy())
        results = training_runner.backward(ctx.cell, ctx.keeps, ctx.threads, *arrays)
        return None, None, None, None, gradient[..., -height:], *map(torch.from_numpy, results)


def _with_padding(like: Tensor, shape: tuple[int, ...], panel: int) -> Tensor:
    """An empty tensor past whose end there is memory: a product reads whole panels, and ignores what is too much."""
    return like.new_empty(math.prod(shape) + panel)[:-panel].view(shape)
