"""Recognises the matrices of recurrent networks by the ends of their paths, in the names of every convention."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from gru_viz.conventions import CONVENTIONS, Convention, Matrix

__all__ = ["PROJECTION", "CellKey", "Family", "MatrixGroup", "families", "group"]

PROJECTION = "weight_hr"
UNKNOWN_BIAS = "unknown bias"
SEPARATORS = "./:|_-"
_LAYER = re.compile(r"(.*?)(?:_l([0-9]{1,4})(_reverse)?)?", re.DOTALL)
_FIRST = ("cho_2014_v3",)
"""Conventions preferred over others with the same names and shapes: the published version of the paper."""

CellKey = tuple[int, bool]
"""A layer's number, and whether the cell reads backward."""


@dataclass(frozen=True)
class Family:
    """Conventions with the same names of matrices, likeliest first; a network may lack those of biases alone."""

    conventions: tuple[Convention, ...]
    products: tuple[str, ...]
    biases: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all matrices."""
        return self.products + self.biases


@dataclass
class MatrixGroup:
    """Arrays under one path that may be the matrices of one network.

    Attributes:
        layered: whether the names contain the layer, as in ``weight_ih_l0``.
        places: layer and direction → matrix → the array's path in the file.
        unplaced: paths of biases that the convention of their linear layers lacks.
    """

    prefix: str
    layered: bool
    places: dict[CellKey, dict[str, str]] = field(default_factory=dict)
    unplaced: list[str] = field(default_factory=list)

    def paths(self, family: Family) -> tuple[str, ...]:
        """The paths of the arrays with a family's names."""
        return tuple(path for cell in self.places.values() for name, path in cell.items() if name in family.names)


@cache
def families() -> tuple[Family, ...]:
    """All conventions, grouped by the names of their matrices."""
    by_names: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Convention]] = {}
    for each in sorted(CONVENTIONS.values(), key=lambda known: known.name not in _FIRST):
        products = tuple(m.name for m in each.matrices if _parts(m) & {"W", "U"})
        biases = tuple(m.name for m in each.matrices if not _parts(m) & {"W", "U"})
        by_names.setdefault((products, biases), []).append(each)
    return tuple(Family(tuple(kinds), *names) for names, kinds in by_names.items())


def group(paths: Iterator[str]) -> tuple[MatrixGroup, ...]:
    """Group the paths that end in a matrix name by the prefix before it, in the order of the file."""
    groups: dict[tuple[str, bool], MatrixGroup] = {}
    for path in paths:
        match = _LAYER.fullmatch(path)
        assert match is not None
        stem, layer, reverse = match.groups()
        for prefix, matrix in _readings(stem):
            key = (prefix.rstrip(SEPARATORS), layer is not None)
            found = groups.setdefault(key, MatrixGroup(*key))
            if matrix == UNKNOWN_BIAS:
                found.unplaced.append(path)
            else:
                found.places.setdefault((int(layer or 0), reverse is not None), {}).setdefault(matrix, path)
    return tuple(groups.values())


def _readings(stem: str) -> Iterator[tuple[str, str]]:
    """Every split of a path into a prefix and a matrix."""
    known = _known()
    for at in range(max(0, len(stem) - 32), len(stem)):
        if at == 0 or stem[at - 1] in SEPARATORS:
            for matrix in known.get(stem[at:], ()):
                yield stem[:at], matrix


@cache
def _known() -> dict[str, tuple[str, ...]]:
    """End of a path → matrices: their own names, and linear layers named after them."""
    known: dict[str, tuple[str, ...]] = {PROJECTION: (PROJECTION,)}

    def add(end: str, matrix: str) -> None:
        known[end] = tuple(dict.fromkeys((*known.get(end, ()), matrix)))

    for each in CONVENTIONS.values():
        for matrix in each.matrices:
            add(matrix.name, matrix.name)
            piece = matrix.grid[0][0]
            single = len(matrix.grid) * len(matrix.grid[0]) == 1
            if single and piece.part in "WU" and not piece.transposed:
                add(f"{matrix.name}.weight", matrix.name)
                bias = ("b" if piece.part == "W" else "b_h", piece.gate)
                beside = [m.name for m in each.matrices if len(m.grid[0]) == 1 and m.grid[0][0][:2] == bias]
                add(f"{matrix.name}.bias", beside[0] if beside else UNKNOWN_BIAS)
    return known


def _parts(matrix: Matrix) -> set[str]:
    return {piece.part for row in matrix.grid for piece in row}
