"""Detects how a delimited text is written, its dialect, from its first lines; options override what is detected."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache

from gru_viz.errors import SequenceError
from gru_viz.sequences.cell_parsing import NumberFormat, is_missing, looks_like_date
from gru_viz.sequences.header import are_unit_names, find_header
from gru_viz.sequences.phrases import count
from gru_viz.sequences.table_file import CsvRow, TableFile, read_first_rows, sample_lines

__all__ = ["Dialect", "DialectOptions", "TableLayout", "detect_layout"]

DELIMITERS = (",", ";", "\t", "|", " ")
_DELIMITER_NAMES = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Pipe", " ": "Space"}
_MAX_SCORED = 1000
_MIN_PART = 4
_LONGEST_TYPED = 400
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MARK_NAMES = {".": "point", ",": "comma", " ": "space", "'": "apostrophe"}
_ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
}


_NAMED = {
    "parquet": "Parquet, columns named in the file",
    "json": "JSON, fields named in the file",
    "data frame": "Data frame, columns named in it",
}


@dataclass(frozen=True)
class DialectOptions:
    """The parts of a dialect that the user specified; None where they are to be detected."""

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    header: bool | None = None
    comment: str | None = None

    def check(self, name: str) -> None:
        """Refuse marks that are impossible."""
        for role, mark in (("decimal", self.decimal), ("thousands", self.thousands), ("comment", self.comment)):
            if mark is not None and (not mark or mark.isalnum() or (role != "comment" and len(mark) > 1)):
                raise SequenceError(name, f"{role}={mark!r}", "one mark, such as ',' or '.'", f"Change {role}=.")
        mark = self.delimiter
        valid = mark is None or mark in DELIMITERS or (len(mark) == 1 and mark.isascii() and mark.isprintable())
        if not valid or mark == '"':
            wanted = "one character, such as ',' or ';' (' ' for any number of spaces and tabs)"
            raise SequenceError(name, f"delimiter={mark!r}", wanted, "Change delimiter=.")
        if self.decimal is not None and self.decimal == self.thousands:
            found = f"{self.decimal!r} as both decimal mark and thousands separator"
            raise SequenceError(name, found, "two different marks", "Change decimal= or thousands=.")


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: the character between cells; ``" "`` for any run of spaces and tabs; empty where there is no text.
        decimal: the decimal mark.
        thousands: the thousands separator, or None.
        header: whether a row of names is above the data.
        encoding: the encoding of the text, by its Python name; or ``"parquet"``, ``"xlsx"``, ``"json"``,
            ``"data frame"``.
        comment: the start of comment lines, or None.
        skipped_lines: number of lines skipped above the header or the data.

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
        """Describe the dialect in plain words."""
        if self.encoding in _NAMED:
            return _NAMED[self.encoding]
        header = "first row is the header" if self.header else "no header"
        if self.encoding == "xlsx":
            return f"Excel workbook, {header}"
        parts = [f"{_DELIMITER_NAMES.get(self.delimiter, repr(self.delimiter))}-separated"]
        parts.append(f"decimal {_MARK_NAMES.get(self.decimal, repr(self.decimal))}")
        if self.thousands:
            parts.append(f"thousands {_MARK_NAMES.get(self.thousands, repr(self.thousands))}")
        parts.append(_ENCODINGS.get(self.encoding, self.encoding.upper()))
        if self.skipped_lines:
            parts.append(f"{count(self.skipped_lines, 'line')} above skipped")
        if self.comment:
            parts.append(f"comments begin with {self.comment}")
        parts.append(header)
        return ", ".join(parts)


@dataclass(frozen=True)
class TableLayout:
    """A dialect, a name for each column, where the data begin, and the tables in the file if these are several.

    Attributes:
        dialect: how it is written.
        names: a name for each column.
        start: the byte at which the data begin.
        line: the line at which they begin, counted from 1.
        notices: what was assumed.
        tables: a description of each table in the file, if there are several.
    """

    dialect: Dialect
    names: tuple[str, ...]
    start: int
    line: int
    notices: tuple[str, ...]
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    """One delimiter and decimal mark, and how well the first rows fit them."""

    delimiter: str
    decimal: str
    rows: tuple[CsvRow, ...]
    width: int
    score: float


def detect_layout(file: TableFile, options: DialectOptions, max_columns: int) -> TableLayout:
    """Detect how a text is written from its first 64 kB.

    Args:
        file: the text.
        options: the parts that are not to be detected.
        max_columns: the largest number of columns allowed.

    Raises:
        SequenceError: more than ``max_columns`` columns, or a header that does not fit the rows.

    Example:
        >>> from gru_viz.sequences.table_file import read_table_file
        >>> file = read_table_file(b"a;b\\n1,5;2,5\\n", "x.csv", None, 99)
        >>> layout = detect_layout(file, DialectOptions(), 99)
        >>> layout.names, layout.dialect.decimal
        (('a', 'b'), ',')
    """
    options.check(file.name)
    original = sample_lines(file.data)
    options, lines = _apply_sep_line(options, original)
    comment = options.comment if options.comment is not None else _detect_comment(lines)
    best, notices = _best_candidate(file.name, lines, options, comment)
    if best.width > max_columns:
        remedy = "Raise max_columns=, or use the long form: one row for each step and series, with an id column."
        raise SequenceError(file.name, f"{best.width:,} columns", f"at most {max_columns:,}", remedy)
    cells = [cell for row in best.rows[1:] for cell in row.cells]
    number_format, more = _detect_number_format(cells[: 20 * _MAX_SCORED], best, options)
    notices += more
    above = _names_in_comment(original, best, comment, number_format)
    header = find_header(file.name, best.rows, best.width, number_format, options.header, above, len(original))
    top = original[: header.first_line]
    if comment and any(line.lstrip().startswith(comment) for line in top):
        notices += (f"Comment lines beginning with {comment} skipped.",)
    marks = (number_format.decimal, number_format.thousands)
    dialect = Dialect(best.delimiter, *marks, header.found, file.encoding, comment, header.skipped)
    start = sum(len(line.encode()) for line in top)
    return TableLayout(dialect, header.names, start, header.first_line + 1, notices + header.notices)


def _apply_sep_line(options: DialectOptions, lines: list[str]) -> tuple[DialectOptions, list[str]]:
    """Apply and blank a first line such as ``sep=;``, which specifies the delimiter for Excel."""
    first = lines[0].strip().strip('"')
    if not first.lower().startswith("sep=") or len(first) != 5:
        return options, lines
    return replace(options, delimiter=options.delimiter or first[4]), ["\n", *lines[1:]]


def _detect_comment(lines: list[str]) -> str | None:
    filled = [line.strip() for line in lines if line.strip()]
    if any(line.startswith("#") and not line.startswith("#N/A") for line in filled):
        return "#"
    return next((mark for mark in ("%", "//") if filled and filled[0].startswith(mark)), None)


def _best_candidate(
    name: str, lines: list[str], options: DialectOptions, comment: str | None
) -> tuple[_Candidate, tuple[str, ...]]:
    if not any(line.strip() and not (comment and line.lstrip().startswith(comment)) for line in lines):
        raise SequenceError(name, "only blank and comment lines", "a table with numbers", "Choose another file.")
    candidates = _candidates(_longest_part(lines), options, comment)
    if not candidates:
        wanted, remedy = "cells of at most 131,072 characters", "Check the quotes, or set delimiter=."
        raise SequenceError(name, "a longer cell", wanted, remedy)
    best = max(candidates, key=lambda each: each.score)  # the first of equals: DELIMITERS is in order of preference
    best = _tabs_alone(best, candidates)
    best, notices = _resolve_lone_commas(best, candidates, options)
    notices = notices or _ambiguity(best, candidates, options)
    rows = read_first_rows(lines, best.delimiter, comment)
    widths = [len(row.cells) for row in rows]
    return replace(
        best, rows=rows, width=best.width if best.width in widths else max(widths, key=widths.count)
    ), notices


def _longest_part(lines: list[str]) -> list[str]:
    """The longest part between blank lines, if there are several of some length: they may be tables of their own."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.strip(" \t\r\n,;|"):
            parts[-1].append(line)
        elif parts[-1]:
            parts.append([])
    longest = max(parts, key=len)
    return longest if sum(len(part) >= _MIN_PART for part in parts) > 1 else lines


def _tabs_alone(best: _Candidate, candidates: list[_Candidate]) -> _Candidate:
    """Tabs instead of spaces and tabs, where both give as many cells."""
    tabs = [each for each in candidates if each.delimiter == "\t" and each.width == best.width > 1]
    if best.delimiter != " " or not tabs:
        return best
    return max(tabs, key=lambda each: (each.decimal == best.decimal, each.score))


def _candidates(lines: list[str], options: DialectOptions, comment: str | None) -> list[_Candidate]:
    found = []
    quoted = any('"' in line for line in lines)
    tabs = {line.rstrip("\r\n").count("\t") for line in lines if line.strip()}
    for delimiter in DELIMITERS if options.delimiter is None else (options.delimiter,):
        if delimiter == options.decimal and options.delimiter is None and not quoted:
            continue
        if delimiter == " " and options.delimiter is None and len(tabs) == 1 and tabs != {0}:
            continue  # as many tabs in every line: spaces belong to the cells
        rows = read_first_rows(lines, delimiter, comment)
        if not rows:
            continue
        widths = [len(row.cells) for row in rows]
        # the most frequent width; of equally frequent ones that of the later rows, since titles are above
        width = max(reversed(widths), key=widths.count)
        has_other = any(mark in rows[0].cells[0] for mark in DELIMITERS[:-1] if mark != delimiter)
        even = widths.count(width) / len(widths)
        cells = [cell for row in rows if len(row.cells) == width for cell in row.cells]
        cells = [cell for cell in cells[:: len(cells) // _MAX_SCORED + 1] if not is_missing(cell)]
        for decimal in (".", ",") if options.decimal is None else (options.decimal,):
            typed = sum(_is_typed(cell, decimal, options.thousands) for cell in cells) / max(len(cells), 1)
            several = 1.0 if width > 1 else 0.15 if has_other else 0.75
            found.append(_Candidate(delimiter, decimal, rows, width, even**2 * (0.1 + typed) * several))
    return found


def _is_typed(cell: str, decimal: str, thousands: str | None) -> bool:
    return len(cell) <= _LONGEST_TYPED and _is_number_or_date(cell, decimal, thousands)


@lru_cache(8192)
def _is_number_or_date(cell: str, decimal: str, thousands: str | None) -> bool:
    if decimal == "." and _PLAIN.fullmatch(cell):
        return True
    marks = (thousands,) if thousands else (None, "," if decimal == "." else ".", " ", "'")
    return any(not math.isnan(NumberFormat(decimal, mark).parse(cell)) for mark in marks) or looks_like_date(cell)


def _resolve_lone_commas(
    best: _Candidate, candidates: list[_Candidate], options: DialectOptions
) -> tuple[_Candidate, tuple[str, ...]]:
    """Rows such as 1,5 are two whole numbers, or one number with a decimal comma: the header decides."""
    if options.delimiter is not None or options.decimal is not None:
        return best, ()
    pair = next((each for each in candidates if each.delimiter == "," and each.width == 2), None)
    single = next((each for each in candidates if each.width == 1 and each.decimal == ","), None)
    if pair is None or single is None or best not in (pair, single):
        return best, ()
    names, *rows = (row.cells for row in pair.rows)
    if not rows or not all(_is_whole_number(cell) for row in rows for cell in row):
        return best, ()
    example = f"Rows such as {','.join(rows[0])}"
    if len(names) == 1:
        return single, (f"{example} under one name were read with a decimal comma (delimiter=',' splits them).",)
    if all(_is_whole_number(cell) for cell in names):
        return pair, (f"{example} were read as two columns; for a decimal comma set decimal=','.",)
    return best, ()


def _is_whole_number(cell: str) -> bool:
    return cell.strip().lstrip("+-").isdigit()


def _ambiguity(best: _Candidate, candidates: list[_Candidate], options: DialectOptions) -> tuple[str, ...]:
    cells = [row.cells for row in best.rows]
    near = [
        each
        for each in candidates
        if each.width > 1
        and each.score > 0.95 * best.score
        and [row.cells for row in each.rows] != cells
        and {each.delimiter, best.delimiter} != {" ", "\t"}
    ]
    if not near or options.delimiter is not None:
        return ()
    used, other = _DELIMITER_NAMES[best.delimiter].lower(), _DELIMITER_NAMES[near[0].delimiter].lower()
    return (f"Delimiter is ambiguous: {other} or {used}; {used} was used (delimiter= changes it).",)


def _detect_number_format(
    cells: list[str], best: _Candidate, options: DialectOptions
) -> tuple[NumberFormat, tuple[str, ...]]:
    """Detect the thousands separator, with a notice where 1,234 is ambiguous."""
    decimal = best.decimal
    if options.thousands is not None:
        return NumberFormat(decimal, options.thousands), ()
    other = "," if decimal == "." else "."
    grouped = [cell for cell in cells if NumberFormat(decimal, other).has_thousands(cell)]
    first = best.rows[0].cells  # which may be the header, and the only one with such a number
    if not grouped and any(decimal in cell and NumberFormat(decimal, other).has_thousands(cell) for cell in first):
        return NumberFormat(decimal, other), ()
    if not grouped:
        marks = (mark for mark in (" ", "'") if any(NumberFormat(decimal, mark).has_thousands(cell) for cell in cells))
        return NumberFormat(decimal, next(marks, None)), ()
    clear = any(decimal in cell or cell.count(other) > 1 for cell in grouped)
    fractions = any(NumberFormat(decimal, None).parse(cell) % 1 > 0 for cell in cells)
    if clear or options.decimal is not None:
        return NumberFormat(decimal, other), ()
    if not fractions and best.delimiter == ";" and other == ",":
        notice = f"The comma in {grouped[0]} was read as the decimal mark; if it separates thousands, set decimal='.'."
        return NumberFormat(",", None), (notice,)
    notice = f"The mark in {grouped[0]} was read as the thousands separator; if it is decimal, set decimal='{other}'."
    return NumberFormat(decimal, other), (notice,)


def _names_in_comment(
    lines: list[str], best: _Candidate, comment: str | None, number_format: NumberFormat
) -> tuple[str, ...] | None:
    """The names, if a comment with one name for each column is above the first row, or above a comment of units."""
    found: tuple[str, ...] | None = None
    above = [line.strip() for line in lines[: best.rows[0].line] if line.strip()]
    for line in reversed(above[-2:]):
        if not comment or not line.startswith(comment):
            break
        rows = read_first_rows([line.lstrip(comment + " ") or comment], best.delimiter, None)
        cells = rows[0].cells if rows else ()
        words = [cell for cell in cells if cell.strip() and math.isnan(number_format.parse(cell))]
        if not len(cells) == best.width == len(words) or (found is not None and not are_unit_names(found)):
            break
        found = cells
    return found
