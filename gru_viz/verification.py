"""The proof of a trace: every gate and state compared with an independent evaluation of the same step.

A step is evaluated from the recorded state before it. That keeps the comparison fair for large weights, where a GRU is
chaotic and two correct trajectories part. Steps are processed in blocks that fit the processor's cache, so a proof
needs little memory at any length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial, reduce
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.conventions import Convention, hard_sigmoid
from gru_viz.equations import Parameters
from gru_viz.proof import Proof, Witness
from gru_viz.weights import CellWeights, Weights, convert, torch_twin

__all__ = ["largest", "prove"]

CELLS, FEWEST = 1 << 16, 256
"""How many states a block has, and how many steps at least: with few of them a product is slow."""

CHECKED = 128
"""So many steps of a GRU are also run by torch's own cell, which shows that the equations here are its own."""

TOGETHER, PART = 64, 1 << 13
"""So many rows of inputs are reduced as one, and so many are looked at together."""


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
    """Compare all layers and directions with the witness."""
    return reduce(Proof.merge, (_prove_run(run, witness) for run in runs), Proof(witness.difference, 0.0, witness.name))


def _prove_run(run: _TracedDirection, witness: Witness) -> Proof:
    difference, dtype = 0.0, run.inputs.dtype
    with torch.inference_mode(), torch.autocast("cpu", enabled=False), np.errstate(invalid="ignore", over="ignore"):
        cell = run.weights.once(("proof", dtype), partial(_prepare, dtype=dtype))
        for number, steps in enumerate(_blocks(run, cell.dtype)):
            if cell.gru is None:
                difference = max(difference, _differ_states(cell, steps, witness))
                continue
            difference = max(difference, _differ_gru(cell.convention, cell.gru, steps))
            if not number and cell.torch is not None:
                difference = max(difference, _differ_from_torch(cell.torch, steps))
        bound = _rounding_bound(cell, run, witness.eps) if any(run.lengths) else 0.0
    return Proof(difference, bound, witness.name)


class _Steps(NamedTuple):
    """Some steps, whichever sequence they are of, (steps, ·).

    ``read`` has side by side what each of them reads: inputs, a one, and the states before it.
    """

    read: np.ndarray
    recorded: Mapping[str, np.ndarray]


def _blocks(run: _TracedDirection, dtype: np.dtype) -> Iterator[_Steps]:
    """All steps within their sequences, the rows of (batch · time), in blocks of about equally many."""
    batch, steps, features = run.inputs.shape
    rows, hidden, ends = batch * steps, run.weights.hidden, np.array(run.lengths)
    inputs = run.inputs.reshape(rows, features)
    recorded = {name: values.reshape(rows, hidden) for name, values in run.quantities.items()}
    inside = None if min(run.lengths) == steps else (np.arange(steps) < ends[:, None]).ravel()
    used = np.flatnonzero(ends)
    begins = used * steps + (ends[used] - 1 if run.backward else 0)
    count = -(-rows // max(CELLS // hidden, FEWEST))
    for k in range(count):
        first, last = k * rows // count, (k + 1) * rows // count
        read = np.empty((last - first, features + 1 + len(run.initial) * hidden), dtype)
        read[:, :features] = inputs[first:last]
        read[:, features] = 1
        here = slice(*begins.searchsorted((first, last)))
        for n, name in enumerate(run.weights.convention.states):
            before = read[:, features + 1 + n * hidden : features + 1 + (n + 1) * hidden]
            if run.backward:
                before[: rows - first - 1] = recorded[name][first + 1 : last + 1]
            else:
                low = max(first - 1, 0)
                before[low + 1 - first :] = recorded[name][low : last - 1]
            before[begins[here] - first] = run.initial[name][used[here]]
        part = {name: values[first:last] for name, values in recorded.items()}
        if inside is None:
            yield _Steps(read, part)
        elif inside[first:last].any():
            within = inside[first:last]
            yield _Steps(read[within], {name: values[within] for name, values in part.items()})


class _GruMatrices(NamedTuple):
    """A GRU's parameters for products with inputs, a one and states: W, a bias and U below one another, transposed.

    Of reset and update as two matrices; of the candidate W with its bias, and U with the bias that the reset gate
    multiplies, or with zeros.
    """

    reset_update: Tensor
    candidate_input: Tensor
    candidate_recurrent: Tensor


class _Prepared(NamedTuple):
    """What a proof needs of a cell: to evaluate it, to run torch's own, and the sizes of the terms of each gate."""

    convention: Convention
    dtype: np.dtype
    p: Parameters
    gru: _GruMatrices | None
    torch: Parameters | None
    sizes: tuple[np.ndarray, np.ndarray, np.ndarray]


def _prepare(cell: CellWeights, dtype: np.dtype) -> _Prepared:
    """In the dtype of the trace; where torch has no such cell, in float64."""
    alone, convention, by_torch = Weights(((cell,),)), cell.convention, None
    exact = dtype if alone.runs_in_torch else np.dtype(np.float64)
    p = cell.parameters(dtype=getattr(torch, str(exact)))
    if alone.runs_in_torch:
        same = convert(alone, to=torch_twin(convention)).layers[0][0]
        by_torch = p if same is cell else same.parameters(dtype=p.bias_input.dtype)
    w, u, b, b_h = (each.numpy() for each in p)
    sizes = (np.abs(w), np.abs(u).sum(1), np.abs(b) + np.abs(b_h))
    gru = _gru_matrices(w, u, b, b_h, convention.reset == "after") if convention.cell == "gru" else None
    return _Prepared(convention, exact, p, gru, by_torch, sizes)


def _gru_matrices(w: np.ndarray, u: np.ndarray, b: np.ndarray, b_h: np.ndarray, after: bool) -> _GruMatrices:
    both = 2 * u.shape[1]
    outside, inside = (b, b_h) if after else (b + b_h, np.zeros_like(b))
    gates = np.concatenate([w[:both], (b + b_h)[:both, None], u[:both]], 1).reshape(2, u.shape[1], -1)
    matrices = (
        gates.swapaxes(1, 2),
        np.concatenate([w[both:], outside[both:, None]], 1).T,
        np.concatenate([inside[both:, None], u[both:]], 1).T,
    )
    return _GruMatrices(*(torch.from_numpy(np.ascontiguousarray(each)) for each in matrices))


def _differ_gru(convention: Convention, p: _GruMatrices, steps: _Steps) -> float:
    """How far the gates are from those evaluated here, and the states from those that the recorded gates lead to."""
    names = (*convention.gates, "hidden")
    recorded = [steps.recorded[name] for name in names]
    if not convention.quantity("hidden").bounded:
        pairs = zip(names, _evaluate_gru(convention, p, steps), recorded, strict=True)
        return max(largest(found, shown) / _size_of(convention, name, shown) for name, found, shown in pairs)
    apart = _evaluate_gru(convention, p, steps)
    for found, shown in zip(apart, recorded, strict=True):
        found -= shown
    worst = float(np.abs(apart, out=apart).max())
    if math.isfinite(worst):
        return worst
    return max(map(largest, _evaluate_gru(convention, p, steps), recorded))


def _evaluate_gru(convention: Convention, p: _GruMatrices, steps: _Steps) -> np.ndarray:
    """The reset gate, update gate and candidate (·, steps, hidden), and the state that the recorded ones lead to.

    ``equations`` is not used, so that a fault in it is found: this is how torch.nn.GRUCell documents them. Sums are
    those of ``read``'s dtype.
    """
    read, new, inputs = torch.from_numpy(steps.read), steps.recorded["candidate"], len(p.candidate_input) - 1
    results = np.empty((4, *new.shape), new.dtype)
    found = torch.from_numpy(results)
    sums = found if found.dtype == read.dtype else torch.empty_like(found, dtype=read.dtype)
    candidate, product = sums[2], sums[3]
    gates = _rounded(torch.bmm(read.expand(2, -1, -1), p.reset_update, out=sums[:2]), found[:2])
    reset, _ = _squash(convention.gate_function, gates)
    torch.mm(read[:, : inputs + 1], p.candidate_input, out=candidate)
    if convention.reset == "after":
        candidate.addcmul_(reset, torch.mm(read[:, inputs:], p.candidate_recurrent, out=product))
    else:
        candidate.addmm_(torch.mul(reset, read[:, inputs + 1 :], out=product), p.candidate_recurrent[1:])
    _squash(convention.state_function, _rounded(candidate, found[2]))
    old = steps.read[:, inputs + 1 :].astype(new.dtype, copy=False)
    if convention.update == "takes":
        old, new = new, old
    state = np.subtract(old, new, out=results[3])
    state *= steps.recorded["update"]
    state += new
    return results


def _squash(function: str, sums: Tensor) -> Tensor:
    """The function of a gate or state, written over its sums."""
    if function.startswith("hard_sigmoid"):
        slope, offset = hard_sigmoid(function)
        return sums.mul_(slope).add_(offset).clamp_(0, 1)
    if function == "softsign":
        return sums.div_(1 + sums.abs())
    if function == "linear":
        return sums
    return {"sigmoid": sums.sigmoid_, "tanh": sums.tanh_, "relu": sums.relu_}[function]()


def _rounded(sums: Tensor, room: Tensor) -> Tensor:
    """The sums, in the dtype of ``room``: copied to it where theirs is another."""
    return sums if sums.dtype == room.dtype else room.copy_(sums)


def _differ_from_torch(p: Parameters, steps: _Steps) -> float:
    """How far the first states are from those of torch's own GRU cell."""
    read, features = torch.from_numpy(steps.read[:CHECKED]), p.weight_input.shape[1]
    states = torch.gru_cell(read[:, :features], read[:, features + 1 :], *p)
    return largest(states.numpy(), steps.recorded["hidden"][:CHECKED])


def _differ_states(cell: _Prepared, steps: _Steps, witness: Witness) -> float:
    """How far the states of an LSTM or RNN, and those that its recorded gates lead to, are from the witness's.

    A plain network has no gates, and its state is its equation. A state without bounds is compared against its size.
    Where torch has no such cell, the gates are evaluated again too.
    """
    convention, p = cell.convention, cell.p
    true = {name: steps.recorded[name] for name in convention.states}
    read, features = torch.from_numpy(steps.read), p.weight_input.shape[1]
    x, previous = read[:, :features], read[:, features + 1 :].chunk(len(true), 1)
    if convention.cell == "rnn":
        rebuilt = equations.gates(convention, p, equations.project(p, x), previous[0])
    else:
        gates = {name: torch.tensor(steps.recorded[name]) for name in convention.gates}
        rebuilt = equations.state(convention, gates, *previous)
    states = [{name: each.numpy() for name, each in rebuilt.items()}]
    if not witness.computed_states and cell.torch is not None:
        states.append(true)
        if convention.cell == "rnn":
            step = torch.rnn_relu_cell if convention.state_function == "relu" else torch.rnn_tanh_cell
            true = {"hidden": step(x, previous[0], *cell.torch).numpy()}
        else:
            hidden, carried = torch.lstm_cell(x, previous, *cell.torch)
            true = {"hidden": hidden.numpy(), "cell": carried.numpy()}
    elif cell.torch is None and convention.cell == "lstm":
        again = equations.gates(convention, p, equations.project(p, x), previous[0])
        states.append({name: steps.recorded[name] for name in (*convention.gates, *true)})
        states[0] |= {name: each.numpy() for name, each in again.items()}
        true = {name: each.numpy() for name, each in (again | equations.state(convention, again, *previous)).items()}
    return max(
        largest(each[name], found) / _size_of(convention, name, found)
        for each in states
        for name, found in true.items()
    )


def _size_of(convention: Convention, name: str, values: np.ndarray) -> float:
    """What a difference of a quantity is compared with: its size, where it has no bounds."""
    return 1.0 if convention.quantity(name).bounded else max(float(_sizes(values).max()), 1.0)


def _rounding_bound(cell: _Prepared, run: _TracedDirection, eps: float) -> float:
    """How far two correct computations of a step may differ: 8 ε (1 + the largest sum of |terms| of a gate).

    Rounding grows with the weights: a fixed bound would reject large ones, or hide a fault in small ones. The bound
    ends at 1/16, since states are between −1 and 1 and a bound near 1 would prove nothing.
    No hidden state with bounds is larger than 1 and the initial ones; ε is that of the trace's dtype, or ``eps`` if
    coarser.
    """
    w, u, b = cell.sizes
    initial = run.initial["hidden"]
    largest_hidden = max(float(_sizes(initial).max()), 1.0) if initial.any() else 1.0
    if not cell.convention.quantity("hidden").bounded:
        largest_hidden = max(largest_hidden, float(_sizes(run.quantities["hidden"]).max()))
    terms = w @ _sizes(run.inputs) + u * largest_hidden + b
    return min(float(8 * max(np.finfo(run.inputs.dtype).eps, eps) * (1 + terms.max())), 2.0**-4)


def _sizes(values: np.ndarray) -> np.ndarray:
    """The largest |value| of each column, without what is not finite."""
    rows = values.reshape(-1, values.shape[-1])
    most: np.ndarray = reduce(np.maximum, (_column_maxima(rows[k : k + PART]) for k in range(0, len(rows), PART)))
    return most


def _column_maxima(rows: np.ndarray) -> np.ndarray:
    """Of some rows; most are reduced many as one, since a short row takes as long as a long one."""
    sizes, rest, columns = np.abs(rows), len(rows) % TOGETHER, rows.shape[1]
    long = sizes[rest:].reshape(-1, TOGETHER * columns).max(0, initial=0).reshape(TOGETHER, columns)
    most: np.ndarray = np.concatenate([long, sizes[:rest]]).max(0)
    return most if np.isfinite(most).all() else _column_maxima(np.nan_to_num(rows, nan=0, posinf=0, neginf=0))


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """Max |a − b|; NaN against NaN and ∞ against ∞ agree, anything else against them does not."""
    apart = a - b
    worst = float(np.abs(apart, out=apart).max(initial=0))
    if math.isfinite(worst):
        return worst
    apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max())
