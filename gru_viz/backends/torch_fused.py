"""The backend "torch": the framework's own fused layers, then every gate recovered from their hidden states.

A GRU whose reset gate acts before the recurrent product has no such layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru_viz.backends.gate_recovery import inside, recover_layer
from gru_viz.backends.interface import BackendRun, DirectionRun, StateList, finished_run
from gru_viz.backends.layers import full_precision, join_directions, run_layers
from gru_viz.verification import largest
from gru_viz.weights import CellWeights, Weights

__all__ = ["fuse", "run"]


def run(weights: Weights, x: np.ndarray, lengths: tuple[int, ...], h0: Any, device: str) -> BackendRun:
    """Run every layer and direction over x (batch, time, features)."""
    differences = [0.0]

    def run_layer(
        layer: Sequence[CellWeights], x: Tensor, lengths: tuple[int, ...], initial: Mapping[str, StateList]
    ) -> list[DirectionRun[Tensor]]:
        hidden, last = fuse(Weights((tuple(layer),)), x, lengths, initial)
        runs, difference = recover_layer(layer, x, lengths, initial, hidden, last)
        differences.append(difference)
        return runs

    layers = run_layers(weights, x, lengths, h0, device, run_layer)
    if x.shape[1] and len(layers) > 1 and len(set(weights.units)) == 1:
        differences.append(_difference_at_once(weights, layers, lengths))
    where = str(layers[0][0].inputs.device)
    return finished_run(weights, layers, where, computed_states=True, difference=max(differences))


def _difference_at_once(
    weights: Weights, layers: Sequence[Sequence[DirectionRun[Tensor]]], lengths: tuple[int, ...]
) -> float:
    """How far the top layer's states are from those of all layers run by torch at once."""
    x, runs = layers[0][0].inputs, [run for layer in layers for run in layer]
    initial = {name: [run.initial[name] for run in runs] for name in weights.convention.states}
    with torch.inference_mode(), full_precision(x.device):
        hidden = fuse(weights, x, lengths, initial)[0].cpu()
        mask = inside(lengths, hidden)
        return largest(join_directions(layers[-1])[mask].numpy(), hidden[mask].numpy())


def fuse(
    weights: Weights,
    x: Tensor,
    lengths: tuple[int, ...],
    initial: Mapping[str, StateList],
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Let torch run layers of one size at once over x (batch, time, features), each sequence to its own end.

    It computes in ``dtype``, by default that of x. Returns the hidden states of the top layer (batch, time,
    directions·hidden), and state name → the last states of all layers and directions (·, batch, hidden).
    """
    dtype = dtype or x.dtype
    module = weights.to_module().to(x.device, dtype)
    states = {name: torch.stack(list(each)).to(dtype) for name, each in initial.items()}

    def call(read: Any, given: list[Tensor]) -> tuple[Any, tuple[Tensor, ...]]:
        output, last = module(read, tuple(given) if len(given) > 1 else given[0])
        return output, last if isinstance(last, tuple) else (last,)

    x = x.to(dtype)
    if all(n == x.shape[1] for n in lengths):
        hidden, ends = call(x, list(states.values()))
        return hidden, dict(zip(states, ends, strict=True))
    hidden = x.new_zeros(*x.shape[:2], weights.hidden * len(weights.layers[0]))
    used = [i for i, n in enumerate(lengths) if n]
    if used:
        steps = torch.tensor([lengths[i] for i in used], device="cpu")
        packed = torch.nn.utils.rnn.pack_padded_sequence(x[used], steps, batch_first=True, enforce_sorted=False)
        output, ends = call(packed, [state[:, used].contiguous() for state in states.values()])
        values, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
        rows = torch.tensor(used, device=x.device)
        hidden = hidden.to(values.dtype).index_copy(0, rows, values)
        for (name, state), end in zip(list(states.items()), ends, strict=True):
            states[name] = state.to(end.dtype).index_copy(1, rows, end)
    return hidden, states
