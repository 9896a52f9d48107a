"""The recurrences compiled for a trace: every gate and state of every step, written straight to where they stay.

The batch goes through in groups of rows, sorted by length, longest first, so that those still alive at a step are
always the first ones. W x + b is computed for a block of steps, which stays in the cache. A row that is read backwards
begins at its own end. The arguments of the functions below:

    x (batch, time, features); w, u packed panels; b, c (gates·units + room,); start (states, batch, units);
    out (quantities, batch, time, units); order (rows,) the rows to run, longest first; lengths (batch,);
    projected (rows, steps, width) and sums (rows, width) are room for W x + b of a block and for U h + c of a step;
    carried (rows, slots, units + room) goes from step to step.
"""

from __future__ import annotations

import numpy as np

from gru_viz.backends.compiled.compiler import compiled, part
from gru_viz.backends.compiled.product import add_product, columns_of_a_panel
from gru_viz.backends.compiled.vectors import Shown, Slots, choose, rowwise, sigmoid, tanh

__all__ = ["gru_after", "gru_before", "lstm", "rnn"]


@rowwise
def _gru(x: Slots, s: Slots, carried: Slots, keeps: object) -> Shown:
    r, z, old = sigmoid(x[0] + s[0]), sigmoid(x[1] + s[1]), carried[0]
    n = tanh(x[2] + r * s[2])
    h = (1 - z) * choose(keeps, n, old) + z * choose(keeps, old, n)
    return {0: r, 1: z, 2: n, 3: h}, {0: h}


@rowwise
def _gru_gates(x: Slots, s: Slots, carried: Slots, keeps: object) -> Shown:
    r, z = sigmoid(x[0] + s[0]), sigmoid(x[1] + s[1])
    return {0: r, 1: z}, {1: r * carried[0], 2: z}


@rowwise
def _gru_state(x: Slots, s: Slots, carried: Slots, keeps: object) -> Shown:
    n, z, old = tanh(x[2] + s[2]), carried[2], carried[0]
    h = (1 - z) * choose(keeps, n, old) + z * choose(keeps, old, n)
    return {2: n, 3: h}, {0: h}


@rowwise
def _lstm(x: Slots, s: Slots, carried: Slots, keeps: object) -> Shown:
    i, f = sigmoid(x[0] + s[0]), sigmoid(x[1] + s[1])
    g, o = tanh(x[2] + s[2]), sigmoid(x[3] + s[3])
    c = f * carried[1] + i * g
    h = o * tanh(c)
    return {0: i, 1: f, 2: g, 3: o, 4: c, 5: h}, {0: h, 1: c}


@rowwise
def _rnn(x: Slots, s: Slots, carried: Slots, keeps: object) -> Shown:
    h = tanh(x[0] + s[0])
    return {0: h}, {0: h}


@part
def _begin(carried: np.ndarray, start: np.ndarray, order: np.ndarray, first: int, rows: int) -> None:
    for i in range(rows):
        for slot in range(start.shape[0]):
            for j in range(start.shape[2]):
                carried[i, slot, j] = start[slot, order[first + i], j]


@part
def _project(
    projected: np.ndarray, x: np.ndarray, w: np.ndarray, b: np.ndarray, order: np.ndarray, lengths: np.ndarray,
    backward: bool, first: int, rows: int, begin: int, columns: int,
) -> None:  # fmt: skip
    """W x + b of the steps from ``begin`` on, as many as there is room for, of each row that has them."""
    _, times, features = x.shape
    _, block, width = projected.shape
    panel = columns_of_a_panel(x)
    for i in range(rows):
        row = order[first + i]
        steps = min(block, lengths[row] - begin)
        if steps > 0:
            at, stride = (lengths[row] - 1 - begin, -features) if backward else (begin, features)
            add_product(
                projected, i * block * width, width, b, 0, 0, panel, x, (row * times + at) * features, stride, 1,
                w, 0, panel, features * panel, steps, features, columns,
            )  # fmt: skip


@part
def _place(out: np.ndarray, row: int, length: int, step: int, backward: bool) -> int:
    """Where in the first quantity a step of a row is, as they are read."""
    return (row * out.shape[2] + (length - 1 - step if backward else step)) * out.shape[3]


@part
def _alive(order: np.ndarray, lengths: np.ndarray, first: int, live: int, step: int) -> int:
    """How many of the rows that were alive still are."""
    while lengths[order[first + live - 1]] <= step:
        live -= 1
    return live


@part
def _multiply(
    sums: np.ndarray, column: int, c: np.ndarray, carried: np.ndarray, slot: int, u: np.ndarray, live: int, size: int,
    gates: int, step: int,
) -> None:  # fmt: skip
    """U h + c of so many gates, for the rows that are alive; of the carried block ``slot``."""
    _, slots, wide = carried.shape
    panel = columns_of_a_panel(sums)
    add_product(
        sums, column, sums.shape[1], c, column, 0, panel, carried, slot * wide, slots * wide, 1,
        u, 0, panel, size * panel, live, size, gates * size, step % 2 == 1,
    )  # fmt: skip


@part
def _finish(out: np.ndarray, order: np.ndarray, lengths: np.ndarray, first: int, rows: int) -> None:
    """NaN past the end of each row."""
    for i in range(rows):
        row = order[first + i]
        for quantity in range(out.shape[0]):
            for step in range(lengths[row], out.shape[2]):
                for j in range(out.shape[3]):
                    out[quantity, row, step, j] = np.nan


@compiled
def gru_after(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, u: tuple[np.ndarray], c: np.ndarray, start: np.ndarray,
    out: np.ndarray, order: np.ndarray, lengths: np.ndarray, backward: bool, keeps: bool,
    projected: np.ndarray, sums: np.ndarray, carried: np.ndarray,
) -> None:  # fmt: skip
    """n = tanh(W x + b + r (U h + c)); shows r, z, n, h; carries h."""
    _, batch, times, size = out.shape
    most, block, width = projected.shape
    _, slots, wide = carried.shape
    gap = batch * times * size
    for at in range(0, order.size, most):
        live, longest = min(most, order.size - at), lengths[order[at]]
        _begin(carried, start, order, at, live)
        _finish(out, order, lengths, at, live)
        for begin in range(0, longest, block):
            _project(projected, x, w, b, order, lengths, backward, at, live, begin, 3 * size)
            for step in range(begin, min(begin + block, longest)):
                live = _alive(order, lengths, at, live, step)
                _multiply(sums, 0, c, carried, 0, u[0], live, size, 3, step)
                for i in range(live):
                    row, read = order[at + i], (i * block + step - begin) * width
                    _gru(
                        out, _place(out, row, lengths[row], step, backward), gap, projected, read, size,
                        sums, i * width, size, carried, i * slots * wide, wide, size, keeps,
                    )  # fmt: skip


@compiled
def gru_before(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, u: tuple[np.ndarray, np.ndarray], c: np.ndarray, start: np.ndarray,
    out: np.ndarray, order: np.ndarray, lengths: np.ndarray, backward: bool, keeps: bool,
    projected: np.ndarray, sums: np.ndarray, carried: np.ndarray,
) -> None:  # fmt: skip
    """n = tanh(W x + b + U (r h) + c); shows r, z, n, h; carries h, r h, z."""
    _, batch, times, size = out.shape
    most, block, width = projected.shape
    _, slots, wide = carried.shape
    gap = batch * times * size
    for at in range(0, order.size, most):
        live, longest = min(most, order.size - at), lengths[order[at]]
        _begin(carried, start, order, at, live)
        _finish(out, order, lengths, at, live)
        for begin in range(0, longest, block):
            _project(projected, x, w, b, order, lengths, backward, at, live, begin, 3 * size)
            for step in range(begin, min(begin + block, longest)):
                live = _alive(order, lengths, at, live, step)
                _multiply(sums, 0, c, carried, 0, u[0], live, size, 2, step)
                for i in range(live):
                    row, read = order[at + i], (i * block + step - begin) * width
                    _gru_gates(
                        out, _place(out, row, lengths[row], step, backward), gap, projected, read, size,
                        sums, i * width, size, carried, i * slots * wide, wide, size, keeps,
                    )  # fmt: skip
                _multiply(sums, 2 * size, c, carried, 1, u[1], live, size, 1, step)
                for i in range(live):
                    row, read = order[at + i], (i * block + step - begin) * width
                    _gru_state(
                        out, _place(out, row, lengths[row], step, backward), gap, projected, read, size,
                        sums, i * width, size, carried, i * slots * wide, wide, size, keeps,
                    )  # fmt: skip


@compiled
def lstm(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, u: tuple[np.ndarray], c: np.ndarray, start: np.ndarray,
    out: np.ndarray, order: np.ndarray, lengths: np.ndarray, backward: bool, keeps: bool,
    projected: np.ndarray, sums: np.ndarray, carried: np.ndarray,
) -> None:  # fmt: skip
    """c = f c + i g, h = o tanh c; shows i, f, g, o, c, h; carries h, c."""
    _, batch, times, size = out.shape
    most, block, width = projected.shape
    _, slots, wide = carried.shape
    gap = batch * times * size
    for at in range(0, order.size, most):
        live, longest = min(most, order.size - at), lengths[order[at]]
        _begin(carried, start, order, at, live)
        _finish(out, order, lengths, at, live)
        for begin in range(0, longest, block):
            _project(projected, x, w, b, order, lengths, backward, at, live, begin, 4 * size)
            for step in range(begin, min(begin + block, longest)):
                live = _alive(order, lengths, at, live, step)
                _multiply(sums, 0, c, carried, 0, u[0], live, size, 4, step)
                for i in range(live):
                    row, read = order[at + i], (i * block + step - begin) * width
                    _lstm(
                        out, _place(out, row, lengths[row], step, backward), gap, projected, read, size,
                        sums, i * width, size, carried, i * slots * wide, wide, size, keeps,
                    )  # fmt: skip


@compiled
def rnn(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, u: tuple[np.ndarray], c: np.ndarray, start: np.ndarray,
    out: np.ndarray, order: np.ndarray, lengths: np.ndarray, backward: bool, keeps: bool,
    projected: np.ndarray, sums: np.ndarray, carried: np.ndarray,
) -> None:  # fmt: skip
    """h = tanh(W x + b + U h + c); shows and carries h."""
    _, batch, times, size = out.shape
    most, block, width = projected.shape
    _, slots, wide = carried.shape
    gap = batch * times * size
    for at in range(0, order.size, most):
        live, longest = min(most, order.size - at), lengths[order[at]]
        _begin(carried, start, order, at, live)
        _finish(out, order, lengths, at, live)
        for begin in range(0, longest, block):
            _project(projected, x, w, b, order, lengths, backward, at, live, begin, size)
            for step in range(begin, min(begin + block, longest)):
                live = _alive(order, lengths, at, live, step)
                _multiply(sums, 0, c, carried, 0, u[0], live, size, 1, step)
                for i in range(live):
                    row, read = order[at + i], (i * block + step - begin) * width
                    _rnn(
                        out, _place(out, row, lengths[row], step, backward), gap, projected, read, size,
                        sums, i * width, size, carried, i * slots * wide, wide, size, keeps,
                    )  # fmt: skip
