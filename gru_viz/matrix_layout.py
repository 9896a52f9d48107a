"""How a convention's matrices are put together from blocks, one block per gate and part, and taken apart again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from gru_viz.conventions import BIASES, PARTS, Convention, Matrix, Piece
from gru_viz.errors import ConventionError

__all__ = ["GateBlocks", "assemble", "sizes", "stacks", "take_apart"]

GateBlocks = dict[tuple[str, str], np.ndarray]
"""A cell's arrays by (part, gate): W (hidden, features), U (hidden, hidden), b and b_h (hidden,)."""


def assemble(matrix: Matrix, blocks: GateBlocks) -> np.ndarray:
    """Lay blocks out as ``matrix`` wants them."""

    def oriented(piece: Piece) -> np.ndarray:
        block = blocks[piece.part, piece.gate]
        return block.T if piece.transposed else block

    if matrix.flat:
        return np.concatenate([oriented(piece) for piece in matrix.grid[0]])
    return np.concatenate([np.concatenate([np.atleast_2d(oriented(p)) for p in row], 1) for row in matrix.grid])


def take_apart(matrix: Matrix, array: np.ndarray, size: Mapping[str, int]) -> GateBlocks:
    """Cut an array laid out as ``matrix`` into its blocks, which are views of it."""
    blocks: GateBlocks = {}
    for key, place, transposed in _places(matrix, size["W"], size["U"]):
        blocks[key] = array[place].T if transposed else array[place]
    return blocks


@lru_cache(256)
def stacks(kind: Convention) -> Mapping[str, str]:
    """Part → the matrix that has its blocks and no others, in the order of ``kind.gates`` and not transposed."""
    found: dict[str, str] = {}
    for part in PARTS:
        pieces = tuple(Piece(part, gate) for gate in kind.gates)
        column = tuple((piece,) for piece in pieces)
        for matrix in kind.matrices:
            if matrix.grid == ((pieces,) if matrix.flat else column):
                found[part] = matrix.name
    return MappingProxyType(found)


_Place = tuple[tuple[str, str], tuple[int | slice, ...], bool]
"""A block's part and gate, where it is in its matrix, and whether it is transposed there."""


@lru_cache(256)
def _places(matrix: Matrix, features: int, units: int) -> tuple[_Place, ...]:
    places: list[_Place] = []
    size, top = {"W": features, "U": units}, 0
    for row in matrix.grid:
        height, left = _extent(row[0], size)[0], 0
        for piece in row:
            right, is_bias = left + _extent(piece, size)[1], piece.part in BIASES
            columns = slice(left, right)
            place = (columns,) if matrix.flat else (top if is_bias else slice(top, top + height), columns)
            places.append(((piece.part, piece.gate), place, piece.transposed and not is_bias))
            left = right
        top += height
    return tuple(places)


def _extent(piece: Piece, size: Mapping[str, int]) -> tuple[int, int]:
    """The rows and columns a piece takes up; ``size["W"]`` is the features, ``size["U"]`` the units."""
    if piece.part in BIASES:
        return 1, size["U"]
    extent = (size["U"], size[piece.part])
    return extent[::-1] if piece.transposed else extent


def _shape(matrix: Matrix, size: Mapping[str, int]) -> tuple[int, ...]:
    rows = sum(_extent(row[0], size)[0] for row in matrix.grid)
    columns = sum(_extent(piece, size)[1] for piece in matrix.grid[0])
    return (columns,) if matrix.flat else (rows, columns)


def sizes(kind: Convention, matrices: Mapping[str, np.ndarray]) -> Mapping[str, int]:
    """Infer features ("W") and units ("U") from the shapes, and compare every array with them.

    Raises:
        ConventionError: a name is missing or unknown, or a shape fits none or another size than the rest.
    """
    return _infer_sizes(kind, tuple((name, array.shape) for name, array in matrices.items()))


@lru_cache(256)
def _infer_sizes(kind: Convention, named: tuple[tuple[str, tuple[int, ...]], ...]) -> Mapping[str, int]:
    """A shape is linear in both sizes, so its value at (0, 0), (1, 0) and (0, 1) gives the coefficients."""
    shapes, expected = dict(named), [matrix.name for matrix in kind.matrices]
    if set(shapes) != set(expected):
        found, wanted = f"the names {', '.join(shapes) or 'none'}", f"exactly {', '.join(expected)}"
        raise ConventionError(f"matrices of {kind.name}", found, wanted, "Rename or add the arrays that differ.")
    for matrix in kind.matrices:
        axes, shape = 1 if matrix.flat else 2, shapes[matrix.name]
        if len(shape) != axes:
            where = f"{kind.name}, {matrix.name}"
            raise ConventionError(where, f"shape {shape}", f"{axes} axes", "Check the array against the convention.")
    size: dict[str, int] = {}
    for wanted in ("U", "W"):
        for matrix in kind.matrices:
            zero, other, one = (
                _shape(matrix, {"W": 0, "U": 0, **known})
                for known in ({}, {"W" if wanted == "U" else "U": 1}, {wanted: 1})
            )
            for axis, length in enumerate(shapes[matrix.name]):
                slope, stray = one[axis] - zero[axis], other[axis] - zero[axis]
                if wanted in size or not slope or (stray and "U" not in size):
                    continue
                size[wanted] = (length - zero[axis] - stray * size.get("U", 0)) // slope
    for matrix in kind.matrices:
        shape, expected_shape = shapes[matrix.name], _shape(matrix, size)
        if shape != expected_shape or min(size.values()) < 1:
            wanted = f"shape {expected_shape} for {size['W']} features and {size['U']} units"
            remedy = "Check the array's layout against the convention."
            raise ConventionError(f"{kind.name}, {matrix.name}", f"shape {shape}", wanted, remedy)
    return MappingProxyType(size)
