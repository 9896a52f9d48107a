"""Recovering every gate from the hidden states that a network gave, all steps at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.conventions import Convention
from gru_viz.proving import largest
from gru_viz.scanning import scan
from gru_viz.weights import CellWeights

__all__ = ["DirectionRun", "States", "full_precision", "inside", "recover_layer"]


States = Tensor | Sequence[Tensor]
"""A state of several layers and directions: a (batch, hidden) each."""


Numbers = TypeVar("Numbers", Tensor, np.ndarray)


class DirectionRun(NamedTuple, Generic[Numbers]):
    """One layer reading in one direction: its quantities (batch, time, hidden), its inputs, its initial states."""

    cell: CellWeights
    quantities: Mapping[str, Numbers]
    inputs: Numbers
    initial: Mapping[str, Numbers]


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
) -> tuple[list[DirectionRun[Tensor]], float]:
    """Recover every gate of a layer from the hidden states that it gave, all steps at once.

    Args:
        layer: its directions.
        x: (batch, time, features) what it read.
        lengths: steps of each sequence.
        initial: state name → (batch, hidden) for each direction.
        hidden: (batch, time, directions·hidden) what it gave.
        last: state name → (directions, batch, hidden) the states it ended in.
        cells: (batch, time, hidden) the cell states it gave, where they are known.

    Gives the runs, and the largest difference between the states that it ended in and those that they show; of a cell
    state, against its size.
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
            size_of = max(float(true.nan_to_num(0, 0, 0).abs().max()), 1.0) if name == "cell" and len(true) else 1.0
            difference = max(difference, largest(reached, true) / size_of)
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
    if _in_few_operations(written):
        kept, added = gates["forget"], written
        if waits:
            kept, added = torch.where(mask[..., None], kept, 1), torch.where(mask[..., None], added, 0)
        return scan(kept.flip(1), added.flip(1), cell).flip(1) if backward else scan(kept, added, cell)
    cells = torch.empty_like(written)
    for t in range(written.shape[1])[:: -1 if backward else 1]:
        new = torch.addcmul(written[:, t], gates["forget"][:, t], cell, out=cells[:, t])
        cell = torch.where(mask[:, t, None], new, cell) if waits else new
    return cells


def _in_few_operations(tensor: Tensor) -> bool:
    return tensor.device.type == "cuda"


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
