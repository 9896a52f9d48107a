"""Reads files of nothing but named arrays, NPZ and safetensors; nothing is unpickled."""

from __future__ import annotations

import ast
import json
import re
import zipfile
import zlib
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import (
    ArrayBudget,
    ModelBytes,
    NamedArrays,
    bfloat16_to_float32,
    damaged,
    known_convention,
    open_zip,
    printable,
)

_DTYPES = {
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2", "BOOL": "?", "U8": "u1", "I8": "i1"},
    **{"U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8", "C64": "<c8"},
}
MOST_SAFETENSORS_HEADER = 100_000_000
"""The largest header in bytes, as the format specifies."""
MOST_HEADER = 1 << 16
"""The largest header of an array in an NPZ file, in bytes; it is a line of text."""
_STRING = re.compile(r"'[^'\\]*'|\"[^\"\\]*\"")
_PLAIN = re.compile(r"(?!.*(\d[A-Za-z_]|\w'))[\w\s{}()\[\],:'-]*", re.DOTALL | re.ASCII)
"""A header whose strings are empty. Python warns of some others: of escapes, of letters after digits."""
_PYTHON_2 = re.compile(r"(?<=\d)L\b")
_NUMBERS = re.compile(r"[<>=|]?[A-Zb-z?]\d*(\[\w+\])?", re.ASCII)
"""A type of plain numbers; NumPy warns of its old name for bytes, ``a``."""
MOST_UNPACKED, MOST_RATIO = 16 << 20, 100
"""An array may unpack to this many bytes, or to this many times its compressed size if that is more."""


def read_npz(content: ModelBytes) -> NamedArrays:
    """Read every array of an NPZ file, in the order of the archive."""
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
            if array is None:
                unreadable[name] = "an array of records"
            elif array.dtype.kind == "U" and array.ndim == 0:
                convention = str(array) if name == "convention" else convention
            elif array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
                arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
            else:
                unreadable[name] = f"an array of {printable(array.dtype, 40)}"
    return NamedArrays(arrays, unreadable, known_convention(convention))


def _array(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, where: str, budget: ArrayBudget
) -> np.ndarray | None:
    """Read an array; None is one of records."""
    with archive.open(entry) as file:
        head = file.read(12)
        version = tuple(head[6:8])
        size = int.from_bytes(head[8:10] if version == (1, 0) else head[8:12], "little")
        if not head.startswith(b"\x93NUMPY") or version not in ((1, 0), (2, 0), (3, 0)) or size > MOST_HEADER:
            raise damaged(where, f"not an array, or a header of {size:,} bytes")
        start = size + (10 if version == (1, 0) else 12)
        header = (head + file.read(start - len(head)))[start - size :]
        try:
            shape, fortran, dtype = _header(header.decode("utf-8" if version == (3, 0) else "latin-1"))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
            raise damaged(where, f"an invalid header: {error}") from error
        if dtype is None:
            return None
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


def _header(text: str) -> tuple[tuple[int, ...], bool, np.dtype | None]:
    """Read the shape, the order and the type of an array's numbers, None if they are records.

    ``numpy.lib.format`` also reads what no program writes, and then Python prints warnings.
    """
    text = _PYTHON_2.sub("", text)
    if not _PLAIN.fullmatch(_STRING.sub("''", text)):
        raise ValueError("not written by NumPy")
    entries = ast.literal_eval(text.strip())
    if not isinstance(entries, dict) or entries.keys() != {"descr", "fortran_order", "shape"}:
        raise ValueError("not descr, fortran_order and shape")
    shape, kind = entries["shape"], entries["descr"]
    if not isinstance(shape, tuple):
        raise ValueError(f"the shape {shape}")
    if not isinstance(kind, str):
        return shape, False, None
    if not _NUMBERS.fullmatch(kind):
        raise ValueError(f"the type {kind}")
    return shape, bool(entries["fortran_order"]), np.dtype(kind)


def read_safetensors(content: ModelBytes) -> NamedArrays:
    """Read every tensor of a safetensors file, in the order of the file."""
    header = _safetensors_header(content)
    metadata = header.pop("__metadata__", None)
    budget = ArrayBudget(content.name, content.limits)
    places = {name: _place(name, entry, budget) for name, entry in header.items()}
    try:
        tensors = dict(deserialize(content.data))  # type: ignore[no-untyped-call]
    except (SafetensorError, ValueError, OverflowError) as error:
        raise damaged(content.name, error) from error
    arrays, unreadable = {}, {}
    for name in sorted(places, key=lambda each: places[each][0]):
        dtype, raw, shape = header[name]["dtype"], tensors.pop(name)["data"], header[name]["shape"]
        if dtype not in _DTYPES:
            unreadable[name] = f"numbers of the type {printable(dtype, 20)}"
            continue
        flat = np.frombuffer(raw, _DTYPES[dtype]).reshape(shape)
        arrays[name] = (
            bfloat16_to_float32(flat) if dtype == "BF16" else flat.astype(flat.dtype.newbyteorder("="), copy=False)
        )
    convention = metadata.get("convention") if isinstance(metadata, dict) else None
    return NamedArrays(arrays, unreadable, known_convention(convention))


def _safetensors_header(content: ModelBytes) -> dict[str, Any]:
    size = int.from_bytes(content.data[:8], "little")
    if size > len(content.data) - 8 or size > MOST_SAFETENSORS_HEADER:
        found = f"a header that claims {size:,} bytes, in a file of {len(content.data):,}"
        wanted = f"a header within the file, of at most {MOST_SAFETENSORS_HEADER:,}"
        raise FormatError(content.name, found, wanted, "The file is truncated or damaged: copy or save it again.")
    try:
        header = json.loads(content.data[8 : 8 + size].decode())
    except (ValueError, RecursionError) as error:
        raise damaged(content.name, f"its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise damaged(content.name, "its header is not a JSON object")
    return header


def _place(name: str, entry: Any, budget: ArrayBudget) -> tuple[int, int]:
    """The start and end of a tensor's bytes, after its dtype and shape are checked against them."""
    where = f"{budget.where}, {printable(name)}"
    try:
        dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise damaged(where, "its dtype, shape or data_offsets are missing") from error
    if not isinstance(dtype, str) or not isinstance(shape, list) or type(start) is not int or type(end) is not int:
        raise damaged(where, "its dtype, shape or data_offsets are invalid")
    itemsize, stored = (np.dtype(_DTYPES[dtype]).itemsize, end - start) if dtype in _DTYPES else (1, None)
    budget.take(name, shape, itemsize, stored)
    if dtype == "BF16":
        budget.take(name, shape, 4)
    return start, end
