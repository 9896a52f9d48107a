"""Which row holds the names, what stands above it, and whether units stand below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gru_viz.errors import SequenceError
from gru_viz.sequences.cells import Writing, is_missing, looks_dated
from gru_viz.sequences.records import Record
from gru_viz.sequences.words import count, listing

__all__ = ["Header", "find_header", "unique_names"]

_LOOKED_AT = 50


@dataclass(frozen=True)
class Header:
    """Where the names and the data are.

    Attributes:
        found: whether a row of names stands above the data.
        names: a name for each column.
        first_line: the line, counted from 0, of the first data row.
        skipped: how many lines stand above the header, or above the data where there is none.
        notices: what was assumed.
    """

    found: bool
    names: tuple[str, ...]
    first_line: int
    skipped: int
    notices: tuple[str, ...]


def find_header(
    name: str,
    records: Sequence[Record],
    width: int,
    writing: Writing,
    told: bool | None,
    above: Sequence[str] | None,
    last_line: int,
) -> Header:
    """Find the header among the first rows.

    Args:
        name: what to call the file in an error.
        records: the first rows, blank and comment lines left out.
        width: how many cells most rows have.
        writing: how numbers are written.
        told: whether there is a header; None finds out.
        above: names in a comment line above the table, one way of writing a header, or None.
        last_line: the line after the last one seen.

    Raises:
        SequenceError: the header has more or fewer names than the rows have cells.
    """
    first = next(at for at, record in enumerate(records) if len(record.cells) == width)
    titles, table = records[:first], records[first : first + _LOOKED_AT]
    notices: list[str] = []
    names = _names_beside(titles[-1].cells, table, width, writing) if titles and told is not False else None
    if names is not None:
        header, body, titles = titles[-1], table, titles[:-1]
    elif told or (told is None and _is_header(table, writing)):
        header, body, names = table[0], table[1:], table[0].cells
    else:
        header, body = None, table
        if titles and told is None:
            _refuse_misfit(name, titles[-1], width, writing)
        if above is not None and told is None:
            names = tuple(cell.strip() for cell in above)
            notices.append("The names were taken from the comment line above the table.")
    if header is not None and len(body) > 2 and _is_units(body, writing):
        units = [cell.strip() for cell in body[0].cells if cell.strip()]
        notices.append(f"The row below the header was taken for units and left out: {listing(units)}.")
        body = body[1:]
    if names is None:
        clean = tuple(f"column {at}" for at in range(1, width + 1))
    else:
        clean, renamed = unique_names(names)
        notices += renamed
    top = header or (body[0] if body else None)
    if titles and top:
        notices.insert(0, f"{count(len(titles), 'title line')} above the table skipped.")
    return Header(
        names is not None,
        clean,
        body[0].line if body else last_line,
        top.line if top else 0,
        tuple(notices),
    )


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Give every column a name of its own, and say which were changed.

    Example:
        >>> unique_names(["x", "x", ""])
        (('x', 'x (2)', 'unnamed 3'), ["Columns of the same name were told apart: 'x (2)'."])
    """
    given: dict[str, None] = {}
    again = []
    taken = {" ".join(name.split()) for name in names}
    for at, raw in enumerate(names, 1):
        name = base = " ".join(raw.split()) or f"unnamed {at}"
        number = 1
        while name in given or (number > 1 and name in taken):
            number += 1
            name = f"{base} ({number})"
        if number > 1:
            again.append(name)
        given[name] = None
    return tuple(given), [f"Columns of the same name were told apart: {listing(again)}."] if again else []


def _is_word(cell: str, writing: Writing) -> bool:
    return not is_missing(cell) and not looks_dated(cell) and _is_nan(writing.read(cell))


def _is_nan(number: float) -> bool:
    return number != number


def _names_beside(cells: Sequence[str], table: Sequence[Record], width: int, writing: Writing) -> Sequence[str] | None:
    """Take for a header a row of names that is wider by blanks, or narrower by a column of row names or of blanks."""
    filled = list(cells)
    while filled and not filled[-1].strip():
        filled.pop()
    if not filled or not all(_is_word(cell, writing) for cell in filled):
        return None
    if len(filled) == width and len(cells) != width:
        return filled
    if len(cells) == width - 1 and width > 2 and not _is_header(table, writing):
        ends_blank = all(not record.cells[-1].strip() for record in table if len(record.cells) == width)
        return [*cells, ""] if ends_blank else ["row name", *cells]
    return None


def _typed_columns(rows: Sequence[Record], width: int, writing: Writing) -> list[int]:
    typed = []
    for at in range(width):
        cells = [row.cells[at] for row in rows if len(row.cells) > at and not is_missing(row.cells[at])]
        words = sum(_is_word(cell, writing) for cell in cells)
        if cells and words <= len(cells) / 2:
            typed.append(at)
    return typed


def _is_header(table: Sequence[Record], writing: Writing) -> bool:
    cells, rest = table[0].cells, table[1:]
    typed = _typed_columns(rest, len(cells), writing)
    if not typed:  # nothing to compare with: names are words
        return all(_is_word(cell, writing) or not cell.strip() for cell in cells)
    if _counts_up(cells, writing) and not (len(rest[0].cells) == len(cells) and _counts_up(rest[0].cells, writing)):
        return True
    words = sum(_is_word(cells[at], writing) for at in typed)
    numbers = sum(not is_missing(cells[at]) for at in typed) - words
    return words > 0 and words >= numbers


def _counts_up(cells: Sequence[str], writing: Writing) -> bool:
    """Whether a row is a corner and then years, or any even count: the header of a table in wide form."""
    numbers = [writing.read(cell) for cell in cells[1:]]
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 2 and len(steps) == 1 and steps <= {1.0, 5.0, 10.0} and _is_nan(writing.read(cells[0]))


def _is_units(body: Sequence[Record], writing: Writing) -> bool:
    cells = body[0].cells
    typed = [at for at in _typed_columns(body[1:], len(cells), writing) if at < len(cells)]
    words = sum(_is_word(cells[at], writing) for at in typed)
    return words > len(typed) / 2 and words == sum(not is_missing(cells[at]) for at in typed)


def _refuse_misfit(name: str, record: Record, width: int, writing: Writing) -> None:
    cells = record.cells
    if len(cells) > 1 and width > 1 and all(_is_word(cell, writing) for cell in cells):
        found = f"{count(len(cells), 'name')} in the header and {count(width, 'cell')} in most rows"
        remedy = "Name every column once, or give header=False to pass over the line."
        raise SequenceError(f"{name}, line {record.line + 1}", found, "as many names as cells", remedy)
