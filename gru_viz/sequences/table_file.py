"""Reads the file of a table into UTF-8 text or Parquet bytes, and text into rows; refuses other kinds of file."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from gru_viz.byte_source import ARCHIVES, ByteReader, ByteSource, file_kind, source_name
from gru_viz.errors import SequenceError
from gru_viz.sequences.packed_file import unpack
from gru_viz.sequences.phrases import count

__all__ = ["CsvRow", "TableFile", "contains", "iterate_rows", "read_first_rows", "read_table_file", "sample_lines"]

_EXPECTED = "delimited text (CSV, TSV), Parquet, xlsx or JSON"
_READER = ByteReader(SequenceError, "table", "Use a shorter file, or raise max_bytes=.", accepts_text=True)
_AS_CSV = "Open it in the program that wrote it and save it as CSV."
_NUMBERS_AS_CSV = "Save the numbers behind the picture as CSV."
_NOT_TABLES = dict.fromkeys(ARCHIVES, "Unpack it and open the file inside.") | {
    "a PNG picture": _NUMBERS_AS_CSV,
    "a JPEG picture": _NUMBERS_AS_CSV,
    "a GIF picture": _NUMBERS_AS_CSV,
    "a PDF document": "Save the table in it as CSV.",
    "an old Excel or Office file": "Open it in a spreadsheet and save it as CSV.",
    "an HDF5 file": _AS_CSV,
    "a single NumPy array": "Save it with numpy.savetxt(path, array, delimiter=',').",
    "an Arrow or Feather file": "Save it as Parquet or CSV.",
    "an SQLite database": "Export the table as CSV.",
    "a Python pickle": "A pickle can run code: save the table as CSV or Parquet.",
    "a Git LFS pointer in place of the file": "Fetch the file: git lfs pull.",
    "a git-annex pointer in place of the file": "Fetch the file: git annex get.",
    "the message '404: Not Found' in place of the file": "Check the address and download the file again.",
    "a web page or XML": "Download the data file itself.",
}
_BYTE_ORDER_MARKS: tuple[tuple[bytes, str], ...] = (  # the longer mark first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BLOCK = 1 << 20
_HEAD = 1 << 16
_WIDE_HEAD = 1 << 22
_MAX_ROWS = 200


@dataclass(frozen=True)
class TableFile:
    """UTF-8 text without a byte-order mark, lines ended by ``\\n`` or ``\\r\\n``; or another file as it was.

    Attributes:
        name: its name.
        kind: what it is, unpacked.
        data: its bytes.
        encoding: how the text was encoded.
        notices: what was assumed in reading it.
        table: which of several tables in it is wanted; None where none was named, or an archive was asked for it.
        tables: the tables of the archive it came from, if these are several.
    """

    name: str
    kind: Literal["text", "json", "parquet", "xlsx"]
    data: bytes
    encoding: str
    notices: tuple[str, ...] = ()
    table: int | str | None = None
    tables: tuple[str, ...] = ()


def read_table_file(
    source: ByteSource, name: str | None, encoding: str | None, max_bytes: int, table: int | str | None = None
) -> TableFile:
    """Read the source of a table whole, unpack it, and convert its text to UTF-8.

    Args:
        source: a path, bytes or an open file.
        name: its name, for messages; None takes the file's.
        encoding: the encoding of its text; None detects it.
        max_bytes: the largest size allowed, as it is and unpacked.
        table: which of several tables: used here for a file of an archive, else passed on in the result.
    """
    name = name or source_name(source, "table")
    raw = _READER.read(source, name, max_bytes)
    kind = file_kind(raw)
    unpacked = unpack(raw, kind, name, table, max_bytes) if kind is not None else None
    tables: tuple[str, ...] = ()
    if unpacked is not None:
        raw, tables = unpacked.data, unpacked.tables
        kind, table = file_kind(raw), None if tables else table
    file = _as_file(raw, kind, name, encoding)
    notices = (*unpacked.notices, *file.notices) if unpacked is not None else file.notices
    return replace(file, notices=notices, table=table, tables=tables)


def _as_file(raw: bytes, kind: str | None, name: str, encoding: str | None) -> TableFile:
    if kind == "a Parquet table":
        return TableFile(name, "parquet", raw, "parquet")
    if kind == "an Excel workbook (xlsx)":
        return TableFile(name, "xlsx", raw, "xlsx")
    if kind in _NOT_TABLES:
        raise SequenceError(name, kind, _EXPECTED, _NOT_TABLES[kind])
    text, encoding, notices = _to_utf8(raw, name, encoding)
    if kind == "JSON" or is_json(text):
        return TableFile(name, "json", text, encoding, notices)
    _refuse_control_bytes(text, name)
    head = text[:_HEAD]
    if head.count(b"\r") > head.count(b"\r\n"):
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not text or text.isspace():
        raise SequenceError(name, "only blank lines", "a table with numbers", "Choose another file.")
    return TableFile(name, "text", text, encoding, notices)


def _to_utf8(raw: bytes, name: str, encoding: str | None) -> tuple[bytes, str, tuple[str, ...]]:
    """The text as UTF-8 without its byte-order mark, its encoding, and what was assumed."""
    if encoding is not None:
        return _decode(raw, name, encoding), encoding, ()
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return _decode(raw[len(mark) :], name, encoding.removesuffix("-sig")), encoding, ()
    utf16 = _utf16_without_mark(raw)
    if utf16 is not None:
        return _decode(raw, name, utf16), utf16, (f"Read as {utf16.upper()}, detected from its zero bytes.",)
    if contains(raw, b"\0"):
        at = raw.index(b"\0")
        found = f"NUL bytes, the first at byte {at:,}"
        raise SequenceError(name, found, "text", "The file is binary or damaged: save it again as CSV in UTF-8.")
    if _is_utf8(raw):
        return raw, "utf-8", ()
    try:
        text, encoding = raw.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:
        text, encoding = raw.decode("latin-1"), "latin-1"
    label = "Windows-1252" if encoding == "cp1252" else "Latin-1"
    notice = f"The text is not UTF-8 and was read as {label}; if letters look wrong, set encoding=."
    return text.encode(), encoding, (notice,)


def _decode(raw: bytes, name: str, encoding: str) -> bytes:
    remedy = "Set another encoding=, or leave it out to detect it."
    try:
        text = raw.decode(encoding).removeprefix("\ufeff")
        utf8 = text.encode()
    except LookupError as error:
        raise SequenceError(name, f"an unknown encoding '{encoding}'", "one that Python knows", remedy) from error
    except UnicodeDecodeError as error:
        found = f"bytes that are not {encoding}, the first at byte {error.start:,}"
        raise SequenceError(name, found, f"text in {encoding}", remedy) from error
    except ValueError as error:
        raise SequenceError(name, f"text that {encoding} cannot represent", f"text in {encoding}", remedy) from error
    if "\0" in text:
        raise SequenceError(name, f"NUL characters when read as {encoding}", "text", remedy)
    return utf8


def is_json(text: bytes) -> bool:
    """Whether text begins as a list or an object does, and is no row of cells.

    Example:
        >>> is_json(b'[[1, 2], [3, 4]]'), is_json(b"[1],2")
        (True, False)
    """
    start, end = text[:64].lstrip(), text[-64:].rstrip()
    return (start[:1], end[-1:]) in ((b"{", b"}"), (b"[", b"]")) and start[1:].lstrip()[:1] in (b'"', b"[", b"{")


def contains(data: bytes, byte: bytes) -> bool:
    """Whether a byte occurs, searched in blocks: other threads wait while a search runs."""
    return any(data.find(byte, at, at + _BLOCK) >= 0 for at in range(0, len(data), _BLOCK))


def _is_utf8(raw: bytes) -> bool:
    blocks = (raw[at : at + _BLOCK] for at in range(0, len(raw), _BLOCK))
    try:
        deque(codecs.iterdecode(blocks, "utf-8"), maxlen=0)  # the whole as str can take four times the memory
    except UnicodeDecodeError:
        return False
    return True


def _utf16_without_mark(raw: bytes) -> str | None:
    """UTF-16 without a byte-order mark: in Latin letters and digits every second byte is zero."""
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
        raise SequenceError(name, found, _EXPECTED, _AS_CSV)


@dataclass(frozen=True)
class CsvRow:
    """The unquoted cells of one row, and the line at which it begins, counted from 0."""

    cells: tuple[str, ...]
    line: int


def sample_lines(data: bytes) -> list[str]:
    """Return the first complete lines with their line ends: 64 kB, and at least four lines of a wide table."""
    end = 0
    for _ in range(4):
        end = data.find(b"\n", end, _WIDE_HEAD) + 1
        if end == 0:
            end = _WIDE_HEAD
            break
    end = max(end, _HEAD)
    if end < len(data):
        end = data.rfind(b"\n", 0, end) + 1 or end
    text = data[:end].decode("utf-8", "ignore")  # a cut inside a character can only be in a line of 4 MB
    return list(io.StringIO(text, newline=""))


def read_first_rows(lines: list[str], delimiter: str, comment: str | None) -> tuple[CsvRow, ...]:
    """Read the first rows without blank and comment lines; empty if a cell is longer than 131,072 characters."""
    try:
        return tuple(islice(iterate_rows(lines, delimiter, comment), _MAX_ROWS))
    except csv.Error:
        return ()


def iterate_rows(lines: Iterable[str], delimiter: str, comment: str | None) -> Iterator[CsvRow]:
    """Read the rows one by one; ``csv.Error`` if a cell is longer than 131,072 characters."""
    pending: list[int] = []  # the lines of the row being read; more than one within a quoted cell

    def content_lines() -> Iterator[str]:
        for number, line in enumerate(lines):
            if not pending:
                line = line.strip(" \r\n" if delimiter == "\t" else " \t\r\n") + "\n"
                if line == "\n" or (comment and line.startswith(comment)):
                    continue
            pending.append(number)
            yield line.replace("\t", " ") if delimiter == " " else line

    for cells in csv.reader(content_lines(), delimiter=delimiter, skipinitialspace=True):
        yield CsvRow(tuple(cells), pending[0])
        pending.clear()
