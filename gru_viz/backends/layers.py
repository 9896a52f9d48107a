"""Running a network layer after layer, and a layer in both directions, for the backends that work on tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru_viz.backends.interface import DirectionRun, StateList
from gru_viz.conventions import Convention
from gru_viz.equations import Parameters
from gru_viz.inputs import initial_states
from gru_viz.weights import CellWeights, Weights

__all__ = ["RunDirection", "RunLayer", "full_precision", "join_directions", "run_directions", "run_layers"]

RunLayer = Callable[
    [Sequence[CellWeights], Tensor, tuple[int, ...], Mapping[str, StateList]], list[DirectionRun[Tensor]]
]
"""Runs the directions of one layer over x (batch, time, features) of given lengths, from the states of each."""

RunDirection = Callable[[Convention, Parameters, Tensor, Mapping[str, Tensor]], dict[str, Tensor]]
"""Runs one direction over x (batch, time, features) from its first step: name → (batch, time, hidden)."""


def run_layers(
    weights: Weights, x: np.ndarray, lengths: tuple[int, ...], h0: Any, device: str, run_layer: RunLayer
) -> list[list[DirectionRun[Tensor]]]:
    """Run every layer over x (batch, time, features), the first on the inputs, the others on the states below.

    Each layer's quantities are brought to main memory before the next one runs.
    """
    place, dtype = torch.device(device), getattr(torch, str(weights.compute_dtype))
    layers: list[list[DirectionRun[Tensor]]] = []
    with torch.inference_mode(), full_precision(place):
        below = torch.as_tensor(x).to(place, dtype)
        given = initial_states(h0, weights, len(x), weights.compute_dtype)
        initial = {name: [torch.from_numpy(state).to(place) for state in states] for name, states in given.items()}
        for k, layer in enumerate(weights.layers):
            start = {name: s[k * len(layer) : (k + 1) * len(layer)] for name, s in initial.items()}
            runs = (run_layer if x.shape[1] else _run_no_step)(layer, below, lengths, start)
            below = join_directions(runs)
            layers.append([run._replace(quantities={n: q.cpu() for n, q in run.quantities.items()}) for run in runs])
    return layers


def run_directions(
    run: RunDirection,
    layer: Sequence[CellWeights],
    x: Tensor,
    lengths: tuple[int, ...],
    initial: Mapping[str, StateList],
) -> list[DirectionRun[Tensor]]:
    """Run a layer in each of its directions, the backward one over the flipped sequences."""
    runs = []
    for d, cell in enumerate(layer):
        start = {name: states[d] for name, states in initial.items()}
        flip = _flip_index(lengths, x) if d else None
        ordered = x if flip is None else _take_steps(x, flip)
        quantities = run(cell.convention, cell.parameters(x.device, x.dtype), ordered, start)
        if flip is not None:
            quantities = {name: _take_steps(q, flip) for name, q in quantities.items()}
        runs.append(DirectionRun(cell, quantities, x, start))
    return runs


def join_directions(runs: Sequence[DirectionRun[Tensor]]) -> Tensor:
    """The hidden states that the next layer reads, (batch, time, directions·hidden)."""
    hidden = [run.quantities["hidden"] for run in runs]
    return hidden[0] if len(hidden) == 1 else torch.cat(hidden, -1)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keep cuDNN's RNN from computing in TF32, its default, which would loosen the proof to 1e-3."""
    if device.type != "cuda":
        yield
        return
    settings: tuple[Any, ...] = (torch.backends.cudnn.rnn, torch.backends.cuda.matmul)
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        yield
    finally:
        for setting, precision in zip(settings, before, strict=True):
            setting.fp32_precision = precision


def _run_no_step(
    layer: Sequence[CellWeights], x: Tensor, _: tuple[int, ...], initial: Mapping[str, StateList]
) -> list[DirectionRun[Tensor]]:
    return [
        DirectionRun(
            cell,
            {q.name: x.new_zeros(*x.shape[:2], cell.hidden) for q in cell.convention.quantities},
            x,
            {name: states[d] for name, states in initial.items()},
        )
        for d, cell in enumerate(layer)
    ]


def _flip_index(lengths: tuple[int, ...], x: Tensor) -> Tensor:
    """For each sequence its steps in reverse, flipped within its own length."""
    n, t = torch.tensor(lengths, device=x.device)[:, None], torch.arange(x.shape[1], device=x.device)[None]
    return torch.where(t < n, n - 1 - t, t)


def _take_steps(x: Tensor, index: Tensor) -> Tensor:
    return torch.take_along_dim(x, index[..., None], 1)
