"""The bytes of a model file, its format detected from them, and the limits on its size."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

from gru_viz.byte_source import ARCHIVES, ByteReader, ByteSource, file_kind, source_name
from gru_viz.errors import FormatError
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
    """The content of a model file.

    Attributes:
        name: the file's name in messages.
        format: detected from the bytes, never from the name.
        data: the whole file.
        limits: the limits for its reader.
    """

    name: str
    format: Format
    data: bytes
    limits: Limits = LIMITS


def load(source: ByteSource, name: str | None = None, limits: Limits = LIMITS) -> ModelBytes:
    """Read a source and detect its format.

    Raises:
        FormatError: the source cannot be opened, is empty, is larger than ``limits.max_bytes``, or is not a model.

    Example:
        >>> load(b"\\x89HDF\\r\\n\\x1a\\n", "lstm.h5").format
        'Keras'
    """
    name = name or source_name(source, "model")
    data = _READER.read(source, name, limits.max_bytes)
    return ModelBytes(name, _format_of(data, name, limits), data, limits)


def open_zip(data: bytes, name: str, limits: Limits) -> zipfile.ZipFile:
    """Open a zip archive.

    Raises:
        FormatError: it is damaged or encrypted, names an entry twice, or has more than ``limits.max_entries``.
    """
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


def damaged(name: str, why: object) -> FormatError:
    """The error for a truncated or inconsistent file."""
    return FormatError(
        name, f"a damaged or truncated file ({printable(why)})", "a complete one", "Copy or save the file again."
    )


def printable(text: object, most: int = 120) -> str:
    """Make text from a file safe for a message: one line of limited length."""
    try:
        text = str(text)
    except (ValueError, RecursionError):  # a number of thousands of digits, tuples nested thousands deep
        text = f"a {type(text).__name__} too long to print"
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"


_TORCH_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The magic number, pickled, at the start of files by torch.save before version 1.6."""

_SAVE_STATE = "Save only the weights: torch.save(model.state_dict(), path)."
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
    if _is_onnx(data):
        return "ONNX"
    if len(data) < 9 or b"\0" not in data[:4096]:
        raise FormatError(name, "text", WANTED, "Choose the file that the framework saved.")
    raise FormatError(name, "an unknown format", WANTED, "Choose the file that the framework saved.")


def _format_of_archive(data: bytes, name: str, limits: Limits) -> Format:
    with open_zip(data, name, limits) as archive:
        entries = archive.namelist()
    leaves = {Path(entry).name for entry in entries}
    if "data.pkl" in leaves:
        return "PyTorch"
    if "config.json" in leaves and any(leaf.endswith(".h5") for leaf in leaves):
        return "Keras"
    if any(leaf.endswith(".npy") for leaf in leaves):
        return "NPZ"
    listed = ", ".join(printable(entry, 40) for entry in entries[:5]) or "nothing"
    raise FormatError(
        name, f"an archive that contains {listed}", WANTED, "Unpack it and open the file with the weights."
    )


def _is_text_pickle(data: bytes) -> bool:
    return data[:1] in b"c(]}" and data.rstrip()[-1:] == b"." and b"\n" in data[:200]


def _is_onnx(data: bytes) -> bool:
    """Protobuf has no magic number: an ONNX model starts with field 1, its version, then one of fields 2 to 8."""
    return data[:1] == b"\x08" and 0 < data[1] < 64 and data[2:3] in b"\x12\x1a\x22\x28\x32\x3a\x42" and len(data) > 3
