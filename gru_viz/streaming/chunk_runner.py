"""Runs one long sequence chunk by chunk, and any part of it again from the stored states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gru_viz.proof import Proof
from gru_viz.streaming.plan import Plan
from gru_viz.streaming.pyramid import Rows, Scratch
from gru_viz.trace import DirectionTrace, LayerTrace, Trace, trace
from gru_viz.weights import Weights

DirectionKey = tuple[int, int]
"""A layer and a direction (0 forward, 1 backward)."""

INPUTS: DirectionKey = (-1, 0)
NOTHING_RAN = Proof(0.0, 0.0, "")

Put = Callable[[DirectionKey, str, int, np.ndarray], object]
"""Called with a direction, a quantity, the first step and values (time, units) in the order of time; what the network
reads comes as ``"inputs"`` of ``INPUTS``."""


class Checkpoints:
    """The states of every layer and direction at each boundary, every ``plan.stride`` steps and at the end.

    Row b holds the states at step ``b · stride``: a forward direction comes to it from the left, a backward one from
    the right.
    ``initial`` has the states that each direction begins with, at its own end of the sequence.
    """

    def __init__(
        self, weights: Weights, plan: Plan, initial: Mapping[DirectionKey, np.ndarray], scratch: Scratch
    ) -> None:
        self._stride, self._names = plan.stride, weights.convention.states
        self._rows = {
            key: Rows(plan.segments + 1, states.shape, weights.compute_dtype, scratch)
            for key, states in initial.items()
        }
        for key, states in initial.items():
            self._rows[key].write(plan.segments if key[1] else 0, states[None])

    def store(self, key: DirectionKey, first: int, quantities: Mapping[str, np.ndarray]) -> None:
        """Store the states at the boundaries within a chunk from step ``first`` on, and at the end it runs to."""
        steps = len(quantities["hidden"])
        after = np.arange(0, steps, self._stride)  # a boundary's step; read last by who comes from the right
        if not key[1]:
            after = np.minimum(after + self._stride, steps) - 1
        if steps:
            states = np.stack([quantities[name][after] for name in self._names], 1)
            self._rows[key].write(first // self._stride + 1 - key[1], states)

    def read(self, key: DirectionKey, first: int, last: int) -> np.ndarray:
        """The states (boundaries, states, hidden) of a layer and direction."""
        return self._rows[key].read(first, last)


def h0_of(states: list[np.ndarray]) -> Any:
    """h0 for ``trace`` from the states (batch, states, hidden) of each layer and direction."""
    each = [[one[:, n] for one in states] for n in range(states[0].shape[1])]
    same = len({one.shape for one in each[0]}) == 1
    named = [np.stack(one) if same else one for one in each]
    return named[0] if len(named) == 1 else tuple(named)


class Again(NamedTuple):
    """What ran again, and which of it was wanted.

    Attributes:
        batch: the trace of the segments, neighbours in time: each step of a segment but the last is there.
        wanted: the requested steps, counted from the first segment's first.
    """

    batch: Trace
    wanted: slice

    def quantities(self, layer: int, direction: int) -> dict[str, np.ndarray]:
        """Name → (time, hidden) of the steps wanted."""
        run = self.batch.layers[layer].directions[direction]
        return {name: _join(values)[self.wanted] for name, values in run.quantities.items()}

    def layers(self) -> tuple[LayerTrace, ...]:
        """The steps wanted, as the layers of a trace of one sequence; copied, so that the rest need not stay."""
        return tuple(LayerTrace(*(self._cut(run) for run in layer.directions)) for layer in self.batch.layers)

    def _cut(self, run: DirectionTrace) -> DirectionTrace:
        start, stop = self.wanted.start, self.wanted.stop
        edge, before = (-1, stop) if run.backward else (0, start - 1)
        within = stop < sum(run.lengths) if run.backward else start > 0
        return replace(
            run,
            quantities={name: _join(values)[None, start:stop].copy() for name, values in run.quantities.items()},
            inputs=_join(run.inputs)[None, start:stop].copy(),
            initial={
                name: _join(run.quantities[name])[before : before + 1].copy() if within else states[[edge]]
                for name, states in run.initial.items()
            },
            lengths=(stop - start,),
        )


def _join(values: np.ndarray) -> np.ndarray:
    """From (segments, time, units) to (time, units)."""
    return values.reshape(-1, values.shape[-1])


@dataclass
class ChunkRunner:
    """Runs one sequence, ``values`` (time, features), through one network, on a backend and a device as for ``trace``.

    ``proof`` is of all chunks that ran for the first time, and ``ran_on`` the device that ran them.
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
        """Run everything, in as many passes as it takes, yielding the number of steps of each chunk."""
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
            start = h0_of([self._states((k, 0), steps.start) for k in range(len(self.weights.layers))])
            whole = self._run(self.weights, self.values[steps], start)
            yield steps, [((k, 0), layer.forward) for k, layer in enumerate(whole.layers)]

    def _each_direction(self) -> Iterator[tuple[slice, list[tuple[DirectionKey, DirectionTrace]]]]:
        """A pass for each layer and direction: a layer needs both directions of the one below, from end to end."""
        for k, layer in enumerate(self.weights.layers):
            for d, cell in enumerate(layer):
                alone, order = Weights(((cell,),)), -1 if d else 1
                for steps in self.plan.spans()[::order]:
                    start = h0_of([self._states((k, d), steps.stop if d else steps.start)])
                    yield steps, [((k, d), self._run(alone, self._input(steps, k)[::order], start).layers[0].forward)]

    def _states(self, key: DirectionKey, step: int) -> np.ndarray:
        """The states (1, states, hidden) of a direction at the boundary of a chunk."""
        boundary = self.plan.boundary(step)
        return self.checkpoints.read(key, boundary, boundary + 1)

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
