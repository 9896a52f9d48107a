"""Reads safetensors files: a JSON header, then the numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import ModelBytes, damaged, printable
from gru_viz.formats.named_arrays import ArrayBudget, NamedArrays, bfloat16_to_float32

__all__ = ["read"]

_DTYPES = {
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2", "BOOL": "?", "U8": "u1", "I8": "i1"},
    **{"U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8", "C64": "<c8"},
}
MOST_HEADER = 100_000_000
"""The largest header in bytes, as the format specifies."""


def read(content: ModelBytes) -> NamedArrays:
    """Read every tensor, in the order of the file.

    Raises:
        FormatError: the header is invalid or claims bytes that the file does not have.
    """
    header = _header(content)
    metadata = header.pop("__metadata__", None)
    budget = ArrayBudget(content.name, content.limits)
    places = {}
    for name, entry in header.items():
        places[name] = _place(name, entry, budget)
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
    return NamedArrays(arrays, unreadable, convention if convention in CONVENTIONS else None)


def _header(content: ModelBytes) -> dict[str, Any]:
    size = int.from_bytes(content.data[:8], "little")
    if size > len(content.data) - 8 or size > MOST_HEADER:
        raise FormatError(
            content.name,
            f"a header that claims {size:,} bytes, in a file of {len(content.data):,}",
            f"a header within the file, of at most {MOST_HEADER:,}",
            "The file is truncated or damaged: copy or save it again.",
        )
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
