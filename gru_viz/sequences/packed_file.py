"""Unpacks a compressed table: gzip, bzip2, xz or zip; its size is known before it takes memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import IO, NamedTuple, cast

from gru_viz.byte_source import file_kind
from gru_viz.errors import SequenceError
from gru_viz.sequences.phrases import count, listing

__all__ = ["Unpacked", "unpack"]

_BLOCK = 1 << 20
_HEAD = 1 << 16
_MAX_MEMBERS = 10_000
_LZMA_MEMORY = 1 << 26
_TABLES = {".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".asc", ".parquet", ".xlsx", ".xlsm", ".json", ".jsonl"}
_TABLES |= {".ndjson", ".ts", ".tsf", ".arff", ".lvm", ".xvg"}
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, ValueError)
_READERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    "a gzip archive": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    "a bzip2 archive": lambda file: cast("IO[bytes]", bz2.BZ2File(file)),
}


class Unpacked(NamedTuple):
    """The bytes of the table inside, a notice, and the names of the tables if there are several."""

    data: bytes
    notices: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


def unpack(packed: bytes, kind: str, name: str, table: int | str | None, max_bytes: int) -> Unpacked | None:
    """Unpack a table; None where the kind of file is no archive that is unpacked.

    The archive is read twice: first only counted, so that one that is too large is refused before it takes memory.

    Args:
        packed: the archive.
        kind: its kind, from ``file_kind``.
        name: the name of the file, for errors.
        table: the name or number of a file in a zip archive of several.
        max_bytes: the largest size allowed when unpacked.

    Raises:
        SequenceError: it is damaged, too large when unpacked, no table is in it, or several are.
    """
    if kind == "a zip archive":
        return _unzip(packed, name, table, max_bytes)
    if kind not in (*_READERS, "an xz archive"):
        return None
    size = 0
    for block in _blocks(packed, kind, name):
        if size == 0:
            _refuse_binary(block[:_HEAD], name)
        size += len(block)
        if size > max_bytes:
            raise _too_large(name, f"more than {max_bytes:,} bytes", max_bytes)
    return Unpacked(b"".join(_blocks(packed, kind, name)))


def _blocks(packed: bytes, kind: str, name: str) -> Iterator[bytes]:
    try:
        if kind == "an xz archive":
            yield from _xz_blocks(packed)
            return
        with _READERS[kind](io.BytesIO(packed)) as file:
            while block := file.read(_BLOCK):
                yield block
    except _DAMAGED as error:
        raise _damaged(name, kind, error) from error


def _xz_blocks(packed: bytes) -> Iterator[bytes]:
    decompressor = lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    rest = packed
    while not decompressor.eof:
        block = decompressor.decompress(rest, _BLOCK)
        rest = b""
        if not block and decompressor.needs_input:
            raise EOFError("the end is missing")
        yield block


def _refuse_binary(head: bytes, name: str) -> None:
    """Refuse what is no table by its first bytes, before the rest is unpacked."""
    inside = file_kind(head)
    known = inside in (None, "a Parquet table", "JSON", "a zip archive", "an Excel workbook (xlsx)")
    if not known:
        raise SequenceError(name, f"{inside} inside the archive", "a table", "Unpack it and open the table itself.")
    if inside is None and head.count(0) > len(head) // 2 + 16:
        raise SequenceError(name, "zero bytes inside the archive", "a table", "Unpack it and look at the file inside.")


def _too_large(name: str, size: str, max_bytes: int) -> SequenceError:
    remedy = "Use a shorter file, or raise max_bytes=."
    return SequenceError(name, f"{size} when unpacked", f"at most {max_bytes:,}", remedy)


def _damaged(name: str, kind: str, error: Exception) -> SequenceError:
    reason = " ".join(str(error).split())[:120]
    return SequenceError(name, f"{kind} that cannot be unpacked ({reason})", "a complete one", "Download it again.")


def _unzip(packed: bytes, name: str, table: int | str | None, max_bytes: int) -> Unpacked:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            member, tables = _member(archive.infolist(), name, table)
            if member.file_size > max_bytes:
                raise _too_large(f"{name}, {member.filename}", f"{member.file_size:,} bytes", max_bytes)
            with archive.open(member) as file:
                head = file.read(_HEAD)
                _refuse_binary(head, name)
                data = head + file.read(member.file_size)
    except RuntimeError as error:  # zipfile's class for a password
        found, remedy = "a zip archive with a password", "Unpack it and open the table itself."
        raise SequenceError(name, found, "one without", remedy) from error
    except _DAMAGED as error:
        raise _damaged(name, "a zip archive", error) from error
    if len(tables) < 2:
        return Unpacked(data)
    notice = (
        f"The archive has {len(tables)} tables: {listing(tables)}; '{member.filename}' was read (table= names another)."
    )
    return Unpacked(data, (notice,), tables)


def _member(
    members: list[zipfile.ZipInfo], name: str, table: int | str | None
) -> tuple[zipfile.ZipInfo, tuple[str, ...]]:
    """The file that is read: the one that is asked for, else the largest; and the names of all tables."""
    files = [each for each in members[:_MAX_MEMBERS] if not each.is_dir() and _is_visible(each.filename)]
    tables = [each for each in files if PurePosixPath(each.filename).suffix.lower() in _TABLES]
    names = tuple(each.filename for each in tables)
    if any(each.filename == "content.xml" for each in files):
        remedy = "Save the sheet as CSV or xlsx."
        raise SequenceError(name, "an OpenDocument spreadsheet", "delimited text, Parquet or xlsx", remedy)
    if not tables:
        known = f": {listing([each.filename for each in files])}" if files else ""
        found = f"a zip archive of {count(len(files), 'file')}, none of them a table{known}"
        raise SequenceError(name, found, "one table (CSV, Parquet, xlsx, …)", "Choose the file of a table.")
    if len(tables) == 1 or table is None:
        return max(tables, key=lambda each: each.file_size), names
    at = names.index(table) if table in names else table
    if not isinstance(at, int) or not 0 <= at < len(tables):
        raise SequenceError(name, f"table={table!r}", f"one of {listing(names)}", "Change table=.")
    return tables[at], names


def _is_visible(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "__MACOSX" and not parts[-1].startswith(".")
