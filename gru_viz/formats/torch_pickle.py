"""What the pickle of a file by torch.save stands for: tensors, arrays and objects; no function in it is called."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import ModelBytes, printable
from gru_viz.formats.pickle_data import GlobalName, PickledDict, PickledObject, read_pickle

__all__ = ["BFLOAT16", "REMEDY", "WANTED", "PickledArray", "Storage", "Tensor", "TorchPickle", "Unreadable"]

REMEDY = "Save only the weights: torch.save(model.state_dict(), path)."
WANTED = "a state_dict, a checkpoint that contains one, or a module"
BFLOAT16 = "bfloat16"
_DTYPES = {
    **{"Float": "f4", "Double": "f8", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1"},
    **{"Byte": "u1", "Bool": "?", "BFloat16": BFLOAT16, "ComplexFloat": "c8", "ComplexDouble": "c16"},
    **{"QInt8": "i1", "QUInt8": "u1", "QInt32": "i4", "QUInt4x2": "u1", "QUInt2x4": "u1", "Untyped": "u1"},
}
_NAMED = {
    **{"float32": "f4", "float64": "f8", "float16": "f2", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1"},
    **{"uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "bool": "?", "bfloat16": BFLOAT16},
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
    r"argparse\.Namespace|collections\.\w+|pathlib\.\w+|datetime\.\w+|decimal\.Decimal|uuid\.UUID|functools\.partial"
    r"|(builtins|__builtin__)\.(set|frozenset|list|dict|tuple|bytearray|complex|slice|range|object)"
    r"|numpy(\.\w+)*\.(scalar|dtype|ndarray|_reconstruct|_frombuffer)|copyreg\._reconstructor|copy_reg\._reconstructor"
    r"|torch\.(Size|device|dtype|serialization\._get_layout)"
)
"""Containers and values that a pickle may call for; none is called."""
_FIRST_ARGUMENT = re.compile(
    r"torch\._utils\._rebuild_parameter(_with_state)?"
    r"|torch\.jit\._pickle\.(restore_type_tag|build_(int|double|bool|tensor)list)"
)
"""Calls that stand for their first argument."""
_PYTHON_2 = ["__builtin__", "commands", "exceptions", "cPickle", "copy_reg", "Queue", "urllib2", "httplib", "UserDict"]
_NOT_OWN = frozenset({*sys.stdlib_module_names, *_PYTHON_2, "torch", "numpy", "dill", "joblib"}) - {"__main__"}
"""Modules whose classes a pickle may call for only if they are harmless."""
_PLAIN_DTYPE = re.compile(r"[<>=|]?(?:[fiu][1248]|b1|\?)")


@dataclass(frozen=True)
class Storage:
    """The numbers of one or more tensors, stored outside the pickle."""

    key: str
    dtype: str
    count: int

    @property
    def bits(self) -> np.dtype:
        """The dtype for reading the bytes; uint16 for bfloat16, which NumPy lacks."""
        return np.dtype("u2" if self.dtype == BFLOAT16 else self.dtype)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage; offset and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Unreadable:
    """A tensor that is not plain numbers, and what it is instead."""

    what: str


@dataclass(frozen=True, eq=False)
class PickledArray:
    """A NumPy array whose numbers are in the pickle itself."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool
    data: bytes

    @classmethod
    def of(cls, found: PickledObject) -> PickledArray | None:
        """The array that a pickled object stands for; None if it is none, or one of Python objects."""
        if found.of.endswith("._frombuffer") and len(found.arguments) == 4:
            data, described, shape, order = found.arguments
            fortran = order == "F"
        elif found.of.endswith("._reconstruct") and isinstance(found.state, tuple) and len(found.state) == 5:
            _, shape, described, fortran, data = found.state
        else:
            return None
        dtype = _dtype_of(described)
        plain = isinstance(data, (bytes, bytearray)) and isinstance(shape, tuple)
        if dtype is None or not plain or any(type(n) is not int or not 0 <= n < 1 << 60 for n in shape):
            return None
        fits = math.prod(shape) * dtype.itemsize == len(data)
        return cls(dtype, shape, fortran is True, bytes(data)) if fits else None

    def numbers(self) -> np.ndarray:
        """Its numbers."""
        array = np.frombuffer(self.data, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")
        return array.astype(self.dtype.newbyteorder("="), copy=False)


def _dtype_of(described: Any) -> np.dtype | None:
    if not isinstance(described, PickledObject) or not described.of.endswith(".dtype") or not described.arguments:
        return None
    name = described.arguments[0]
    if not isinstance(name, str) or not _PLAIN_DTYPE.fullmatch(name):
        return None
    order = described.state[1] if isinstance(described.state, tuple) and len(described.state) > 1 else "="
    return np.dtype(name).newbyteorder("<" if order == "<" else ">" if order == ">" else "=")


class TorchPickle:
    """Replaces the calls and persistent ids in a file by torch.save.

    Attributes:
        storages: the storages that its tensors need, by key.
    """

    def __init__(self, content: ModelBytes) -> None:
        self.where, self.limits = content.name, content.limits
        self.storages: dict[str, Storage] = {}

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        """Read the pickle at a position, and return the position after it."""
        return read_pickle(data, at, self.where, self.limits, self._call, self._persistent)

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        function = name.removeprefix("torch._utils.")
        if name == "torch._tensor._rebuild_from_type_v2":
            inner, _, inner_arguments, *_ = arguments
            if isinstance(inner, GlobalName) and inner.path != name and isinstance(inner_arguments, tuple):
                return self._call(inner.path, inner_arguments)
        if function in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            return _tensor(function, arguments)
        if _FIRST_ARGUMENT.fullmatch(name):
            return arguments[0]
        if name in _NOT_PLAIN:
            return Unreadable(_NOT_PLAIN[name])
        if name == "torch.Size":
            return tuple(arguments[0])
        if name == "_codecs.encode" and len(arguments) == 2 and arguments[1] == "latin1":
            return arguments[0].encode("latin1")  # the bytes of an array, in a pickle that Python 2 can read
        if name in ("__builtin__.bytes", "builtins.bytes") and not arguments:
            return b""
        if name in ("collections.OrderedDict", "collections.Counter"):
            pairs = arguments[0] if arguments else ()  # Python 2 wrote the entries as a list of pairs
            return PickledDict(pairs if isinstance(pairs, dict) else [(k, v) for k, v in pairs if isinstance(k, str)])
        if name != "_codecs.encode" and not _HARMLESS.fullmatch(name) and not _is_own_class(name):
            found = f"a pickle that calls {printable(name)}, which is code; no code was run"
            raise FormatError(self.where, found, WANTED, REMEDY)
        of = arguments[0] if name.endswith("._reconstructor") and isinstance(arguments[0], GlobalName) else None
        return PickledObject(of.path if of else name, arguments=arguments)

    def _persistent(self, key: Any) -> Any:
        if key[0] == "module" and isinstance(key[1], GlobalName):
            return key[1]
        kind, storage_type, key, _, count, *window = key
        valid = kind == "storage" and type(count) is int and count >= 0 and not any(window)
        if not valid or not isinstance(storage_type, GlobalName):
            raise ValueError("an invalid storage")
        dtype = _DTYPES.get(storage_type.path.rpartition(".")[2].removesuffix("Storage"))
        if dtype is None:
            raise FormatError(self.where, f"a {printable(storage_type.path)}", "floating-point numbers", REMEDY)
        return self.storages.setdefault(str(key), Storage(str(key), dtype, count))


def _tensor(function: str, arguments: tuple[Any, ...]) -> Tensor | Unreadable:
    storage, offset, shape, strides = arguments[:4]
    if function == "_rebuild_tensor_v3":
        dtype = _NAMED.get(arguments[6].path.removeprefix("torch."))
        if dtype is None:
            return Unreadable(f"a tensor of {printable(arguments[6].path)}")
        storage = Storage(storage.key, dtype, storage.count)
        storage = Storage(storage.key, dtype, storage.count // storage.bits.itemsize)
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _is_own_class(name: str) -> bool:
    """Whether a call makes an object of a class outside Python and torch, such as a member of an Enum in a config."""
    module, _, leaf = name.rpartition(".")
    root = module.partition(".")[0]
    return leaf[:1].isupper() and root not in _NOT_OWN
