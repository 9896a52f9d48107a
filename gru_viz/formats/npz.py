"""NPZ: an archive of NumPy arrays, read without pickles."""

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
"""Bytes of an array's header, which is a line of text."""
MOST_UNPACKED, MOST_RATIO = 16 << 20, 100
"""An array may take so many bytes whatever it was packed to; beyond, so many times its packed bytes."""


def read(content: ModelBytes) -> NamedArrays:
    """Every array by its name, in the order of the archive.

    Raises:
        FormatError: an entry is no plain array, is damaged, or claims what is not there.
    """
    budget = ArrayBudget(content.name, content.limits)
    arrays: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    said = None
    with open_zip(content.data, content.name, content.limits) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            where = f"{content.name}, {printable(name)}"
            if name == entry.filename:
                unreadable[name] = "no array"
                continue
            try:
                array = _array(archive, entry, name, where, budget)
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
                raise damaged(where, error) from error
            if array.dtype.kind == "U" and array.ndim == 0:
                said = str(array) if name == "convention" else said
            elif array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
                arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
            else:
                unreadable[name] = f"an array of {printable(array.dtype, 40)}"
    return NamedArrays(arrays, unreadable, said if said in CONVENTIONS else None)


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, where: str, budget: ArrayBudget) -> np.ndarray:
    with archive.open(entry) as file:
        head = file.read(12)
        version = tuple(head[6:8])
        size = int.from_bytes(head[8:10] if version == (1, 0) else head[8:12], "little")
        if not head.startswith(b"\x93NUMPY") or version not in ((1, 0), (2, 0), (3, 0)) or size > MOST_HEADER:
            raise damaged(where, f"no array, or one with a header of {size:,} bytes")
        start = size + (10 if version == (1, 0) else 12)
        header = io.BytesIO(head + file.read(start - len(head)))
        header.seek(8)
        parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, fortran, dtype = parse(header, max_header_size=MOST_HEADER)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError) as error:
            raise damaged(where, f"its header says {error}") from error
        if dtype.hasobject:
            found = f"Python objects ({printable(dtype, 40)}), which need a pickle; nothing of it was run"
            raise FormatError(where, found, "plain numbers", "Save arrays of numbers.")
        claimed = budget.take(name, shape, dtype.itemsize)
        if claimed != entry.file_size - start:
            raise FormatError(
                where,
                f"the shape {printable(shape)} of {claimed:,} bytes, and {entry.file_size - start:,} bytes for it",
                "as many bytes as the shape needs",
                "The file is damaged: copy or save it again.",
            )
        if claimed > max(MOST_UNPACKED, MOST_RATIO * entry.compress_size):
            found = f"{entry.compress_size:,} bytes that unpack to {claimed:,}"
            raise FormatError(where, found, f"at most {MOST_RATIO} times as many", "Save it with numpy.savez.")
        numbers = file.read(claimed)
        if len(numbers) < claimed or file.read(1):
            raise damaged(where, f"{len(numbers):,} bytes of {claimed:,}")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F" if fortran else "C")
