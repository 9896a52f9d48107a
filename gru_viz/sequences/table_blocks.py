"""Finds several tables in one text, each with a header of its own, or with another number of cells."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gru_viz.errors import SequenceError
from gru_viz.sequences.cell_parsing import NumberFormat, is_missing, looks_like_date
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.table_file import CsvRow, TableFile, iterate_rows

__all__ = ["TableBlock", "choose_block", "find_blocks"]

SCANNED = 1 << 21
"""A text of at most so many bytes is searched for several tables; a larger one where it cannot be read as one."""
_MIN_ROWS = 3
_MOST_ATTRIBUTES = 40
_LETTER_LINE = re.compile(rb'\n[\t ,;|"\']*[^\W\d]|\n[\t ,;|]*\r?\n')
_BLANK_LINE = re.compile(rb"\n[\t ,;|]*\r?\n")


@dataclass
class TableBlock:
    """One of several tables.

    Attributes:
        width: number of cells in a row.
        line: the line (from 0) of its header, or of its first row.
        end: the line after its last row.
        rows: number of data rows.
        header: the cells of its header, or None.
    """

    width: int
    line: int
    end: int
    rows: int
    header: tuple[str, ...] | None
    _firsts: set[str] = field(default_factory=set)
    _words: set[int] = field(default_factory=set)

    def describe(self) -> str:
        """Name the block by its header and its lines."""
        names = f" {listing(self.header, most=4)}" if self.header else ""
        return f"{count(self.rows, 'row')}{names} in lines {self.line + 1:,} to {self.end:,}"

    def is_table(self) -> bool:
        """Whether it is a table and not a list of attributes, each with a name of its own in front."""
        attributes = 0 in self._words and len(self._firsts) == self.rows and self.rows <= _MOST_ATTRIBUTES
        return self.rows >= _MIN_ROWS and not attributes


def find_blocks(
    file: TableFile, delimiter: str, comment: str | None, number_format: NumberFormat, whole: bool = False
) -> list[TableBlock]:
    """Find the tables in a text; a large text is not searched unless ``whole``."""
    data = file.data
    if not whole and len(data) > SCANNED:
        return []
    first = data.find(b"\n")
    if first < 0 or not _may_have_several(data, first):
        return []
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")
    try:
        blocks = _blocks(iterate_rows(lines, delimiter, comment), number_format)
    except csv.Error:
        return []
    return [block for block in blocks if block.is_table()]


def choose_block(file: TableFile, blocks: Sequence[TableBlock], wanted: int | None) -> TableFile:
    """Blank all lines but those of one table, with a notice: the wanted one, counted from 0, else the longest."""
    if wanted is not None and not 0 <= wanted < len(blocks):
        found, remedy = f"table={wanted}", f"Change table=: {_listed(blocks)}."
        raise SequenceError(file.name, found, f"0 to {len(blocks) - 1}", remedy)
    at = max(range(len(blocks)), key=lambda each: blocks[each].rows) if wanted is None else wanted
    lines = file.data.split(b"\n")
    block = blocks[at]
    data = b"\n" * block.line + b"\n".join(lines[block.line : block.end]) + b"\n"
    others = ", ".join(f"table={other}" for other in range(len(blocks)) if other != at)
    reading = f"reads the other{'s' if len(blocks) > 2 else ''}"
    notice = f"The file has {len(blocks)} tables: {_listed(blocks)}. Number {at} was read; {others} {reading}."
    tables = tuple(block.describe() for block in blocks)
    return replace(file, data=data, notices=(*file.notices, notice), table=None, tables=tables)


def _listed(blocks: Sequence[TableBlock]) -> str:
    shown = [f"{at}: {block.describe()}" for at, block in enumerate(blocks[:6])]
    return "; ".join(shown) + (f"; and {len(blocks) - 6:,} more" if len(blocks) > 6 else "")


def _may_have_several(data: bytes, first: int) -> bool:
    """Whether a line inside may be a header or a blank one: found quickly where rows begin with a number."""
    middle = data.rfind(b"\n", 0, max(first + 1, len(data) // 2)) + 1
    begins_with_letter = re.match(rb'[\t ,;|"\']*[^\W\d]', data[middle : middle + 200]) is not None
    return begins_with_letter or _LETTER_LINE.search(data.rstrip(), first) is not None


def _blocks(rows: Iterable[CsvRow], number_format: NumberFormat) -> list[TableBlock]:
    blocks: list[TableBlock] = []
    names: CsvRow | None = None  # the first row of words since the last data row
    last = -1  # the line of the row before
    gap = False  # whether a blank line or a title was passed since the last data row
    for row in rows:
        gap = gap or row.line > last + 1
        last = row.line
        words = {at for at, cell in enumerate(row.cells) if _is_word(cell, number_format)}
        filled = sum(bool(cell.strip()) for cell in row.cells)
        if filled and len(words) == filled:
            gap = gap or filled == 1 < max(len(row.cells), *(block.width for block in blocks[-1:]), 1)
            if filled > 1 or len(row.cells) == 1:
                names = names if names is not None and len(names.cells) == len(row.cells) else row
            continue
        if filled and not _goes_on(blocks, row, words, names, gap):
            named = names is not None and len(names.cells) == len(row.cells)
            line, header = (names.line, names.cells) if names is not None and named else (row.line, None)
            blocks.append(TableBlock(len(row.cells), line, 0, 0, header))
        if filled:
            _add(blocks[-1], row, words)
            names, gap = None, False
    return blocks


def _add(block: TableBlock, row: CsvRow, words: set[int]) -> None:
    block._words = words if block.rows == 0 else block._words & words
    block.rows += 1
    block.end = row.line + 1
    if block.rows <= _MOST_ATTRIBUTES:
        block._firsts.add(row.cells[0])


def _goes_on(blocks: list[TableBlock], row: CsvRow, words: set[int], names: CsvRow | None, gap: bool) -> bool:
    """Whether a data row belongs to the last block."""
    if not blocks:
        return False
    block = blocks[-1]
    if names is not None and len(names.cells) == len(row.cells) and names.cells != block.header:
        named = [names.cells[at].strip() for at in range(len(row.cells)) if at not in words and names.cells[at].strip()]
        return len(set(named)) < len(named) or len(named) < (1 if gap else 2)
    return len(row.cells) == block.width or not gap


def _is_word(cell: str, number_format: NumberFormat) -> bool:
    try:
        float(cell)
    except ValueError:
        return not is_missing(cell) and not looks_like_date(cell) and math.isnan(number_format.parse(cell))
    return cell.strip().lower() in {"inf", "infinity", "nan"}
