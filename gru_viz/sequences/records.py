"""The rows of a delimited text, cell by cell: for its first lines, and for finding the row at fault."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Record", "iterate_records", "read_records", "sample_lines"]

_SAMPLE = 1 << 16
_WIDE_SAMPLE = 1 << 22
_MOST_RECORDS = 200


@dataclass(frozen=True)
class Record:
    """One row.

    Attributes:
        cells: its cells, unquoted.
        line: the line, counted from 0, at which it begins.
    """

    cells: tuple[str, ...]
    line: int


def sample_lines(data: bytes) -> list[str]:
    """Give the first lines whole, with their ends: 64 kB of them, and of a wide table at least four.

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


def read_records(lines: list[str], delimiter: str, comment: str | None) -> tuple[Record, ...]:
    """Read the first rows, leaving out blank and comment lines; none where a cell is too long to be one.

    Example:
        >>> [record.cells for record in read_records(["a,b\\n", "\\n", '1,"x,y"\\n'], ",", None)]
        [('a', 'b'), ('1', 'x,y')]
    """
    records = []
    try:
        for _, record in zip(range(_MOST_RECORDS), iterate_records(lines, delimiter, comment), strict=False):
            records.append(record)
    except csv.Error:
        return ()
    return tuple(records)


def iterate_records(lines: Iterable[str], delimiter: str, comment: str | None) -> Iterator[Record]:
    """Go through the rows one by one.

    Raises:
        csv.Error: a cell is longer than 131,072 characters.
    """
    pending: list[int] = []  # the lines of the row being read; more than one within a quoted cell

    def wanted() -> Iterator[str]:
        for number, line in enumerate(lines):
            if not pending:
                line = line.strip(" \r\n" if delimiter == "\t" else " \t\r\n") + "\n"
                if line == "\n" or (comment and line.startswith(comment)):
                    continue
            pending.append(number)
            yield line.replace("\t", " ") if delimiter == " " else line

    for cells in csv.reader(wanted(), delimiter=delimiter, skipinitialspace=True):
        yield Record(tuple(cells), pending[0])
        pending.clear()
