"""Reads archives by torch.export.save (``.pt2``): the numbers, their names, and the modules that its graph names."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import (
    ArrayBudget,
    ModelBytes,
    NamedArrays,
    PickledModule,
    bfloat16_to_float32,
    damaged,
    open_zip,
    printable,
    stored_entry,
)

__all__ = ["is_exported", "read_export"]

MOST_GRAPH = 64 << 20
"""The longest description of a graph in bytes."""
_CONFIG = re.compile(r"(?:.*/)?data/weights/(.*)_weights_config\.json")
_OLDER = re.compile(r"serialized_state_dict\.(?:pt|json)")
_GRAPH = re.compile(r"(?:.*/)?models/.*\.json|serialized_exported_program\.json")
_DTYPES = {1: "u1", 2: "i1", 3: "i2", 4: "i4", 5: "i8", 6: "f2", 7: "f4", 8: "f8", 12: "?", 13: "bfloat16"}
_CLASSES = {"elu": "ELU", "selu": "SELU", "gelu": "GELU", "silu": "SiLU", "relu": "ReLU", "leaky_relu": "LeakyReLU"}
"""The modules of functions whose names are not capitalised alone."""
_FUNCTIONS = re.compile(r"torch\.ops\.aten\.(relu|tanh|sigmoid|elu|gelu|silu|selu|softplus|leaky_relu|softmax)\b")


def is_exported(content: ModelBytes) -> bool:
    """Whether an archive is one by torch.export."""
    if not content.data.startswith(b"PK"):
        return False
    with open_zip(content.data, content.name, content.limits) as archive:
        return any(_CONFIG.fullmatch(name) or _OLDER.fullmatch(name) for name in archive.namelist())


def read_export(content: ModelBytes, read: Callable[[ModelBytes], NamedArrays]) -> NamedArrays:
    """Read every array of an exported program; ``read`` reads the state_dict that older versions stored in it."""
    with open_zip(content.data, content.name, content.limits) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        older = next((name for name in entries if _OLDER.fullmatch(name)), None)
        inner = _unpacked(archive, older, content) if older else b""
        graphs = [_json(_unpacked(archive, name, content), content) for name in entries if _GRAPH.fullmatch(name)]
    modules, facts = _modules(graphs), _nonlinearity(graphs)
    if older:
        found = read(ModelBytes(content.name, "PyTorch", inner, content.limits))
        return replace(found, modules=modules, facts=facts)
    budget = ArrayBudget(content.name, content.limits)
    arrays: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    for name in entries:
        if _CONFIG.fullmatch(name):
            config = _json(bytes(stored_entry(content, entries, name)), content)
            folder = name.rpartition("/")[0]
            for path, entry in dict(config.get("config", {})).items():
                _read_weight(content, entries, folder, printable(path), entry, budget, arrays, unreadable)
    return NamedArrays(arrays, unreadable, modules=modules, facts=facts)


def _unpacked(archive: zipfile.ZipFile, name: str, content: ModelBytes) -> bytes:
    most = min(32 * len(content.data) + (1 << 20), content.limits.max_array_bytes)
    entry, where = archive.getinfo(name), f"{content.name}, {printable(name)}"
    if entry.file_size > most:
        found = f"an entry of {entry.file_size:,} bytes, compressed to {entry.compress_size:,}"
        raise FormatError(where, found, f"at most {most:,} bytes", "Save only the weights.")
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise damaged(where, error) from error


def _json(data: bytes, content: ModelBytes) -> Mapping[str, Any]:
    if len(data) > MOST_GRAPH:
        raise FormatError(
            content.name, f"a graph of {len(data):,} bytes", f"at most {MOST_GRAPH:,}", "Save the weights."
        )
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(content.name, f"its description is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise damaged(content.name, "its description is not a JSON object")
    return found


def _read_weight(
    content: ModelBytes,
    entries: Mapping[str, zipfile.ZipInfo],
    folder: str,
    path: str,
    entry: Any,
    budget: ArrayBudget,
    arrays: dict[str, np.ndarray],
    unreadable: dict[str, str],
) -> None:
    """Add one array, a view of the numbers in a file of the archive, to ``arrays``."""
    try:
        about = entry["tensor_meta"]
        sizes, strides = ([int(n["as_int"]) for n in about[key]] for key in ("sizes", "strides"))
        offset, dtype = int(about["storage_offset"]["as_int"]), _DTYPES.get(about["dtype"], "")
        pickled, name = bool(entry.get("use_pickle")), f"{folder}/{entry['path_name']}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(f"{content.name}, {path}", f"its shape is incomplete: {error}") from error
    if pickled or not dtype:
        unreadable[path] = "a pickled tensor" if pickled else "numbers of another type"
        return
    wide = dtype == "bfloat16"
    bits = np.dtype("u2" if wide else dtype)
    budget.take(path, sizes, 4 if wide else bits.itemsize)
    raw = stored_entry(content, entries, name)
    flat = np.frombuffer(raw, bits.newbyteorder("<"), len(raw) // bits.itemsize)
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=False)) if all(sizes) else offset - 1
    if len(strides) != len(sizes) or min((offset, *strides), default=0) < 0 or last >= len(flat):
        raise damaged(f"{content.name}, {path}", "its numbers are not in the file")
    steps = tuple(step * bits.itemsize for step in strides)
    view = np.lib.stride_tricks.as_strided(flat[offset:], sizes, steps, writeable=False)
    array = np.ascontiguousarray(view).reshape(sizes)
    arrays[path] = bfloat16_to_float32(array) if wide else array.astype(bits, copy=False)


def _nodes(graphs: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for graph in graphs:
        module = graph.get("graph_module")
        inner = module.get("graph") if isinstance(module, dict) else None
        nodes = inner.get("nodes") if isinstance(inner, dict) else None
        yield from (node for node in nodes if isinstance(node, dict)) if isinstance(nodes, list) else ()


def _modules(graphs: list[Mapping[str, Any]]) -> dict[str, PickledModule]:
    """The innermost modules in the order in which the graph runs them, and the functions between them."""
    modules: dict[str, PickledModule] = {}
    for node in _nodes(graphs):
        about = node.get("metadata")
        stack = str(about.get("nn_module_stack", "")) if isinstance(about, dict) else ""
        _, path, kind = (*stack.rpartition(";")[2].split(",", 2), "", "", "")[:3]
        function = _FUNCTIONS.match(str(node.get("target", "")))
        if path:
            modules.setdefault(printable(path), PickledModule(printable(kind), {}))
        elif function:
            name = printable(f"{function[1]} in {node.get('name', '')}".replace(".", " "))
            modules.setdefault(name, PickledModule(_CLASSES.get(function[1], function[1].title()), {}))
    return modules


def _nonlinearity(graphs: list[Mapping[str, Any]]) -> dict[str, str]:
    targets = {str(node.get("target", "")) for node in _nodes(graphs)}
    found = {function for function in ("tanh", "relu") if any(f"aten.rnn_{function}." in target for target in targets)}
    return {"the graph's nonlinearity": found.pop()} if len(found) == 1 else {}
