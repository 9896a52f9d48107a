"""Running one long sequence chunk by chunk, with the states kept where chunks meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gru_viz.streaming.plan import Plan, dtype_of
from gru_viz.streaming.store import Rows, Scratch
from gru_viz.trace import DirectionTrace, Trace, trace
from gru_viz.weights import Weights

__all__ = ["INPUTS", "Checkpoints", "Key", "Proof", "Sweep", "ends"]

Key = tuple[int, int]
"""A layer and a direction (0 forward, 1 backward)."""

INPUTS: Key = (-1, 0)

Put = Callable[[Key, str, int, np.ndarray], object]


class Checkpoints:
    """The states of every layer and direction where chunks meet.

    Row c holds the state at the boundary before chunk c; a forward direction comes to it from the left, a backward one
    from the right. The last row is the end of the sequence.
    """

    def __init__(self, weights: Weights, chunks: int, scratch: Scratch | None) -> None:
        self.names = weights.convention.states
        self._rows = {
            (k, d): Rows(chunks + 1, (len(self.names), cell.hidden), dtype_of(weights), scratch)
            for k, layer in enumerate(weights.layers)
            for d, cell in enumerate(layer)
        }

    def put(self, key: Key, boundary: int, states: np.ndarray) -> None:
        """Keep the states (states, hidden) of a layer and direction at a boundary."""
        self._rows[key].write(boundary, states[None])

    def get(self, key: Key, boundary: int) -> np.ndarray:
        """The states (states, hidden) of a layer and direction at a boundary."""
        return self._rows[key].read(boundary, boundary + 1)[0]

    def start(self, weights: Weights, first: int, last: int) -> Any:
        """h0 for ``trace`` over the chunks from ``first`` to before ``last``, through the layers of ``weights``."""
        return h0_of([
            self.get((k, d), last if d else first) for k, layer in enumerate(weights.layers) for d in range(len(layer))
        ])  # fmt: skip


def h0_of(states: list[np.ndarray]) -> Any:
    """h0 for ``trace`` from the states (states, hidden) of each layer and direction."""
    each = [[one[n][None] for one in states] for n in range(len(states[0]))]
    if len({one.shape for one in each[0]}) == 1:
        stacked = [np.stack(one) for one in each]
        return stacked[0] if len(stacked) == 1 else tuple(stacked)
    return each[0] if len(each) == 1 else tuple(each)


def ends(run: DirectionTrace) -> np.ndarray:
    """The states (states, hidden) after the last step that a direction read."""
    names = run.convention.states
    if not run.lengths[0]:
        return np.stack([run.initial[name][0] for name in names])
    return np.stack([run.quantities[name][0, 0 if run.backward else -1] for name in names])


@dataclass
class Proof:
    """The largest proof of any chunk, the largest bound, and what the gates were held against."""

    value: float = 0.0
    bound: float = 0.0
    witness: str = ""
    backend: str = ""
    device: str = ""

    def add(self, chunk: Trace) -> None:
        """Take in the proof of a chunk."""
        self.value, self.bound = max(self.value, chunk.proof), max(self.bound, chunk.bound)
        self.witness, self.backend, self.device = chunk.witness, chunk.backend, chunk.device


@dataclass
class Sweep:
    """Runs chunks of one sequence through one network.

    Attributes:
        weights: the network.
        values: (time, features) the sequence.
        plan: how it is cut.
        checkpoints: where states are put, and taken from.
        backend: as for ``trace``.
        device: as for ``trace``.
    """

    weights: Weights
    values: np.ndarray
    plan: Plan
    checkpoints: Checkpoints
    backend: Any
    device: str
    proof: Proof = field(default_factory=Proof)

    def again(self, first: int, last: int, layers: int) -> Trace:
        """The chunks from ``first`` to before ``last`` once more through the lowest layers, from the states kept."""
        lower = Weights(self.weights.layers[:layers])
        steps = slice(first * self.plan.chunk, min(last * self.plan.chunk, self.plan.length))
        return trace(
            lower, self.values[steps], self.checkpoints.start(lower, first, last), None, self.backend, self.device
        )

    def first_time(self, put: Put) -> Iterator[int]:
        """Run everything, in as many passes as it takes, giving after each chunk the steps it had.

        Args:
            put: called with layer and direction, quantity, chunk and values (time, units) in the order of time; what
                the network reads comes as ``"inputs"`` of layer −1.
        """
        passes = self._each_direction if self.weights.bidirectional else self._all_layers
        for key, c, run in passes():
            if key == (0, 0):
                put(INPUTS, "inputs", c, run.inputs[0])
            for name, values in run.quantities.items():
                put(key, name, c, values[0, :: -1 if key[1] else 1])
            self.checkpoints.put(key, c + 1 - key[1], ends(run))
            if key[0] == len(self.weights.layers) - 1 or self.weights.bidirectional:
                yield run.lengths[0]

    def _all_layers(self) -> Iterator[tuple[Key, int, DirectionTrace]]:
        """One pass is enough where every layer reads forward."""
        for c in range(self.plan.chunks):
            whole = self.again(c, c + 1, len(self.weights.layers))
            self.proof.add(whole)
            for k, layer in enumerate(whole.layers):
                yield (k, 0), c, layer.forward

    def _each_direction(self) -> Iterator[tuple[Key, int, DirectionTrace]]:
        """A pass for each layer and direction: a layer needs both directions of the one below, from end to end."""
        for k, layer in enumerate(self.weights.layers):
            for d, cell in enumerate(layer):
                for c in range(self.plan.chunks)[:: -1 if d else 1]:
                    read = self._input(c, k)[:: -1 if d else 1]
                    start = h0_of([self.checkpoints.get((k, d), c + d)])
                    one = trace(Weights(((cell,),)), read, start, None, self.backend, self.device)
                    self.proof.add(one)
                    yield (k, d), c, one.layers[0].forward

    def _input(self, c: int, layer: int) -> np.ndarray:
        """What a layer reads in a chunk."""
        if not layer:
            return self.values[self.plan.span(c)]
        below = self.again(c, c + 1, layer).layers[-1]
        return np.concatenate([run.quantities["hidden"][0] for run in below.directions], -1)
