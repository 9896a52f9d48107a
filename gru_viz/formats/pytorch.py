"""Reads files by torch.save: an archive of a pickle and its storages; before version 1.6, a series of pickles."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.checkpoint import search
from gru_viz.formats.model_bytes import (
    ArrayBudget,
    ModelBytes,
    NamedArrays,
    bfloat16_to_float32,
    damaged,
    open_zip,
    printable,
    stored_entry,
)
from gru_viz.formats.torch_export import is_exported, read_export
from gru_viz.formats.torch_pickle import (
    BFLOAT16,
    REMEDY,
    WANTED,
    PickledArray,
    Storage,
    Tensor,
    TorchPickle,
    Unreadable,
)

__all__ = ["read"]

_ENOUGH = "a storage with as many numbers as it claims"
MOST_CODE = 8 << 20
"""The most bytes of TorchScript's text that are searched."""


def read(content: ModelBytes) -> NamedArrays:
    """Read every tensor of a state_dict, checkpoint, whole module or TorchScript archive, except the optimiser's."""
    if is_exported(content):
        return read_export(content, read)
    root, numbers = (_open_archive if content.data.startswith(b"PK") else _open_legacy)(content)
    found = search(root, content)
    budget = ArrayBudget(content.name, content.limits)
    arrays, unreadable = {}, {}
    for path, tensor in found.tensors.items():
        if isinstance(tensor, Unreadable):
            unreadable[path] = tensor.what
        elif isinstance(tensor, PickledArray):
            budget.take(path, tensor.shape, tensor.dtype.itemsize, len(tensor.data))
            arrays[path] = tensor.numbers()
        else:
            arrays[path] = _numbers_of(path, tensor, numbers, budget)
    notices = []
    if found.whole:
        named = ", ".join(dict.fromkeys(printable(each, 60) for each in found.whole[:1]))
        notices.append(f"A module was saved whole ({named}): its tensors were read as data, and no code was run.")
    facts = found.facts | _functions_in_code(content)
    return NamedArrays(arrays, unreadable, found.convention, tuple(notices), found.modules, facts)


def _functions_in_code(content: ModelBytes) -> dict[str, str]:
    """The nonlinearity of the RNNs in a TorchScript archive, from the text of its code, which is not run."""
    if not content.data.startswith(b"PK"):
        return {}
    stated, left = set[str](), MOST_CODE
    with open_zip(content.data, content.name, content.limits) as archive:
        for entry in archive.infolist():
            if re.fullmatch(r"[^/]+/code/.+\.py", entry.filename) and left > 0:
                try:
                    with archive.open(entry) as file:
                        text = file.read(left)
                except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
                    raise damaged(f"{content.name}, {printable(entry.filename)}", error) from error
                left -= len(text)
                stated |= {each.decode() for each in re.findall(rb"\brnn_(tanh|relu)\b", text)}
    return {"the code's nonlinearity": stated.pop()} if len(stated) == 1 else {}


StorageReader = Callable[[Storage, str], np.ndarray]
"""Storage, place for messages → its numbers, flat; uint16 bits for bfloat16."""


def _numbers_of(path: str, tensor: Tensor, numbers: StorageReader, budget: ArrayBudget) -> np.ndarray:
    where, shape = f"{budget.where}, {printable(path)}", tensor.shape
    wide = tensor.storage.dtype == BFLOAT16
    budget.take(path, shape, 4 if wide else tensor.storage.bits.itemsize)
    starts = (tensor.offset, *tensor.strides)
    if len(tensor.strides) != len(shape) or any(type(n) is not int or not 0 <= n < 1 << 60 for n in starts):
        raise damaged(where, f"strides {printable(tensor.strides)} for the shape {shape}")
    flat = numbers(tensor.storage, where)
    count = math.prod(shape)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, tensor.strides, strict=True))
    if not count:
        array = np.zeros(shape, flat.dtype)
    elif last >= len(flat) or count > len(flat):
        found, wanted = f"a tensor of {count:,} numbers in a storage of {len(flat):,}", "a storage with all its numbers"
        raise FormatError(where, found, wanted, "Save the file again; call .contiguous() on an expanded tensor first.")
    else:
        steps = tuple(step * flat.itemsize for step in tensor.strides)
        view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], shape, steps, writeable=False)
        array = np.ascontiguousarray(view).reshape(shape)
    return bfloat16_to_float32(array) if wide else array


def _open_archive(content: ModelBytes) -> tuple[Any, StorageReader]:
    with open_zip(content.data, content.name, content.limits) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    inside = {name.rpartition("data.pkl")[0] for name in entries if re.fullmatch(r"([^/]+/)?data\.pkl", name)}
    if len(inside) != 1:
        raise FormatError(content.name, "an archive without exactly one data.pkl", WANTED, REMEDY)
    prefix = inside.pop()

    def contents(name: str) -> memoryview:
        return stored_entry(content, entries, prefix + name)

    root, _ = TorchPickle(content).read(bytes(contents("data.pkl")), 0)
    little = f"{prefix}byteorder" not in entries or bytes(contents("byteorder")) != b"big"
    opened: dict[Storage, np.ndarray] = {}

    def numbers(storage: Storage, where: str) -> np.ndarray:
        if storage not in opened:
            opened[storage] = _flat(contents(f"data/{storage.key}"), storage, little, where)
        return opened[storage]

    return root, numbers


def _flat(raw: memoryview, storage: Storage, little: bool, where: str) -> np.ndarray:
    size = storage.bits.itemsize
    if storage.count * size > len(raw):
        found = f"a storage that claims {storage.count:,} numbers of {size} bytes, in {len(raw):,} bytes"
        raise FormatError(where, found, _ENOUGH, "The file is damaged: copy or save it again.")
    flat = np.frombuffer(raw, storage.bits.newbyteorder("<" if little else ">"), storage.count)
    return flat if flat.dtype.isnative else flat.astype(storage.bits)


def _open_legacy(content: ModelBytes) -> tuple[Any, StorageReader]:
    handlers, at, parts = TorchPickle(content), 0, []
    for _ in range(5):  # magic number, version, system, the saved object, the keys of its storages in order
        value, at = handlers.read(content.data, at)
        parts.append(value)
    _, version, system, root, keys = parts
    if version != 1001 or not isinstance(keys, list) or not isinstance(system, dict):
        raise damaged(content.name, "not what torch.save writes")
    little = system.get("little_endian") is not False
    data, places = memoryview(content.data), dict[str, memoryview]()
    for key in map(printable, keys):
        where = f"{content.name}, storage {key}"
        if key not in handlers.storages:
            raise damaged(where, "its type is missing")
        size = handlers.storages[key].bits.itemsize
        count = int.from_bytes(data[at : at + 8], "little" if little else "big")
        if at + 8 + count * size > len(data):
            found = f"a claim of {count:,} numbers of {size} bytes, with {max(len(data) - at - 8, 0):,} bytes left"
            raise FormatError(where, found, _ENOUGH, "The file is truncated or damaged: copy or save it again.")
        places[key] = data[at + 8 : at + 8 + count * size]
        at += 8 + count * size

    def numbers(storage: Storage, where: str) -> np.ndarray:
        if storage.key not in places:
            raise damaged(where, "its storage is missing")
        return _flat(places[storage.key], storage, little, where)

    return root, numbers
