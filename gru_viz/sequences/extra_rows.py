"""Leaves out rows that are no steps: totals in a table, notes below it, its header again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd

from gru_viz.sequences.cell_parsing import NumberFormat, is_missing, looks_like_date
from gru_viz.sequences.dialect import TableLayout
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.table_file import CsvRow, TableFile, iterate_rows

__all__ = ["cut_notes", "cut_repeated_headers", "cut_trailing_words", "remove_totals"]

_TOTALS = re.compile(
    r"(?:grand |sub-?|column |all )?(?:totals?|sums?|summe|gesamt|insgesamt|averages?|avg|means?|mittel(?:wert)?|"
    r"median|durchschnitt|min(?:imum)?|max(?:imum)?|st\.? ?dev\.?|stdev|std|count|somme|moyenne|suma|promedio|media|"
    r"soma|média|totale|totaal|gemiddelde|итого|всего|среднее|合計|合计|总计|平均)(?:\s*:|\s*\(.*\)|\s+\d{4})?",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"[*(†‡©]|(?:source|notes?|data|quelle|fuente|footnote|copyright|legend|hinweis|end of)\b", re.IGNORECASE
)
_MOST_TOTALS = 6
_LABEL_COLUMNS = 4
_TAIL_BYTES = 1 << 14
_MOST_NOTES = 30


def remove_totals(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out the first or last rows that are named as totals, or a last one without a name that is the sum of all.

    Example:
        >>> left, notices = remove_totals(pd.DataFrame({0: ["1", "2", "3", "Total"], 1: [5, 6, 7, 18]}))
        >>> left[1].tolist(), notices
        ([5, 6, 7], ("1 row left out, named 'Total': it sums up others and is no step.",))
    """
    named = _named_totals(frame)
    if named:
        places, labels = list(named), listing(named.values())
        notice = f"{count(len(named), 'row')} left out, named {labels}: it sums up others and is no step."
    elif _is_sum(frame):
        places, notice = [len(frame) - 1], "The last row left out: it has no name and is the sum of the rows above."
    else:
        return frame, ()
    left = frame.drop(frame.index[places]).reset_index(drop=True)
    return left.apply(_as_numbers), (notice,)


def _named_totals(frame: pd.DataFrame) -> dict[int, str]:
    """Place → name of the rows at either end whose name says that they sum up others, and that no other row has."""
    rows, found = len(frame), dict[int, str]()
    if rows < 4:
        return found
    ends = [0, *range(rows - 1, max(rows - 1 - _MOST_TOTALS, 0), -1)]
    for name in frame.columns[:_LABEL_COLUMNS]:
        cells = frame[name]
        if pd.api.types.is_numeric_dtype(cells.dtype) or pd.api.types.is_datetime64_any_dtype(cells.dtype):
            continue
        for at in ends:
            text = cells.iloc[at]
            if isinstance(text, str) and _TOTALS.fullmatch(text.strip()) and int((cells == text).sum()) == 1:
                found.setdefault(at, text.strip())
            elif at:
                break
    return dict(sorted(found.items()))


def _is_sum(frame: pd.DataFrame) -> bool:
    """Whether the last row has no name and is the sum of the rows above, in every column of numbers."""
    if len(frame) < 4 or not frame.iloc[-1:, 0].isna().all():
        return False
    numbers = frame.iloc[:, 1:].select_dtypes("number")
    last = numbers.iloc[-1].to_numpy(np.float64) if numbers.shape[1] else np.array([])
    if not len(last) or not np.isfinite(last).all() or not last.any():
        return False
    sums = numbers.iloc[:-1].sum().to_numpy(np.float64)
    return bool(np.allclose(sums, last, rtol=1e-6, atol=0))


def _as_numbers(column: pd.Series) -> pd.Series:
    """A column that was text for the sake of the rows left out."""
    if column.dtype == object or pd.api.types.is_string_dtype(column.dtype):
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.notna().sum() == column.notna().sum():
            return numbers
    return column


def cut_repeated_headers(file: TableFile, layout: TableLayout) -> tuple[TableFile, tuple[str, ...]]:
    """Blank lines among the data that repeat the line of the header, as files put one after another have it."""
    if not layout.dialect.header or layout.start == 0:
        return file, ()
    lines = file.data[: layout.start].splitlines()
    at = layout.dialect.skipped_lines
    header = lines[at] if at < len(lines) else b""
    if not header.strip() or file.data.find(b"\n" + header, layout.start - 1) < 0:
        return file, ()
    pattern = re.compile(rb"^" + re.escape(header) + rb"(?=\r?$)", re.MULTILINE)
    below, found = pattern.subn(b"", file.data[layout.start :])
    if not found:
        return file, ()
    notice = f"The header is repeated among the data: {count(found, 'line')} left out."
    return replace(file, data=file.data[: layout.start] + below), (notice,)


def cut_notes(file: TableFile, layout: TableLayout) -> tuple[TableFile, tuple[str, ...]]:
    """Cut lines of words off the end, below rows of numbers, with a notice."""
    number_format = NumberFormat(layout.dialect.decimal, layout.dialect.thousands)
    begin = max(layout.start, file.data.rfind(b"\n", 0, max(len(file.data) - _TAIL_BYTES, 0)) + 1)
    tail = list(io.StringIO(file.data[begin:].decode("utf-8", "replace"), newline=""))
    if '"' in "".join(tail) and layout.dialect.delimiter == " ":
        return file, ()
    rows = list(iterate_rows(tail, layout.dialect.delimiter, None))
    notes = 0
    while notes < min(_MOST_NOTES, len(rows) - 2):
        row = rows[-1 - notes]
        alone = notes and len(row.cells) == 1 and len(layout.names) > 2  # a number among notes, such as a mark
        if not alone and not _is_note(row, layout, number_format):
            break
        notes += 1
    above = rows[: len(rows) - notes][-_MOST_NOTES:]
    typed = sum(not _is_word(row.cells[0], number_format) for row in above)
    first = rows[len(rows) - notes] if notes else None
    if first is None or (2 * typed < len(above) and not _NOTE.match(first.cells[0].strip())):
        return file, ()
    cut = begin + len("".join(tail[: first.line]).encode())
    texts = [" ".join(cell for cell in row.cells if cell.strip()) for row in rows[len(rows) - notes :]]
    notice = f"{count(notes, 'line')} of notes below the table left out: {listing(texts, most=3)}."
    return replace(file, data=file.data[:cut].rstrip() + b"\n"), (notice,)


def cut_trailing_words(
    file: TableFile, layout: TableLayout, most: int | None = None
) -> tuple[TableFile, tuple[str, ...]]:
    """Cut words beyond the last column off rows, with a notice, if no row has more than words there.

    Args:
        file: the text.
        layout: its dialect and names.
        most: look first at so many rows, and at all if one of these is too long.
    """
    width, delimiter = len(layout.names), layout.dialect.delimiter
    if width < 2 or (most is not None and all(len(row.cells) <= width for row in islice(_rows(file, layout), most))):
        return file, ()
    number_format = NumberFormat(layout.dialect.decimal, layout.dialect.thousands)
    lines = file.data[layout.start :].split(b"\n")
    words: dict[str, None] = {}
    rows = cut = 0
    for row in _rows(file, layout):
        rows += 1
        extra = [cell.strip() for cell in row.cells[width:] if cell.strip()]
        if not extra:
            continue
        if not all(_is_word(cell, number_format) for cell in extra):
            return file, ()
        words |= dict.fromkeys(extra)
        cut += 1
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, lineterminator="").writerow(row.cells[:width])
        lines[row.line] = text.getvalue().encode()
    if not cut or 2 * cut > rows:
        return file, ()
    notice = f"Words beyond the last column left out in {count(cut, 'row')}: {listing(words)}."
    return replace(file, data=file.data[: layout.start] + b"\n".join(lines)), (notice,)


def _rows(file: TableFile, layout: TableLayout) -> Iterator[CsvRow]:
    """The data rows; none after a cell that is too long."""
    buffer = io.BytesIO(file.data)
    buffer.seek(layout.start)
    try:
        yield from iterate_rows(io.TextIOWrapper(buffer, "utf-8", newline=""), layout.dialect.delimiter, None)
    except csv.Error:
        return


def _is_note(row: CsvRow, layout: TableLayout, number_format: NumberFormat) -> bool:
    """Whether a row has words only and fewer cells than the table, or of spaced words any number."""
    filled = [cell for cell in row.cells if cell.strip()]
    width = len(layout.names)
    if not filled or width == 1 or not all(_is_word(cell, number_format) for cell in filled[:1]):
        return False
    words = all(_is_word(cell, number_format) for cell in filled)
    if layout.dialect.delimiter == " ":
        return words or (len(filled) != width and _NOTE.match(filled[0]) is not None)
    return (
        len(filled) < width
        and (words or _NOTE.match(filled[0].strip()) is not None)
        and len(filled) <= max(1, width // 2)
    )


def _is_word(cell: str, number_format: NumberFormat) -> bool:
    return not is_missing(cell) and not looks_like_date(cell) and np.isnan(number_format.parse(cell))
