"""Reads NPZ files, archives of NumPy arrays, without unpickling anything."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib

import numpy as np

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import ModelBytes, damaged, open_zip, printable
from gru_viz.formats.named_arrays import ArrayBudget, NamedArrays

__all__ = ["read"]

MOST_HEADER = 1 << 16
"""The largest header of an array, in bytes; it is a line of text."""
MOST_UNPACKED, MOST_RATIO = 16 << 20, 100
"""An array may unpack to this many bytes, or to this many times its compressed size if that is more."""


def read(content: ModelBytes) -> NamedArrays:
    """Read every array, in the order of the archive.

    Raises:
        FormatError: an entry is damaged, contains Python objects, or claims another size than it has.
    """
    budget = ArrayBudget(content.name, content.limits)
    arrays: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    convention = None
    with open_zip(content.data, content.name, content.limits) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            where = f"{content.name}, {printable(name)}"
            if name == entry.filename:
                unreadable[name] = "not an array"
                continue
            try:
                array = _array(archive, entry, name, where, budget)
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
                raise damaged(where, error) from error
            if array.dtype.kind == "U" and array.ndim == 0:
                convention = str(array) if name == "convention" else convention
            elif array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
                arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
            else:
                unreadable[name] = f"an array of {printable(array.dtype, 40)}"
    return NamedArrays(arrays, unreadable, convention if convention in CONVENTIONS else None)


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, where: str, budget: ArrayBudget) -> np.ndarray:
    with archive.open(entry) as file:
        head = file.read(12)
        version = tuple(head[6:8])
        size = int.from_bytes(head[8:10] if version == (1, 0) else head[8:12], "little")
        if not head.startswith(b"\x93NUMPY") or version not in ((1, 0), (2, 0), (3, 0)) or size > MOST_HEADER:
            raise damaged(where, f"not an array, or a header of {size:,} bytes")
        start = size + (10 if version == (1, 0) else 12)
        header = io.BytesIO(head + file.read(start - len(head)))
        header.seek(8)
        parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, fortran, dtype = parse(header, max_header_size=MOST_HEADER)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError) as error:
            raise damaged(where, f"an invalid header: {error}") from error
        if dtype.hasobject:
            found = f"Python objects ({printable(dtype, 40)}), which need a pickle; no code was run"
            raise FormatError(where, found, "plain numbers", "Save arrays of numbers.")
        claimed = budget.take(name, shape, dtype.itemsize, stored=entry.file_size - start)
        if claimed > max(MOST_UNPACKED, MOST_RATIO * entry.compress_size):
            found = f"{entry.compress_size:,} bytes that unpack to {claimed:,}"
            raise FormatError(where, found, f"at most {MOST_RATIO} times as many", "Save it with numpy.savez.")
        numbers = file.read(claimed)
        if len(numbers) < claimed or file.read(1):
            raise damaged(where, f"{len(numbers):,} bytes of {claimed:,}")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F" if fortran else "C")
