"""A pyramid: bins of many widths, each level from the one below, so that a view costs the screen and not the data.

Its rows are in memory, or in a temporary file that nobody else can see.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import IO, Any

import numpy as np

from gru_viz.bins import combine, reduce
from gru_viz.errors import TraceError

FACTOR = 4
ENOUGH = 512
"""A level of so few bins needs none above it."""

BYTES_AT_A_TIME = 1 << 21
"""How much is read at a time from a level to make wider bins."""


def level_widths(length: int, base: int) -> tuple[int, ...]:
    """The widths of the bins of a pyramid over so many steps, from the finest."""
    widths = [base]
    while length > ENOUGH * widths[-1]:
        widths.append(FACTOR * widths[-1])
    return tuple(widths)


class Scratch:
    """A temporary file without a name, read and written at any place by any thread; gone with the last use of it.

    It counts for the disk, not for the memory of the process, apart from what the system keeps of it to be fast.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self.size = 0

    @property
    def free(self) -> int:
        """How many bytes the disk has left."""
        return shutil.disk_usage(tempfile.gettempdir()).free

    def claim(self, size: int) -> int:
        """Set so many bytes apart, and say where they begin.

        Raises:
            TraceError: there is no room for them.
        """
        with self._lock:
            first, self.size = self.size, self.size + size
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # open as long as this object
                    weakref.finalize(self, self._file.close)
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(self._file.fileno(), first, max(size, 1))
            except OSError as reason:
                raise TraceError(
                    f"the folder for temporary files, {tempfile.gettempdir()}",
                    f"no room for {self.size / 2**20:.0f} MiB ({reason.strerror})",
                    "room for what does not fit into memory of a long trace",
                    "Make room there, or name another folder in the environment variable TMPDIR.",
                ) from None
        return first

    def write(self, place: int, values: np.ndarray) -> None:
        """Put an array there."""
        self._move(place, values, "write")

    def read(self, place: int, values: np.ndarray) -> None:
        """Fill an array from there."""
        self._move(place, values, "readinto")

    def _move(self, place: int, values: np.ndarray, how: str) -> None:
        left = values.data.cast("B") if values.size else memoryview(b"")
        with self._lock:
            assert self._file is not None
            self._file.seek(place)
            while left:
                left = left[getattr(self._file, how)(left) :]

    def close(self) -> None:
        """Give the file back now."""
        with self._lock:
            if self._file is not None:
                self._file.close()


class Rows:
    """Rows of one shape, written once and read in any order; in memory, or in the file ``scratch``."""

    def __init__(self, count: int, shape: Sequence[int], dtype: Any, scratch: Scratch | None = None) -> None:
        self.count, self.shape, self.dtype, self._scratch = count, tuple(shape), np.dtype(dtype), scratch
        self.row_bytes = self.dtype.itemsize * int(np.prod(self.shape))
        self._array = np.empty((count, *self.shape), self.dtype) if scratch is None else None
        self._place = scratch.claim(count * self.row_bytes) if scratch is not None else 0

    @property
    def nbytes(self) -> int:
        """How many bytes all rows take."""
        return self.count * self.row_bytes

    def write(self, first: int, values: np.ndarray) -> None:
        """Put values (rows, …) from row ``first`` on."""
        if self._array is not None:
            self._array[first : first + len(values)] = values
        elif self._scratch is not None:
            self._scratch.write(self._place + first * self.row_bytes, np.ascontiguousarray(values, self.dtype))

    def read(self, first: int, last: int) -> np.ndarray:
        """The rows from ``first`` to before ``last``, read-only."""
        if self._array is not None:
            values = self._array[first:last]
        else:
            values = np.empty((last - first, *self.shape), self.dtype)
            if self._scratch is not None:
                self._scratch.read(self._place + first * self.row_bytes, values)
        values.flags.writeable = False
        return values


class Pyramid:
    """Low, high and mean of bins of several widths over a sequence (time, units) that comes in pieces, in any order.

    The narrowest bins have ``base`` steps; those of the widths ``in_file`` are stored in the file ``scratch``.
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

        Both are multiples of ``width``, or the end of the sequence. ``finest`` is the level to read; where it is 0, the
        widest one that divides ``width``.
        """
        level = finest or max(each for each in self.levels if not width % each)
        rows = self.levels[level]
        out = np.empty((-(-(last - first) // width), *rows.shape), rows.dtype)
        block = max(BYTES_AT_A_TIME * level // (rows.row_bytes * width), 1)
        for n in range(0, len(out), block):
            begin, end = first + n * width, min(first + (n + block) * width, last)
            bins = rows.read(begin // level, -(-end // level))
            last_share = (end % level or level) / level  # the last bin may end with the sequence
            out[n : n + block] = combine(bins, width // level, last_share)
        return out
