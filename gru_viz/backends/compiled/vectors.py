"""What a step does to a row once its products are known, written as vectors and then as instructions of LLVM.

LLVM gives up on a loop that reads and writes among many arrays, and goes through what remains of a row one number at a
time. Here a row is one loop over vectors of ``BYTES``, and a remainder is one vector more, of which a part is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from gru_viz.backends.compiled.activations import ONE, WIDE, WIDER, expm1_parts, fraction, times_power
from gru_viz.backends.compiled.compiler import intrinsic
from gru_viz.backends.compiled.product import BYTES

__all__ = ["Shown", "Slots", "Vector", "choose", "rowwise", "sigmoid", "tanh"]

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


class Slots:
    """The blocks of a row, each read as a vector when it is asked for by its number."""

    def __init__(self, builder: Any, vector: Any, size: int, start: Any, gap: Any) -> None:
        self.builder, self.vector, self.size, self.start, self.gap = builder, vector, size, start, gap

    def __getitem__(self, slot: int) -> Vector:
        return Vector(self.builder, self.builder.load(self.place(slot), align=self.size))

    def place(self, slot: int) -> Any:
        """Where a block is, as a pointer to a vector."""
        far = self.builder.mul(self.gap, ir.Constant(INDEX, slot))
        return self.builder.bitcast(self.builder.gep(self.start, [far]), self.vector.as_pointer())


Shown = tuple[Mapping[int, Vector], Mapping[int, Vector]]
Equations = Callable[[Slots, Slots, Slots, Any], Shown]
"""From W x + b, U h + c, what is carried and ``keeps``: the quantities to show and what to carry on, by block."""

NAMES = ("out", "out_at", "out_gap", "x", "x_at", "x_gap", "sums", "sums_at", "sums_gap", "carried", "carried_at",
         "carried_gap", "size", "keeps")  # fmt: skip


def rowwise(equations: Equations) -> Any:
    """Make a function of compiled code that takes one row through the equations.

    Its arguments are four arrays, each with the flat place of a row's first block and how far apart its blocks are,
    then the units and ``keeps``. Of what it reads and carries, whole vectors are read and written, past the units'
    end; what it shows is written to the last unit and no further.
    """

    @intrinsic
    def row(
        _: Any, out: Any, out_at: Any, out_gap: Any, x: Any, x_at: Any, x_gap: Any, sums: Any, sums_at: Any,
        sums_gap: Any, carried: Any, carried_at: Any, carried_gap: Any, size: Any, keeps: Any,
    ) -> Any:  # fmt: skip
        n = types.intp
        signature = types.void(out, n, n, x, n, n, sums, n, n, carried, n, n, n, types.boolean)
        kinds = {"out": out, "x": x, "sums": sums, "carried": carried}

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            given = dict(zip(NAMES, arguments, strict=True))
            element = context.get_data_type(out.dtype)
            size = context.get_abi_sizeof(element)
            vector = ir.VectorType(element, BYTES // size)
            step = ir.Constant(INDEX, vector.count)
            keeps = context.cast(builder, given["keeps"], types.boolean, types.boolean)
            with cgutils.for_range_slice(builder, ir.Constant(INDEX, 0), given["size"], step) as (first, _):
                blocks = {}
                for name, kind in kinds.items():
                    data = context.make_array(kind)(context, builder, given[name]).data
                    start = builder.gep(data, [builder.add(given[f"{name}_at"], first)])
                    blocks[name] = Slots(builder, vector, size, start, given[f"{name}_gap"])
                shown, kept = equations(blocks["x"], blocks["sums"], blocks["carried"], keeps)
                for slot, each in kept.items():
                    builder.store(each.value, blocks["carried"].place(slot), align=size)
                left = builder.sub(given["size"], first)
                with builder.if_else(builder.icmp_signed(">=", left, step)) as (whole, rest):
                    with whole:
                        for slot, each in shown.items():
                            builder.store(each.value, blocks["out"].place(slot), align=size)
                    with rest:
                        _store_part(
                            builder, size, left, {blocks["out"].place(slot): each for slot, each in shown.items()}
                        )
            return context.get_dummy_value()

        return signature, generate

    return row


def _store_part(builder: Any, size: int, left: Any, shown: Mapping[Any, Vector]) -> None:
    """Store the first so many numbers of each vector."""
    for place, each in shown.items():
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
