"""The proof of a trace: every state again from the gates shown, held against an independent witness.

The steps go through in blocks that stay in the processor's cache, so that a proof needs little memory at any length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.conventions import Convention
from gru_viz.weights import TORCH_CELL, CellWeights, Weights, convert

__all__ = ["AT_EACH_STEP", "Check", "Proof", "Run", "largest", "prove"]

CELLS = 1 << 17
"""How many gates a block has."""


class Proof(NamedTuple):
    """The largest difference from the witness, and how large one may be that is still rounding."""

    difference: float
    bound: float


class Check(NamedTuple):
    """What the gates of a trace are held against.

    Attributes:
        shown: the witness gave the states that are shown; otherwise it runs now, from the same state at each step:
            torch's own cell or, where torch has no such variant, the equations in float64.
        least: a difference that came to light while the network ran.
        eps: rounding of the arithmetic that ran, where it is coarser than that of the numbers shown.
    """

    shown: bool = False
    least: float = 0.0
    eps: float = 0.0


AT_EACH_STEP = Check()
"""The check of a network that no framework ran."""


class Run(Protocol):
    """What one layer did while reading in one direction: a ``DirectionTrace``."""

    @property
    def weights(self) -> CellWeights:
        """The matrices that ran."""

    @property
    def quantities(self) -> Mapping[str, np.ndarray]:
        """Name → (batch, time, hidden)."""

    @property
    def inputs(self) -> np.ndarray:
        """(batch, time, features)."""

    @property
    def initial(self) -> Mapping[str, np.ndarray]:
        """State name → (batch, hidden)."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """Steps of each sequence."""

    @property
    def backward(self) -> bool:
        """Whether it read from the last step to the first."""


def prove(runs: Iterable[Run], check: Check) -> Proof:
    """Hold the gates of all layers and directions against the witness."""
    found = [Proof(check.least, 0.0), *(_prove_run(run, check) for run in runs)]
    differences, bounds = zip(*found, strict=True)
    return Proof(max(differences), max(bounds))


def _prove_run(run: Run, check: Check) -> Proof:
    convention, cell = run.weights.convention, run.weights
    dtype = torch.float64 if run.inputs.dtype == np.float64 else torch.float32
    difference, read, kept = 0.0, torch.zeros(cell.features, dtype=dtype), torch.zeros((), dtype=dtype)
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        p, witness = cell.parameters(dtype=dtype), _Witness(cell, dtype)
        for block in _blocks(run, len(p.bias_input)):
            projected = equations.project(p, block.inputs)
            recurrent = equations.recur(p, block.previous[0])
            rebuilt = rebuild(convention, p, projected, block.quantities, block.previous, recurrent)
            shown = {name: block.quantities[name] for name in convention.states}
            if check.shown:
                difference = max(difference, _differ(rebuilt, shown))
            else:
                difference = max(difference, _differ([*rebuilt, shown], witness(block.inputs, block.previous)))
            read = torch.maximum(read, _sizes(block.inputs))
            kept = torch.maximum(kept, _sizes(shown["hidden"]).max())
        bound = rounding_bound(p, read, float(kept), check.eps) if any(run.lengths) else 0.0
    return Proof(difference, bound)


class _Block(NamedTuple):
    """Some steps, whichever sequence they are of, (steps, ·), and the states before each of them."""

    inputs: Tensor
    quantities: dict[str, Tensor]
    previous: list[Tensor]


def _blocks(run: Run, width: int) -> Iterator[_Block]:
    """All steps within their sequences, the rows of (batch · time)."""
    batch, steps, _ = run.inputs.shape
    lengths, size = np.array(run.lengths), max(CELLS // width, 128)
    every = {**run.quantities, "": run.inputs}
    flat = {name: values.reshape(batch * steps, values.shape[-1]) for name, values in every.items()}
    for first in range(0, batch * steps, size):
        rows = np.arange(first, min(first + size, batch * steps))
        sequence, step = rows // steps, rows % steps
        inside = step < lengths[sequence]
        rows, sequence, step = rows[inside], sequence[inside], step[inside]
        if not len(rows):
            continue
        begins = np.flatnonzero(step == (lengths[sequence] - 1 if run.backward else 0))
        before = rows + 1 if run.backward else rows - 1
        before[begins] = rows[begins]  # any row that is there
        previous = {name: flat[name][before] for name in run.weights.convention.states}
        for name, states in previous.items():
            states[begins] = run.initial[name][sequence[begins]]
        yield _Block(
            torch.from_numpy(flat[""][rows]),
            {name: torch.from_numpy(flat[name][rows]) for name in run.quantities},
            [torch.from_numpy(states) for states in previous.values()],
        )


class _Witness:
    """The next states from recorded ones, by torch's own cell, or by the equations in float64 where torch has none.

    Starting each step from the recorded state keeps the comparison fair for large weights, where a GRU is chaotic and
    two correct trajectories part.
    """

    def __init__(self, cell: CellWeights, dtype: torch.dtype) -> None:
        self.convention, alone = cell.convention, Weights(((cell,),))
        self.by_torch = alone.runs_in_torch
        if self.by_torch:
            cell = convert(alone, to=TORCH_CELL[cell.convention.cell]).layers[0][0]
        self.p = cell.parameters(dtype=dtype if self.by_torch else torch.float64)

    def __call__(self, x: Tensor, previous: Sequence[Tensor]) -> dict[str, Tensor]:
        """State name → (steps, hidden)."""
        if not self.by_torch:
            exact = [state.double() for state in previous]
            gates = equations.gates(self.convention, self.p, equations.project(self.p, x.double()), exact[0])
            return equations.state(self.convention, gates, *exact)
        if self.convention.cell == "lstm":
            hidden, cell = torch.lstm_cell(x, (previous[0], previous[1]), *self.p)
            return {"hidden": hidden, "cell": cell}
        step = torch.gru_cell if self.convention.cell == "gru" else torch.rnn_tanh_cell
        return {"hidden": step(x, previous[0], *self.p)}


def rebuild(
    convention: Convention,
    p: equations.Parameters,
    projected: Tensor,
    run: Mapping[str, Tensor],
    previous: Sequence[Tensor],
    recurrent: Tensor | None = None,
) -> list[Mapping[str, Tensor]]:
    """Every new state again, from the recorded gates.

    A GRU's is rebuilt twice, the second time with the candidate that the recorded reset gate leads to; otherwise a
    wrong reset beside a right candidate would pass. A plain network has no gates, and its state is its equation.
    """
    if convention.cell == "rnn":
        return [equations.gates(convention, p, projected, previous[0], recurrent)]
    rebuilt: list[Mapping[str, Tensor]] = [equations.state(convention, run, *previous)]
    if convention.cell == "gru":
        n = equations.candidate(convention, p, projected, previous[0], run["reset"], recurrent)
        if not torch.equal(n, run["candidate"]):  # the same candidate leads to the same state
            rebuilt.append(equations.state(convention, {**run, "candidate": n}, *previous))
    return rebuilt


def _differ(rebuilt: Sequence[Mapping[str, Tensor]], witness: Mapping[str, Tensor]) -> float:
    """The largest difference of any rebuilt state from the witness of its name; of a cell state, against its size."""
    sizes = {name: max(float(_sizes(true).max()), 1.0) if name == "cell" else 1.0 for name, true in witness.items()}
    return max(
        largest(each[name].to(true.dtype), true) / sizes[name]
        for each in rebuilt
        for name, true in witness.items()
        if name in each
    )


def rounding_bound(p: equations.Parameters, read: Tensor, kept: float, eps: float = 0.0) -> float:
    """How far two correct ways of computing a step may lie apart: 8 ε (1 + the largest sum of |terms| of a gate).

    Large weights let rounding weigh more; a fixed bound would call them unproven, or let small weights hide a fault.
    ε is that of ``read``, the largest |input| of each feature, or ``eps`` where that is coarser; ``kept`` is the
    largest |hidden state|. States lie between −1 and 1, so a bound near 1 would prove nothing: it ends at 1/16.
    """
    terms = p.weight_input.abs() @ read + p.weight_recurrent.abs().sum(1) * max(kept, 1.0)
    terms = terms + p.bias_input.abs() + p.bias_recurrent.abs()
    return min(float(8 * max(torch.finfo(read.dtype).eps, eps) * (1 + terms.max())), 2.0**-4)


def _sizes(values: Tensor) -> Tensor:
    """The largest |value| of each column, without what is not finite."""
    most = values.abs().amax(0)
    return most if most.isfinite().all() else values.nan_to_num(0, 0, 0).abs().amax(0)


def largest(a: Tensor, b: Tensor) -> float:
    """Max |a − b|; NaN against NaN and ∞ against ∞ agree, anything else against them does not."""
    if not a.numel():
        return 0.0
    worst = float((a - b).abs_().max())
    if math.isfinite(worst):
        return worst
    same = (a == b) | (a.isnan() & b.isnan())
    return float(torch.where(same, 0, (a - b).abs()).nan_to_num(nan=torch.inf).max())
