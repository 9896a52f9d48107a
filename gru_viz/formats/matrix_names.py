"""Which matrix of a recurrent network an array is, by the end of its path: in torch's names and every convention's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from gru_viz.conventions import CONVENTIONS, Convention, Matrix

__all__ = ["PROJECTION", "CellKey", "ConventionFamily", "MatrixGroup", "families", "group"]

PROJECTION = "weight_hr"
BIAS_WITHOUT_MATRIX = "bias without a place"
SEPARATORS = "./:|_-"
_LAYER = re.compile(r"(.*?)(?:_l([0-9]{1,4})(_reverse)?)?", re.DOTALL)
_FIRST = ("cho_2014_v3",)
"""Conventions that come before others of the same names and shapes: the paper as it was published."""

CellKey = tuple[int, bool]
"""A layer, and whether it reads backward."""


@dataclass(frozen=True)
class ConventionFamily:
    """Conventions that share the names of their matrices, the likeliest first.

    Attributes:
        products: the matrices that hold W or U.
        biases: those that hold b or c alone, which a network may go without.
    """

    conventions: tuple[Convention, ...]
    products: tuple[str, ...]
    biases: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All matrices."""
        return self.products + self.biases


@dataclass
class MatrixGroup:
    """Arrays under one path that may be the matrices of one network.

    Attributes:
        prefix: the path.
        layered: whether their names tell their layers, as in ``weight_ih_l0``.
        places: layer and direction → matrix → the array's path in the file.
        unplaced: biases of linear layers for which no convention has a matrix.
    """

    prefix: str
    layered: bool
    places: dict[CellKey, dict[str, str]] = field(default_factory=dict)
    unplaced: list[str] = field(default_factory=list)

    def paths(self, family: ConventionFamily) -> tuple[str, ...]:
        """The paths of the arrays that bear a family's names."""
        return tuple(path for cell in self.places.values() for name, path in cell.items() if name in family.names)


@cache
def families() -> tuple[ConventionFamily, ...]:
    """Every convention, by the names of its matrices."""
    by_names: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Convention]] = {}
    for each in sorted(CONVENTIONS.values(), key=lambda known: known.name not in _FIRST):
        products = tuple(m.name for m in each.matrices if _parts(m) & {"W", "U"})
        biases = tuple(m.name for m in each.matrices if not _parts(m) & {"W", "U"})
        by_names.setdefault((products, biases), []).append(each)
    return tuple(ConventionFamily(tuple(kinds), *names) for names, kinds in by_names.items())


def group(paths: Iterator[str]) -> tuple[MatrixGroup, ...]:
    """Gather paths that end in the name of a matrix by what stands before it, in the order of the file.

    Example:
        >>> for found in group(iter(["enc.weight_ih_l0", "enc.weight_ih_l0_reverse", "fc.weight"])):
        ...     print(found.prefix, found.places)
        enc {(0, False): {'weight_ih': 'enc.weight_ih_l0'}, (0, True): {'weight_ih': 'enc.weight_ih_l0_reverse'}}
    """
    groups: dict[tuple[str, bool], MatrixGroup] = {}
    for path in paths:
        match = _LAYER.fullmatch(path)
        assert match is not None
        stem, layer, reverse = match.groups()
        for prefix, matrix in _readings(stem):
            key = (prefix.rstrip(SEPARATORS), layer is not None)
            found = groups.setdefault(key, MatrixGroup(*key))
            if matrix == BIAS_WITHOUT_MATRIX:
                found.unplaced.append(path)
            else:
                found.places.setdefault((int(layer or 0), reverse is not None), {}).setdefault(matrix, path)
    return tuple(groups.values())


def _readings(stem: str) -> Iterator[tuple[str, str]]:
    """Every way to read a path as some prefix and a matrix."""
    known = _known()
    for at in range(max(0, len(stem) - 32), len(stem)):
        if at == 0 or stem[at - 1] in SEPARATORS:
            for matrix in known.get(stem[at:], ()):
                yield stem[:at], matrix


@cache
def _known() -> dict[str, tuple[str, ...]]:
    """Ends of paths → matrices: their own names, and those of linear layers named after them."""
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
                bias = ("b" if piece.part == "W" else "c", piece.gate)
                beside = [m.name for m in each.matrices if len(m.grid[0]) == 1 and m.grid[0][0][:2] == bias]
                add(f"{matrix.name}.bias", beside[0] if beside else BIAS_WITHOUT_MATRIX)
    return known


def _parts(matrix: Matrix) -> set[str]:
    return {piece.part for row in matrix.grid for piece in row}
