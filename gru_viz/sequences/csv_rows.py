"""Reads rows of delimited text cell by cell: the first lines, and the row that an error message names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

__all__ = ["CsvRow", "iterate_rows", "read_first_rows", "sample_lines"]

_SAMPLE = 1 << 16
_WIDE_SAMPLE = 1 << 22
_MAX_ROWS = 200


@dataclass(frozen=True)
class CsvRow:
    """One row.

    Attributes:
        cells: the cells, unquoted.
        line: the line at which it begins, counted from 0.
    """

    cells: tuple[str, ...]
    line: int


def sample_lines(data: bytes) -> list[str]:
    """Return the first complete lines with their line ends: 64 kB, and at least four lines of a wide table.

    Example:
        >>> sample_lines(b"a\\n1\\n2")
        ['a\\n', '1\\n', '2']
    """
    end = 0
    for _ in range(4):
        end = data.find(b"\n", end, _WIDE_SAMPLE) + 1
        if end == 0:
            end = _WIDE_SAMPLE
            break
    end = max(end, _SAMPLE)
    if end < len(data):
        end = data.rfind(b"\n", 0, end) + 1 or end
    text = data[:end].decode("utf-8", "ignore")  # a cut inside a character can only be in a line of 4 MB
    return list(io.StringIO(text, newline=""))


def read_first_rows(lines: list[str], delimiter: str, comment: str | None) -> tuple[CsvRow, ...]:
    """Read the first rows without blank and comment lines; empty if a cell is longer than 131,072 characters.

    Example:
        >>> [row.cells for row in read_first_rows(["a,b\\n", "\\n", '1,"x,y"\\n'], ",", None)]
        [('a', 'b'), ('1', 'x,y')]
    """
    try:
        return tuple(islice(iterate_rows(lines, delimiter, comment), _MAX_ROWS))
    except csv.Error:
        return ()


def iterate_rows(lines: Iterable[str], delimiter: str, comment: str | None) -> Iterator[CsvRow]:
    """Read the rows one by one.

    Raises:
        csv.Error: a cell is longer than 131,072 characters.
    """
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
