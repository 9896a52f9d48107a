"""Optimisers, learning-rate schedules and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from gru_viz.training.settings import Lane

__all__ = ["Optimiser", "clip_each", "scheduled"]

MOMENTUM = 0.9
DECAY = {"adamw": 0.01}
MOMENTS = (0.9, 0.999)
AVERAGE = 0.99
EPSILON = 1e-8

STATE = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "rmsprop": ("square_avg",),
    "sgd": ("momentum_buffer",),
}
"""What each optimiser stores for a parameter, by the names of ``torch.optim``; all but ``"sgd"`` also count steps."""


class Optimiser:
    """Updates parameters as ``torch.optim`` does, bit for bit, by the same operations of torch.

    The first optimiser of ``torch.optim`` imports torch's compiler, which takes more than a second and 150 MB, and no
    update uses it.

    Args:
        lane: says which optimiser.
        parameters: name → leaf tensor; all on one device, of one dtype.

    Example:
        >>> weight = torch.tensor([1.0], requires_grad=True)
        >>> optimiser = Optimiser(Lane(optimiser="sgd"), {"weight": weight})
        >>> weight.square().sum().backward()
        >>> optimiser.step(0.25)
        >>> weight.tolist()
        [0.5]
    """

    def __init__(self, lane: Lane, parameters: Mapping[str, Tensor]) -> None:
        self.name, self.parameters = lane.optimiser, dict(parameters)
        self._state: dict[str, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Remove the gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every parameter that has a gradient, with a learning rate."""
        given = {name: p for name, p in self.parameters.items() if p.grad is not None}
        first = not self._state
        for name in given.keys() - self._state.keys():
            self._state[name] = self._zeros(given[name])
        state = {what: [self._state[name][what] for name in given] for what in next(iter(self._state.values()), {})}
        parameters, gradients = list(given.values()), [p.grad for p in given.values() if p.grad is not None]
        match self.name:
            case "rmsprop":
                _rmsprop(parameters, gradients, state, rate)
            case "sgd":
                _sgd(parameters, gradients, state, rate, first)
            case _:
                _adam(parameters, gradients, state, rate, DECAY.get(self.name, 0.0))

    def _zeros(self, parameter: Tensor) -> dict[str, Tensor]:
        zeros = {what: torch.zeros_like(parameter) for what in STATE[self.name]}
        if self.name != "sgd":
            zeros["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        return zeros

    def arrays(self) -> dict[str, np.ndarray]:
        """The state by ``"optimiser.<parameter>.<name>"``; empty before the first update."""
        return {
            f"optimiser.{name}.{what}": tensor.cpu().numpy().copy()
            for name, state in self._state.items()
            for what, tensor in state.items()
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore the state from ``arrays``, whatever axes of length 1 a file has added or removed."""
        for name, parameter in self.parameters.items():
            state = self._zeros(parameter)
            read = {what: arrays.get(f"optimiser.{name}.{what}") for what in state}
            if all(array is not None for array in read.values()):
                self._state[name] = {
                    what: tensor.copy_(torch.tensor(read[what]).reshape(tensor.shape)) for what, tensor in state.items()
                }


State = Mapping[str, list[Tensor]]
"""Of every parameter, in their order."""


def _adam(parameters: list[Tensor], gradients: list[Tensor], state: State, rate: float, decay: float) -> None:
    """Adam (Kingma and Ba 2015), with decoupled weight decay (Loshchilov and Hutter 2019)."""
    torch._foreach_add_(state["step"], 1)
    update = torch._fused_adamw_ if decay else torch._fused_adam_
    update(
        parameters,
        gradients,
        state["exp_avg"],
        state["exp_avg_sq"],
        [],
        state["step"],
        lr=rate,
        beta1=MOMENTS[0],
        beta2=MOMENTS[1],
        weight_decay=decay,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
    )


def _rmsprop(parameters: list[Tensor], gradients: list[Tensor], state: State, rate: float) -> None:
    """RMSprop (Tieleman and Hinton 2012)."""
    torch._foreach_add_(state["step"], 1)
    torch._foreach_mul_(state["square_avg"], AVERAGE)
    torch._foreach_addcmul_(state["square_avg"], gradients, gradients, value=1 - AVERAGE)
    roots = torch._foreach_sqrt(state["square_avg"])
    torch._foreach_add_(roots, EPSILON)
    torch._foreach_addcdiv_(parameters, gradients, roots, value=-rate)


def _sgd(parameters: list[Tensor], gradients: list[Tensor], state: State, rate: float, first: bool) -> None:
    """Gradient descent with momentum, which the first step sets to the gradient."""
    torch._fused_sgd_(
        parameters,
        gradients,
        state["momentum_buffer"],
        weight_decay=0.0,
        momentum=MOMENTUM,
        lr=rate,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=first,
    )


def scheduled(schedule: str, rate: float, update: int, planned: int) -> float:
    """The learning rate of an update, from 0; constant after the planned end."""
    done = min(update, planned - 1) / planned
    match schedule:
        case "cosine":
            return rate * _cosine(done)
        case "warmup":
            return rate * (min(1.0, (done + 1 / planned) * 10) if done < 0.1 else _cosine((done - 0.1) / 0.9))
        case "halving":
            return float(rate * 0.5 ** int(done * 4))
    return rate


def _cosine(done: float) -> float:
    return 0.1 + 0.45 * (1 + math.cos(math.pi * done))


def clip_each(gradients: Iterable[Tensor], most: float) -> Tensor:
    """Clip the norm of each model's gradient, (models, …), in place (Pascanu et al. 2013); ``most`` = 0 only measures.

    Returns:
        (models,) norms before clipping.
    """
    listed = list(gradients)
    norms = torch.stack([g.flatten(1).square().sum(1) for g in listed]).sum(0).sqrt()
    if most:
        scale = (most / norms.clamp(min=most)).nan_to_num(1.0)
        for g in listed:
            g.mul_(scale.view(-1, *[1] * (g.ndim - 1)))
    return norms
