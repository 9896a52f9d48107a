"""Recovering every gate from the hidden states that a network computed, all steps at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.backends.interface import DirectionRun, StateList
from gru_viz.conventions import Convention
from gru_viz.verification import largest
from gru_viz.weights import CellWeights

__all__ = ["inside", "recover_layer"]


def recover_layer(
    layer: Sequence[CellWeights],
    x: Tensor,
    lengths: tuple[int, ...],
    initial: Mapping[str, StateList],
    hidden: Tensor,
    last: Mapping[str, Tensor],
    cells: Tensor | None = None,
) -> tuple[list[DirectionRun[Tensor]], float]:
    """Recover every gate of a layer from its ``hidden`` states (batch, time, directions·hidden), all steps at once.

    ``cells`` (batch, time, hidden) are its cell states, where they are known. Returns the runs, and the largest
    difference between ``last``, the states after the last step (directions, batch, hidden) by name, and the last states
    of the runs; for an unbounded one, relative to its size.
    """
    read, size = inside(lengths, x)[:, 0], layer[0].hidden
    runs, difference = [], 0.0
    for d, cell in enumerate(layer):
        p = cell.parameters(x.device, x.dtype)
        start = {name: states[d] for name, states in initial.items()}
        given = {"hidden": hidden[..., d * size : (d + 1) * size].contiguous()}
        if cells is not None:
            given["cell"] = cells
        quantities = _recover(cell.convention, p, x, lengths, start, given, backward=bool(d))
        for name, ends in last.items():
            reached, true = _ends(quantities[name], lengths, backward=bool(d))[read], ends[d].to(x.dtype)[read]
            unbounded = len(true) and not cell.convention.quantity(name).bounded
            size_of = max(float(true.nan_to_num(0, 0, 0).abs().max()), 1.0) if unbounded else 1.0
            difference = max(difference, largest(reached.cpu().numpy(), true.cpu().numpy()) / size_of)
        runs.append(DirectionRun(cell, quantities, x, start))
    return runs, difference


def _recover(
    convention: Convention,
    p: equations.Parameters,
    x: Tensor,
    lengths: tuple[int, ...],
    start: Mapping[str, Tensor],
    given: dict[str, Tensor],
    *,
    backward: bool,
) -> dict[str, Tensor]:
    """One direction in the order of time: the previous state is a shift, and no step waits for another.

    The steps go through in blocks that stay in the processor's cache; what a block needs is then read once.
    """
    read, before = x.flatten(0, 1), _previous(given["hidden"], start["hidden"], lengths, backward).flatten(0, 1)
    gates = {name: torch.empty_like(before) for name in convention.gates}
    for rows in _blocks(x, len(p.bias_input)):
        found = equations.gates(convention, p, equations.project(p, read[rows]), before[rows])
        for name, gate in gates.items():
            gate[rows] = found[name]
    quantities = {name: gate.view(given["hidden"].shape) for name, gate in gates.items()} | given
    if "cell" in start:
        quantities.setdefault("cell", _scan(quantities, start["cell"], lengths, backward))
    return {q.name: quantities[q.name] for q in convention.quantities}


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
        return torch.cat([start[:, None], states[:, :-1]], 1)
    shifted = torch.cat([states[:, 1:], start[:, None]], 1)
    for i, n in enumerate(lengths):
        if 0 < n < states.shape[1]:
            shifted[i, n - 1] = start[i]
    return shifted


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


def inside(lengths: tuple[int, ...], x: Tensor) -> Tensor:
    """(batch, time) which steps lie within their sequence."""
    return torch.arange(x.shape[1], device=x.device)[None] < torch.tensor(lengths, device=x.device)[:, None]
