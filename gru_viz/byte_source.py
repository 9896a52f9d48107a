"""Where the bytes of a table or a model come from: a path, bytes or an open file, size limits and file kinds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gru_viz.errors import GruVizError

__all__ = ["ARCHIVES", "ByteReader", "ByteSource", "file_kind", "source_name"]

ByteSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | IO[str]

ARCHIVES = ("a gzip archive", "a bzip2 archive", "an xz archive", "a 7z archive", "a zstd archive", "a zip archive")

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PAR1", "a Parquet table"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a single NumPy array"),
    (0, b"ARROW1", "an Arrow or Feather file"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"GGUF", "a GGUF file"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"version https://git-lfs", "a Git LFS pointer in place of the file"),
    (0, b"/annex/objects/", "a git-annex pointer in place of the file"),
    (0, b"404: Not Found", "the message '404: Not Found' in place of the file"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\xd0\xcf\x11\xe0", "an old Excel or Office file"),
)
_END = 1 << 20


@dataclass(frozen=True)
class ByteReader:
    """Reads a source whole, up to a size limit; its errors name what was expected.

    Attributes:
        error: the class of the errors raised.
        expected: what the source should be, in one word: ``"table"`` or ``"model"``.
        too_large: the remedy for a source above the limit.
        accepts_text: whether a file opened as text is read, as UTF-8.
    """

    error: type[GruVizError]
    expected: str
    too_large: str
    accepts_text: bool = False

    def read(self, source: ByteSource, name: str, max_bytes: int) -> bytes:
        """Read the source: an upload in Streamlit is an open file.

        Raises:
            GruVizError: of the class ``error``: the source cannot be read, is empty, or is larger than ``max_bytes``.
        """
        if isinstance(source, (bytes, bytearray, memoryview)):
            self._check_size(memoryview(source).nbytes, name, max_bytes)
            data = bytes(source)
        elif isinstance(source, (str, os.PathLike)):
            data = self._read_path(source, name, max_bytes)
        elif hasattr(source, "read"):
            data = self._read_open_file(source, name, max_bytes)
        else:
            found = f"a {type(source).__name__}"
            raise self.error(name, found, "a path, bytes or an open file", "Pass one of these.")
        if not data:
            raise self.error(name, "an empty file", f"a {self.expected}", "Choose another file.")
        return data

    def _read_path(self, path: str | os.PathLike[str], name: str, max_bytes: int) -> bytes:
        try:
            if Path(path).is_dir():
                raise self.error(name, "a folder", "a file", "Choose a file in it.")
            with Path(path).open("rb") as file:
                self._check_size(os.fstat(file.fileno()).st_size, name, max_bytes)
                data = file.read(max_bytes + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            remedy = "Check the path; pass content as bytes."
            raise self.error(name, f"no readable file ({reason})", f"the path of a {self.expected}", remedy) from error
        self._check_size(len(data), name, max_bytes)
        return data

    def _read_open_file(self, file: IO[bytes] | IO[str], name: str, max_bytes: int) -> bytes:
        try:
            content = file.read(max_bytes + 1)
            if isinstance(content, str) and self.accepts_text:
                content = content.encode()
        except (OSError, ValueError) as error:
            raise self.error(name, f"an unreadable file ({error})", "an open file", "Open it again.") from error
        if not isinstance(content, (bytes, bytearray)):
            raise self.error(name, "a file opened as text", "one opened as bytes", 'Open it with mode "rb".')
        self._check_size(len(content), name, max_bytes)
        return bytes(content)

    def _check_size(self, size: int, name: str, max_bytes: int) -> None:
        if size > max_bytes:
            found = f"{size:,} bytes" if size > max_bytes + 1 else f"more than {max_bytes:,} bytes"
            raise self.error(name, found, f"at most {max_bytes:,} bytes", self.too_large)


def source_name(source: ByteSource, default: str) -> str:
    """Name a source for messages: the file's name without its folder, else ``default``."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source).name or str(source)
    path = getattr(source, "name", None)
    return Path(path).name if isinstance(path, str) and path else default


def file_kind(data: bytes) -> str | None:
    """The kind of file by its first bytes (its magic number), with its article; None for text and unknown bytes."""
    for offset, magic, kind in _MAGIC:
        if data.startswith(magic, offset):
            return kind
    if data.startswith(b"PK\x03\x04"):
        workbook = b"xl/" in data[:_END] or b"xl/" in data[-_END:]
        return "an Excel workbook (xlsx)" if workbook else "a zip archive"
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a Python pickle"
    start = data[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page or XML"
    if start.startswith((b'{"', b'[{"')) or (start.startswith(b"{") and b'":' in start):
        return "JSON"
    return None
