"""Optimisers, learning-rate schedules and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from gru_viz.training.settings import Lane

__all__ = ["clip_each", "make_optimiser", "optimiser_arrays", "restore_optimiser", "scheduled"]


def make_optimiser(lane: Lane, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Build the lane's optimiser, by torch's own classes."""
    rate, listed = lane.learning_rate, list(parameters)
    match lane.optimiser:
        case "adam":
            return torch.optim.Adam(listed, lr=rate, fused=True)
        case "adamw":
            return torch.optim.AdamW(listed, lr=rate, weight_decay=0.01, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(listed, lr=rate, foreach=True)
        case _:
            return torch.optim.SGD(listed, lr=rate, momentum=0.9, fused=True)


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


def optimiser_arrays(optimiser: torch.optim.Optimizer, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The state of an optimiser by ``"optimiser.<parameter>.<name>"``."""
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser.{name}.{what}": value.detach().cpu().numpy().copy()
        for at, name in enumerate(names)
        for what, value in state.get(at, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, names: Iterable[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Restore the state from ``optimiser_arrays``: counts become scalars, other arrays get their parameter's shape."""
    written = optimiser.state_dict()
    shapes = [tensor.shape for group in optimiser.param_groups for tensor in group["params"]]
    for at, name in enumerate(names):
        state = {}
        for key, array in arrays.items():
            owner, _, what = key.rpartition(".")
            if owner == f"optimiser.{name}":
                state[what] = torch.tensor(array).reshape(() if what == "step" else shapes[at])
        if state:
            written["state"][at] = state
    optimiser.load_state_dict(written)
