"""Rows of numbers in memory, or in a temporary file that nobody else can see."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from gru_viz.errors import TraceError

__all__ = ["Rows", "Scratch"]


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
    """So many rows of one shape, written once and read in any order.

    Args:
        scratch: the file to keep them in; in memory where None.

    Example:
        >>> rows = Rows(3, (2,), np.float32, Scratch())
        >>> rows.write(1, np.ones((2, 2), np.float32))
        >>> rows.read(1, 3).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

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
