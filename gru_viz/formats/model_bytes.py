"""The bytes of a model file, its format detected from them, the arrays in it, and the limits on their size."""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gru_viz.byte_source import ARCHIVES, ByteReader, ByteSource, file_kind, source_name
from gru_viz.conventions import convention
from gru_viz.errors import ConventionError, FormatError, one_line
from gru_viz.formats.model_file import Format

__all__ = ["LIMITS", "Limits", "ModelBytes", "load", "open_zip"]

WANTED = "a trained model: PyTorch, safetensors, NPZ, Keras or ONNX"


@dataclass(frozen=True)
class Limits:
    """The limits on a model file; each is checked before memory is allocated.

    Attributes:
        max_bytes: size of the file.
        max_array_bytes: total size of its arrays, uncompressed.
        max_entries: number of files in an archive, arrays in a file, groups and nodes in a graph.
        max_steps: number of instructions in a pickle.
        max_depth: nesting of containers.
        max_networks: number of recurrent networks.
    """

    max_bytes: int = 1 << 30
    max_array_bytes: int = 2 << 30
    max_entries: int = 100_000
    max_steps: int = 2_000_000
    max_depth: int = 64
    max_networks: int = 256


LIMITS = Limits()


@dataclass(frozen=True)
class ModelBytes:
    """A whole model file, with its format as detected from the bytes, never from the name."""

    name: str
    format: Format
    data: bytes
    limits: Limits = LIMITS


def load(source: ByteSource, name: str | None = None, limits: Limits = LIMITS) -> ModelBytes:
    """Read a source, refused beyond ``limits.max_bytes``, and detect its format."""
    name = name or source_name(source, "model")
    data = _READER.read(source, name, limits.max_bytes)
    return ModelBytes(name, _format_of(data, name, limits), data, limits)


def open_zip(data: bytes, name: str, limits: Limits) -> zipfile.ZipFile:
    """Open a zip archive, refused if it is damaged, encrypted, too long, or names an entry twice."""
    entries = data.count(b"PK\x01\x02")  # the signature of each entry in the directory
    if entries > limits.max_entries:
        found = f"an archive of {entries:,} entries"
        raise FormatError(name, found, f"at most {limits.max_entries:,}", "Save only the weights.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OverflowError, OSError) as error:
        raise damaged(name, error) from error
    seen: set[str] = set()
    for entry in archive.infolist():
        if entry.flag_bits & 1:
            raise FormatError(f"{name}, {printable(entry.filename)}", "an encrypted entry", "a plain one", "Unlock it.")
        if entry.filename in seen:
            raise FormatError(name, f"the entry {printable(entry.filename)} twice", "each entry once", "Save it again.")
        seen.add(entry.filename)
    return archive


def stored_entry(content: ModelBytes, entries: Mapping[str, zipfile.ZipInfo], name: str) -> memoryview:
    """The bytes of an entry that torch stored uncompressed, without a copy.

    Raises:
        FormatError: it is missing, compressed, truncated, or its checksum does not match.
    """
    where, entry = f"{content.name}, {printable(name)}", entries.get(name)
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


def refuse_many_networks(count: int, name: str, limits: Limits) -> None:
    """Refuse a file of too many recurrent networks, before they are assembled and checked."""
    if count > limits.max_networks:
        found, wanted = f"{count:,} recurrent networks", f"at most {limits.max_networks:,}"
        raise FormatError(name, found, wanted, "Save only the networks that you need.")


def damaged(name: str, why: object) -> FormatError:
    """The error for a truncated or inconsistent file."""
    found = f"a damaged or truncated file ({printable(why)})"
    return FormatError(name, found, "a complete one", "Copy or save the file again.")


def printable(text: object, most: int = 120) -> str:
    """Make text from a file safe for a message: one line of limited length."""
    try:
        text = str(text)
    except (ValueError, RecursionError):  # a number of thousands of digits, tuples nested thousands deep
        text = f"a {type(text).__name__} too long to print"
    line = one_line(text[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"


Fact = str | int | float
"""A number or text beside the arrays of a file."""


@dataclass(frozen=True)
class PickledModule:
    """A module that a file names.

    Attributes:
        kind: its class, such as ``"torch.nn.modules.rnn.GRU"``; ``""`` where only its name is known.
        settings: its attributes that are numbers or texts.
    """

    kind: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class NamedArrays:
    """The arrays of a file by path, in the file's order.

    Attributes:
        unreadable: path → what the file has instead of plain numbers, such as ``"a quantised tensor"``.
        convention: the name of the matrices' convention, where the file specifies it.
        notices: what was left out or assumed, in sentences.
        modules: path → a module, in the file's order, where the file names its modules.
        facts: path → a number or text beside the arrays, such as a hyperparameter.
    """

    arrays: dict[str, np.ndarray]
    unreadable: dict[str, str] = field(default_factory=dict)
    convention: str | None = None
    notices: tuple[str, ...] = ()
    modules: Mapping[str, PickledModule] = field(default_factory=dict)
    facts: Mapping[str, Fact] = field(default_factory=dict)


def known_convention(name: object) -> str | None:
    """The name of a convention that a file states, if there is such a one."""
    try:
        return convention(name).name if isinstance(name, str) else None
    except ConventionError:
        return None


class ArrayBudget:
    """Adds up the sizes that a file claims for its arrays, and refuses too much before it is allocated."""

    def __init__(self, where: str, limits: Limits) -> None:
        self.where, self.limits = where, limits
        self.bytes = self.count = 0

    def take(self, name: str, shape: Sequence[int], itemsize: int, stored: int | None = None) -> int:
        """Add an array and return its size in bytes; ``stored`` is what the file has for it, if that must match."""
        where = f"{self.where}, {printable(name)}"
        if len(shape) > 32 or any(type(n) is not int or not 0 <= n < 1 << 60 for n in shape):
            found = f"the shape {printable(tuple(shape))}"
            raise FormatError(where, found, "up to 32 axes, each of 0 or more", "Save the file again.")
        size = math.prod(shape) * itemsize
        if math.prod(max(n, 1) for n in shape) >= 1 << 60:  # NumPy refuses an empty array with such axes too
            raise FormatError(where, f"the shape {printable(tuple(shape))}", "fewer numbers", "Save the file again.")
        self.bytes += size
        self.count += 1
        if self.bytes > self.limits.max_array_bytes:
            found = f"arrays of {self.bytes:,} bytes or more"
            raise FormatError(where, found, f"at most {self.limits.max_array_bytes:,} bytes", "Save only the weights.")
        if self.count > self.limits.max_entries:
            found, wanted = f"{self.count:,} arrays or more", f"at most {self.limits.max_entries:,}"
            raise FormatError(where, found, wanted, "Save only the weights.")
        if stored not in (None, size):
            found = f"{stored:,} bytes for the shape {printable(tuple(shape))}, which takes {size:,}"
            remedy = "The file is damaged: copy or save it again."
            raise FormatError(where, found, "as many bytes as the shape takes", remedy)
        return size


def bfloat16_to_float32(bits: np.ndarray) -> np.ndarray:
    """Convert bfloat16, given as uint16 bits, to float32. This is exact: bfloat16 is the upper half of a float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


_TORCH_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The magic number, pickled, at the start of files by torch.save before version 1.6."""

EXPORTED = {"model_weights_config.json", "serialized_exported_program.json"}
"""The files in an archive by torch.export.save, of which it has one."""
_SAVE_STATE = "Save only the weights: torch.save(model.state_dict(), path)."
_SAVE_KERAS = "Load it in TensorFlow and save one file: model.save('m.keras') or model.save_weights('m.weights.h5')."
_TENSORFLOW_TABLE = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
"""How every table of TensorFlow and LevelDB ends."""
_READER = ByteReader(FormatError, "model", "Save only the weights, without the optimiser's state.")
_NO_WEIGHTS = "Choose the file of the weights."
_NOT_MODELS = dict.fromkeys(ARCHIVES, "Unpack it and open the file inside.") | {
    "a single NumPy array": "Save every matrix under its name: numpy.savez(path, **arrays).",
    "a tar archive": "PyTorch before 2017 saved it: load it in PyTorch and save it again.",
    "a GGUF file": "It contains no known recurrent layers.",
    "a TensorFlow Lite model": "Save the Keras model from which it was converted.",
    "a Git LFS pointer in place of the file": "Fetch the file: git lfs pull.",
    "a Parquet table": "It is a table: open it as sequences.",
    "a PNG picture": _NO_WEIGHTS,
    "a JPEG picture": _NO_WEIGHTS,
    "a GIF picture": _NO_WEIGHTS,
    "a PDF document": _NO_WEIGHTS,
    "a web page or XML": "Download the file itself.",
}


def _format_of(data: bytes, name: str, limits: Limits) -> Format:
    kind = file_kind(data)
    if kind in ("a zip archive", "an Excel workbook (xlsx)"):
        return _format_of_archive(data, name, limits)
    if kind == "an HDF5 file":
        return "Keras"
    if data[:1] == b"\x80" and _TORCH_LEGACY in data[:64]:
        return "PyTorch"
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") >= 2:
        return "safetensors"
    if kind in _NOT_MODELS:
        raise FormatError(name, kind, WANTED, _NOT_MODELS[kind])
    if kind == "a Python pickle" or _is_text_pickle(data):
        found = "a Python pickle that torch.save did not write; no code was run"
        raise FormatError(name, found, WANTED, _SAVE_STATE)
    if data.endswith(_TENSORFLOW_TABLE):
        found = "the index of a TensorFlow checkpoint, whose numbers are in other files"
        raise FormatError(name, found, WANTED, _SAVE_KERAS)
    if _is_saved_model(data):
        found = "a TensorFlow SavedModel, whose numbers are in the folder variables beside it"
        raise FormatError(name, found, WANTED, _SAVE_KERAS)
    if _is_onnx(data):
        return "ONNX"
    found = "text" if len(data) < 9 or b"\0" not in data[:4096] else "an unknown format"
    raise FormatError(name, found, WANTED, "Choose the file that the framework saved.")


def _format_of_archive(data: bytes, name: str, limits: Limits) -> Format:
    with open_zip(data, name, limits) as archive:
        entries = archive.namelist()
    leaves = {Path(entry).name for entry in entries}
    if "data.pkl" in leaves or leaves & EXPORTED:
        return "PyTorch"
    if "config.json" in leaves and any(leaf.endswith(".h5") for leaf in leaves):
        return "Keras"
    if any(leaf.endswith(".npy") for leaf in leaves):
        return "NPZ"
    listed = ", ".join(printable(entry, 40) for entry in entries[:5]) or "nothing"
    remedy = "Unpack it and open the file with the weights."
    raise FormatError(name, f"an archive that contains {listed}", WANTED, remedy)


def _is_text_pickle(data: bytes) -> bool:
    return data[:1] in b"c(]}" and data.rstrip()[-1:] == b"." and b"\n" in data[:200]


def _is_saved_model(data: bytes) -> bool:
    """A saved_model.pb: version 1 of its schema, then a message where an ONNX model has the name of its producer."""
    return data[:3] == b"\x08\x01\x12" and data[3:13].lstrip(bytes(range(128, 256)))[1:2] in (b"\x0a", b"\x12")


def _is_onnx(data: bytes) -> bool:
    """Protobuf has no magic number: an ONNX model starts with field 1, its version, then one of fields 2 to 8."""
    return len(data) > 3 and data[0] == 8 and 0 < data[1] < 64 and data[2:3] in b"\x12\x1a\x22\x28\x32\x3a\x42"
