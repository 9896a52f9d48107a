"""Finds the header of a table: the row of names, title lines above it, a row of units below it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from gru_viz.errors import SequenceError, one_line
from gru_viz.sequences.cell_parsing import NumberFormat, is_missing, looks_like_date
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.table_file import CsvRow

__all__ = ["Header", "are_unit_names", "find_header", "unique_names"]

_SAMPLE = 50
_FILE_MARKS = {"TOA5", "TOACI1", "TOB1", "TOB3"}
_REMARKS = set("comment comments note notes remark remarks kommentar bemerkung observaciones".split())  # noqa: SIM905
_UNITS = set(
    """s ms us µs ns sec secs seconds min mins minutes h hr hrs hour hours d day days v mv kv µv uv a ma ka µa °c c
    f °f k degc degf deg rad m mm cm km in ft m/s km/h kmh mph kt kts hpa pa kpa mpa bar mbar psi atm inhg % g kg mg
    t hz khz mhz w kw mw kwh wh mwh va var ppm ppb lux lx rpm n nm j kj l ml l/min m3 m³ w/m2 w/m² db dbm ohm Ω utc
    gmt ts rn smp avg max min tot std none - n/a yyyy-mm-dd dd.mm.yyyy dd/mm/yyyy mm/dd/yyyy hh:mm hh:mm:ss unit
    units usd eur volts volt amps celsius fahrenheit percent counts count bool text number string float
    integer""".split()  # noqa: SIM905
)
_RULE = re.compile(r"[-=+:|]{2,}")
_UNIT = re.compile(r"[(\[{].*[)\]}]|.{0,3}|[^\W\d]{1,4}([/*·^][\w²³⁻¹]+)+", re.DOTALL)


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
    parts = _split(name, rows, width, number_format, has_header)
    names, header, body = parts.names, parts.header, parts.body
    notices = [parts.notice] if parts.notice else []
    if names is None and above is not None and has_header is None:
        names = tuple(cell.strip() for cell in above)
        notices.append("The names were taken from the comment line above the table.")
    units: list[str] = []
    while header is not None and len(body) > 2 and _is_units(body, width, number_format):
        if not _names_few(body[0].cells, number_format):
            units += [cell.strip() for cell in body[0].cells if cell.strip(" -=+:|")]
        body = body[1:]
    if units:
        notices.append(f"The row below the header has units and was left out: {listing(units)}.")
    unique, renamed = unique_names([f"column {at}" for at in range(1, width + 1)] if names is None else names)
    notices += renamed
    top = header or (body[0] if body else None)
    if parts.titles and top:
        notices.insert(0, f"{count(len(parts.titles), 'title line')} above the table skipped.")
    first_line = body[0].line if body else last_line
    return Header(names is not None, unique, first_line, top.line if top else 0, tuple(notices))


class _Parts(NamedTuple):
    """The title lines, the names, the row that has them, and the rows below it."""

    titles: Sequence[CsvRow]
    names: Sequence[str] | None
    header: CsvRow | None
    body: Sequence[CsvRow]
    notice: str = ""


def _split(
    name: str, rows: Sequence[CsvRow], width: int, number_format: NumberFormat, has_header: bool | None
) -> _Parts:
    first = next(at for at, row in enumerate(rows) if len(row.cells) == width)
    titles, table = rows[:first], rows[first : first + _SAMPLE]
    if has_header is None:
        wider = _wider_names(rows[: first + _SAMPLE], width, number_format)
        if wider is not None:
            return wider
        at, names = _names_above_data(table, width, number_format)
        if names is not None:
            return _Parts([*titles, *table[:at]], names, table[at], table[at + 1 :])
    if titles and has_header is not False:
        found = _names_of_other_width(titles[-1].cells, table, width, number_format)
        if found is not None:
            return _Parts(titles[:-1], found[0], titles[-1], table, found[1])
    if has_header or (has_header is None and _is_header(table, number_format)):
        return _Parts(titles, table[0].cells, table[0], table[1:])
    if has_header is None and _is_numbered(table, number_format):
        row = ", ".join(table[0].cells[:4]) + (", …" if width > 4 else "")
        notice = f"The first row ({row}) was read as names; header=False reads it as numbers."
        return _Parts(titles, table[0].cells, table[0], table[1:], notice)
    if titles and has_header is None:
        _refuse_misfit(name, titles[-1], width, number_format)
    return _Parts(titles, None, None, table)


def _wider_names(rows: Sequence[CsvRow], width: int, number_format: NumberFormat) -> _Parts | None:
    """Names directly above the first row of numbers, in a row that is longer by blanks or remarks."""
    typed = set(_typed_columns([row for row in rows if len(row.cells) == width][-_SAMPLE // 2 :], width, number_format))
    for at, row in enumerate(rows):
        data = len(row.cells) == width and typed and not any(_is_word(row.cells[each], number_format) for each in typed)
        if not data or at == 0 or len(rows[at - 1].cells) <= width:
            continue
        found = _names_of_other_width(rows[at - 1].cells, rows[at:], width, number_format)
        if found is not None:
            return _Parts(rows[: at - 1], found[0], rows[at - 1], rows[at:], found[1])
    return None


def _names_above_data(
    table: Sequence[CsvRow], width: int, number_format: NumberFormat
) -> tuple[int, Sequence[str] | None]:
    """The last row of names with no data above it, below lines such as ``Serial number,123``; and its names."""
    typed = set(_typed_columns(table[len(table) // 2 :], width, number_format))
    if not typed:
        return 0, None
    last = None
    for at, row in enumerate(table[:-1]):
        if len(row.cells) != width:
            continue
        words = {column for column in typed if _is_word(row.cells[column], number_format)}
        numbers = {column for column in typed - words if not is_missing(row.cells[column])}
        if numbers and not words:
            break
        if words and not numbers and 2 * len(words) >= len(typed):
            last = at
    if last is None:
        return 0, None
    first = last
    while first > 0 and _are_words(table[first - 1], width, number_format) and not _is_file_mark(table[first - 1]):
        first -= 1
    while first < last and not are_unit_names(table[first + 1].cells) and not _repeats(table[first].cells):
        first += 1
    names: Sequence[str] = table[first].cells
    if first < last and _repeats(names):
        names = _joined(names, table[first + 1].cells)
    below = table[last + 1].cells
    if len(below) == width and _names_few(below, number_format):
        names = [cell.strip() or name for name, cell in zip(names, below, strict=True)]
    return first, names


def _names_few(cells: Sequence[str], number_format: NumberFormat) -> bool:
    """Whether a row has the name of the first column alone, as data frames write it below the others."""
    return _is_word(cells[0], number_format) and not any(cell.strip() for cell in cells[1:])


def _are_words(row: CsvRow, width: int, number_format: NumberFormat) -> bool:
    filled = [cell for cell in row.cells if cell.strip()]
    return len(row.cells) == width and bool(filled) and all(_is_word(cell, number_format) for cell in filled)


def _is_file_mark(row: CsvRow) -> bool:
    """Whether a row names the format of the file, as Campbell's loggers write above the names."""
    return row.cells[0].strip().upper() in _FILE_MARKS


def are_unit_names(cells: Sequence[str]) -> bool:
    """Whether most of these words are units, or as short as units are."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    known = sum(cell.lower() in _UNITS or _UNIT.fullmatch(cell) is not None for cell in filled)
    return 2 * known >= len(filled)


def _repeats(cells: Sequence[str]) -> bool:
    """Whether a row of names names groups of columns: some twice, or over blank cells."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return len(set(filled)) < len(filled) or any(
        not cell.strip() and before.strip() for before, cell in pairwise(cells)
    )


def _joined(groups: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names of a header of two rows: the group, which blank cells repeat, and the name in it."""
    joined, group = [], ""
    for cell, name in zip(groups, names, strict=True):
        group = cell.strip() or group
        joined.append(name.strip() if name.strip() == group else f"{group} {name.strip()}".strip())
    return joined


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Make column names unique, with a notice about those that changed."""
    unique: dict[str, None] = {}
    again = []
    plain = [" ".join(one_line(name).split()) for name in names]
    taken = set(plain)
    for at, found in enumerate(plain, 1):
        name = base = found or f"unnamed {at}"
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
) -> tuple[Sequence[str], str] | None:
    """Names of a header that is wider by blanks or remarks, or narrower by a column of row names or blanks."""
    filled = list(cells)
    while filled and not filled[-1].strip():
        filled.pop()
    if not filled or not all(_is_word(cell, number_format) for cell in filled):
        return None
    if len(filled) == width and len(cells) != width:
        return filled, ""
    if len(cells) == width - 1 and width > 2 and not _is_header(table, number_format):
        ends_blank = all(not row.cells[-1].strip() for row in table if len(row.cells) == width)
        return ([*cells, ""] if ends_blank else ["row name", *cells]), ""
    extra = filled[width:]
    if extra and all(cell.strip().lower() in _REMARKS for cell in extra):
        return filled[:width], f"The header has a name for which no row has a cell: {listing(extra)}."
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
    if _has_years(cells, [row.cells for row in rest], number_format):
        return True
    if _counts_up(cells, number_format) and not (
        len(rest[0].cells) == len(cells) and _counts_up(rest[0].cells, number_format)
    ):
        return True
    named = [at for at in typed if _is_name(cells[at], rest, at, number_format)]
    numbers = [number_format.parse(cells[at]) for at in typed if at not in named and not is_missing(cells[at])]
    return bool(named) and (len(named) >= len(numbers) or all(after > before for before, after in pairwise(numbers)))


def _is_name(cell: str, rest: Sequence[CsvRow], at: int, number_format: NumberFormat) -> bool:
    """Whether a cell names its column of numbers or dates: a word, or a date above numbers."""
    if _is_word(cell, number_format):
        return True
    below = [row.cells[at] for row in rest if len(row.cells) > at and not is_missing(row.cells[at])]
    return looks_like_date(cell) and not any(map(looks_like_date, below))


def _counts_up(cells: Sequence[str], number_format: NumberFormat) -> bool:
    """Whether a row is one name and then years, or other evenly spaced numbers: the header of a wide table."""
    first, *numbers = (number_format.parse(cell) for cell in cells)
    steps = {after - before for before, after in pairwise(numbers)}
    return len(numbers) > 2 and len(steps) == 1 and steps <= {1.0, 5.0, 10.0} and math.isnan(first)


def _has_years(cells: Sequence[str], rest: Sequence[Sequence[str]], number_format: NumberFormat) -> bool:
    """Whether a row is words and then years in a row, which no row below repeats."""
    numbers = [number_format.parse(cell) for cell in cells if cell.strip()]
    years = [number for number in numbers if not math.isnan(number)]
    if len(years) < 3 or len(years) == len(numbers) or not 1000 <= years[0] <= years[-1] <= 2999:
        return False
    steps = {after - before for before, after in pairwise(years)}
    return len(steps) == 1 and min(steps) >= 1 and not any(list(row) == list(cells) for row in rest)


def _is_numbered(table: Sequence[CsvRow], number_format: NumberFormat) -> bool:
    """Whether the first row numbers the columns, as in a data frame made from an array: 0, 1, 2, …

    No row below goes on in the same way, and where few numbers leave doubt its cells are written otherwise.
    """
    cells = [cell.strip() for cell in table[0].cells]
    body = [row.cells for row in table[1:] if len(row.cells) == len(cells)]
    if not cells[0] and len(cells) > 2 and all(row[0].strip() for row in body):  # above the index of the frame
        cells, body = cells[1:], [row[1:] for row in body]
    if not body or not all(re.fullmatch("[0-9]{1,6}", cell) for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    steps = {after - before for before, after in pairwise(numbers)}
    if len(steps) > 1 or min(steps, default=1) < 1 or any(_is_run(row, steps, number_format) for row in body):
        return False
    unlike = _written_unlike(body, number_format)
    if len(cells) < 3:
        return all(unlike) and numbers[0] in (0, 1) and steps <= {1}
    return any(unlike) or (numbers[0] == 0 and steps == {1})


def _is_run(row: Sequence[str], steps: set[int], number_format: NumberFormat) -> bool:
    numbers = [number_format.parse(cell) for cell in row]
    return len(numbers) > 2 and {after - before for before, after in pairwise(numbers)} == steps


def _written_unlike(body: Sequence[Sequence[str]], number_format: NumberFormat) -> list[bool]:
    """For each column, whether a whole number would be written with decimals: all have as many, or one ends in .0."""
    unlike = []
    for column in zip(*body, strict=True):
        decimals = [cell.strip().rpartition(number_format.decimal)[2] for cell in column if not is_missing(cell)]
        marked = all(number_format.decimal in cell for cell in column if not is_missing(cell))
        alike = len({len(each) for each in decimals}) == 1 and len(decimals) > 1
        unlike.append(marked and bool(decimals) and (alike or "0" in decimals))
    return unlike


def _is_units(body: Sequence[CsvRow], width: int, number_format: NumberFormat) -> bool:
    """Whether the first row has units, or is a line of dashes."""
    cells = body[0].cells
    if all(_RULE.fullmatch(cell.strip()) for cell in cells) and not _typed_columns(body[:1], len(cells), number_format):
        return len(cells) == width or len(cells) == 1
    typed = _typed_columns(body[1:], width, number_format)
    if len(cells) == width > 1 and 0 in typed and _names_few(cells, number_format):
        return True
    if len(cells) < width:
        return len(body[1].cells) == width and all(_is_word(cell, number_format) for cell in cells)
    words = sum(_is_word(cells[at], number_format) for at in typed)
    return words > len(typed) / 2 and words == sum(not is_missing(cells[at]) for at in typed)


def _refuse_misfit(name: str, row: CsvRow, width: int, number_format: NumberFormat) -> None:
    cells = row.cells
    if len(cells) > 1 and width > 1 and all(_is_word(cell, number_format) for cell in cells):
        found = f"{count(len(cells), 'name')} in the header and {count(width, 'cell')} in most rows"
        remedy = "Name every column once, or set header=False to skip the line."
        raise SequenceError(f"{name}, line {row.line + 1}", found, "as many names as cells", remedy)
