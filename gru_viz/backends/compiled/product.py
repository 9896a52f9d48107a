"""The matrix products of a step: a register-blocked tile, and the loops around it.

LLVM vectorises a loop over columns well, but goes to memory and back for every sum. The tile is therefore written as
vectors: ``ROWS`` rows by two vectors of columns stay in registers while the sum runs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from gru_viz.backends.compiled.compiler import intrinsic, part

__all__ = [
    "PANEL_BYTES",
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
"""How many rows, steps × batch, a product of the weights' gradient runs over: what still lies in a near cache."""
NAMES = (
    *("out", "out_at", "out_row", "base", "base_at", "base_row", "base_panel", "a", "a_at", "a_row", "a_step"),
    *("b", "b_at", "b_step", "b_panel", "depth", "live"),
)


def _tile(rows: int, panels: int = 1) -> Any:
    """out[i, :] = base[i, :] + sum over k of a[i, k] b[k, :], for ``rows`` rows i and so many panels of columns.

    Rows from ``live`` on repeat the last one, so that a tile at the edge needs no code of its own.
    """

    @intrinsic
    def tile(
        _: Any, out: Any, out_at: Any, out_row: Any, base: Any, base_at: Any, base_row: Any, base_panel: Any,
        a: Any, a_at: Any, a_row: Any, a_step: Any, b: Any, b_at: Any, b_step: Any, b_panel: Any, depth: Any,
        live: Any,
    ) -> Any:  # fmt: skip
        n = types.intp
        signature = types.void(out, n, n, base, n, n, n, a, n, n, n, b, n, n, n, n, n)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            element = context.get_data_type(out.dtype)
            size = context.get_abi_sizeof(element)
            vector = ir.VectorType(element, BYTES // size)
            whole = partial(ir.Constant, ir.IntType(64))
            given = dict(zip(NAMES, arguments, strict=True))
            start = {
                name: builder.gep(context.make_array(kind)(context, builder, given[name]).data, [given[f"{name}_at"]])
                for name, kind in {"out": out, "base": base, "a": a, "b": b}.items()
            }

            def vectors(pointer: Any, panel: Any) -> list[Any]:
                places = [
                    builder.add(builder.mul(panel, whole(p)), whole(v * vector.count))
                    for p in range(panels)
                    for v in range(VECTORS)
                ]
                return [builder.bitcast(builder.gep(pointer, [n]), vector.as_pointer()) for n in places]

            last = builder.sub(given["live"], whole(1))
            row = [whole(n) for n in range(rows)]
            row = [builder.select(builder.icmp_signed("<", n, last), n, last) for n in row]
            at = {
                name: [builder.gep(start[name], [builder.mul(n, given[f"{name}_row"])]) for n in row]
                for name in ("out", "base", "a")
            }
            zero = ir.Constant(vector, None)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(panels * VECTORS)] for _ in row]
            multiply_add = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(vector, [vector] * 3),
                f"llvm.fmuladd.v{vector.count}f{8 * size}",
            )
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
            with cgutils.for_range(builder, given["depth"]) as loop:
                b_here = builder.gep(start["b"], [builder.mul(loop.index, given["b_step"])])
                b_k = [builder.load(each, align=size) for each in vectors(b_here, given["b_panel"])]
                step = builder.mul(loop.index, given["a_step"])
                for n in range(rows):
                    a_nk = builder.load(builder.gep(at["a"][n], [step]))
                    filled = builder.insert_element(zero, a_nk, ir.Constant(ir.IntType(32), 0))
                    filled = builder.shuffle_vector(filled, zero, lanes)
                    for total, b_kv in zip(sums[n], b_k, strict=True):
                        builder.store(builder.call(multiply_add, [filled, b_kv, builder.load(total)]), total)
            ends = [
                (builder.fadd(builder.load(source, align=size), builder.load(total)), target)
                for n in range(rows)
                for source, total, target in zip(
                    vectors(at["base"][n], given["base_panel"]),
                    sums[n],
                    vectors(at["out"][n], whole(VECTORS * vector.count)),
                    strict=True,
                )
            ]
            for value, target in ends:  # after all loads: a repeated row must not be added to twice
                builder.store(value, target, align=size)
            return context.get_dummy_value()

        return signature, generate

    return tile


_wide = _tile(ROWS)
_six, _four, _two, _one = _tile(1, 6), _tile(1, 4), _tile(1, 2), _tile(1)
"""For a row alone: a sum must wait for the one before it, so that only many columns at once keep the processor busy."""


@part
def columns_of_a_panel(like: np.ndarray) -> int:
    """How many columns a tile has for the element type of an array."""
    return PANEL_BYTES // like.itemsize


@part
def add_product(
    out: np.ndarray, out_at: int, out_row: int, base: np.ndarray, base_at: int, base_row: int, base_panel: int,
    a: np.ndarray, a_at: int, a_row: int, a_step: int, b: np.ndarray, b_at: int, b_step: int, b_panel: int,
    rows: int, depth: int, columns: int, turned: bool = False,
) -> None:  # fmt: skip
    """out = base + a b, each given as an array, the flat place of its first element, and its strides.

    The last panel reads and writes past the last column to its own end; what it leaves there means nothing. ``turned``
    takes the last panel first: who turns at every other step finds in the cache what the step before read last.
    """
    panel = columns_of_a_panel(out)
    panels = (columns + panel - 1) // panel
    together = rows if rows % ROWS > 2 else rows - rows % ROWS
    for n in range(panels):
        p = panels - 1 - n if turned else n
        o, c, d = out_at + p * panel, base_at + p * base_panel, b_at + p * b_panel
        for i in range(0, together, ROWS):
            _wide(
                out, o + i * out_row, out_row, base, c + i * base_row, base_row, base_panel,
                a, a_at + i * a_row, a_row, a_step, b, d, b_step, b_panel, depth, min(rows - i, ROWS),
            )  # fmt: skip
    for i in range(together, rows):
        e, left = a_at + i * a_row, panels
        while left:
            n = 6 if left >= 6 else 4 if left >= 4 else 2 if left >= 2 else 1
            p = left - n if turned else panels - left
            o, c, d = out_at + i * out_row + p * panel, base_at + i * base_row + p * base_panel, b_at + p * b_panel
            if n == 6:
                _six(out, o, 0, base, c, 0, base_panel, a, e, 0, a_step, b, d, b_step, b_panel, depth, 1)
            elif n == 4:
                _four(out, o, 0, base, c, 0, base_panel, a, e, 0, a_step, b, d, b_step, b_panel, depth, 1)
            elif n == 2:
                _two(out, o, 0, base, c, 0, base_panel, a, e, 0, a_step, b, d, b_step, b_panel, depth, 1)
            else:
                _one(out, o, 0, base, c, 0, base_panel, a, e, 0, a_step, b, d, b_step, b_panel, depth, 1)
            left -= n


@part
def steps_at_once(batch: int) -> int:
    """How many steps one product of the weights' gradient runs over."""
    return max(1, DEPTH // max(1, batch))


@part
def add_weight_gradient(
    d_weight: np.ndarray, model: int, first: int, units: int, gradient: np.ndarray, at: int, stride: int,
    inputs: np.ndarray, inputs_at: int, inputs_stride: int, rows: int,
) -> None:  # fmt: skip
    """Add to ``units`` rows of U, from ``first`` on, what so many rows of their gradients and their inputs give."""
    _, height, wide = d_weight.shape
    start, panel = (model * height + first) * wide, columns_of_a_panel(d_weight)
    add_product(
        d_weight, start, wide, d_weight, start, wide, panel, gradient, at, 1, stride,
        inputs, inputs_at, inputs_stride, panel, units, rows, wide,
    )  # fmt: skip


@part
def add_bias_gradient(
    d_bias: np.ndarray, model: int, units: int, gradient: np.ndarray, at: int, stride: int, rows: int,
    fixed: np.ndarray,
) -> None:  # fmt: skip
    """Add to c the sum of so many rows of its gradients: the product of a row of ones with them."""
    start, panel = model * d_bias.shape[1], columns_of_a_panel(d_bias)
    add_product(
        d_bias, start, 0, d_bias, start, 0, panel, fixed, panel, 0, 0, gradient, at, stride, panel, 1, rows, units
    )
