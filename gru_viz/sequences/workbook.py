"""Reads one sheet of an Excel workbook as delimited text."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from gru_viz.errors import SequenceError
from gru_viz.optional import optional_packages
from gru_viz.sequences.phrases import listing

__all__ = ["read_sheet"]

_MAX_PARTS = 8
"""All parts of a workbook may unpack to so many times ``max_bytes``, one of them to a quarter of it."""
_MIN_ROWS = 2
_PEEKED = 60


def read_sheet(
    workbook: bytes, name: str, table: int | str | None, max_bytes: int, max_columns: int
) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """Read one sheet as UTF-8 text with commas: the one that is asked for, else the first with rows of numbers.

    Returns:
        The text, a notice, and the names of all sheets if there are several.

    Args:
        workbook: the file.
        name: its name, for errors.
        table: the name or number of the sheet.
        max_bytes: the largest size allowed for the text.
        max_columns: the largest number of columns allowed.

    Raises:
        SequenceError: it is damaged or too large, or has no such sheet.
        MissingPackageError: openpyxl is not installed.
    """
    _refuse_large(workbook, name, max_bytes)
    with optional_packages("an Excel workbook"):
        from openpyxl import load_workbook
    try:
        book = load_workbook(io.BytesIO(workbook), read_only=True, data_only=True, keep_links=False)
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        title = _choose(sheets, name, table)
        text = _as_text(sheets[title], name, max_bytes, max_columns)
    except SequenceError:
        raise
    except Exception as error:  # openpyxl raises many classes for a damaged file
        reason = " ".join(str(error).split())[:120]
        found, remedy = f"a damaged workbook ({reason})", "Save it again, or save the sheet as CSV."
        raise SequenceError(name, found, "a complete one", remedy) from error
    others = [each for each in sheets if each != title]
    if not others:
        return text, (), ()
    notice = f"The workbook has {len(sheets)} sheets; '{title}' was read (table= names another: {listing(others)})."
    return text, (notice,), tuple(sheets)


def _refuse_large(workbook: bytes, name: str, max_bytes: int) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
            sizes = [each.file_size for each in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise SequenceError(name, "a damaged workbook", "a complete one", "Save it again.") from error
    if max(sizes, default=0) > max_bytes // 4 or sum(sizes) > _MAX_PARTS * max_bytes:
        found = f"{max(sizes):,} bytes in one part of the workbook when unpacked"
        remedy = "Save the sheet as CSV or Parquet, or raise max_bytes=."
        raise SequenceError(name, found, f"at most {max_bytes // 4:,}", remedy)


def _choose(sheets: dict[str, Any], name: str, table: int | str | None) -> str:
    titles = list(sheets)
    if isinstance(table, str) and table in sheets:
        return table
    if isinstance(table, int) and 0 <= table < len(titles):
        return titles[table]
    if table is not None or not titles:
        wanted = f"one of {listing(titles)}" if titles else "a workbook with a sheet"
        raise SequenceError(name, f"no sheet {table!r}" if titles else "no sheet", wanted, "Change table=.")
    return next((title for title in titles if _has_numbers(sheets[title])), titles[0])


def _has_numbers(sheet: Any) -> bool:
    rows = sheet.iter_rows(max_row=_PEEKED, values_only=True)
    return sum(any(type(cell) in (int, float) for cell in row) for row in rows) >= _MIN_ROWS


class _Bytes:
    """Collects text as UTF-8: a text buffer would take four bytes for each character."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, text: str) -> None:
        """Append a row."""
        self.data += text.encode()


def _as_text(sheet: Any, name: str, max_bytes: int, max_columns: int) -> bytes:
    sheet.reset_dimensions()
    text = _Bytes()
    writer = csv.writer(text, lineterminator="\n")
    for row in _rows(sheet):
        if len(row) > max_columns:
            remedy = "Raise max_columns=, or delete what is right of the table."
            raise SequenceError(name, f"more than {max_columns:,} columns", f"at most {max_columns:,}", remedy)
        writer.writerow([_written(cell) for cell in row])
        if len(text.data) > max_bytes:
            remedy = "Save a part of it as CSV, or raise max_bytes=."
            raise SequenceError(name, f"more than {max_bytes:,} bytes of cells", f"at most {max_bytes:,}", remedy)
    return bytes(text.data)


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The rows without empty cells at their ends, and without empty rows at the end of the sheet."""
    blank = 0
    for row in sheet.iter_rows(values_only=True):
        cells = list(row)
        while cells and cells[-1] is None:
            cells.pop()
        if not cells:
            blank += 1
            continue
        for _ in range(min(blank, 2)):
            yield ()
        blank = 0
        yield tuple(cells)


def _written(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "microseconds" if cell.microsecond else "seconds")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return repr(cell.total_seconds())
    return repr(cell) if isinstance(cell, float) else str(cell)
