"""A pyramid: bins of many widths, each level from the one below, so that a view costs the screen and not the data."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Any

import numpy as np

from gru_viz.bins import combine, reduce
from gru_viz.streaming.store import Rows, Scratch

__all__ = ["FACTOR", "Pyramid", "level_widths"]

FACTOR = 4
ENOUGH = 512
"""A level of so few bins needs none above it."""

BYTES_AT_A_TIME = 1 << 21
"""How much is read at a time from a level to make wider bins."""


def level_widths(length: int, base: int) -> tuple[int, ...]:
    """The widths of the bins of a pyramid over so many steps, from the finest.

    Example:
        >>> level_widths(1_000_000, 64)
        (64, 256, 1024, 4096)
    """
    widths = [base]
    while length > ENOUGH * widths[-1]:
        widths.append(FACTOR * widths[-1])
    return tuple(widths)


class Pyramid:
    """Low, high and mean of bins of several widths over a sequence (time, units) that comes in pieces, in any order.

    Args:
        length: steps in all.
        units: numbers at each step.
        dtype: their type.
        base: steps of the narrowest bin.
        in_file: which widths are stored in the file.
        scratch: the file.

    Example:
        >>> pyramid = Pyramid(10, 1, np.float64, base=2)
        >>> values = np.arange(10.0)[:, None]
        >>> pyramid.add(8, values[8:])
        >>> pyramid.add(0, values[:8])
        >>> pyramid.finish()
        >>> pyramid.view(4, 10, 4)[:, :, 0]
        array([[4. , 7. , 5.5],
               [8. , 9. , 8.5]])
    """

    def __init__(
        self,
        length: int,
        units: int,
        dtype: Any,
        base: int,
        in_file: Collection[int] = (),
        scratch: Scratch | None = None,
    ) -> None:
        self.length = length
        self.levels = {
            width: Rows(-(-length // width), (3, units), dtype, scratch if width in in_file else None)
            for width in level_widths(length, base)
        }

    def add(self, first: int, values: np.ndarray) -> None:
        """Take in the values (time, units) of a piece, from step ``first`` on: whole bins, but at the very end."""
        base, rows = next(iter(self.levels.items()))
        rows.write(first // base, reduce(values, base))

    def finish(self) -> None:
        """Make the wider levels, once all pieces are there."""
        for below, width in pairwise(self.levels):
            rows = self.levels[width]
            block = max(BYTES_AT_A_TIME // rows.row_bytes, 1)
            for first in range(0, rows.count, block):
                last = min((first + block) * width, self.length)
                rows.write(first, self.view(first * width, last, width, finest=below))

    def view(self, first: int, last: int, width: int, finest: int = 0) -> np.ndarray:
        """Low, high and mean of the bins from step ``first`` to before ``last``: (bins, 3, units).

        Args:
            first: a multiple of ``width``.
            last: another, or the end of the sequence.
            width: steps of a bin, a multiple of the base.
            finest: the level to read; where it is 0, the widest one that divides ``width``.
        """
        level = finest or max(each for each in self.levels if not width % each)
        rows = self.levels[level]
        out = np.empty((-(-(last - first) // width), *rows.shape), rows.dtype)
        block = max(BYTES_AT_A_TIME * level // (rows.row_bytes * width), 1)
        for n in range(0, len(out), block):
            begin, end = first + n * width, min(first + (n + block) * width, last)
            bins = rows.read(begin // level, -(-end // level))
            out[n : n + block] = combine(bins, width // level, _last(end, level))
        return out


def _last(steps: int, width: int) -> float:
    """The width of the last bin of so many steps, as a share of the others'."""
    return (steps % width or width) / width
