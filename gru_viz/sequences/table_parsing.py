"""Parses the cells of a table: delimited text, Parquet, a sheet, JSON, or a file of series."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gru_viz.errors import SequenceError
from gru_viz.progress import Progress
from gru_viz.sequences.attribute_formats import read_series_file, rewrite_attributes
from gru_viz.sequences.cell_parsing import NumberFormat
from gru_viz.sequences.dialect import Dialect, DialectOptions, TableLayout, detect_layout
from gru_viz.sequences.extra_rows import cut_notes, cut_repeated_headers, cut_trailing_words
from gru_viz.sequences.frame_source import arrow_column
from gru_viz.sequences.header import unique_names
from gru_viz.sequences.json_table import read_json
from gru_viz.sequences.line_marks import remove_line_marks
from gru_viz.sequences.parallel_reading import read_frame
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.table_blocks import TableBlock, choose_block, find_blocks
from gru_viz.sequences.table_file import CsvRow, TableFile, iterate_rows
from gru_viz.sequences.wide_tables import Reshaped
from gru_viz.sequences.workbook import read_sheet

__all__ = ["ParsedFile", "parse_file"]

_LINE_BLOCK = 1 << 20
_MAX_SHORT = 0.05
_MAX_CHECKED = 201
_MAX_UNPACKED = 4


class ParsedFile(NamedTuple):
    """The cells of a table in columns 0, 1, …, its layout, and the roles of columns whose rows were series."""

    frame: pd.DataFrame
    layout: TableLayout
    shape: Reshaped | None = None


def parse_file(
    file: TableFile, options: DialectOptions, max_bytes: int, max_columns: int, progress: Progress | None = None
) -> ParsedFile:
    """Parse a table of any kind; of several in the file the one that is asked for, else the longest or the first.

    Raises:
        SequenceError: it cannot be parsed, or is too large.
    """
    if file.kind == "parquet":
        return ParsedFile(*_with_tables(file, *_parse_parquet(file, max_bytes, max_columns)))
    if file.kind == "json":
        frame, names, notices = read_json(file.data, file.name, max_columns)
        dialect = Dialect("", ".", None, True, "json", None, 0)
        return ParsedFile(*_with_tables(file, frame, TableLayout(dialect, names, 0, 0, file.notices + notices)))
    if file.kind == "xlsx":
        text, notices, sheets = read_sheet(file.data, file.name, file.table, max_bytes, max_columns)
        sheet = TableFile(file.name, "text", text, "xlsx", file.notices + notices, None, sheets or file.tables)
        return ParsedFile(*_parse_text(sheet, replace(options, delimiter=",", decimal="."), max_columns, progress))
    series = read_series_file(file)
    if series is not None:
        return ParsedFile(series.shape.frame, series.layout, series.shape)
    return ParsedFile(*_parse_text(rewrite_attributes(file), options, max_columns, progress))


def _with_tables(file: TableFile, frame: pd.DataFrame, layout: TableLayout) -> tuple[pd.DataFrame, TableLayout]:
    return frame, replace(layout, tables=file.tables)


def _parse_text(
    file: TableFile, options: DialectOptions, max_columns: int, progress: Progress | None = None
) -> tuple[pd.DataFrame, TableLayout]:
    """Detect how a text is written and parse it; of several tables in it the one that is asked for, or the longest."""
    wanted = file.table
    if isinstance(wanted, str):
        raise SequenceError(file.name, f"table={wanted!r}", "a number: a text has no sheets", "Change table=.")
    file = remove_line_marks(file)
    layout = detect_layout(file, options, max_columns)
    blocks = _find_blocks(file, layout, whole=wanted is not None)
    if len(blocks) < 2 and wanted is None:
        try:
            return _with_tables(file, *_parse_delimited(file, layout, max_columns, progress))
        except SequenceError:
            blocks = _find_blocks(file, layout, whole=True)
            if len(blocks) < 2:
                raise
    if len(blocks) > 1 or wanted:
        file = choose_block(file, blocks, wanted)
        layout = detect_layout(file, options, max_columns)
    return _with_tables(file, *_parse_delimited(file, layout, max_columns, progress))


def _find_blocks(file: TableFile, layout: TableLayout, whole: bool) -> list[TableBlock]:
    dialect = layout.dialect
    number_format = NumberFormat(dialect.decimal, dialect.thousands)
    return find_blocks(file, dialect.delimiter, dialect.comment, number_format, whole)


def _parse_delimited(
    file: TableFile, layout: TableLayout, max_columns: int, progress: Progress | None = None
) -> tuple[pd.DataFrame, TableLayout]:
    """Parse delimited text into columns 0, 1, …, with the layout's names and notices completed."""
    blank_end = file.data[-4096:].replace(b"\r", b"").endswith(b"\n\n")
    file, notices = _remove_comments(file, layout)
    for cut in (cut_notes, cut_repeated_headers):
        file, left_out = cut(file, layout)
        notices += left_out
    _refuse_long_lines(file, layout, max_columns)
    file, words = cut_trailing_words(file, layout, _MAX_CHECKED)
    layout = _add_blank_columns(file, layout)
    frame, file, more = _read(file, layout, progress)
    if not len(frame):
        raise SequenceError(file.name, "no data row", "at least 2 rows below the header", "Choose another file.")
    notices += words + more + _short_rows(file, layout, frame)
    frame, dropped = _without_blank_tail(frame)
    if dropped:
        notices += (f"{count(dropped, 'row')} of empty cells at the end dropped.",)
    if blank_end:
        notices += ("Blank lines at the end dropped.",)
    return frame, replace(layout, notices=file.notices + layout.notices + notices)


def _parse_parquet(file: TableFile, max_bytes: int, max_columns: int) -> tuple[pd.DataFrame, TableLayout]:
    """Read a Parquet file into columns 0, 1, …; sizes are checked before it is unpacked."""
    name = file.name
    try:
        parquet = pq.ParquetFile(io.BytesIO(file.data))
        info = parquet.metadata
        rows, columns = info.num_rows, info.num_columns
        unpacked = sum(info.row_group(at).total_byte_size for at in range(info.num_row_groups))
    except Exception as error:  # Arrow raises many classes for a damaged file
        raise _damaged(name, error) from error
    if columns > max_columns:
        remedy = "Raise max_columns=, or write fewer columns."
        raise SequenceError(name, f"{columns:,} columns", f"at most {max_columns:,}", remedy)
    size = max(unpacked, rows * max(columns, 1) * 8)  # repeated cells need no space until they are unpacked
    if size > _MAX_UNPACKED * max_bytes:
        remedy = "Write fewer rows or columns, or raise max_bytes=."
        raise SequenceError(name, f"{size:,} bytes when unpacked", f"at most {_MAX_UNPACKED * max_bytes:,}", remedy)
    try:
        schema = parquet.schema_arrow
        nested = [field.name for field in schema if pa.types.is_nested(field.type)]
        table = parquet.read([field.name for field in schema if not pa.types.is_nested(field.type)])
        series = {at: arrow_column(table.column(at)) for at in range(table.num_columns)}
    except Exception as error:
        raise _damaged(name, error) from error
    if not rows or not columns:
        raise SequenceError(name, f"{rows:,} rows of {columns:,} columns", "at least 2 rows", "Choose another file.")
    names, renamed = unique_names(table.column_names)
    notices = file.notices + tuple(renamed)
    if nested:
        notices += (
            f"{count(len(nested), 'column')} left out, with a list or an object in each cell: {listing(nested)}.",
        )
    dialect = Dialect("", ".", None, True, "parquet", None, 0)
    return pd.DataFrame(series), TableLayout(dialect, names, 0, 0, notices)


def _damaged(name: str, error: Exception) -> SequenceError:
    reason = " ".join(str(error).split())[:120]
    return SequenceError(name, f"a damaged Parquet file ({reason})", "a complete one", "Save or download it again.")


def _remove_comments(file: TableFile, layout: TableLayout) -> tuple[TableFile, tuple[str, ...]]:
    """Blank comment lines among the data; lines keep their numbers."""
    mark = (layout.dialect.comment or "").encode()
    if not mark or file.data.find(mark, layout.start) < 0:
        return file, ()
    lines = re.compile(rb"^[ \t]*" + re.escape(mark) + rb"[^\r\n]*", re.MULTILINE)
    below, found = lines.subn(b"", file.data[layout.start :])
    if not found:
        return file, ()
    notice = f"{count(found, 'comment line')} among the data skipped."
    return replace(file, data=file.data[: layout.start] + below), (notice,)


def _refuse_long_lines(file: TableFile, layout: TableLayout, max_columns: int) -> None:
    """Refuse a line of very many cells before pandas needs many times its size in memory for it."""
    data, mark = file.data, layout.dialect.delimiter.encode()
    for start in range(layout.start, len(data), _LINE_BLOCK):
        end = min(start + _LINE_BLOCK, len(data))
        if data.find(b"\n", start, end) < 0 and data.count(mark, start, end) >= max(max_columns, len(layout.names)):
            line = data.count(b"\n", 0, start) + 1
            found = f"more than {max_columns:,} cells"
            remedy = "Raise max_columns=, or use the long form."
            raise SequenceError(f"{file.name}, line {line}", found, f"at most {max_columns:,}", remedy)


def _add_blank_columns(file: TableFile, layout: TableLayout) -> TableLayout:
    """Add columns for blank cells beyond the last name, which spreadsheets write."""
    wanted = len(layout.names)
    longest = wanted
    for at, row in islice(_rows(file, layout), _MAX_CHECKED):
        if any(cell.strip() for cell in row.cells[wanted:]):
            _refuse_row(file.name, layout, at, row.line, len(row.cells))
        longest = max(longest, len(row.cells))
    return replace(layout, names=layout.names + tuple(f"unnamed {at}" for at in range(wanted + 1, longest + 1)))


def _read(
    file: TableFile, layout: TableLayout, progress: Progress | None
) -> tuple[pd.DataFrame, TableFile, tuple[str, ...]]:
    """Read the cells; where rows are too long, again without the words at their ends."""
    try:
        frame = read_frame(file, layout, progress)
    except pd.errors.EmptyDataError:
        if file.data.count(b'"') % 2:
            _refuse_quote(file, "EOF inside string")
        return pd.DataFrame(), file, ()
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        _refuse_quote(file, str(error))
        cut, notices = cut_trailing_words(file, layout)
        if notices:
            frame, cut, _ = _read(cut, layout, progress)
            return frame, cut, notices
        _refuse_long_rows(file, layout)
        raise _unparsable(file.name, " ".join(str(error).split())[:120]) from error
    if not isinstance(frame.index, pd.RangeIndex):  # the first row was longer than the names
        _refuse_long_rows(file, layout)
        raise _unparsable(file.name, "the first row is longer than the others")
    return frame, file, ()


def _unparsable(name: str, reason: str) -> SequenceError:
    found = f"text that cannot be parsed ({reason})"
    return SequenceError(name, found, "rows of cells", "Save it again as CSV, or set delimiter=.")


def _refuse_quote(file: TableFile, message: str) -> None:
    if "EOF inside string" in message:
        row = re.search(r"starting at row (\d+)", message)
        where = f"{file.name}, row {int(row[1]) + 1}" if row else file.name
        remedy = 'Close it; a quote inside a quoted cell is written twice ("").'
        raise SequenceError(where, "a quote that opens and never closes", "quotes in pairs", remedy)


def _refuse_long_rows(file: TableFile, layout: TableLayout) -> None:
    for at, row in _rows(file, layout):
        if len(row.cells) > len(layout.names):
            _refuse_row(file.name, layout, at, row.line, len(row.cells))


def _short_rows(file: TableFile, layout: TableLayout, frame: pd.DataFrame) -> tuple[str, ...]:
    """A notice about rows that end early; many such rows are refused, since cells may be missing inside."""
    wanted, mark = len(layout.names), layout.dialect.delimiter
    if layout.dialect.encoding == "xlsx":  # blank cells at the end of a row are not written there
        return ()
    if wanted == 1 or not frame[wanted - 1].isna().any():
        return ()
    unquoted = b'"' not in file.data and mark != " "
    if unquoted and file.data.count(mark.encode(), layout.start) == len(frame) * (wanted - 1):
        return ()
    usual_end = wanted - _blank_columns(frame)
    short = [(at, row.line, len(row.cells)) for at, row in _rows(file, layout) if len(row.cells) < usual_end]
    if not short:
        return ()
    if len(short) > max(3, _MAX_SHORT * len(frame)) or len(short) == len(frame):
        _refuse_row(file.name, layout, *short[0])
    row, _, cells = short[0]
    place = "The last row" if row == len(frame) - 1 else f"Row {row + 1}"
    more = f", and {count(len(short) - 1, 'other row')} also" if len(short) > 1 else ""
    return (f"{place} ends early ({cells} of {wanted} cells){more}: the rest was treated as missing.",)


def _blank_columns(frame: pd.DataFrame) -> int:
    """The number of empty columns at the end."""
    empty = frame.isna().all().to_numpy()[::-1]
    return int(empty.argmin()) if not empty.all() else len(empty)


def _without_blank_tail(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    if not frame.iloc[-1].isna().all():
        return frame, 0
    filled = frame.notna().any(axis=1).to_numpy().nonzero()[0]
    rows = int(filled[-1]) + 1 if len(filled) else len(frame)  # an empty table is refused by the caller
    return frame.iloc[:rows], len(frame) - rows


def _rows(file: TableFile, layout: TableLayout) -> Iterator[tuple[int, CsvRow]]:
    """The data rows, numbered from 0."""
    buffer = io.BytesIO(file.data)
    buffer.seek(layout.start)
    lines = io.TextIOWrapper(buffer, "utf-8", newline="")
    try:
        yield from enumerate(iterate_rows(lines, layout.dialect.delimiter, None))
    except csv.Error as error:
        found = "a cell of more than 131,072 characters"
        raise SequenceError(file.name, found, "shorter cells", "Check the quotes.") from error


def _refuse_row(name: str, layout: TableLayout, row: int, line: int, cells: int) -> None:
    where = f"{name}, row {row + 1} (line {layout.line + line})"
    wanted = f"{count(len(layout.names), 'cell')}, as in {'the header' if layout.dialect.header else 'most rows'}"
    remedy = "Correct that row; a cell that contains the delimiter must be in quotes."
    raise SequenceError(where, count(cells, "cell"), wanted, remedy)
