"""The cells themselves: pandas' C engine, told the exact dialect, and Arrow for Parquet."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gru_viz.errors import SequenceError
from gru_viz.sequences.dialect import Dialect, Layout
from gru_viz.sequences.engine import Progress, read_frame
from gru_viz.sequences.header import unique_names
from gru_viz.sequences.records import iterate_records
from gru_viz.sequences.table_file import TableFile
from gru_viz.sequences.words import count

__all__ = ["Cells", "parse_parquet", "parse_text"]

_LONG_LINE = 1 << 20
_FEW = 0.05


@dataclass(frozen=True)
class Cells:
    """Parsed columns.

    Attributes:
        frame: one column for each name, labelled 0, 1, …; numbers where all cells are, else text.
        names: the columns' names.
        dialect: how the table was written.
        notices: what was assumed.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    dialect: Dialect
    notices: tuple[str, ...]


def parse_text(content: TableFile, layout: Layout, max_columns: int, progress: Progress | None = None) -> Cells:
    """Parse delimited text.

    Raises:
        SequenceError: rows of unequal length, a quote that does not end, or no data below the header.

    Example:
        >>> from gru_viz.sequences.dialect import Told, find_layout
        >>> from gru_viz.sequences.table_file import read_table_file
        >>> content = read_table_file(b"a;b\\n1,5;2,5\\n", "x.csv", None, 99)
        >>> parse_text(content, find_layout(content, Told(), 9), 9).frame.values.tolist()
        [[1.5, 2.5]]
    """
    content, notices = _blank_comments(content, layout)
    _refuse_long_lines(content, layout, max_columns)
    layout = _widened(content, layout)
    frame = _read(content, layout, progress)
    if not len(frame):
        raise SequenceError(content.name, "no data row", "at least 2 rows below the header", "Choose another file.")
    notices += _short_rows(content, layout, frame)
    frame, dropped = _without_blank_tail(frame)
    if dropped:
        notices += (f"{count(dropped, 'row')} of empty cells at the end dropped.",)
    tail = content.data[-4096:].replace(b"\r", b"")
    if tail.endswith(b"\n\n"):
        notices += ("Blank lines at the end dropped.",)
    return Cells(frame, layout.names, layout.dialect, content.notices + layout.notices + notices)


def parse_parquet(content: TableFile, max_bytes: int, max_columns: int) -> Cells:
    """Read a Parquet file.

    Raises:
        SequenceError: it is damaged, or larger than the caps when unpacked.
    """
    name = content.name
    try:
        file = pq.ParquetFile(io.BytesIO(content.data))
        rows, columns = file.metadata.num_rows, file.metadata.num_columns
        unpacked = sum(file.metadata.row_group(at).total_byte_size for at in range(file.metadata.num_row_groups))
    except Exception as error:  # Arrow raises many kinds for a damaged file
        raise _damaged(name, error) from error
    if columns > max_columns:
        remedy = "Raise max_columns=, or write fewer columns."
        raise SequenceError(name, f"{columns:,} columns", f"at most {max_columns:,}", remedy)
    size = max(unpacked, rows * max(columns, 1) * 8)  # a run of equal cells takes no room until it is read
    if size > 8 * max_bytes:
        remedy = "Write fewer rows or columns, or raise max_bytes=."
        raise SequenceError(name, f"{size:,} bytes when unpacked", f"at most {8 * max_bytes:,}", remedy)
    try:
        table = file.read()
        series = {at: _arrow_column(table.column(at)) for at in range(table.num_columns)}
    except Exception as error:
        raise _damaged(name, error) from error
    if not rows or not columns:
        raise SequenceError(name, f"{rows:,} rows of {columns:,} columns", "at least 2 rows", "Choose another file.")
    names, renamed = unique_names(table.column_names)
    dialect = Dialect("", ".", None, True, "parquet", None, 0)
    return Cells(pd.DataFrame(series), names, dialect, tuple(renamed))


def _damaged(name: str, error: Exception) -> SequenceError:
    reason = " ".join(str(error).split())[:120]
    return SequenceError(name, f"a damaged Parquet file ({reason})", "a whole one", "Save or download it again.")


def _arrow_column(column: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return pd.Series([None if cell is None else str(cell) for cell in column.to_pylist()], dtype="object")
    return column.to_pandas()


def _blank_comments(content: TableFile, layout: Layout) -> tuple[TableFile, tuple[str, ...]]:
    """Empty the comment lines amid the data, so that the lines keep their numbers."""
    mark = (layout.dialect.comment or "").encode()
    if not mark or content.data.find(mark, layout.start) < 0:
        return content, ()
    lines = re.compile(rb"^[ \t]*" + re.escape(mark) + rb"[^\r\n]*", re.MULTILINE)
    below, found = lines.subn(b"", content.data[layout.start :])
    if not found:
        return content, ()
    said = f"{count(found, 'comment line')} amid the data skipped."
    return replace(content, data=content.data[: layout.start] + below), (said,)


def _refuse_long_lines(content: TableFile, layout: Layout, max_columns: int) -> None:
    """A line of very many cells would take many times its size in memory before it is found to be too long."""
    data, mark = content.data, layout.dialect.delimiter.encode()
    for start in range(layout.start, len(data), _LONG_LINE):
        end = min(start + _LONG_LINE, len(data))
        if data.find(b"\n", start, end) < 0 and data.count(mark, start, end) >= max(max_columns, len(layout.names)):
            line = data.count(b"\n", 0, start) + 1
            found = f"more than {max_columns:,} cells"
            remedy = "Raise max_columns=, or put the table in long form."
            raise SequenceError(f"{content.name}, line {line}", found, f"at most {max_columns:,}", remedy)


def _widened(content: TableFile, layout: Layout) -> Layout:
    """Make room for blank cells beyond the last name, as spreadsheets leave them."""
    wanted = len(layout.names)
    most = wanted
    try:
        for at, record in enumerate(iterate_records(_lines(content, layout), layout.dialect.delimiter, None)):
            if any(cell.strip() for cell in record.cells[wanted:]):
                _refuse_row(content.name, layout, at, record.line, len(record.cells))
            most = max(most, len(record.cells))
            if at >= 200:
                break
    except csv.Error as error:
        raise _too_long_cell(content.name) from error
    return replace(layout, names=layout.names + tuple(f"unnamed {at}" for at in range(wanted + 1, most + 1)))


def _read(content: TableFile, layout: Layout, progress: Progress | None) -> pd.DataFrame:
    try:
        frame = read_frame(content, layout, progress)
    except pd.errors.EmptyDataError:
        if content.data.count(b'"') % 2:
            _refuse_quote(content, "EOF inside string")
        return pd.DataFrame()
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        _refuse_quote(content, str(error))
        _find_long_row(content, layout)
        raise _unparsable(content.name, " ".join(str(error).split())[:120]) from error
    if not isinstance(frame.index, pd.RangeIndex):  # the first row was longer than the names
        _find_long_row(content, layout)
        raise _unparsable(content.name, "the first row is longer than the others")
    return frame


def _unparsable(name: str, reason: str) -> SequenceError:
    found = f"text that cannot be parsed ({reason})"
    return SequenceError(name, found, "rows of cells", "Save it again as CSV, or give delimiter=.")


def _refuse_quote(content: TableFile, message: str) -> None:
    if "EOF inside string" in message:
        row = re.search(r"starting at row (\d+)", message)
        where = f"{content.name}, row {int(row[1]) + 1}" if row else content.name
        remedy = 'Close it; a quote within a quoted cell is written twice ("").'
        raise SequenceError(where, "a quote that opens and never closes", "quotes in pairs", remedy)


def _find_long_row(content: TableFile, layout: Layout) -> None:
    wanted = len(layout.names)
    try:
        for at, record in enumerate(iterate_records(_lines(content, layout), layout.dialect.delimiter, None)):
            if len(record.cells) > wanted:
                _refuse_row(content.name, layout, at, record.line, len(record.cells))
    except csv.Error as error:
        raise _too_long_cell(content.name) from error


def _short_rows(content: TableFile, layout: Layout, frame: pd.DataFrame) -> tuple[str, ...]:
    """Report rows that end early; many of them mean that cells are missing amid the rows."""
    wanted, mark = len(layout.names), layout.dialect.delimiter
    if wanted == 1 or not frame[wanted - 1].isna().any():
        return ()
    plain = b'"' not in content.data and mark != " "
    if plain and content.data.count(mark.encode(), layout.start) == len(frame) * (wanted - 1):
        return ()
    short: list[tuple[int, int, int]] = []
    try:
        for at, record in enumerate(iterate_records(_lines(content, layout), mark, None)):
            if len(record.cells) < wanted:
                short.append((at, record.line, len(record.cells)))
    except csv.Error as error:
        raise _too_long_cell(content.name) from error
    usual = [row for row in short if row[2] < wanted - _blank_columns(frame)]
    if not usual:
        return ()
    if len(usual) > max(3, _FEW * len(frame)) or len(usual) == len(frame):
        _refuse_row(content.name, layout, *usual[0])
    row, _, cells = usual[0]
    place = "The last row" if row == len(frame) - 1 else f"Row {row + 1}"
    more = f", and {count(len(usual) - 1, 'other row')} also" if len(usual) > 1 else ""
    return (f"{place} ends early ({cells} of {wanted} cells){more}: the rest was taken as missing.",)


def _blank_columns(frame: pd.DataFrame) -> int:
    """How many of the last columns hold nothing."""
    empty = frame.isna().all().to_numpy()[::-1]
    return int(empty.argmin()) if not empty.all() else len(empty)


def _without_blank_tail(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    if not frame.iloc[-1].isna().all():
        return frame, 0
    filled = frame.notna().any(axis=1).to_numpy().nonzero()[0]
    kept = (
        int(filled[-1]) + 1 if len(filled) else len(frame)
    )  # a table of nothing is refused where its columns are read
    return frame.iloc[:kept], len(frame) - kept


def _lines(content: TableFile, layout: Layout) -> io.TextIOWrapper:
    buffer = io.BytesIO(content.data)
    buffer.seek(layout.start)
    return io.TextIOWrapper(buffer, "utf-8", newline="")


def _refuse_row(name: str, layout: Layout, row: int, line: int, cells: int) -> None:
    where = f"{name}, row {row + 1} (line {layout.line + line})"
    wanted = f"{count(len(layout.names), 'cell')}, as in {'the header' if layout.dialect.header else 'most rows'}"
    remedy = "Correct that row; a cell that holds the delimiter must stand in quotes."
    raise SequenceError(where, count(cells, "cell"), wanted, remedy)


def _too_long_cell(name: str) -> SequenceError:
    return SequenceError(name, "a cell of more than 131,072 characters", "shorter cells", "Check the quotes.")
