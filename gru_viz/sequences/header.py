"""Finds the header of a table: the row of names, title lines above it, a row of units below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gru_viz.errors import SequenceError
from gru_viz.sequences.cell_parsing import NumberFormat, is_missing, looks_like_date
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.table_file import CsvRow

__all__ = ["Header", "find_header", "unique_names"]

_SAMPLE = 50


@dataclass(frozen=True)
class Header:
    """A name for each column, the line (from 0) of the first data row, and the number of lines above the header."""

    found: bool
    names: tuple[str, ...]
    first_line: int
    skipped: int
    notices: tuple[str, ...]


def find_header(
    name: str,
    rows: Sequence[CsvRow],
    width: int,
    number_format: NumberFormat,
    has_header: bool | None,
    above: Sequence[str] | None,
    last_line: int,
) -> Header:
    """Find the header among the first rows; ``above`` are names in a comment line above the table, another header."""
    names, titles, header, body = _split(name, rows, width, number_format, has_header)
    notices: list[str] = []
    if names is None and above is not None and has_header is None:
        names = tuple(cell.strip() for cell in above)
        notices.append("The names were taken from the comment line above the table.")
    if header is not None and len(body) > 2 and _is_units(body, number_format):
        units = [cell.strip() for cell in body[0].cells if cell.strip()]
        notices.append(f"The row below the header has units and was left out: {listing(units)}.")
        body = body[1:]
    unique, renamed = unique_names([f"column {at}" for at in range(1, width + 1)] if names is None else names)
    notices += renamed
    top = header or (body[0] if body else None)
    if titles and top:
        notices.insert(0, f"{count(len(titles), 'title line')} above the table skipped.")
    first_line = body[0].line if body else last_line
    return Header(names is not None, unique, first_line, top.line if top else 0, tuple(notices))


def _split(
    name: str, rows: Sequence[CsvRow], width: int, number_format: NumberFormat, has_header: bool | None
) -> tuple[Sequence[str] | None, Sequence[CsvRow], CsvRow | None, Sequence[CsvRow]]:
    """The names, the title lines, the header row and the data rows."""
    first = next(at for at, row in enumerate(rows) if len(row.cells) == width)
    titles, table = rows[:first], rows[first : first + _SAMPLE]
    if titles and has_header is not False:
        names = _names_of_other_width(titles[-1].cells, table, width, number_format)
        if names is not None:
            return names, titles[:-1], titles[-1], table
    if has_header or (has_header is None and _is_header(table, number_format)):
        return table[0].cells, titles, table[0], table[1:]
    if titles and has_header is None:
        _refuse_misfit(name, titles[-1], width, number_format)
    return None, titles, None, table


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Make column names unique, with a notice about those that changed."""
    unique: dict[str, None] = {}
    again = []
    taken = {" ".join(name.split()) for name in names}
    for at, raw in enumerate(names, 1):
        name = base = " ".join(raw.split()) or f"unnamed {at}"
        number = 1
        while name in unique or (number > 1 and name in taken):
            number += 1
            name = f"{base} ({number})"
        if number > 1:
            again.append(name)
        unique[name] = None
    return tuple(unique), [f"Columns with the same name were renamed: {listing(again)}."] if again else []


def _is_word(cell: str, number_format: NumberFormat) -> bool:
    return not is_missing(cell) and not looks_like_date(cell) and math.isnan(number_format.parse(cell))


def _names_of_other_width(
    cells: Sequence[str], table: Sequence[CsvRow], width: int, number_format: NumberFormat
) -> Sequence[str] | None:
    """Names of a header that is wider by blanks, or narrower by a column of row names or blanks."""
    filled = list(cells)
    while filled and not filled[-1].strip():
        filled.pop()
    if not filled or not all(_is_word(cell, number_format) for cell in filled):
        return None
    if len(filled) == width and len(cells) != width:
        return filled
    if len(cells) == width - 1 and width > 2 and not _is_header(table, number_format):
        ends_blank = all(not row.cells[-1].strip() for row in table if len(row.cells) == width)
        return [*cells, ""] if ends_blank else ["row name", *cells]
    return None


def _typed_columns(rows: Sequence[CsvRow], width: int, number_format: NumberFormat) -> list[int]:
    typed = []
    for at in range(width):
        cells = [row.cells[at] for row in rows if len(row.cells) > at and not is_missing(row.cells[at])]
        words = sum(_is_word(cell, number_format) for cell in cells)
        if cells and words <= len(cells) / 2:
            typed.append(at)
    return typed


def _is_header(table: Sequence[CsvRow], number_format: NumberFormat) -> bool:
    cells, rest = table[0].cells, table[1:]
    typed = _typed_columns(rest, len(cells), number_format)
    if not typed:  # no column of numbers: names are words
        return all(_is_word(cell, number_format) or not cell.strip() for cell in cells)
    if _counts_up(cells, number_format) and not (
        len(rest[0].cells) == len(cells) and _counts_up(rest[0].cells, number_format)
    ):
        return True
    words = sum(_is_word(cells[at], number_format) for at in typed)
    numbers = sum(not is_missing(cells[at]) for at in typed) - words
    return words > 0 and words >= numbers


def _counts_up(cells: Sequence[str], number_format: NumberFormat) -> bool:
    """Whether a row is one name and then years, or other evenly spaced numbers: the header of a wide table."""
    first, *numbers = (number_format.parse(cell) for cell in cells)
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 2 and len(steps) == 1 and steps <= {1.0, 5.0, 10.0} and math.isnan(first)


def _is_units(body: Sequence[CsvRow], number_format: NumberFormat) -> bool:
    cells = body[0].cells
    typed = [at for at in _typed_columns(body[1:], len(cells), number_format) if at < len(cells)]
    words = sum(_is_word(cells[at], number_format) for at in typed)
    return words > len(typed) / 2 and words == sum(not is_missing(cells[at]) for at in typed)


def _refuse_misfit(name: str, row: CsvRow, width: int, number_format: NumberFormat) -> None:
    cells = row.cells
    if len(cells) > 1 and width > 1 and all(_is_word(cell, number_format) for cell in cells):
        found = f"{count(len(cells), 'name')} in the header and {count(width, 'cell')} in most rows"
        remedy = "Name every column once, or set header=False to skip the line."
        raise SequenceError(f"{name}, line {row.line + 1}", found, "as many names as cells", remedy)
