"""From a path, bytes or an open file to UTF-8 text or Parquet bytes: sizes, file kinds, encodings."""

from __future__ import annotations

import codecs
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from gru_viz.errors import SequenceError
from gru_viz.sequences.words import count

__all__ = ["Content", "Source", "holds", "load"]

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | IO[str]

_AS_CSV = "Open it in the program that wrote it and save it as CSV."
_NOT_TABLES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG", "a PNG picture", "Give the numbers behind the picture as CSV."),
    (b"\xff\xd8\xff", "a JPEG picture", "Give the numbers behind the picture as CSV."),
    (b"GIF8", "a GIF picture", "Give the numbers behind the picture as CSV."),
    (b"%PDF", "a PDF document", "Give the table in it as CSV."),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Office file", "Open it in a spreadsheet and save it as CSV."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it and give the file inside."),
    (b"BZh", "a bzip2 archive", "Unpack it and give the file inside."),
    (b"\xfd7zXZ", "an xz archive", "Unpack it and give the file inside."),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it and give the file inside."),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it and give the file inside."),
    (b"\x89HDF", "an HDF5 file", _AS_CSV),
    (b"\x93NUMPY", "a NumPy array", "Save it with numpy.savetxt(path, array, delimiter=',')."),
    (b"ARROW1", "an Arrow or Feather file", "Save it as Parquet or CSV."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV."),
)
_MARKS: tuple[tuple[bytes, str], ...] = (  # the longer mark first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PIECE = 1 << 20
_HEAD = 1 << 16


@dataclass(frozen=True)
class Content:
    """What a source holds.

    Attributes:
        name: what to call it in messages.
        kind: ``"text"`` or ``"parquet"``.
        data: UTF-8 with lines ended by ``\\n`` or ``\\r\\n`` and no byte-order mark, or the Parquet file.
        encoding: the encoding the text came in.
        notices: what was assumed.
    """

    name: str
    kind: Literal["text", "parquet"]
    data: bytes
    encoding: str
    notices: tuple[str, ...] = ()


def load(source: Source, name: str | None, encoding: str | None, max_bytes: int) -> Content:
    """Read a source whole and bring its text to UTF-8.

    Raises:
        SequenceError: it cannot be opened, is empty, is larger than ``max_bytes`` or is no text.

    Example:
        >>> load(b"a;b\\n1;2\\n", "x.csv", None, 1000).encoding
        'utf-8'
    """
    name = name or _name_of(source)
    raw = _bytes_of(source, name, max_bytes)
    if not raw:
        raise SequenceError(name, "an empty file", "a table with numbers", "Choose another file.")
    if raw[:4] == b"PAR1":
        return Content(name, "parquet", raw, "parquet")
    _refuse_other_kinds(raw, name)
    text, encoding, notices = _to_utf8(raw, name, encoding)
    _refuse_control_bytes(text, name)
    head = text[:_HEAD]
    if head.count(b"\r") > head.count(b"\r\n"):
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not text or text.isspace():
        raise SequenceError(name, "only blank lines", "a table with numbers", "Choose another file.")
    return Content(name, "text", text, encoding, notices)


def _name_of(source: Source) -> str:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).name or str(source)
    called = getattr(source, "name", None)
    return Path(called).name if isinstance(called, str) and called else "table"


def _bytes_of(source: Source, name: str, max_bytes: int) -> bytes:
    if isinstance(source, (str, os.PathLike)):
        return _bytes_at(source, name, max_bytes)
    if isinstance(source, (bytes, bytearray, memoryview)):
        _check_size(memoryview(source).nbytes, name, max_bytes)
        return bytes(source)
    if not hasattr(source, "read"):
        raise SequenceError(name, f"a {type(source).__name__}", "a path, bytes or an open file", "Give one of these.")
    try:
        found = source.read(max_bytes + 1)
        raw = found.encode() if isinstance(found, str) else bytes(found)
    except (OSError, ValueError) as error:
        raise SequenceError(name, f"an unreadable file ({error})", "an open file", "Open it again.") from error
    _check_size(len(raw), name, max_bytes, at_least=True)
    return raw


def _bytes_at(path: str | os.PathLike[str], name: str, max_bytes: int) -> bytes:
    try:
        if Path(path).is_dir():
            raise SequenceError(name, "a folder", "a file", "Choose a file in it.")
        with Path(path).open("rb") as file:
            _check_size(os.fstat(file.fileno()).st_size, name, max_bytes)
            raw = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        found = f"no readable file ({reason})"
        raise SequenceError(name, found, "the path of a table", "Check the path; give text as bytes.") from error
    _check_size(len(raw), name, max_bytes, at_least=True)
    return raw


def _check_size(size: int, name: str, max_bytes: int, at_least: bool = False) -> None:
    if size > max_bytes:
        found = f"{'more than ' if at_least else ''}{max_bytes if at_least else size:,} bytes"
        remedy = "Give a shorter file, or raise max_bytes=."
        raise SequenceError(name, found, f"at most {max_bytes:,} bytes", remedy)


def _refuse_other_kinds(raw: bytes, name: str) -> None:
    wanted = "delimited text (CSV, TSV) or Parquet"
    for magic, kind, remedy in _NOT_TABLES:
        if raw.startswith(magic):
            raise SequenceError(name, kind, wanted, remedy)
    if raw.startswith(b"PK\x03\x04"):
        if b"xl/" in raw[:_PIECE] or b"xl/" in raw[-_PIECE:]:
            raise SequenceError(name, "an Excel workbook (xlsx)", wanted, "Save the sheet as CSV in the spreadsheet.")
        raise SequenceError(name, "a zip archive", wanted, "Unpack it and give the file inside.")
    if raw[:1] == b"\x80" and raw[1:2] in b"\x02\x03\x04\x05" and raw.rstrip()[-1:] == b".":
        raise SequenceError(name, "a Python pickle, which could run code", wanted, "Save the table as CSV or Parquet.")
    start = raw[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise SequenceError(name, "a web page or XML", wanted, "Download the data file itself.")
    if start.startswith((b'{"', b'[{"')) or (start.startswith(b"{") and b'":' in start):
        raise SequenceError(name, "JSON", wanted, "Save the table as CSV.")


def _to_utf8(raw: bytes, name: str, told: str | None) -> tuple[bytes, str, tuple[str, ...]]:
    """Give the text as UTF-8 without its mark, the encoding it had, and what was assumed."""
    if told is not None:
        return _obey(raw, name, told), told, ()
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _obey(raw[len(mark) :], name, encoding.removesuffix("-sig")), encoding, ()
    wide = _wide_encoding(raw)
    if wide is not None:
        return _obey(raw, name, wide), wide, (f"Read as {wide.upper()}, judged by its empty bytes.",)
    if holds(raw, b"\0"):
        at = raw.index(b"\0")
        found = f"NUL bytes, the first at byte {at:,}"
        raise SequenceError(name, found, "text", "It is binary or damaged: save the table again as CSV in UTF-8.")
    if _is_utf8(raw):
        return raw, "utf-8", ()
    try:
        text, encoding = raw.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        text, encoding = raw.decode("latin-1"), "latin-1"
    called = "Windows-1252" if encoding == "cp1252" else "Latin-1"
    notice = f"The text is not UTF-8 and was read as {called}; where letters look wrong, give encoding=."
    return text.encode(), encoding, (notice,)


def _obey(raw: bytes, name: str, encoding: str) -> bytes:
    remedy = "Give another encoding=, or leave it out to have it found."
    try:
        text = raw.decode(encoding).removeprefix("\ufeff")
        utf8 = text.encode()
    except LookupError as error:
        raise SequenceError(name, f"an unknown encoding '{encoding}'", "one that Python knows", remedy) from error
    except UnicodeDecodeError as error:
        found = f"bytes that are not {encoding}, the first at byte {error.start:,}"
        raise SequenceError(name, found, f"text in {encoding}", remedy) from error
    except ValueError as error:
        raise SequenceError(name, f"text that {encoding} cannot hold", f"text in {encoding}", remedy) from error
    if "\0" in text:
        raise SequenceError(name, f"NUL characters when read as {encoding}", "text", remedy)
    return utf8


def holds(data: bytes, byte: bytes) -> bool:
    """Whether a byte occurs, looked for in pieces: a search lets no other thread run until it has ended.

    Example:
        >>> holds(b"a;b", b";"), holds(b"a;b", b",")
        (True, False)
    """
    return any(data.find(byte, at, at + _PIECE) >= 0 for at in range(0, len(data), _PIECE))


def _is_utf8(raw: bytes) -> bool:
    if all(raw[at : at + _PIECE].isascii() for at in range(0, len(raw), _PIECE)):
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    pieces = io.BytesIO(raw)
    try:
        while piece := pieces.read(_PIECE):  # by pieces: the whole as str can take four times the room
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(raw: bytes) -> str | None:
    """UTF-16 without a mark: Latin letters and digits leave every second byte empty."""
    head = raw[:4096]
    if len(raw) % 2 or len(head) < 4:
        return None
    pairs = len(head) // 2
    even, odd = head[0::2].count(0) / pairs, head[1::2].count(0) / pairs
    if odd > 0.5 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.5 and odd < 0.05 else None


def _refuse_control_bytes(text: bytes, name: str) -> None:
    head = text[:_HEAD]
    odd = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\v\f\r\x1a\x1b")
    if odd > 2 and odd > len(head) // 200:
        found = f"binary data ({count(odd, 'control character')} in its first {len(head):,} bytes)"
        raise SequenceError(name, found, "delimited text (CSV, TSV) or Parquet", _AS_CSV)
