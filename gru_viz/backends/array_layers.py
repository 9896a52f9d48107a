"""Running a network layer after layer on arrays in main memory, for the backends that need no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gru_viz.backends.interface import DirectionRun
from gru_viz.inputs import initial_states
from gru_viz.weights import CellWeights, Weights

__all__ = ["RunCell", "run_array_layers"]

RunCell = Callable[[CellWeights, np.ndarray, np.ndarray, np.ndarray, bool], dict[str, np.ndarray]]
"""Runs one layer in one direction, backward or not: cell, x (batch, time, features) contiguous, lengths (batch,), start
(states, batch, hidden) → name → (batch, time, hidden)."""


def run_array_layers(
    weights: Weights, x: np.ndarray, lengths: tuple[int, ...], h0: Any, run_cell: RunCell
) -> list[list[DirectionRun[np.ndarray]]]:
    """Run every layer and direction; the hidden states of one layer are read where they are by the next."""
    dtype = weights.compute_dtype
    fits = x.dtype == dtype and x.flags.c_contiguous and x.flags.aligned
    read, ends = x if fits else np.require(x, dtype, ("C", "A")), np.array(lengths)
    initial = _initial_arrays(h0, weights, len(x), dtype)
    layers: list[list[DirectionRun[np.ndarray]]] = []
    for layer in weights.layers:
        runs = []
        for d, cell in enumerate(layer):
            start = next(initial)
            quantities = run_cell(cell, read, ends, start, bool(d))
            names = cell.convention.states
            runs.append(DirectionRun(cell, quantities, read, dict(zip(names, start, strict=True))))
        layers.append(runs)
        read = runs[0].quantities["hidden"]
        if len(runs) > 1:
            read = np.concatenate([run.quantities["hidden"] for run in runs], -1)
    return layers


def _initial_arrays(h0: Any, weights: Weights, batch: int, dtype: np.dtype) -> Iterator[np.ndarray]:
    """The initial states (states, batch, hidden) of each layer and direction."""
    names = weights.convention.states
    if h0 is None:
        for layer in weights.layers:
            for cell in layer:
                yield np.zeros((len(names), batch, cell.hidden), dtype)
        return
    given = initial_states(h0, weights, batch, dtype)
    for states in zip(*(given[name] for name in names), strict=True):
        yield np.stack(states)
