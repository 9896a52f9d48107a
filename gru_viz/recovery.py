"""Recovering every gate from the hidden states that a network gave, and proving that they are the gates it used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.conventions import Convention
from gru_viz.weights import CellWeights

__all__ = [
    "DirectionRun",
    "States",
    "differ",
    "full_precision",
    "inside",
    "largest",
    "rebuild",
    "recover_layer",
    "rounding_bound",
    "shift",
]


States = Tensor | Sequence[Tensor]
"""A state of several layers and directions: a (batch, hidden) each."""


class DirectionRun(NamedTuple):
    """One layer reading in one direction: its quantities (batch, time, hidden), its inputs, its initial states."""

    cell: CellWeights
    quantities: dict[str, Tensor]
    inputs: Tensor
    initial: dict[str, Tensor]


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keep cuDNN's RNN from computing in TF32, its default, which would loosen the proof to 1e-3."""
    if device.type != "cuda":
        yield
        return
    knobs: tuple[Any, ...] = (torch.backends.cudnn.rnn, torch.backends.cuda.matmul)
    before = [knob.fp32_precision for knob in knobs]
    try:
        for knob in knobs:
            knob.fp32_precision = "ieee"
        yield
    finally:
        for knob, setting in zip(knobs, before, strict=True):
            knob.fp32_precision = setting


def recover_layer(
    layer: Sequence[CellWeights],
    x: Tensor,
    lengths: tuple[int, ...],
    initial: Mapping[str, States],
    hidden: Tensor,
    last: Mapping[str, Tensor],
    cells: Tensor | None = None,
    eps: float = 0.0,
) -> tuple[list[DirectionRun], float, float]:
    """Recover every gate of a layer from the hidden states that it gave, all steps at once.

    Args:
        layer: its directions.
        x: (batch, time, features) what it read.
        lengths: steps of each sequence.
        initial: state name → (batch, hidden) for each direction.
        hidden: (batch, time, directions·hidden) what it gave.
        last: state name → (directions, batch, hidden) the states it ended in.
        cells: (batch, time, hidden) the cell states it gave, where they are known.
        eps: rounding of the arithmetic that gave ``hidden``, where it is coarser than that of ``x``.

    Gives the runs, the largest difference between what the gates lead to and what the layer gave, and its bound.
    """
    mask, size = inside(lengths, x)[:, 0], layer[0].hidden
    runs, proof, bound = [], 0.0, 0.0
    for d, cell in enumerate(layer):
        p = cell.parameters(x.device, x.dtype)
        start = {name: states[d] for name, states in initial.items()}
        given = {"hidden": hidden[..., d * size : (d + 1) * size].contiguous()}
        if cells is not None:
            given["cell"] = cells
        quantities, difference = _recover(cell.convention, p, x, lengths, start, given, backward=bool(d))
        for name, ends in last.items():
            reached = {name: _ends(quantities[name], lengths, backward=bool(d))}
            difference = max(difference, differ([reached], {name: ends[d].to(x.dtype)}, mask))
        proof, bound = max(proof, difference), max(bound, rounding_bound(p, x, given["hidden"], eps))
        runs.append(DirectionRun(cell, quantities, x, start))
    return runs, proof, bound


def _recover(
    convention: Convention,
    p: equations.Parameters,
    x: Tensor,
    lengths: tuple[int, ...],
    start: Mapping[str, Tensor],
    given: dict[str, Tensor],
    *,
    backward: bool,
) -> tuple[dict[str, Tensor], float]:
    """One direction in the order of time: the previous state is a shift, and no step waits for another.

    The steps go through in blocks that stay in the processor's cache; what a block needs is then read once.
    """
    mask = inside(lengths, x).flatten()
    read, before = x.flatten(0, 1), _previous(given["hidden"], start["hidden"], lengths, backward).flatten(0, 1)
    hidden = given["hidden"].flatten(0, 1)
    gates = {name: torch.empty_like(hidden) for name in convention.gates}
    proof = 0.0
    for rows in _blocks(x, len(p.bias_input)):
        projected, recurrent = equations.project(p, read[rows]), equations.recur(p, before[rows])
        found = equations.gates(convention, p, projected, before[rows], recurrent)
        for name, gate in gates.items():
            gate[rows] = found[name]
        if "cell" not in start:
            rebuilt = rebuild(convention, p, projected, found, [before[rows]], recurrent)
            proof = max(proof, differ(rebuilt, {"hidden": hidden[rows]}, mask[rows]))
    quantities = {name: gate.view(given["hidden"].shape) for name, gate in gates.items()} | given
    if "cell" in start:
        quantities.setdefault("cell", _scan(quantities, start["cell"], lengths, backward))
        witness = {name: states.flatten(0, 1) for name, states in given.items()}
        stored = _previous(quantities["cell"], start["cell"], lengths, backward).flatten(0, 1)
        for rows in _blocks(x, len(p.bias_input)):
            found = {name: gate[rows] for name, gate in gates.items()}
            rebuilt = [equations.state(convention, found, before[rows], stored[rows])]
            proof = max(proof, differ(rebuilt, {name: each[rows] for name, each in witness.items()}, mask[rows]))
    return {q.name: quantities[q.name] for q in convention.quantities}, proof


def rebuild(
    convention: Convention,
    p: equations.Parameters,
    projected: Tensor,
    run: Mapping[str, Tensor],
    previous: list[Tensor],
    recurrent: Tensor | None = None,
) -> list[dict[str, Tensor]]:
    """Every new state again, from the recorded gates.

    A GRU's is rebuilt twice, the second time with the candidate that the recorded reset gate leads to; otherwise a
    wrong reset beside a right candidate would pass.
    """
    rebuilt = [equations.state(convention, run, *previous)]
    if convention.cell == "gru":
        n = equations.candidate(convention, p, projected, previous[0], run["reset"], recurrent)
        if not torch.equal(n, run["candidate"]):  # the same candidate leads to the same state
            rebuilt.append(equations.state(convention, {**run, "candidate": n}, *previous))
    return rebuilt


def differ(rebuilt: Sequence[Mapping[str, Tensor]], witness: Mapping[str, Tensor], mask: Tensor) -> float:
    """The largest difference of any rebuilt state from the witness of its name; of a cell state, against its size."""
    sizes = {name: _size(true) if name == "cell" else 1.0 for name, true in witness.items()}
    return max(
        largest(each[name].to(true.dtype), true, mask) / sizes[name]
        for each in rebuilt
        for name, true in witness.items()
    )


def rounding_bound(p: equations.Parameters, x: Tensor, hidden: Tensor, eps: float = 0.0) -> float:
    """How far two correct ways of computing a step may lie apart: 8 ε (1 + the largest sum of |terms| of a gate).

    Large weights let rounding weigh more; a fixed bound would call them unproven, or let small weights hide a fault.
    ε is that of x, or ``eps`` where that is coarser. States lie between −1 and 1, so a bound near 1 would prove
    nothing: it ends at 1/16.
    """
    if not x.shape[0] * x.shape[1]:
        return 0.0
    kept, read = _size(hidden), x.flatten(0, 1).abs().amax(0)
    if not read.isfinite().all():
        read = x.flatten(0, 1).nan_to_num(0, 0, 0).abs().amax(0)
    terms = p.weight_input.abs() @ read + p.weight_recurrent.abs().sum(1) * kept
    terms = terms + p.bias_input.abs() + p.bias_recurrent.abs()
    return min(float(8 * max(torch.finfo(x.dtype).eps, eps) * (1 + terms.max())), 2.0**-4)


def _size(states: Tensor) -> float:
    """The largest |state|, at least 1, without what is not finite."""
    low, high = states.aminmax()
    largest = float(torch.maximum(-low, high))
    return max(largest if math.isfinite(largest) else float(states.nan_to_num(0, 0, 0).abs().max()), 1.0)


def _scan(gates: Mapping[str, Tensor], cell: Tensor, lengths: tuple[int, ...], backward: bool) -> Tensor:
    """Every cell state of an LSTM from its gates: c = f * c₋ + i * g; read backwards, from each sequence's own end."""
    written = gates["input"] * gates["cell_candidate"]
    waits = backward and any(n < written.shape[1] for n in lengths)
    mask = inside(lengths, written)
    cells = torch.empty_like(written)
    for t in range(written.shape[1])[:: -1 if backward else 1]:
        new = torch.addcmul(written[:, t], gates["forget"][:, t], cell, out=cells[:, t])
        cell = torch.where(mask[:, t, None], new, cell) if waits else new
    return cells


def _previous(states: Tensor, start: Tensor, lengths: tuple[int, ...], backward: bool) -> Tensor:
    """The state before each step, in the order of time: a shift, from the side that the direction reads from."""
    if not backward:
        return shift(states, start)
    shifted = torch.cat([states[:, 1:], start[:, None]], 1)
    for i, n in enumerate(lengths):
        if 0 < n < states.shape[1]:
            shifted[i, n - 1] = start[i]
    return shifted


def shift(states: Tensor, start: Tensor) -> Tensor:
    """The state before each step, in the order in which they were read."""
    return torch.cat([start[:, None], states[:, :-1]], 1)


def _ends(states: Tensor, lengths: tuple[int, ...], backward: bool) -> Tensor:
    """The state after the last step that was read, (batch, hidden)."""
    if backward or all(n == states.shape[1] for n in lengths):
        return states[:, 0 if backward else -1]
    last = torch.tensor([max(n - 1, 0) for n in lengths], device=states.device)
    return states[torch.arange(len(lengths), device=states.device), last]


def _blocks(x: Tensor, width: int) -> Iterator[slice]:
    """The rows of (batch · time) in blocks: so wide, they fit a processor's cache, or a share of a GPU's memory."""
    rows, cells = x.shape[0] * x.shape[1], 1 << (17 if x.device.type == "cpu" else 26)
    size = max(cells // width, 128)
    return (slice(first, first + size) for first in range(0, rows, size))


def largest(a: Tensor, b: Tensor, mask: Tensor) -> float:
    """Max |a − b| where the mask is on; NaN against NaN and ∞ against ∞ agree, anything else against them does not."""
    difference = (a - b).abs_().amax(-1)[mask]
    worst = float(difference.max()) if difference.numel() else 0.0
    if math.isfinite(worst):
        return worst
    same = (a == b) | (a.isnan() & b.isnan())
    return float(torch.where(same, 0, (a - b).abs()).nan_to_num(nan=torch.inf)[mask].max())


def inside(lengths: tuple[int, ...], x: Tensor) -> Tensor:
    """(batch, time) which steps lie within their sequence."""
    return torch.arange(x.shape[1], device=x.device)[None] < torch.tensor(lengths, device=x.device)[:, None]
