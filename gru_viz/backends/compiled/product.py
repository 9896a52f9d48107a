"""The matrix product of a step, written in LLVM's instructions, and the loops around it.

Why: a step multiplies a few rows (the batch) by a matrix that is read again at every step. Fast code keeps the sums in
the processor's registers while it goes down the rows of the matrix. From a plain loop LLVM makes code that loads and
stores every sum for each product. ``benchmarks/results/matrix_product.md`` has what that costs.

Layout: the right factor is cut into panels of two vectors of columns; within a panel each row is contiguous, so that
the next one is a step of one panel away, and panels follow one another (``array_layout.panels``).

Register blocking: a tile is ``ROWS`` rows by one panel. For each row k of the panel it loads two vectors, multiplies
them by the number k of each of its rows, repeated in a vector, and adds to ``ROWS`` × 2 sums, which never leave the
registers. What is loaded once is thus used ``ROWS`` times.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from gru_viz.backends.compiled.compiler import intrinsic, part

__all__ = [
    "BYTES",
    "PANEL_BYTES",
    "Factor",
    "Operands",
    "PanelRows",
    "Size",
    "Starts",
    "add_bias_gradient",
    "add_product",
    "add_weight_gradient",
    "columns_of_a_panel",
    "steps_at_once",
]

_FEATURES = llvm.get_host_cpu_features()
VECTORS = 2
ROWS = 4 if _FEATURES.get("avx") and not _FEATURES.get("avx512f") else 8
BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
"""As many sums as the processor has registers for: 32, of 64 bytes (AVX-512) or 16 (ARM); 16 of 32 (AVX)."""
PANEL_BYTES = VECTORS * BYTES
DEPTH = 128
"""How many rows, steps × batch, a product of the weights' gradient runs over: what is still in a near cache."""


class PanelRows(NamedTuple):
    """A matrix read and written by panels: its memory, from one row (0: all the same) and panel to the next."""

    array: np.ndarray
    row: int
    panel: int


class Factor(NamedTuple):
    """A matrix that is read number by number: its memory, and from one row and one column to the next."""

    array: np.ndarray
    row: int
    column: int


class Operands(NamedTuple):
    """The matrices of out = base + left right."""

    out: PanelRows
    base: PanelRows
    left: Factor
    right: PanelRows


class Starts(NamedTuple):
    """The place of each operand's first number in its array."""

    out: int
    base: int
    left: int
    right: int


class Size(NamedTuple):
    """The rows of the left factor, its columns, and the columns of the right factor."""

    rows: int
    depth: int
    columns: int


def _tile(rows: int, panels: int = 1) -> Any:
    """Make a function of compiled code: out = base + left right for so many rows and panels of columns.

    Its arguments are ``Operands``, ``Starts``, the depth, and how many rows there are. Where there are fewer than
    ``rows``, the last one is computed again, so that a tile at the edge needs no code of its own.
    """

    @intrinsic
    def tile(_: Any, operands: Any, starts: Any, depth: Any, live: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _Tile(context, builder, operands, arguments, rows, panels).generate()
            return context.get_dummy_value()

        return types.void(operands, starts, types.intp, types.intp), generate

    return tile


class _Tile:
    """The instructions of one tile."""

    def __init__(self, context: Any, builder: Any, operands: Any, arguments: Any, rows: int, panels: int) -> None:
        values, starts, self.depth, self.live = arguments
        self.builder, self.rows, self.panels = builder, rows, panels
        self.element = context.get_data_type(operands[0][0].dtype)
        self.size = context.get_abi_sizeof(self.element)
        self.vector = ir.VectorType(self.element, BYTES // self.size)
        self.first, self.row, self.next = {}, {}, {}
        for n, name in enumerate(Operands._fields):
            operand = builder.extract_value(values, n)
            array = context.make_array(operands[n][0])(context, builder, builder.extract_value(operand, 0))
            self.first[name] = builder.gep(array.data, [builder.extract_value(starts, n)])
            self.row[name], self.next[name] = (builder.extract_value(operand, part) for part in (1, 2))

    def generate(self) -> None:
        """Sum in registers over the depth, then add the base and write."""
        builder, zero = self.builder, ir.Constant(self.vector, None)
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(self.panels * VECTORS)] for _ in self._rows()]
        left, lanes = self._row_starts("left"), ir.Constant(ir.VectorType(ir.IntType(32), self.vector.count), None)
        multiply_add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(self.vector, [self.vector] * 3),
            f"llvm.fmuladd.v{self.vector.count}f{8 * self.size}",
        )
        with cgutils.for_range(builder, self.depth) as loop:
            right = builder.gep(self.first["right"], [builder.mul(loop.index, self.row["right"])])
            columns = [builder.load(each, align=self.size) for each in self._vectors(right, self.next["right"])]
            column = builder.mul(loop.index, self.next["left"])
            for row, totals in zip(left, sums, strict=True):
                number = builder.load(builder.gep(row, [column]))
                repeated = builder.insert_element(zero, number, ir.Constant(ir.IntType(32), 0))
                repeated = builder.shuffle_vector(repeated, zero, lanes)
                for total, each in zip(totals, columns, strict=True):
                    builder.store(builder.call(multiply_add, [repeated, each, builder.load(total)]), total)
        results = [
            (builder.fadd(builder.load(source, align=self.size), builder.load(total)), target)
            for base, out, totals in zip(self._row_starts("base"), self._row_starts("out"), sums, strict=True)
            for source, target, total in zip(
                self._vectors(base, self.next["base"]), self._vectors(out, self.next["out"]), totals, strict=True
            )
        ]
        for value, target in results:  # after all loads: a repeated row must not be added to twice
            builder.store(value, target, align=self.size)

    def _rows(self) -> list[Any]:
        """The numbers of the rows, none beyond the last one there is."""
        last = self.builder.sub(self.live, INDEX(1))
        rows = map(INDEX, range(self.rows))
        return [self.builder.select(self.builder.icmp_signed("<", n, last), n, last) for n in rows]

    def _row_starts(self, name: str) -> list[Any]:
        builder = self.builder
        return [builder.gep(self.first[name], [builder.mul(n, self.row[name])]) for n in self._rows()]

    def _vectors(self, row: Any, panel: Any) -> list[Any]:
        """Pointers to the vectors of a row in each panel."""
        builder = self.builder
        places = [
            builder.add(builder.mul(panel, INDEX(p)), INDEX(v * self.vector.count))
            for p in range(self.panels)
            for v in range(VECTORS)
        ]
        return [builder.bitcast(builder.gep(row, [place]), self.vector.as_pointer()) for place in places]


INDEX = partial(ir.Constant, ir.IntType(64))

_wide = _tile(ROWS)
_six, _four, _two, _one = _tile(1, 6), _tile(1, 4), _tile(1, 2), _tile(1)
"""For a row alone: a sum must wait for the one before it, so that only many columns at once keep the processor busy."""


@part
def columns_of_a_panel(like: np.ndarray) -> int:
    """How many columns a tile has for the element type of an array."""
    return PANEL_BYTES // like.itemsize


@part
def add_product(operands: Operands, starts: Starts, size: Size, turned: bool = False) -> None:
    """out = base + left right.

    The last panel reads and writes past the last column to its own end; what it leaves there means nothing. ``turned``
    takes the last panel first: at every other step, what the step before read last is still in the cache.
    """
    rows, depth, columns = size
    panel = columns_of_a_panel(operands.out.array)
    panels = (columns + panel - 1) // panel
    together = rows if rows % ROWS > 2 else rows - rows % ROWS
    for n in range(panels):
        p = panels - 1 - n if turned else n
        for i in range(0, together, ROWS):
            _wide(operands, _place(operands, starts, i, p), depth, min(rows - i, ROWS))
    for i in range(together, rows):
        left = panels
        while left:
            n = 6 if left >= 6 else 4 if left >= 4 else 2 if left >= 2 else 1
            here = _place(operands, starts, i, left - n if turned else panels - left)
            if n == 6:
                _six(operands, here, depth, 1)
            elif n == 4:
                _four(operands, here, depth, 1)
            elif n == 2:
                _two(operands, here, depth, 1)
            else:
                _one(operands, here, depth, 1)
            left -= n


@part
def _place(operands: Operands, starts: Starts, row: int, panel: int) -> Starts:
    """Where a tile begins."""
    out, base, left, right = operands
    return Starts(
        starts.out + row * out.row + panel * out.panel,
        starts.base + row * base.row + panel * base.panel,
        starts.left + row * left.row,
        starts.right + panel * right.panel,
    )


@part
def steps_at_once(batch: int) -> int:
    """How many steps one product of the weights' gradient runs over."""
    return max(1, DEPTH // max(1, batch))


@part
def add_weight_gradient(
    d_weight: np.ndarray, start: int, units: int, gradient: np.ndarray, at: tuple[int, int], inputs: np.ndarray,
    inputs_at: tuple[int, int], rows: int,
) -> None:  # fmt: skip
    """Add to ``units`` rows of d_weight (models, gates·hidden, wide) what so many rows of gradients and inputs give.

    ``start`` is the flat place of the first of those rows; ``at`` and ``inputs_at`` are the place of the first row of
    the gradients and of the inputs, and the distance to the next one.
    """
    wide, panel = d_weight.shape[2], columns_of_a_panel(d_weight)
    sums = PanelRows(d_weight, wide, panel)
    operands = Operands(sums, sums, Factor(gradient, 1, at[1]), PanelRows(inputs, inputs_at[1], panel))
    add_product(operands, Starts(start, start, at[0], inputs_at[0]), Size(units, rows, wide))


@part
def add_bias_gradient(
    d_bias: np.ndarray, model: int, units: int, gradient: np.ndarray, at: tuple[int, int], rows: int, fixed: np.ndarray
) -> None:
    """Add to d_bias (models, units) the sum of so many rows of its gradients: the product of a row of ones with them.

    ``fixed`` ends with a one, after a panel of zeros.
    """
    start, panel = model * d_bias.shape[1], columns_of_a_panel(d_bias)
    sums = PanelRows(d_bias, 0, panel)
    operands = Operands(sums, sums, Factor(fixed, 0, 0), PanelRows(gradient, at[1], panel))
    add_product(operands, Starts(start, start, panel, at[0]), Size(1, rows, units))
