"""Runs one long sequence chunk by chunk, and any part of it again from the stored states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gru_viz.streaming.again import Again
from gru_viz.streaming.checkpoints import Checkpoints, DirectionKey, h0_of
from gru_viz.streaming.plan import Plan
from gru_viz.trace import DirectionTrace, Trace, trace
from gru_viz.verification import Proof
from gru_viz.weights import Weights

__all__ = ["INPUTS", "ChunkRunner"]

INPUTS: DirectionKey = (-1, 0)
NOTHING_RAN = Proof(0.0, 0.0, "")

Put = Callable[[DirectionKey, str, int, np.ndarray], object]


@dataclass
class ChunkRunner:
    """Runs one sequence through one network.

    Attributes:
        weights: the network.
        values: (time, features) the sequence.
        plan: how it is cut.
        checkpoints: where states are put, and taken from.
        backend: as for ``trace``.
        device: as for ``trace``.
        proof: of all chunks that ran for the first time.
        ran_on: the device that ran them, such as ``"cuda:0"``.
    """

    weights: Weights
    values: np.ndarray
    plan: Plan
    checkpoints: Checkpoints
    backend: Any
    device: str
    proof: Proof = NOTHING_RAN
    ran_on: str = ""

    def first_time(self, put: Put) -> Iterator[int]:
        """Run everything, in as many passes as it takes, yielding the steps of each chunk.

        Args:
            put: called with layer and direction, quantity, first step and values (time, units) in the order of time;
                what the network reads comes as ``"inputs"`` of layer −1.
        """
        passes = self._each_direction if self.weights.bidirectional else self._all_layers
        for steps, runs in passes():
            for key, run in runs:
                ordered = {name: values[0, :: -1 if key[1] else 1] for name, values in run.quantities.items()}
                if key == (0, 0):
                    put(INPUTS, "inputs", steps.start, run.inputs[0])
                for name, values in ordered.items():
                    put(key, name, steps.start, values)
                self.checkpoints.store(key, steps.start, ordered)
            yield steps.stop - steps.start

    def _all_layers(self) -> Iterator[tuple[slice, list[tuple[DirectionKey, DirectionTrace]]]]:
        """One pass is enough where every layer reads forward."""
        for steps in self.plan.spans():
            whole = self._run(self.weights, self.values[steps], self._start(self.weights, steps))
            yield steps, [((k, 0), layer.forward) for k, layer in enumerate(whole.layers)]

    def _each_direction(self) -> Iterator[tuple[slice, list[tuple[DirectionKey, DirectionTrace]]]]:
        """A pass for each layer and direction: a layer needs both directions of the one below, from end to end."""
        for k, layer in enumerate(self.weights.layers):
            for d, cell in enumerate(layer):
                alone, order = Weights(((cell,),)), -1 if d else 1
                for steps in self.plan.spans()[::order]:
                    boundary = self.plan.boundary(steps.stop if d else steps.start)
                    start = h0_of([self.checkpoints.read((k, d), boundary, boundary + 1)])
                    yield steps, [((k, d), self._run(alone, self._input(steps, k)[::order], start).layers[0].forward)]

    def _start(self, weights: Weights, steps: slice) -> Any:
        """h0 at the begin of a chunk, of layers that all read forward."""
        boundary = self.plan.boundary(steps.start)
        return h0_of([self.checkpoints.read((k, 0), boundary, boundary + 1) for k in range(len(weights.layers))])

    def _run(self, weights: Weights, read: np.ndarray, start: Any) -> Trace:
        """A chunk for the first time, with its proof."""
        chunk = trace(weights, read, start, backend=self.backend, device=self.device)
        self.proof, self.ran_on = self.proof.merge(chunk.proof), chunk.device
        return chunk

    def _input(self, steps: slice, layer: int) -> np.ndarray:
        """What a layer reads in a chunk."""
        if not layer:
            return self.values[steps]
        below = self.again(steps.start, steps.stop, layer)
        directions = range(len(self.weights.layers[layer - 1]))
        return np.concatenate([below.quantities(layer - 1, d)["hidden"] for d in directions], -1)

    def again(self, start: int, stop: int, layers: int) -> Again:
        """Run the steps from ``start`` to before ``stop`` again through the lowest layers, from the stored states."""
        stride, lower = self.plan.stride, Weights(self.weights.layers[:layers])
        first = start // stride
        last = max(self.plan.boundary(stop), first + 1)
        read = self.values[first * stride : last * stride]
        whole, short = (last - first) * stride, len(read)
        if short < whole:
            read = np.concatenate([read, np.zeros((whole - short, read.shape[1]), read.dtype)])
        lengths = np.minimum(short - stride * np.arange(last - first), stride)
        h0 = h0_of([
            self.checkpoints.read((k, d), first + d, last + d)
            for k, layer in enumerate(lower.layers) for d in range(len(layer))
        ])  # fmt: skip
        segments = read.reshape(last - first, stride, -1)
        batch = trace(lower, segments, h0, lengths.tolist(), self.backend, self.device)
        return Again(batch, slice(start - first * stride, stop - first * stride))
