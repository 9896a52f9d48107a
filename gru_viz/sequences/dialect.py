"""How a delimited text is written: found from its first lines, or told."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gru_viz.errors import SequenceError
from gru_viz.sequences.cells import Writing, is_missing, looks_dated
from gru_viz.sequences.header import find_header
from gru_viz.sequences.records import Record, read_records, sample_lines
from gru_viz.sequences.table_file import TableFile
from gru_viz.sequences.words import count

__all__ = ["Dialect", "Layout", "Told", "find_layout"]

DELIMITERS = (",", ";", "\t", "|", " ")
_NAMES = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Pipe", " ": "Space"}
_SCORED = 1000
_MARKS = {".": "point", ",": "comma", " ": "space", "'": "apostrophe"}
_ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
    "parquet": "Parquet",
}


@dataclass(frozen=True)
class Told:
    """The parts of a dialect that the user gave; None where they are to be found."""

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    header: bool | None = None
    comment: str | None = None

    def check(self, name: str) -> None:
        """Refuse marks that cannot be."""
        for role, mark in (("decimal", self.decimal), ("thousands", self.thousands), ("comment", self.comment)):
            if mark is not None and (not mark or mark.isalnum() or (role != "comment" and len(mark) > 1)):
                raise SequenceError(name, f"{role}={mark!r}", "one mark, such as ',' or '.'", "Give another one.")
        mark = self.delimiter
        sound = mark is None or mark in DELIMITERS or (len(mark) == 1 and mark.isascii() and mark.isprintable())
        if not sound or mark == '"':
            wanted = "one character, such as ',' or ';' (' ' for blanks and tabs of any number)"
            raise SequenceError(name, f"delimiter={self.delimiter!r}", wanted, "Give another one.")
        if self.decimal is not None and self.decimal == self.thousands:
            found = f"{self.decimal!r} as both decimal and thousands mark"
            raise SequenceError(name, found, "two different marks", "Change decimal= or thousands=.")


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: what stands between cells; ``" "`` for any run of blanks and tabs; empty for Parquet.
        decimal: the mark before a fraction.
        thousands: the mark between groups of three digits, or None.
        header: whether a row of names stands above the data.
        encoding: the text's encoding, by its Python name; ``"parquet"`` for Parquet.
        comment: what comment lines begin with, or None.
        skipped_lines: how many lines above the header or the data were passed over.

    Example:
        >>> Dialect(";", ",", None, True, "utf-8", None, 0).describe()
        'Semicolon-separated, decimal comma, UTF-8, first row is the header'
    """

    delimiter: str
    decimal: str
    thousands: str | None
    header: bool
    encoding: str
    comment: str | None
    skipped_lines: int

    def describe(self) -> str:
        """Say the dialect in plain words."""
        if self.encoding == "parquet":
            return "Parquet, columns named in the file"
        parts = [f"{_NAMES.get(self.delimiter, repr(self.delimiter))}-separated"]
        parts.append(f"decimal {_MARKS.get(self.decimal, repr(self.decimal))}")
        if self.thousands:
            parts.append(f"thousands {_MARKS.get(self.thousands, repr(self.thousands))}")
        parts.append(_ENCODINGS.get(self.encoding, self.encoding.upper()))
        if self.skipped_lines:
            parts.append(f"{count(self.skipped_lines, 'line')} above skipped")
        if self.comment:
            parts.append(f"comments begin with {self.comment}")
        parts.append("first row is the header" if self.header else "no header")
        return ", ".join(parts)


@dataclass(frozen=True)
class Layout:
    """A dialect, and where the data begin.

    Attributes:
        dialect: how the text is written.
        names: a name for each column.
        start: the byte at which the first data row begins.
        line: the line, counted from 1, at which it begins.
        notices: what was assumed.
    """

    dialect: Dialect
    names: tuple[str, ...]
    start: int
    line: int
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Guess:
    delimiter: str
    decimal: str
    records: tuple[Record, ...]
    width: int
    score: float


def find_layout(content: TableFile, told: Told, max_columns: int) -> Layout:
    """Find how the text is written from its first 64 kB, obeying what was told.

    Raises:
        SequenceError: more than ``max_columns`` columns, or a header that does not fit the rows.

    Example:
        >>> from gru_viz.sequences.table_file import read_table_file
        >>> layout = find_layout(read_table_file(b"a;b\\n1,5;2,5\\n", "x.csv", None, 99), Told(), 99)
        >>> layout.names, layout.dialect.decimal
        (('a', 'b'), ',')
    """
    told.check(content.name)
    lines = sample_lines(content.data)
    told, rows = _obey_excel(told, lines)
    comment = told.comment if told.comment is not None else _comment_mark(rows)
    if not any(line.strip() and not (comment and line.lstrip().startswith(comment)) for line in lines):
        raise SequenceError(
            content.name, "only blank and comment lines", "a table with numbers", "Choose another file."
        )
    guesses = _guesses(rows, told, comment)
    if not guesses:
        wanted, remedy = "cells of at most 131,072 characters", "Check the quotes, or give delimiter=."
        raise SequenceError(content.name, "a longer cell", wanted, remedy)
    best = max(guesses, key=lambda guess: guess.score)  # the first of equals: the order of DELIMITERS is the preference
    best, notices = _settle_lone_commas(best, guesses, told)
    notices = notices or _rivals(best, guesses, told)
    if best.width > max_columns:
        remedy = (
            "Raise max_columns=, or put the table in long form: one row for each step and series, with an id column."
        )
        raise SequenceError(content.name, f"{best.width:,} columns", f"at most {max_columns:,}", remedy)
    cells = [cell for record in best.records[1:] for cell in record.cells]
    decimal, thousands, said = _settle_thousands(cells[: 20 * _SCORED], best, told)
    writing = Writing(decimal, thousands)
    above = _names_in_comment(lines, best, comment, writing)
    header = find_header(content.name, best.records, best.width, writing, told.header, above, len(lines))
    dialect = Dialect(best.delimiter, decimal, thousands, header.found, content.encoding, comment, header.skipped)
    start = sum(len(line.encode()) for line in lines[: header.first_line])
    if comment and any(line.lstrip().startswith(comment) for line in lines[: header.first_line]):
        said += (f"Comment lines beginning with {comment} skipped.",)
    return Layout(dialect, header.names, start, header.first_line + 1, notices + said + header.notices)


def _obey_excel(told: Told, lines: list[str]) -> tuple[Told, list[str]]:
    """Follow and blank a first line such as sep=; by which a delimiter is told to Excel."""
    first = lines[0].strip().strip('"')
    if not first.lower().startswith("sep=") or len(first) != 5:
        return told, lines
    return replace(told, delimiter=told.delimiter or first[4]), ["\n", *lines[1:]]


def _comment_mark(lines: list[str]) -> str | None:
    filled = [line.strip() for line in lines if line.strip()]
    if any(line.startswith("#") and not line.startswith("#N/A") for line in filled):
        return "#"
    return next((mark for mark in ("%", "//") if filled and filled[0].startswith(mark)), None)


def _guesses(lines: list[str], told: Told, comment: str | None) -> list[_Guess]:
    found = []
    quoted = any('"' in line for line in lines)
    for delimiter in DELIMITERS if told.delimiter is None else (told.delimiter,):
        if delimiter == told.decimal and told.delimiter is None and not quoted:
            continue
        records = read_records(lines, delimiter, comment)
        if not records:
            continue
        widths = [len(record.cells) for record in records]
        # the commonest width; of equally common ones that of the later rows, since titles stand above
        width = max(reversed(widths), key=widths.count)
        parted = any(mark in records[0].cells[0] for mark in DELIMITERS[:-1] if mark != delimiter)
        even = widths.count(width) / len(widths)
        cells = [cell for record in records if len(record.cells) == width for cell in record.cells]
        cells = [cell for cell in cells[:: len(cells) // _SCORED + 1] if not is_missing(cell)]
        for decimal in (".", ",") if told.decimal is None else (told.decimal,):
            typed = sum(_is_typed(cell, decimal, told.thousands) for cell in cells) / max(len(cells), 1)
            several = 1.0 if width > 1 else 0.15 if parted else 0.75
            found.append(_Guess(delimiter, decimal, records, width, even**2 * (0.1 + typed) * several))
    return found


def _is_typed(cell: str, decimal: str, thousands: str | None) -> bool:
    marks = (thousands,) if thousands else (None, "," if decimal == "." else ".", " ", "'")
    return looks_dated(cell) or any(not math.isnan(Writing(decimal, mark).read(cell)) for mark in marks)


def _settle_lone_commas(best: _Guess, guesses: list[_Guess], told: Told) -> tuple[_Guess, tuple[str, ...]]:
    """Rows such as 1,5 are two whole numbers, or one number with a decimal comma: the header tells."""
    if told.delimiter is not None or told.decimal is not None:
        return best, ()
    pair = next((guess for guess in guesses if guess.delimiter == "," and guess.width == 2), None)
    single = next((guess for guess in guesses if guess.width == 1 and guess.decimal == ","), None)
    if pair is None or single is None or best not in (pair, single):
        return best, ()
    names, *rows = (record.cells for record in pair.records)
    if not rows or not all(cell.strip().lstrip("+-").isdigit() for row in rows for cell in row):
        return best, ()
    if len(names) == 1:
        said = (
            f"Rows such as {','.join(rows[0])} under one name were read as a decimal comma (delimiter=',' parts them)."
        )
        return single, (said,)
    if all(cell.strip().lstrip("+-").isdigit() for cell in names):
        said = f"Rows such as {','.join(rows[0])} were read as two columns; for a decimal comma give decimal=','."
        return pair, (said,)
    return best, ()


def _rivals(best: _Guess, guesses: list[_Guess], told: Told) -> tuple[str, ...]:
    near = [
        guess
        for guess in guesses
        if guess.width > 1
        and guess.score > 0.95 * best.score
        and [record.cells for record in guess.records] != [record.cells for record in best.records]
    ]
    if not near or told.delimiter is not None:
        return ()
    ours, theirs = _NAMES[best.delimiter].lower(), _NAMES[near[0].delimiter].lower()
    return (f"The cells could be parted by {theirs} or by {ours}; {ours} was assumed (delimiter= changes it).",)


def _settle_thousands(cells: list[str], best: _Guess, told: Told) -> tuple[str, str | None, tuple[str, ...]]:
    """Find the thousands mark, and say so where 1,234 could be either."""
    decimal = best.decimal
    if told.thousands is not None:
        return decimal, told.thousands, ()
    other = "," if decimal == "." else "."
    grouped = [cell for cell in cells if Writing(decimal, other).groups(cell)]
    if grouped:
        clear = any(decimal in cell or cell.count(other) > 1 for cell in grouped)
        fractions = any(Writing(decimal, None).read(cell) % 1 > 0 for cell in cells)
        if clear or told.decimal is not None:
            return decimal, other, ()
        if not fractions and best.delimiter == ";" and other == ",":
            said = f"The comma in {grouped[0]} was read as before a fraction; if it parts thousands, give decimal='.'."
            return ",", None, (said,)
        said = f"The mark in {grouped[0]} was read as parting thousands; if a fraction follows, give decimal='{other}'."
        return decimal, other, (said,)
    for mark in (" ", "'"):
        if any(Writing(decimal, mark).groups(cell) for cell in cells):
            return decimal, mark, ()
    return decimal, None, ()


def _names_in_comment(lines: list[str], best: _Guess, comment: str | None, writing: Writing) -> tuple[str, ...] | None:
    """The names, where the line right above the first row is a comment that holds one for each column."""
    line = lines[best.records[0].line - 1].strip()
    if best.records[0].line == 0 or not comment or not line.startswith(comment):
        return None
    found = read_records([line.lstrip(comment + " ") or comment], best.delimiter, None)
    cells = found[0].cells if found else ()
    words = [cell for cell in cells if cell.strip() and math.isnan(writing.read(cell))]
    return cells if len(cells) == best.width == len(words) else None
