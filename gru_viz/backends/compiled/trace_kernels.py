"""The recurrences compiled for a trace: every gate and state of every step, written straight to where it stays.

The batch goes through in groups of rows, sorted by length, longest first, so that those still running at a step are
always the first ones. W x + b is computed for a block of steps, which stays in the cache. A row that is read backwards
begins at its own end.

This backend repeats ``gru_viz.equations``; tests/backends/test_parity.py compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gru_viz.backends.compiled.compiler import compiled, part
from gru_viz.backends.compiled.product import (
    Factor,
    Operands,
    PanelRows,
    Size,
    Starts,
    add_product,
    columns_of_a_panel,
)
from gru_viz.backends.compiled.vectors import (
    RowArrays,
    RowBlocks,
    RowPlaces,
    RowResult,
    choose,
    rowwise,
    sigmoid,
    tanh,
)

__all__ = ["BatchArrays", "PackedMatrices", "TraceKernel", "Workspace", "gru_after", "gru_before", "lstm", "rnn"]


class PackedMatrices(NamedTuple):
    """A cell's parameters: W and U in packed panels, the biases (gates·units and a panel more)."""

    w: np.ndarray
    b: np.ndarray
    u: tuple[np.ndarray, ...]
    b_h: np.ndarray


class BatchArrays(NamedTuple):
    """What is read: x (batch, time, features), the initial states (states, batch, units), the rows to run.

    ``order`` has them longest first; ``keeps``: an update gate of 1 keeps the old state.
    """

    x: np.ndarray
    start: np.ndarray
    order: np.ndarray
    lengths: np.ndarray
    backward: bool
    keeps: bool


class Workspace(NamedTuple):
    """Memory to compute in.

    W x + b of a block of steps (rows, steps, width), U h + b_h of one step (rows, width), and what goes from step to
    step (rows, blocks, units rounded up to a vector).
    """

    projected: np.ndarray
    sums: np.ndarray
    carried: np.ndarray


TraceKernel = Callable[[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...], np.ndarray], None]
"""Fills out (quantities, batch, time, units) from ``PackedMatrices``, ``BatchArrays`` and a ``Workspace``.

They are passed as plain tuples, whose type numba reads faster than that of a named one, by some microseconds a call.
"""


@rowwise
def _gru(x: RowBlocks, s: RowBlocks, carried: RowBlocks, keeps: object) -> RowResult:
    r, z, old = sigmoid(x[0] + s[0]), sigmoid(x[1] + s[1]), carried[0]
    n = tanh(x[2] + r * s[2])
    h = (1 - z) * choose(keeps, n, old) + z * choose(keeps, old, n)
    return {0: r, 1: z, 2: n, 3: h}, {0: h}


@rowwise
def _gru_gates(x: RowBlocks, s: RowBlocks, carried: RowBlocks, keeps: object) -> RowResult:
    r, z = sigmoid(x[0] + s[0]), sigmoid(x[1] + s[1])
    return {0: r, 1: z}, {1: r * carried[0], 2: z}


@rowwise
def _gru_state(x: RowBlocks, s: RowBlocks, carried: RowBlocks, keeps: object) -> RowResult:
    n, z, old = tanh(x[2] + s[2]), carried[2], carried[0]
    h = (1 - z) * choose(keeps, n, old) + z * choose(keeps, old, n)
    return {2: n, 3: h}, {0: h}


@rowwise
def _lstm(x: RowBlocks, s: RowBlocks, carried: RowBlocks, keeps: object) -> RowResult:
    i, f = sigmoid(x[0] + s[0]), sigmoid(x[1] + s[1])
    g, o = tanh(x[2] + s[2]), sigmoid(x[3] + s[3])
    c = f * carried[1] + i * g
    h = o * tanh(c)
    return {0: i, 1: f, 2: g, 3: o, 4: c, 5: h}, {0: h, 1: c}


@rowwise
def _rnn(x: RowBlocks, s: RowBlocks, carried: RowBlocks, keeps: object) -> RowResult:
    h = tanh(x[0] + s[0])
    return {0: h}, {0: h}


@part
def _begin(batch: BatchArrays, work: Workspace, first: int, rows: int) -> None:
    """Carry the initial states into the first step of a group."""
    start, carried = batch.start, work.carried
    for i in range(rows):
        for state in range(start.shape[0]):
            for j in range(start.shape[2]):
                carried[i, state, j] = start[state, batch.order[first + i], j]


@part
def _project(
    cell: PackedMatrices, batch: BatchArrays, work: Workspace, first: int, rows: int, begin: int, columns: int
) -> None:
    """W x + b of the steps from ``begin`` on, as many as fit, of each row that has them."""
    _, times, features = batch.x.shape
    _, block, width = work.projected.shape
    panel, stride = columns_of_a_panel(batch.x), -features if batch.backward else features
    operands = Operands(
        PanelRows(work.projected, width, panel),
        PanelRows(cell.b, 0, panel),
        Factor(batch.x, stride, 1),
        PanelRows(cell.w, panel, features * panel),
    )
    for i in range(rows):
        row = batch.order[first + i]
        steps = min(block, batch.lengths[row] - begin)
        if steps > 0:
            at = batch.lengths[row] - 1 - begin if batch.backward else begin
            starts = Starts(i * block * width, 0, (row * times + at) * features, 0)
            add_product(operands, starts, Size(steps, features, columns))


@part
def _recurrent(cell: PackedMatrices, work: Workspace, u: np.ndarray, size: int) -> Operands:
    """The operands of U h + b_h."""
    _, blocks, wide = work.carried.shape
    panel = columns_of_a_panel(work.sums)
    return Operands(
        PanelRows(work.sums, work.sums.shape[1], panel),
        PanelRows(cell.b_h, 0, panel),
        Factor(work.carried, blocks * wide, 1),
        PanelRows(u, panel, size * panel),
    )


@part
def _place(
    batch: BatchArrays, work: Workspace, out: np.ndarray, first: int, i: int, begin: int, step: int
) -> RowPlaces:
    """Where a row of a group has its quantities of a step, its W x + b, its U h + b_h and what it carries."""
    _, block, width = work.projected.shape
    _, _, times, size = out.shape
    row = batch.order[first + i]
    at = batch.lengths[row] - 1 - step if batch.backward else step
    return RowPlaces(
        (row * times + at) * size,
        (i * block + step - begin) * width,
        i * width,
        i * work.carried.shape[1] * work.carried.shape[2],
    )


@part
def _gaps(work: Workspace, out: np.ndarray) -> RowPlaces:
    """From one quantity, gate or carried block of a row to the next."""
    _, rows, times, size = out.shape
    return RowPlaces(rows * times * size, size, size, work.carried.shape[2])


@part
def _running(batch: BatchArrays, first: int, live: int, step: int) -> int:
    """How many of the rows that were running still are."""
    while batch.lengths[batch.order[first + live - 1]] <= step:
        live -= 1
    return live


@part
def _finish(batch: BatchArrays, out: np.ndarray, first: int, rows: int) -> None:
    """NaN past the end of each row."""
    for i in range(rows):
        row = batch.order[first + i]
        for quantity in range(out.shape[0]):
            for step in range(batch.lengths[row], out.shape[2]):
                for j in range(out.shape[3]):
                    out[quantity, row, step, j] = np.nan


@compiled
def gru_after(matrices: tuple[Any, ...], read: tuple[Any, ...], workspace: tuple[Any, ...], out: np.ndarray) -> None:
    """n = tanh(W x + b + r (U h + b_h)); writes r, z, n, h; carries h."""
    cell, batch, work = PackedMatrices(*matrices), BatchArrays(*read), Workspace(*workspace)
    most, block, _ = work.projected.shape
    size, gaps, arrays = out.shape[3], _gaps(work, out), RowArrays(out, work.projected, work.sums, work.carried)
    product = _recurrent(cell, work, cell.u[0], size)
    for at in range(0, batch.order.size, most):
        live, longest = min(most, batch.order.size - at), batch.lengths[batch.order[at]]
        _begin(batch, work, at, live)
        _finish(batch, out, at, live)
        for begin in range(0, longest, block):
            _project(cell, batch, work, at, live, begin, 3 * size)
            for step in range(begin, min(begin + block, longest)):
                live = _running(batch, at, live, step)
                add_product(product, Starts(0, 0, 0, 0), Size(live, size, 3 * size), step % 2 == 1)
                for i in range(live):
                    _gru(arrays, _place(batch, work, out, at, i, begin, step), gaps, size, batch.keeps)


@compiled
def gru_before(matrices: tuple[Any, ...], read: tuple[Any, ...], workspace: tuple[Any, ...], out: np.ndarray) -> None:
    """n = tanh(W x + b + U (r h) + b_h); writes r, z, n, h; carries h, r h, z."""
    cell, batch, work = PackedMatrices(*matrices), BatchArrays(*read), Workspace(*workspace)
    most, block, _ = work.projected.shape
    size, gaps, arrays = out.shape[3], _gaps(work, out), RowArrays(out, work.projected, work.sums, work.carried)
    product, of_candidate = _recurrent(cell, work, cell.u[0], size), _recurrent(cell, work, cell.u[1], size)
    for at in range(0, batch.order.size, most):
        live, longest = min(most, batch.order.size - at), batch.lengths[batch.order[at]]
        _begin(batch, work, at, live)
        _finish(batch, out, at, live)
        for begin in range(0, longest, block):
            _project(cell, batch, work, at, live, begin, 3 * size)
            for step in range(begin, min(begin + block, longest)):
                live = _running(batch, at, live, step)
                add_product(product, Starts(0, 0, 0, 0), Size(live, size, 2 * size), step % 2 == 1)
                for i in range(live):
                    _gru_gates(arrays, _place(batch, work, out, at, i, begin, step), gaps, size, batch.keeps)
                starts = Starts(2 * size, 2 * size, work.carried.shape[2], 0)
                add_product(of_candidate, starts, Size(live, size, size), step % 2 == 1)
                for i in range(live):
                    _gru_state(arrays, _place(batch, work, out, at, i, begin, step), gaps, size, batch.keeps)


@compiled
def lstm(matrices: tuple[Any, ...], read: tuple[Any, ...], workspace: tuple[Any, ...], out: np.ndarray) -> None:
    """c = f c + i g, h = o tanh c; writes i, f, g, o, c, h; carries h, c."""
    cell, batch, work = PackedMatrices(*matrices), BatchArrays(*read), Workspace(*workspace)
    most, block, _ = work.projected.shape
    size, gaps, arrays = out.shape[3], _gaps(work, out), RowArrays(out, work.projected, work.sums, work.carried)
    product = _recurrent(cell, work, cell.u[0], size)
    for at in range(0, batch.order.size, most):
        live, longest = min(most, batch.order.size - at), batch.lengths[batch.order[at]]
        _begin(batch, work, at, live)
        _finish(batch, out, at, live)
        for begin in range(0, longest, block):
            _project(cell, batch, work, at, live, begin, 4 * size)
            for step in range(begin, min(begin + block, longest)):
                live = _running(batch, at, live, step)
                add_product(product, Starts(0, 0, 0, 0), Size(live, size, 4 * size), step % 2 == 1)
                for i in range(live):
                    _lstm(arrays, _place(batch, work, out, at, i, begin, step), gaps, size, batch.keeps)


@compiled
def rnn(matrices: tuple[Any, ...], read: tuple[Any, ...], workspace: tuple[Any, ...], out: np.ndarray) -> None:
    """h = tanh(W x + b + U h + b_h); writes and carries h."""
    cell, batch, work = PackedMatrices(*matrices), BatchArrays(*read), Workspace(*workspace)
    most, block, _ = work.projected.shape
    size, gaps, arrays = out.shape[3], _gaps(work, out), RowArrays(out, work.projected, work.sums, work.carried)
    product = _recurrent(cell, work, cell.u[0], size)
    for at in range(0, batch.order.size, most):
        live, longest = min(most, batch.order.size - at), batch.lengths[batch.order[at]]
        _begin(batch, work, at, live)
        _finish(batch, out, at, live)
        for begin in range(0, longest, block):
            _project(cell, batch, work, at, live, begin, size)
            for step in range(begin, min(begin + block, longest)):
                live = _running(batch, at, live, step)
                add_product(product, Starts(0, 0, 0, 0), Size(live, size, size), step % 2 == 1)
                for i in range(live):
                    _rnn(arrays, _place(batch, work, out, at, i, begin, step), gaps, size, batch.keeps)
