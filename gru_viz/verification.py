"""The proof of a trace: every state rebuilt from the recorded gates and compared with an independent witness.

Steps are processed in blocks that fit the processor's cache, so a proof needs little memory at any length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.conventions import Convention
from gru_viz.proof import Proof, Witness
from gru_viz.weights import TORCH_CELL, CellWeights, Weights, convert

__all__ = ["largest", "prove"]

CELLS = 3 << 16
"""How many gates a block has."""

LONG = 256
"""So many numbers make a row that is quickly reduced."""


class _TracedDirection(Protocol):
    """One layer and direction of a trace, as ``DirectionTrace`` has it."""

    @property
    def weights(self) -> CellWeights: ...

    @property
    def quantities(self) -> Mapping[str, np.ndarray]: ...

    @property
    def inputs(self) -> np.ndarray: ...

    @property
    def initial(self) -> Mapping[str, np.ndarray]: ...

    @property
    def lengths(self) -> tuple[int, ...]: ...

    @property
    def backward(self) -> bool: ...


def prove(runs: Iterable[_TracedDirection], witness: Witness) -> Proof:
    """Compare the states of all layers and directions with the witness."""
    return reduce(Proof.merge, (_prove_run(run, witness) for run in runs), Proof(witness.difference, 0.0, witness.name))


def _prove_run(run: _TracedDirection, witness: Witness) -> Proof:
    cell, states = run.weights, run.weights.convention.states
    dtype = torch.float64 if run.inputs.dtype == np.float64 else torch.float32
    difference, largest_input, largest_hidden = 0.0, torch.zeros(cell.features, dtype=dtype), 0.0
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        p, step = cell.once(("proof", dtype), partial(_prepare, dtype=dtype))
        for block in _blocks(run, len(p.bias_input)):
            rebuilt = rebuild(cell.convention, p, block.inputs, block.quantities, block.previous)
            recorded = {name: block.quantities[name] for name in states}
            if witness.computed_states:
                difference = max(difference, _differ(rebuilt, recorded))
            else:
                difference = max(difference, _differ([*rebuilt, recorded], step(block.inputs, block.previous)))
            largest_input = torch.maximum(largest_input, _sizes(block.inputs))
            largest_hidden = max(largest_hidden, _size(recorded["hidden"]))
        bound = rounding_bound(p, largest_input, largest_hidden, witness.eps) if any(run.lengths) else 0.0
    return Proof(difference, bound, witness.name)


class _Steps(NamedTuple):
    """Some steps, whichever sequence they are of, (steps, ·), and the states before each of them."""

    inputs: Tensor
    quantities: dict[str, Tensor]
    previous: list[Tensor]


def _blocks(run: _TracedDirection, width: int) -> Iterator[_Steps]:
    """All steps within their sequences, the rows of (batch · time), in blocks of equally many."""
    batch, steps, _ = run.inputs.shape
    rows, most = batch * steps, max(CELLS // width, 128)
    flat = {name: values.reshape(rows, values.shape[-1]) for name, values in {**run.quantities, "": run.inputs}.items()}
    size = -(-rows // -(-rows // most)) if rows else 1
    ends = np.array(run.lengths)
    whole = bool((ends == steps).all())
    for first in range(0, rows, size):
        last = min(first + size, rows)
        part = _cut_whole(run, flat, first, last) if whole else _cut_unequal(run, flat, ends, first, last)
        if len(part[""]):
            tensors = {name: torch.from_numpy(values) for name, values in part.items()}
            yield _Steps(
                tensors[""],
                {name: tensors[name] for name in run.quantities},
                [tensors[f"before {name}"] for name in run.weights.convention.states],
            )


def _cut_whole(run: _TracedDirection, flat: Mapping[str, np.ndarray], first: int, last: int) -> dict[str, np.ndarray]:
    """The rows from ``first`` to before ``last``, copied, where all sequences are equally long."""
    rows, steps = len(flat[""]), run.inputs.shape[1]
    edge, shift = (steps - 1, 1) if run.backward else (0, -1)
    begins = np.arange(first + (edge - first) % steps, last, steps)
    part = {name: values[first:last].copy() for name, values in flat.items()}
    for name in run.weights.convention.states:
        before = part[f"before {name}"] = np.empty_like(part[name])
        low, high = max(first + shift, 0), min(last + shift, rows)
        before[low - shift - first : high - shift - first] = flat[name][low:high]
        before[begins - first] = run.initial[name][begins // steps]
    return part


def _cut_unequal(
    run: _TracedDirection, flat: Mapping[str, np.ndarray], ends: np.ndarray, first: int, last: int
) -> dict[str, np.ndarray]:
    """The rows from ``first`` to before ``last`` that are within their sequence."""
    rows, steps = np.arange(first, last), run.inputs.shape[1]
    rows = rows[rows % steps < ends[rows // steps]]
    sequence, step = rows // steps, rows % steps
    begins = step == (ends[sequence] - 1 if run.backward else 0)
    before = np.where(begins, rows, rows + 1 if run.backward else rows - 1)
    part = {name: values[rows] for name, values in flat.items()}
    for name in run.weights.convention.states:
        part[f"before {name}"] = flat[name][before]
        part[f"before {name}"][begins] = run.initial[name][sequence[begins]]
    return part


def _prepare(cell: CellWeights, dtype: torch.dtype) -> tuple[equations.Parameters, _WitnessStep]:
    p = cell.parameters(dtype=dtype)
    return p, _WitnessStep(cell, p)


class _WitnessStep:
    """The next states from recorded ones, by torch's own cell, or by the equations in float64 where torch has none.

    Starting each step from the recorded state keeps the comparison fair for large weights, where a GRU is chaotic and
    two correct trajectories part.
    """

    def __init__(self, cell: CellWeights, p: equations.Parameters) -> None:
        self.convention, alone = cell.convention, Weights(((cell,),))
        self.by_torch = alone.runs_in_torch
        if self.by_torch:
            own = convert(alone, to=TORCH_CELL[cell.convention.cell]).layers[0][0]
            self.p = p if own is cell else own.parameters(dtype=p.bias_input.dtype)
        else:
            self.p = cell.parameters(dtype=torch.float64)

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
    convention: Convention, p: equations.Parameters, x: Tensor, run: Mapping[str, Tensor], previous: Sequence[Tensor]
) -> list[Mapping[str, Tensor]]:
    """Every new state again, from the recorded gates.

    A GRU's is rebuilt twice, the second time with the candidate that the recorded reset gate leads to; otherwise a
    wrong reset beside a right candidate would pass. A plain network has no gates, and its state is its equation.
    """
    if convention.cell == "rnn":
        return [equations.gates(convention, p, equations.project(p, x), previous[0])]
    rebuilt: list[Mapping[str, Tensor]] = [equations.state(convention, run, *previous)]
    if convention.cell == "gru":
        own = equations.Parameters(*(each[-previous[0].shape[1] :] for each in p))
        n = equations.candidate(convention, own, equations.project(own, x), previous[0], run["reset"])
        if not torch.equal(n, run["candidate"]):  # the same candidate leads to the same state
            rebuilt.append(equations.state(convention, {**run, "candidate": n}, *previous))
    return rebuilt


def _differ(rebuilt: Sequence[Mapping[str, Tensor]], witness: Mapping[str, Tensor]) -> float:
    """The largest difference of any rebuilt state from the witness of its name; of a cell state, against its size."""
    sizes = {name: max(_size(true), 1.0) if name == "cell" else 1.0 for name, true in witness.items()}
    return max(
        largest(each[name].to(true.dtype), true) / sizes[name]
        for each in rebuilt
        for name, true in witness.items()
        if name in each
    )


def rounding_bound(p: equations.Parameters, largest_input: Tensor, largest_hidden: float, eps: float = 0.0) -> float:
    """How far two correct computations of a step may differ: 8 ε (1 + the largest sum of |terms| of a gate).

    Rounding grows with the weights: a fixed bound would reject large ones, or hide a fault in small ones. The bound
    ends at 1/16, since states are between −1 and 1 and a bound near 1 would prove nothing.
    ``largest_input`` (features,) is the largest |input| of each feature; ε is that of its dtype, or ``eps`` if coarser.
    """
    terms = p.weight_input.abs() @ largest_input + p.weight_recurrent.abs().sum(1) * max(largest_hidden, 1.0)
    terms = terms + p.bias_input.abs() + p.bias_recurrent.abs()
    return min(float(8 * max(torch.finfo(largest_input.dtype).eps, eps) * (1 + terms.max())), 2.0**-4)


def _sizes(values: Tensor) -> Tensor:
    """The largest |value| of each column, without what is not finite."""
    most = _column_maxima(values.abs())
    return most if most.isfinite().all() else _column_maxima(values.nan_to_num(0, 0, 0).abs())


def _column_maxima(values: Tensor) -> Tensor:
    """The largest of each column of (rows, columns), several rows taken as one, since a short one costs its begin."""
    rows, columns = values.shape
    several = min(max(LONG // columns, 1), rows)
    rest = rows % several
    long = values[rest:].view(rows // several, several * columns).amax(0).view(several, columns)
    return torch.cat([long, values[:rest]]).amax(0)


def _size(values: Tensor) -> float:
    """The largest |value|, without what is not finite."""
    most = float(values.abs().max()) if values.numel() else 0.0
    return most if math.isfinite(most) else float(values.nan_to_num(0, 0, 0).abs().max())


def largest(a: Tensor, b: Tensor) -> float:
    """Max |a − b|; NaN against NaN and ∞ against ∞ agree, anything else against them does not."""
    if not a.numel():
        return 0.0
    worst = float((a - b).abs_().max())
    if math.isfinite(worst):
        return worst
    same = (a == b) | (a.isnan() & b.isnan())
    return float(torch.where(same, 0, (a - b).abs()).nan_to_num(nan=torch.inf).max())
