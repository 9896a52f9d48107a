"""From a cell's matrices and a batch to its compiled trace: packing, room to work in, threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from gru_viz.conventions import Convention
from gru_viz.kernels import gates
from gru_viz.kernels.memory import keep_pages, panels
from gru_viz.kernels.product import BYTES, PANEL_BYTES

__all__ = ["Packed", "pack", "run"]

keep_pages()

ROWS, FAR = 16, 1 << 19
"""So many rows go through time together; twice as many where U has more bytes than stay near, so that each reading
of it serves more of them."""

STEPS, NEAR = 64, 1 << 18
"""W x + b is computed at once for so many steps at most, of so many bytes, which stay in a cache beside U; but for 8
steps at least, so that W is read once for each 8."""

ALONE = np.zeros(1, np.int64)

WORTH_SHARING = 1 << 26
"""From so many multiplications on, another thread is worth its start."""


class Walk(NamedTuple):
    """A cell's kernel: what it shows, in order; how many blocks it carries; how many gates a product takes of U."""

    kernel: Callable[..., None]
    shows: tuple[str, ...]
    carries: int
    products: tuple[int, ...]


WALKS = {
    ("gru", "after"): Walk(gates.gru_after, ("reset", "update", "candidate", "hidden"), 1, (3,)),
    ("gru", "before"): Walk(gates.gru_before, ("reset", "update", "candidate", "hidden"), 3, (2, 1)),
    ("lstm", None): Walk(gates.lstm, ("input", "forget", "cell_candidate", "output", "cell", "hidden"), 2, (4,)),
    ("rnn", None): Walk(gates.rnn, ("hidden",), 1, (1,)),
}


class Packed(NamedTuple):
    """A cell's matrices as its kernel reads them, with the kernel."""

    walk: Walk
    keeps: bool
    w: np.ndarray
    b: np.ndarray
    u: tuple[np.ndarray, ...]
    c: np.ndarray


def pack(convention: Convention, w: np.ndarray, u: np.ndarray, b: np.ndarray, c: np.ndarray) -> Packed:
    """Pack W, U, b and c, stacked in torch's order of gates; all of one dtype."""
    walk, panel, size = WALKS[convention.cell, convention.reset], PANEL_BYTES // w.itemsize, u.shape[1]
    room, first, products = np.zeros(panel, w.dtype), 0, []
    for count in walk.products:
        products.append(panels(u[None, first : first + count * size].swapaxes(1, 2), panel)[0])
        first += count * size
    biases = [np.concatenate([bias, room]) for bias in (b, c)]
    w_panels = panels(w[None].swapaxes(1, 2), panel)[0]
    return Packed(walk, convention.update != "takes", w_panels, biases[0], tuple(products), biases[1])


def run(
    packed: Packed, x: np.ndarray, lengths: np.ndarray, start: np.ndarray, backward: bool, threads: int = 1
) -> dict[str, np.ndarray]:
    """Run one layer in one direction; every array contiguous and of the dtype that was packed.

    Args:
        packed: from ``pack``.
        x: (batch, time, features).
        lengths: (batch,) steps of each row, as int64.
        start: (states, batch, hidden), the states before the first step that is read.
        backward: whether each row is read from its own end to its begin.
        threads: how many threads share the rows.

    Returns:
        Name → (batch, time, hidden), read-only, NaN past a row's end.
    """
    walk, (batch, steps, features), size, height = packed.walk, x.shape, start.shape[2], packed.b.shape[0]
    out = np.empty((len(walk.shows), batch, steps, size), x.dtype)
    order = np.argsort(-lengths, kind="stable") if batch > 1 else ALONE
    parts = max(1, min(threads, batch, batch * steps * height * (features + size) // WORTH_SHARING))
    far = height * size * x.itemsize > FAR
    rows = min(2 * ROWS if far else ROWS, -(-batch // parts))
    block = min(max(8, min(STEPS, NEAR // (rows * height * x.itemsize))), max(steps, 1))
    wide = size + -size % (BYTES // x.itemsize)
    read = x.view()
    read.flags.writeable = False  # one type of array for the compiler, whosever it is

    def go(order: np.ndarray) -> None:
        projected, sums = np.empty((rows, block, height), x.dtype), np.empty((rows, height), x.dtype)
        carried = np.zeros((rows, walk.carries, wide), x.dtype)
        given = (read, packed.w, packed.b, packed.u, packed.c, start, out, order, lengths, backward, packed.keeps)
        walk.kernel(*given, projected, sums, carried)

    if parts == 1:
        go(order)
    else:
        with ThreadPoolExecutor(parts - 1) as pool:
            rest = [pool.submit(go, order[n::parts].copy()) for n in range(1, parts)]
            go(order[::parts].copy())
            for each in rest:
                each.result()
    out.flags.writeable = False
    return dict(zip(walk.shows, out, strict=True))
