"""From a cell's matrices and a batch to its compiled trace: packing, memory to compute in, threads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gru_viz.backends.array_layers import run_array_layers
from gru_viz.backends.compiled import trace_kernels
from gru_viz.backends.compiled.array_layout import panels, reuse_pages
from gru_viz.backends.compiled.product import BYTES, PANEL_BYTES
from gru_viz.backends.compiled.trace_kernels import PackedMatrices
from gru_viz.backends.interface import DirectionRun
from gru_viz.conventions import Convention
from gru_viz.weights import CellWeights, Weights

__all__ = ["PackedCell", "pack", "run", "run_layers", "warm"]

reuse_pages()

ROWS, FAR = 16, 1 << 19
"""So many rows go through time together; twice as many where U has more bytes than stay near, so that each reading
of it serves more of them."""

STEPS, NEAR = 64, 1 << 18
"""W x + b is computed at once for so many steps at most, of so many bytes, which stay in a cache beside U; but for 8
steps at least, so that W is read once for each 8."""

_ONLY_ROW = np.zeros(1, np.int64)

WORTH_SHARING = 1 << 26
"""From so many multiplications on, another thread is worth its start."""


class CellKernel(NamedTuple):
    """A cell's kernel: what it writes, how many blocks it carries on, how many gates each product with U has."""

    run: trace_kernels.TraceKernel
    quantities: tuple[str, ...]
    carried: int
    products: tuple[int, ...]


_GRU = ("reset", "update", "candidate", "hidden")
_LSTM = ("input", "forget", "cell_candidate", "output", "cell", "hidden")

CELL_KERNELS = {
    ("gru", "after"): CellKernel(trace_kernels.gru_after, _GRU, 1, (3,)),
    ("gru", "before"): CellKernel(trace_kernels.gru_before, _GRU, 3, (2, 1)),
    ("lstm", None): CellKernel(trace_kernels.lstm, _LSTM, 2, (4,)),
    ("rnn", None): CellKernel(trace_kernels.rnn, ("hidden",), 1, (1,)),
}


class PackedCell(NamedTuple):
    """A cell's kernel, and its parameters in panels."""

    kernel: CellKernel
    keeps: bool
    matrices: PackedMatrices


def pack(convention: Convention, w: np.ndarray, u: np.ndarray, b: np.ndarray, b_h: np.ndarray) -> PackedCell:
    """Pack W, U and the biases, stacked in torch's order of gates; all of one dtype."""
    kernel, panel, size = CELL_KERNELS[convention.cell, convention.reset], PANEL_BYTES // w.itemsize, u.shape[1]
    padding, first, products = np.zeros(panel, w.dtype), 0, []
    for count in kernel.products:
        products.append(panels(u[None, first : first + count * size].swapaxes(1, 2), panel)[0])
        first += count * size
    biases = [np.concatenate([bias, padding]) for bias in (b, b_h)]
    w_panels = panels(w[None].swapaxes(1, 2), panel)[0]
    return PackedCell(
        kernel, convention.update != "takes", PackedMatrices(w_panels, biases[0], tuple(products), biases[1])
    )


def run(
    packed: PackedCell, x: np.ndarray, lengths: np.ndarray, start: np.ndarray, backward: bool, threads: int = 1
) -> dict[str, np.ndarray]:
    """Run one layer in one direction, to name → (batch, time, hidden), read-only, NaN past a row's end.

    Every array is contiguous and of the dtype that was packed: x (batch, time, features), lengths (batch,) as int64,
    start (states, batch, hidden). Backward, each row is read from its own end.
    """
    (kernel, keeps, matrices), (batch, steps, features) = packed, x.shape
    size, height = start.shape[2], matrices.b.shape[0]
    out = np.empty((len(kernel.quantities), batch, steps, size), x.dtype)
    order = np.argsort(-lengths, kind="stable") if batch > 1 else _ONLY_ROW
    parts = max(1, min(threads, batch, batch * steps * height * (features + size) // WORTH_SHARING))
    rows = min(2 * ROWS if height * size * x.itemsize > FAR else ROWS, -(-batch // parts))
    block = min(max(8, min(STEPS, NEAR // (rows * height * x.itemsize))), max(steps, 1))
    wide = size + -size % (BYTES // x.itemsize)
    x = x.view()
    x.flags.writeable = False  # one type of array for the compiler, whether or not the caller's can be written

    def run_rows(order: np.ndarray) -> None:
        workspace = (
            np.empty((rows, block, height), x.dtype),
            np.empty((rows, height), x.dtype),
            np.zeros((rows, kernel.carried, wide), x.dtype),
        )
        kernel.run(tuple(matrices), (x, start, order, lengths, backward, keeps), workspace, out)

    if parts == 1:
        run_rows(order)
    else:
        with ThreadPoolExecutor(parts - 1) as pool:
            rest = [pool.submit(run_rows, order[n::parts].copy()) for n in range(1, parts)]
            run_rows(order[::parts].copy())
            for each in rest:
                each.result()
    out.flags.writeable = False
    return dict(zip(kernel.quantities, out, strict=True))


def warm(convention: Convention, dtype: str) -> None:
    """Compile the kernel of a convention, or load it from the disk, by a step of one unit."""
    gates, ones = len(convention.gates), np.ones((1, 1, 1), dtype)
    packed = pack(convention, *np.ones((2, gates, 1), dtype), *np.ones((2, gates), dtype))
    run(packed, ones, np.ones(1, np.int64), np.ones((len(convention.states), 1, 1), dtype), False)


def run_layers(
    weights: Weights, x: np.ndarray, lengths: tuple[int, ...], h0: Any
) -> list[list[DirectionRun[np.ndarray]]]:
    """Run every layer and direction over x (batch, time, features)."""
    return run_array_layers(weights, x, lengths, h0, _run_cell)


def _run_cell(
    cell: CellWeights, x: np.ndarray, lengths: np.ndarray, start: np.ndarray, backward: bool
) -> dict[str, np.ndarray]:
    packed = cell.once(x.dtype.char, partial(_pack, dtype=x.dtype))
    return run(packed, x, lengths, start, backward, _threads())


def _threads() -> int:
    """As many threads as torch uses; one where torch is not loaded."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else 1


def _pack(cell: CellWeights, dtype: np.dtype) -> PackedCell:
    return pack(cell.convention, *(array.astype(dtype, copy=False) for array in cell.stacked()))
