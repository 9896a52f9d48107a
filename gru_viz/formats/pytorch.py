"""Reads files by torch.save: an archive of a pickle and its storages; before version 1.6, a series of pickles."""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import (
    ArrayBudget,
    ModelBytes,
    NamedArrays,
    bfloat16_to_float32,
    damaged,
    open_zip,
    printable,
)
from gru_viz.formats.pickle_data import GlobalName, PickledObject, read_pickle

__all__ = ["read"]

_REMEDY = "Save only the weights: torch.save(model.state_dict(), path)."
_WANTED = "a state_dict, or a checkpoint that contains one"
_ENOUGH = "a storage with as many numbers as it claims"
_BFLOAT16 = "bfloat16"
_DTYPES = {
    **{"Float": "f4", "Double": "f8", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1"},
    **{"Byte": "u1", "Bool": "?", "BFloat16": _BFLOAT16, "ComplexFloat": "c8", "ComplexDouble": "c16"},
    **{"QInt8": "i1", "QUInt8": "u1", "QInt32": "i4", "QUInt4x2": "u1", "QUInt2x4": "u1", "Untyped": "u1"},
}
_NAMED = {
    **{"float32": "f4", "float64": "f8", "float16": "f2", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1"},
    **{"uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "bool": "?", "bfloat16": _BFLOAT16},
}
_NOT_PLAIN = {
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a meta tensor, which has a shape and no numbers",
    "torch._utils._rebuild_wrapper_subclass": "a tensor subclass",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor stored as a NumPy array",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of another device",
}
_HARMLESS = re.compile(
    r"argparse\.Namespace|collections\.\w+|pathlib\.\w+|datetime\.\w+|decimal\.Decimal|uuid\.UUID|_codecs\.encode"
    r"|(builtins|__builtin__)\.(set|frozenset|list|dict|tuple|bytearray|complex|slice|range|object)"
    r"|numpy(\.\w+)*\.(scalar|dtype|ndarray|_reconstruct|_frombuffer)|copyreg\._reconstructor|copy_reg\._reconstructor"
    r"|torch\.(Size|device|dtype|serialization\._get_layout)"
)
"""Containers and values that a pickle may call for; none is called."""
_OPTIMISER = re.compile(r"optim(i[sz]ers?)?(_states?|_state_dicts?)?")


@dataclass(frozen=True)
class _Storage:
    """The numbers of one or more tensors, stored outside the pickle."""

    key: str
    dtype: str
    count: int

    @property
    def bits(self) -> np.dtype:
        """The dtype for reading the bytes; uint16 for bfloat16, which NumPy lacks."""
        return np.dtype("u2" if self.dtype == _BFLOAT16 else self.dtype)


@dataclass(frozen=True, eq=False)
class _Tensor:
    """A view of a storage; offset and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Unreadable:
    """A tensor that is not plain numbers, and what it is instead."""

    what: str


@dataclass
class _Found:
    """The tensors of a checkpoint by path, and the classes of modules pickled whole."""

    tensors: dict[str, _Tensor | _Unreadable] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def read(content: ModelBytes) -> NamedArrays:
    """Read every tensor of a state_dict or checkpoint, except the optimiser's."""
    root, numbers = (_open_archive if content.data.startswith(b"PK") else _open_legacy)(content)
    found = _collect(root, content)
    if not found.tensors:
        raise _no_tensors(root, found, content.name)
    budget = ArrayBudget(content.name, content.limits)
    arrays, unreadable = {}, {}
    for path, tensor in found.tensors.items():
        if isinstance(tensor, _Unreadable):
            unreadable[path] = tensor.what
        else:
            arrays[path] = _numbers_of(path, tensor, numbers, budget)
    return NamedArrays(arrays, unreadable, notices=tuple(found.notices))


StorageReader = Callable[[_Storage, str], np.ndarray]
"""Storage, place for messages → its numbers, flat; uint16 bits for bfloat16."""


def _numbers_of(path: str, tensor: _Tensor, numbers: StorageReader, budget: ArrayBudget) -> np.ndarray:
    where, shape = f"{budget.where}, {printable(path)}", tensor.shape
    wide = tensor.storage.dtype == _BFLOAT16
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


def _collect(root: Any, content: ModelBytes) -> _Found:
    """Visit every container once, in the order of the file."""
    found, seen = _Found(), set()

    def visit(value: Any, path: str, depth: int) -> None:
        if isinstance(value, PickledObject) and value.of == "torch.ScriptObject":
            value = _Unreadable("matrices packed by torch, as in a quantised layer")
        if isinstance(value, (_Tensor, _Unreadable)):
            while path in found.tensors:
                path += "'"
            found.tensors[path] = value
            return
        if isinstance(value, PickledObject):
            if isinstance(value.state, dict) and {"_modules", "_parameters"} <= value.state.keys():
                found.modules.append(value.of)
            value = value.items
        if not isinstance(value, (dict, list, tuple)) or id(value) in seen:
            return
        if depth > content.limits.max_depth:
            nested = f"containers nested more than {content.limits.max_depth} deep"
            raise FormatError(content.name, nested, "a checkpoint", _REMEDY)
        seen.add(id(value))
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            called = key if isinstance(key, str) else printable(key)
            if not isinstance(child, _Tensor) and _OPTIMISER.fullmatch(called):
                continue
            visit(child, f"{path}.{called}" if path else called, depth + 1)

    visit(root, "", 0)
    found.tensors = _without_container(root, found.tensors)
    if found.modules and found.tensors:
        names = ", ".join(sorted({printable(each, 60) for each in found.modules})[:3])
        found.notices.append(f"Left out: modules pickled whole ({names}).")
    return found


def _without_container(root: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    """Shorten the paths if all tensors are in one container, such as ``state_dict``."""
    while isinstance(root, dict) and tensors:
        only = [
            (f"{key}.", child)
            for key, child in root.items()
            if isinstance(key, str) and isinstance(child, dict) and all(path.startswith(f"{key}.") for path in tensors)
        ]
        if len(only) != 1:
            break
        prefix, root = only[0]
        tensors = {path.removeprefix(prefix): tensor for path, tensor in tensors.items()}
    return tensors


def _no_tensors(root: Any, found: _Found, name: str) -> FormatError:
    if found.modules:
        kind = f"a module pickled whole, of the class {printable(found.modules[0])}, which could run code"
        return FormatError(name, f"{kind}; no code was run", _WANTED, _REMEDY)
    if isinstance(root, PickledObject):
        return FormatError(name, f"a pickled object of the class {printable(root.of)}", _WANTED, _REMEDY)
    return FormatError(name, "no tensor", _WANTED, _REMEDY)


class _TorchHandlers:
    """Replaces the calls and persistent ids in a file by torch.save."""

    def __init__(self, content: ModelBytes) -> None:
        self.where, self.limits = content.name, content.limits
        self.storages: dict[str, _Storage] = {}

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        """Read the pickle at a position, and return the position after it."""
        return read_pickle(data, at, self.where, self.limits, self.call, self.persistent)

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        function = name.removeprefix("torch._utils.")
        if name == "torch._tensor._rebuild_from_type_v2":
            inner, _, inner_arguments, *_ = arguments
            if isinstance(inner, GlobalName) and inner.path != name and isinstance(inner_arguments, tuple):
                return self.call(inner.path, inner_arguments)
        if function in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            storage, offset, shape, strides = arguments[:4]
            if function == "_rebuild_tensor_v3":
                dtype = _NAMED.get(arguments[6].path.removeprefix("torch."))
                if dtype is None:
                    return _Unreadable(f"a tensor of {printable(arguments[6].path)}")
                storage = _Storage(storage.key, dtype, storage.count)
                storage = _Storage(storage.key, dtype, storage.count // storage.bits.itemsize)
            if not isinstance(storage, _Storage):
                raise ValueError("a tensor without a storage")
            return _Tensor(storage, offset, tuple(shape), tuple(strides))
        if function in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            return arguments[0]
        if name in _NOT_PLAIN:
            return _Unreadable(_NOT_PLAIN[name])
        if name == "torch.Size":
            return tuple(arguments[0])
        if name in ("collections.OrderedDict", "collections.Counter"):
            pairs = arguments[0] if arguments else ()  # Python 2 wrote the entries as a list of pairs
            return dict(pairs) if isinstance(pairs, dict) else {k: each for k, each in pairs if isinstance(k, str)}
        if _HARMLESS.fullmatch(name) is None:
            found = f"a pickle that calls {printable(name)}, which is code; no code was run"
            raise FormatError(self.where, found, _WANTED, _REMEDY)
        of = arguments[0] if name.endswith("._reconstructor") and isinstance(arguments[0], GlobalName) else None
        return PickledObject(of.path if of else name)

    def persistent(self, key: Any) -> Any:
        if key[0] == "module" and isinstance(key[1], GlobalName):
            return key[1]
        kind, storage_type, key, _, count, *window = key
        valid = kind == "storage" and type(count) is int and count >= 0 and not any(window)
        if not valid or not isinstance(storage_type, GlobalName):
            raise ValueError("an invalid storage")
        dtype = _DTYPES.get(storage_type.path.rpartition(".")[2].removesuffix("Storage"))
        if dtype is None:
            raise FormatError(self.where, f"a {printable(storage_type.path)}", "floating-point numbers", _REMEDY)
        return self.storages.setdefault(str(key), _Storage(str(key), dtype, count))


def _open_archive(content: ModelBytes) -> tuple[Any, StorageReader]:
    with open_zip(content.data, content.name, content.limits) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    inside = {name.rpartition("data.pkl")[0] for name in entries if re.fullmatch(r"([^/]+/)?data\.pkl", name)}
    if len(inside) != 1:
        raise FormatError(content.name, "an archive without exactly one data.pkl", _WANTED, _REMEDY)
    prefix = inside.pop()
    if f"{prefix}constants.pkl" in entries or any(name.startswith(f"{prefix}code/") for name in entries):
        found = "a TorchScript archive, which is a program; no code was run"
        raise FormatError(content.name, found, _WANTED, "Load it with torch.jit.load and save its state_dict().")

    def contents(name: str) -> memoryview:
        where = f"{content.name}, {printable(prefix + name)}"
        entry = entries.get(prefix + name)
        if entry is None:
            raise damaged(where, "this entry of the archive is missing")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            found, wanted = "a compressed entry", "uncompressed ones, as torch.save writes them"
            raise FormatError(where, found, wanted, "Load it in PyTorch and save it again.")
        data = memoryview(content.data)
        header = data[entry.header_offset : entry.header_offset + 30]
        if len(header) < 30:
            raise damaged(where, "the entry starts after the end")
        start = entry.header_offset + 30 + sum(struct.unpack("<HH", header[26:]))
        entry_bytes = data[start : start + entry.file_size]
        if len(entry_bytes) < entry.file_size or zlib.crc32(entry_bytes) != entry.CRC:
            raise damaged(where, "its checksum does not match")
        return entry_bytes

    root, _ = _TorchHandlers(content).read(bytes(contents("data.pkl")), 0)
    little = f"{prefix}byteorder" not in entries or bytes(contents("byteorder")) != b"big"
    opened: dict[_Storage, np.ndarray] = {}

    def numbers(storage: _Storage, where: str) -> np.ndarray:
        if storage not in opened:
            opened[storage] = _flat(contents(f"data/{storage.key}"), storage, little, where)
        return opened[storage]

    return root, numbers


def _flat(raw: memoryview, storage: _Storage, little: bool, where: str) -> np.ndarray:
    size = storage.bits.itemsize
    if storage.count * size > len(raw):
        found = f"a storage that claims {storage.count:,} numbers of {size} bytes, in {len(raw):,} bytes"
        raise FormatError(where, found, _ENOUGH, "The file is damaged: copy or save it again.")
    flat = np.frombuffer(raw, storage.bits.newbyteorder("<" if little else ">"), storage.count)
    return flat if flat.dtype.isnative else flat.astype(storage.bits)


def _open_legacy(content: ModelBytes) -> tuple[Any, StorageReader]:
    handlers, at, parts = _TorchHandlers(content), 0, []
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

    def numbers(storage: _Storage, where: str) -> np.ndarray:
        if storage.key not in places:
            raise damaged(where, "its storage is missing")
        return _flat(places[storage.key], storage, little, where)

    return root, numbers
