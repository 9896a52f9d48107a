"""From a path, bytes or an open file to the bytes of a model, and which format they are by what they hold."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gru_viz.errors import FormatError
from gru_viz.formats.found import Format

__all__ = ["LIMITS", "Content", "Limits", "Source", "load", "open_zip"]

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]

WANTED = "a trained model: PyTorch, safetensors, NPZ, Keras or ONNX"


@dataclass(frozen=True)
class Limits:
    """How much a file may hold and claim; each is checked before anything is allocated for it.

    Attributes:
        max_bytes: of the file.
        max_array_bytes: of all arrays together, once they are unpacked.
        max_entries: files in an archive, arrays in a file, groups and nodes in a graph.
        max_steps: instructions of a pickle.
        max_depth: containers within containers.
        max_networks: recurrent networks in one file.
    """

    max_bytes: int = 1 << 30
    max_array_bytes: int = 2 << 30
    max_entries: int = 100_000
    max_steps: int = 2_000_000
    max_depth: int = 64
    max_networks: int = 256


LIMITS = Limits()


@dataclass(frozen=True)
class Content:
    """The bytes of a file, and what they are.

    Attributes:
        name: what to call the file in messages.
        format: found from the bytes, never from the name.
        data: the whole file.
        limits: what a reader must keep to.
    """

    name: str
    format: Format
    data: bytes
    limits: Limits = LIMITS


def load(source: Source, name: str | None = None, limits: Limits = LIMITS) -> Content:
    """Read a source whole and find its format.

    Raises:
        FormatError: it cannot be opened, is empty, is larger than ``limits.max_bytes``, or is no model.

    Example:
        >>> load(b"\\x89HDF\\r\\n\\x1a\\n", "lstm.h5").format
        'Keras'
    """
    name = name or _name_of(source)
    data = _bytes_of(source, name, limits)
    if not data:
        raise FormatError(name, "an empty file", WANTED, "Choose another file.")
    return Content(name, _format_of(data, name, limits), data, limits)


def open_zip(data: bytes, name: str, limits: Limits) -> zipfile.ZipFile:
    """Open an archive whose list of entries is not too long to be read.

    Raises:
        FormatError: it is damaged, encrypted, names an entry twice, or has more entries than the limit.
    """
    entries = data.count(b"PK\x01\x02")  # no entry is listed without this mark
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
            raise FormatError(f"{name}, {shown(entry.filename)}", "an encrypted entry", "a plain one", "Unlock it.")
        if entry.filename in seen:
            raise FormatError(name, f"the entry {shown(entry.filename)} twice", "each entry once", "Save it again.")
        seen.add(entry.filename)
    return archive


def damaged(name: str, why: object) -> FormatError:
    """The error for a file that breaks off or contradicts itself."""
    return FormatError(name, f"a damaged or truncated file ({shown(why)})", "a whole one", "Copy or save it again.")


def shown(text: object, most: int = 120) -> str:
    """Text from a file, fit for a message: of bounded length, on one line."""
    try:
        text = str(text)
    except (ValueError, RecursionError):  # a number of thousands of digits, tuples nested thousands deep
        text = f"a {type(text).__name__} too long to print"
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: most + 1])
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _name_of(source: Source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).name or str(source)
    called = getattr(source, "name", None)
    return Path(called).name if isinstance(called, str) and called else "model"


def _bytes_of(source: Source, name: str, limits: Limits) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        _check_size(memoryview(source).nbytes, name, limits)
        return bytes(source)
    try:
        if isinstance(source, (str, os.PathLike)):
            if Path(source).is_dir():
                raise FormatError(name, "a folder", "a file", "Choose the file of the weights in it.")
            with Path(source).open("rb") as file:
                _check_size(os.fstat(file.fileno()).st_size, name, limits)
                data = file.read(limits.max_bytes + 1)
        elif hasattr(source, "read"):
            data = source.read(limits.max_bytes + 1)
        else:
            found = f"a {type(source).__name__}"
            raise FormatError(name, found, "a path, bytes or an open file", "Give one of these.")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FormatError(name, f"no readable file ({reason})", "the path of a model", "Check the path.") from error
    if not isinstance(data, bytes):
        raise FormatError(name, "a file opened as text", "one opened as bytes", 'Open it with mode "rb".')
    _check_size(len(data), name, limits)
    return data


def _check_size(size: int, name: str, limits: Limits) -> None:
    if size > limits.max_bytes:
        wanted, remedy = f"at most {limits.max_bytes:,} bytes", "Save only the weights, without the optimiser's state."
        raise FormatError(name, f"a file of at least {size:,} bytes", wanted, remedy)


_TORCH_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The number that every file of torch.save begins with since before it wrote archives, as a pickle writes it."""

_SAVE_STATE = "Save the numbers alone: torch.save(model.state_dict(), path)."
_OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x93NUMPY", "a single NumPy array", "Save every matrix under its name: numpy.savez(path, **arrays)."),
    (0, b"\x1f\x8b", "a gzip archive", "Unpack it and give the file inside."),
    (0, b"BZh", "a bzip2 archive", "Unpack it and give the file inside."),
    (0, b"\xfd7zXZ", "an xz archive", "Unpack it and give the file inside."),
    (0, b"7z\xbc\xaf", "a 7z archive", "Unpack it and give the file inside."),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it and give the file inside."),
    (257, b"ustar", "a tar archive, which torch.save wrote before 2017", "Load it in PyTorch and save it again."),
    (0, b"GGUF", "a GGUF file", "It holds no recurrent layers that are known."),
    (4, b"TFL3", "a TensorFlow Lite model", "Save the Keras model that it was made from."),
    (0, b"version https://git-lfs", "a Git LFS pointer in place of the file", "Fetch the file: git lfs pull."),
    (0, b"PAR1", "a Parquet table", "It is data: give it as a sequence."),
    (0, b"\x89PNG", "a PNG picture", "Choose the file of the weights."),
    (0, b"%PDF", "a PDF document", "Choose the file of the weights."),
)


def _format_of(data: bytes, name: str, limits: Limits) -> Format:
    if data.startswith(b"PK\x03\x04"):
        return _format_of_archive(data, name, limits)
    if data.startswith(b"\x89HDF\r\n\x1a\n"):
        return "Keras"
    if data[:1] == b"\x80" and _TORCH_LEGACY in data[:64]:
        return "PyTorch"
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") >= 2:
        return "safetensors"
    for at, magic, found, remedy in _OTHERS:
        if data.startswith(magic, at):
            raise FormatError(name, found, WANTED, remedy)
    if _is_pickle(data):
        found = "a Python pickle that torch.save did not write; a pickle can run code, and nothing of it was run"
        raise FormatError(name, found, WANTED, _SAVE_STATE)
    if _is_onnx(data):
        return "ONNX"
    if data[:200].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise FormatError(name, "a web page or XML", WANTED, "Download the file itself.")
    if len(data) < 9 or b"\0" not in data[:4096]:
        raise FormatError(name, "text", WANTED, "Choose the file that the framework saved.")
    raise FormatError(name, "bytes of no known format", WANTED, "Choose the file that the framework saved.")


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
    listed = ", ".join(shown(entry, 40) for entry in entries[:5]) or "nothing"
    raise FormatError(name, f"an archive that holds {listed}", WANTED, "Unpack it and give the file of the weights.")


def _is_pickle(data: bytes) -> bool:
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    return data[:1] in b"c(]}" and data.rstrip()[-1:] == b"." and b"\n" in data[:200]


def _is_onnx(data: bytes) -> bool:
    """Protobuf has no mark: an ONNX model begins with field 1, its version, and goes on with one of fields 2 to 8."""
    return data[:1] == b"\x08" and 0 < data[1] < 64 and data[2:3] in b"\x12\x1a\x22\x28\x32\x3a\x42" and len(data) > 3
