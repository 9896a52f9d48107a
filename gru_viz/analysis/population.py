"""What a network does with many sequences: a few numbers of each, and their average step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from gru_viz.errors import TraceError
from gru_viz.progress import Progress
from gru_viz.sequences import Sequences
from gru_viz.streaming import stream
from gru_viz.trace import DirectionTrace, Trace, trace
from gru_viz.weights import Weights

__all__ = ["Population", "survey"]

LOW, HIGH = 0.1, 0.9
"""A gate beyond these is called saturated, as by Karpathy, Johnson and Fei-Fei (2015)."""

TOGETHER = 2**23
"""The most values of all quantities of a layer that are traced at once."""


@dataclass(frozen=True, eq=False)
class Population:
    """A network's run over many sequences, in numbers.

    Attributes:
        names: what each sequence is called.
        lengths: (sequences,) how many steps each has.
        means: gate → (sequences,) its mean over all steps and units.
        saturated: (sequences,) the share of all gates' values below 0.1 or above 0.9.
        largest: (sequences,) the largest magnitude of the hidden state, over all steps and units.
        final: (sequences,) the Euclidean norm of the hidden state after the last step read.
        travelled: (sequences,) the length of the hidden state's path: the norms of its changes from step to step,
            added up.
        average: quantity → (units, steps) its mean over all sequences that reach the step, all aligned at their start.
        reach: (steps,) how many sequences reach each step.
        proven: whether the proof of every trace behind these numbers is within its bound.
    """

    names: tuple[str, ...]
    lengths: Int[np.ndarray, " sequences"]
    means: Mapping[str, Float[np.ndarray, " sequences"]]
    saturated: Float[np.ndarray, " sequences"]
    largest: Float[np.ndarray, " sequences"]
    final: Float[np.ndarray, " sequences"]
    travelled: Float[np.ndarray, " sequences"]
    average: Mapping[str, Float[np.ndarray, "units steps"]]
    reach: Int[np.ndarray, " steps"]
    proven: bool

    def columns(self) -> dict[str, Any]:
        """The numbers as the columns of a table, one row a sequence."""
        gates = {f"mean {name}": values for name, values in self.means.items()}
        saturated = {"saturated": self.saturated} if self.means else {}
        state = {"largest |h|": self.largest, "final |h|": self.final, "travelled": self.travelled}
        return {"sequence": self.names, "steps": self.lengths} | gates | saturated | state


def survey(
    model: Weights | torch.nn.Module,
    sequences: Sequences,
    layer: int = 0,
    direction: Literal["forward", "backward"] = "forward",
    *,
    backend: Any = "auto",
    device: str = "cpu",
    most_steps: int = 2000,
    progress: Progress | None = None,
) -> Population:
    """Run a network over many sequences of unequal length, a batch at a time, and keep a few numbers of each.

    Memory is bounded by a batch, and by the result: sequences of like lengths are traced together, and one that is too
    long for that is traced window by window.

    One layer, counted from 0, and one direction are measured, and the average has ``most_steps`` at most. ``progress``
    is called between batches with the steps done and those of all sequences; what it raises ends the run. The other
    arguments are as for ``trace``.

    Raises:
        TraceError: there is no sequence, or no such layer or direction.
    """
    weights = model if isinstance(model, Weights) else Weights.from_module(model)
    lengths = np.array(sequences.lengths, np.int64)
    _check(weights, lengths, layer, direction)
    tally = _Tally(weights, layer, lengths, min(most_steps, int(lengths.max())))
    states = sum(cell.hidden for each in weights.layers for cell in each)
    most = max(TOGETHER // (states * len(weights.convention.quantities)), 1)
    done = 0
    for members in _batches(lengths, most):
        for run, first, steps in _runs(weights, sequences, members, most, backend, device):
            tally.add(getattr(run.layers[layer], direction), members, first)
            tally.proven &= run.proof.holds
            done += steps
            if progress is not None:
                progress(done, int(lengths.sum()))
    return tally.population(tuple(item.name for item in sequences))


def _check(weights: Weights, lengths: np.ndarray, layer: int, direction: str) -> None:
    if not len(lengths):
        raise TraceError("sequences", "none", "at least one", "Pass at least one sequence.")
    if not 0 <= layer < len(weights.layers):
        raise TraceError(f"layer {layer}", f"{len(weights.layers)} layers", "one of them, from 0", "Choose another.")
    if direction == "backward" and not weights.bidirectional:
        raise TraceError("direction 'backward'", "one that reads forward", "'forward'", "Choose it.")


def _batches(lengths: Int[np.ndarray, " sequences"], most: int) -> Iterator[Int[np.ndarray, " members"]]:
    """Sequences of like lengths, so many that they have at most so many steps together, padded."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for at in range(1, len(order) + 1):
        if at == len(order) or (at + 1 - start) * int(lengths[order[at]]) > most:
            yield order[start:at]
            start = at


def _runs(
    weights: Weights, sequences: Sequences, members: np.ndarray, most: int, backend: Any, device: str
) -> Iterator[tuple[Trace, int, int]]:
    """The traces of a batch, with the step at which each begins, and how many steps are done with it."""
    items = tuple(sequences[int(at)] for at in members)
    length = max(len(item) for item in items)
    if len(items) > 1 or length <= most:
        together = Sequences(items, sequences.scaling)
        yield trace(weights, together, backend=backend, device=device), 0, sum(together.lengths)
        return
    long = stream(weights, items[0], backend=backend, device=device)
    for start in range(0, length, most):
        stop = min(start + most, length)
        yield long.window(start, stop), start, stop - start


class _Tally:
    """Sums over what has been traced so far."""

    def __init__(self, weights: Weights, layer: int, lengths: np.ndarray, steps: int) -> None:
        kinds, units, count = weights.convention.quantities, weights.units[layer], len(lengths)
        self.units, self.lengths, self.proven = units, lengths, True
        self.gates = {kind.name: np.zeros(count) for kind in kinds if kind.kind == "gate"}
        self.saturated, self.largest, self.final, self.travelled = (np.zeros(count) for _ in range(4))
        self.sums = {kind.name: np.zeros((steps, units)) for kind in kinds}
        self.reach = np.zeros(steps, np.int64)

    def add(self, run: DirectionTrace, members: np.ndarray, first: int) -> None:
        """Count in a run of these sequences that begins at a step."""
        lengths = np.array(run.lengths)
        there = np.arange(run.hidden.shape[1]) < lengths[:, None]
        steps_here = slice(first, min(first + there.shape[1], len(self.reach)))
        span = max(steps_here.stop - steps_here.start, 0)
        if span:
            self.reach[steps_here] += there[:, :span].sum(axis=0)
        for name, quantity in run.quantities.items():
            values = quantity if there.all() else np.where(there[:, :, None], quantity, 0)
            if span:
                self.sums[name][steps_here] += values[:, :span].sum(axis=0, dtype=np.float64)
            if name in self.gates:
                self.gates[name][members] += values.sum(axis=(1, 2), dtype=np.float64)
                beyond = (quantity < LOW) | (quantity > HIGH)  # what is past an end is NaN, and neither
                self.saturated[members] += beyond.sum(axis=(1, 2))
            if name == "hidden":
                self.largest[members] = np.maximum(self.largest[members], np.abs(values).max(axis=(1, 2), initial=0))
        moved = np.linalg.norm(run.hidden - run.previous(), axis=2)
        self.travelled[members] += np.where(there, moved, 0).sum(axis=1, dtype=np.float64)
        if not run.backward or first == 0:  # the last step read: a later window comes later
            self.final[members] = np.linalg.norm(run.final(), axis=1)

    def population(self, names: tuple[str, ...]) -> Population:
        """The means of what was summed."""
        values = np.maximum(self.lengths * self.units, 1)
        return Population(
            names=names,
            lengths=self.lengths,
            means=MappingProxyType({name: total / values for name, total in self.gates.items()}),
            saturated=self.saturated / values / max(len(self.gates), 1),
            largest=self.largest,
            final=self.final,
            travelled=self.travelled,
            average=MappingProxyType(
                {n: (total / np.maximum(self.reach, 1)[:, None]).T for n, total in self.sums.items()}
            ),
            reach=self.reach,
            proven=self.proven,
        )
