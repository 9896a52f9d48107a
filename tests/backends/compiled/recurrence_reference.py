"""The reference of the kernels: ``gru_viz.equations`` in a loop, differentiated by torch; and random arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.backends import compiled
from gru_viz.conventions import CONVENTIONS, Convention

VARIANTS = {
    "after_keeps": CONVENTIONS["torch"],
    "after_takes": replace(CONVENTIONS["torch"], name="after_takes", update="takes"),
    "before_keeps": CONVENTIONS["onnx"],
    "before_takes": CONVENTIONS["chung_2014"],
    "lstm": CONVENTIONS["torch_lstm"],
    "rnn": CONVENTIONS["torch_rnn"],
}
"""Every recurrence that there is: the other conventions differ from these in names and layout alone."""

Recurrence = Callable[..., Tensor]


class Arguments(NamedTuple):
    """The tensors of one call."""

    projected: Tensor
    weight: Tensor
    bias: Tensor
    states: tuple[Tensor, ...]

    def model(self, n: int) -> Arguments:
        return Arguments(*(each[n : n + 1] for each in self[:3]), tuple(each[n : n + 1] for each in self.states))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (*self[:3], *self.states)


def arguments(
    convention: Convention,
    models: int = 1,
    steps: int = 5,
    batch: int = 3,
    hidden: int = 4,
    *,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    scale: float = 1.0,
) -> Arguments:
    """Lopsided: no state and no bias is zero, and every model, step and unit has numbers of its own."""
    rows, random = len(convention.gates) * hidden, torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return scale * torch.randn(shape, generator=random, dtype=torch.float64).to(dtype)

    states = tuple(draw(models, batch, hidden) / scale for _ in convention.states)
    return Arguments(
        draw(models, steps, batch, rows), draw(models, rows, hidden) / hidden**0.5, draw(models, rows), states
    )


def looped(
    convention: Convention, projected: Tensor, weight: Tensor, bias: Tensor, states: tuple[Tensor, ...]
) -> Tensor:
    """The same recurrence, one model and one step after another."""
    models = []
    for n in range(projected.shape[0]):
        p = equations.Parameters(weight[n, :, :0], weight[n], bias[n], bias[n])
        previous, hidden = tuple(each[n] for each in states), []
        for x in projected[n]:
            new = equations.state(convention, equations.gates(convention, p, x, previous[0]), *previous)
            previous = tuple(new[name] for name in convention.states)
            hidden.append(new["hidden"])
        models.append(torch.stack(hidden))
    return torch.stack(models)


def with_gradients(convention: Convention, given: Arguments, run: Recurrence = compiled.recurrence) -> list[Tensor]:
    """The hidden states, and the gradients in every argument of a sum in which each of them has another weight."""
    copies = Arguments(
        *(each.clone().requires_grad_() for each in given[:3]),
        tuple(each.clone().requires_grad_() for each in given.states),
    )
    hidden = run(convention, copies.projected, copies.weight, copies.bias, copies.states)
    random = torch.Generator().manual_seed(1)
    weights = torch.randn(hidden.shape, generator=random, dtype=torch.float64).to(hidden.dtype)
    return [hidden.detach(), *torch.autograd.grad(hidden, copies.tensors, weights)]


def distance(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """The largest difference, relative to the largest value of the tensor it is in, or to 0.1; NaN counts as endless.

    Not to less than 0.1: where tanh saturates, 1 − h² is a small difference of numbers that were rounded at 1.
    """
    pairs = [(a.detach(), b.detach()) for a, b in zip(ours, theirs, strict=True)]
    differences = [float((a - b).abs().max() / b.abs().max().clamp_min(0.1)) for a, b in pairs]
    return max(float("inf") if math.isnan(each) else each for each in differences)
