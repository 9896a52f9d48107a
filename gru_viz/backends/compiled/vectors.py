"""What a step does to a row once its products are known, written as vectors and then as instructions of LLVM.

LLVM gives up on a loop that reads and writes among many arrays, and goes through what remains of a row one number at a
time. Here a row is one loop over vectors of ``BYTES``, and a remainder is one vector more, of which a part is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from gru_viz.backends.compiled.activations import ONE, WIDE, WIDER, expm1_parts, fraction, times_power
from gru_viz.backends.compiled.compiler import intrinsic
from gru_viz.backends.compiled.product import BYTES

__all__ = ["RowArrays", "RowBlocks", "RowPlaces", "RowResult", "Vector", "choose", "rowwise", "sigmoid", "tanh"]

FLAGS = ("nsz", "contract", "arcp")
INDEX = ir.IntType(64)


class Vector:
    """Several numbers that one instruction works on, with Python's signs of arithmetic."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: Any) -> Vector:
        return self._do("fadd", self, other)

    def __radd__(self, other: Any) -> Vector:
        return self._do("fadd", other, self)

    def __sub__(self, other: Any) -> Vector:
        return self._do("fsub", self, other)

    def __rsub__(self, other: Any) -> Vector:
        return self._do("fsub", other, self)

    def __mul__(self, other: Any) -> Vector:
        return self._do("fmul", self, other)

    def __rmul__(self, other: Any) -> Vector:
        return self._do("fmul", other, self)

    def __truediv__(self, other: Any) -> Vector:
        return self._do("fdiv", self, other)

    def clamped(self, bound: float) -> Vector:
        """In this order of comparisons a NaN stays: it is neither below nor above."""
        low, high, build = self._value(-bound), self._value(bound), self.builder
        above = build.select(build.fcmp_ordered("<", self.value, low), low, self.value)
        return Vector(build, build.select(build.fcmp_ordered(">", above, high), high, above))

    def power_of_two(self) -> Vector:
        """2 ** k of doubles, where this is 1.5 * 2 ** 52 + k: its lowest bits are k, and become the exponent."""
        whole = ir.VectorType(INDEX, self.value.type.count)
        build, number = self.builder, partial(_repeated, whole)
        biased = build.add(build.bitcast(self.value, whole), number(1023))
        return Vector(build, build.bitcast(build.shl(biased, number(52)), self.value.type))

    def _value(self, other: Any) -> Any:
        return other.value if isinstance(other, Vector) else _repeated(self.value.type, float(other))

    def _do(self, what: str, one: Any, other: Any) -> Vector:
        return Vector(self.builder, getattr(self.builder, what)(self._value(one), self._value(other), flags=FLAGS))


def _repeated(kind: Any, number: float) -> Any:
    return ir.Constant(kind, [number] * kind.count)


def tanh(x: Vector) -> Vector:
    """The hyperbolic tangent, by the formulas of ``gru_viz.backends.compiled.activations``."""
    if isinstance(x.value.type.element, ir.FloatType):
        return fraction(x.clamped(float(WIDE))).clamped(float(ONE))
    series, shifted = expm1_parts((x + x).clamped(WIDER))
    return times_power(series, shifted.power_of_two())


def sigmoid(x: Vector) -> Vector:
    """The logistic function, ½ + ½ tanh(x / 2)."""
    return tanh(x * 0.5) * 0.5 + 0.5


def choose(condition: Any, one: Vector, other: Vector) -> Vector:
    """The one where a condition of the whole run holds."""
    return Vector(one.builder, one.builder.select(condition, one.value, other.value))


class RowBlocks:
    """The blocks of a row, each read as a vector when it is asked for by its number."""

    def __init__(self, builder: Any, vector: Any, size: int, start: Any, gap: Any) -> None:
        self.builder, self.vector, self.size, self.start, self.gap = builder, vector, size, start, gap

    def __getitem__(self, block: int) -> Vector:
        return Vector(self.builder, self.builder.load(self.place(block), align=self.size))

    def place(self, block: int) -> Any:
        """Where a block is, as a pointer to a vector."""
        far = self.builder.mul(self.gap, ir.Constant(INDEX, block))
        return self.builder.bitcast(self.builder.gep(self.start, [far]), self.vector.as_pointer())


RowResult = tuple[Mapping[int, Vector], Mapping[int, Vector]]
RowEquations = Callable[[RowBlocks, RowBlocks, RowBlocks, Any], RowResult]
"""From W x + b, U h + b_h, what is carried and ``keeps``: the quantities to write and what to carry on, by block."""


class RowArrays(NamedTuple):
    """The arrays that a row is read from and written to."""

    out: np.ndarray
    projected: np.ndarray
    sums: np.ndarray
    carried: np.ndarray


class RowPlaces(NamedTuple):
    """For each of the arrays the flat place of a row's first block, or the distance between its blocks."""

    out: int
    projected: int
    sums: int
    carried: int


def rowwise(equations: RowEquations) -> Any:
    """Make a function of compiled code that takes one row through the equations.

    Its arguments are ``RowArrays``, two ``RowPlaces`` (the row's first blocks, and the distances between its blocks),
    the units and ``keeps``. Of what it reads and carries, whole vectors are read and written, past the units' end;
    quantities are written to the last unit and no further.
    """

    @intrinsic
    def row(_: Any, arrays: Any, starts: Any, gaps: Any, size: Any, keeps: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            element = context.get_data_type(arrays[0].dtype)
            bytes_each = context.get_abi_sizeof(element)
            vector = ir.VectorType(element, BYTES // bytes_each)
            step, units = ir.Constant(INDEX, vector.count), arguments[3]
            keep = context.cast(builder, arguments[4], types.boolean, types.boolean)
            with cgutils.for_range_slice(builder, ir.Constant(INDEX, 0), units, step) as (first, _):
                out, *given = [
                    _blocks(context, builder, arrays[n], arguments[:3], n, first, vector) for n in range(len(arrays))
                ]
                quantities, carried = equations(given[0], given[1], given[2], keep)
                for block, each in carried.items():
                    builder.store(each.value, given[2].place(block), align=bytes_each)
                _store(builder, out, quantities, builder.sub(units, first), step)
            return context.get_dummy_value()

        return types.void(arrays, starts, gaps, types.intp, types.boolean), generate

    return row


def _blocks(context: Any, builder: Any, kind: Any, arguments: Any, n: int, first: Any, vector: Any) -> RowBlocks:
    """The blocks of a row in one array, from unit ``first`` on."""
    value, start, gap = (builder.extract_value(each, n) for each in arguments)
    data = context.make_array(kind)(context, builder, value).data
    size = context.get_abi_sizeof(vector.element)
    return RowBlocks(builder, vector, size, builder.gep(data, [builder.add(start, first)]), gap)


def _store(builder: Any, out: RowBlocks, quantities: Mapping[int, Vector], left: Any, step: Any) -> None:
    """Write a vector of each quantity, or as many numbers as are left of its units."""
    with builder.if_else(builder.icmp_signed(">=", left, step)) as (whole, rest):
        with whole:
            for block, each in quantities.items():
                builder.store(each.value, out.place(block), align=out.size)
        with rest:
            _store_part(builder, out.size, left, {out.place(block): each for block, each in quantities.items()})


def _store_part(builder: Any, size: int, left: Any, values: Mapping[Any, Vector]) -> None:
    """Store the first so many numbers of each vector."""
    for place, each in values.items():
        vector, lane = each.value.type, ir.IntType(32)
        whole = ir.VectorType(lane, vector.count)
        some = builder.insert_element(ir.Constant(whole, None), builder.trunc(left, lane), ir.Constant(lane, 0))
        some = builder.shuffle_vector(some, ir.Constant(whole, None), ir.Constant(whole, None))
        mask = builder.icmp_signed("<", ir.Constant(whole, list(range(vector.count))), some)
        flag = ir.VectorType(ir.IntType(1), vector.count)
        kind = ir.FunctionType(ir.VoidType(), [vector, vector.as_pointer(), lane, flag])
        name = f"llvm.masked.store.v{vector.count}f{8 * size}.p0"
        store = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(store, [each.value, place, ir.Constant(lane, size), mask])
