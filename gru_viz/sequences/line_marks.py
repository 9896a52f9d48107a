"""Removes what encloses every line of a table: a mark at its end, pipes around it, one pair of quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from gru_viz.sequences.table_file import TableFile, sample_lines

__all__ = ["remove_line_marks"]

_MARKS = ";,|:"
_ARROW = re.compile(r"\d{1,2}:\d{2}:\d{2}[.,]?\d* -> .*[,\d]")
"""What the serial monitor of Arduino writes in front of each line."""
_MIN_SHARE = 0.9
_MIN_LINES = 3
_NAMES = {";": "semicolon", ",": "comma", "|": "pipe", ":": "colon"}
_OTHERS = {",", ";", "\t", "|", " "}


def remove_line_marks(file: TableFile) -> TableFile:
    """Remove marks that belong to the lines and to no cell, with a notice.

    Example:
        >>> file = TableFile("t.txt", "text", b"7,up,1.5;\\n7,up,2.5;\\n8,up,3.5;\\n", "utf-8")
        >>> remove_line_marks(file).data
        b'7,up,1.5\\n7,up,2.5\\n8,up,3.5\\n'
    """
    lines = [line.strip() for line in sample_lines(file.data) if line.strip()]
    if len(lines) < _MIN_LINES:
        return file
    if all(_ARROW.match(line) for line in lines):
        data = re.sub(rb"^([^>\r\n]*?) -> ", rb"\1,", file.data, flags=re.MULTILINE)
        return replace(file, data=data)
    mark = _mark_at_end(lines)
    if mark is not None:
        data = re.sub(rb"%b[ \t]*(?=\r?$)" % re.escape(mark.encode()), b"", file.data, flags=re.MULTILINE)
        notice = f"The {_NAMES[mark]} at the end of each line was left out."
        return replace(file, data=data, notices=(*file.notices, notice))
    if _share(line.startswith("|") and line.endswith("|") for line in lines) >= _MIN_SHARE:
        data = re.sub(rb"^[ \t]*\|", b"", file.data, flags=re.MULTILINE)
        data = re.sub(rb"\|[ \t]*(?=\r?$)", b"", data, flags=re.MULTILINE)
        return replace(file, data=re.sub(rb"^[-:|+= \t]+$", b"", data, flags=re.MULTILINE))
    if all(map(_is_quoted_row, lines)) and any(map(str.isalpha, lines[0])):
        data = re.sub(rb'^[ \t]*"(.*)"[ \t]*(?=\r?$)', _unquote, file.data, flags=re.MULTILINE)
        notice = "The quotes around each whole line were left out."
        return replace(file, data=data, notices=(*file.notices, notice))
    return file


def _share(flags: object) -> float:
    values = list(flags)  # type: ignore[call-overload]
    return sum(values) / len(values)


def _mark_at_end(lines: Sequence[str]) -> str | None:
    """A mark that ends nearly every line and stands nowhere else in it, beside another delimiter."""
    for mark in _MARKS:
        inside = [line[:-1] for line in lines if line.endswith(mark)]
        if len(inside) < _MIN_SHARE * len(lines):
            continue
        once = _share(mark not in each for each in inside) >= _MIN_SHARE
        others = any(_share(other in each for each in inside) >= _MIN_SHARE for other in _OTHERS - {mark})
        if once and others:
            return mark
    return None


def _is_quoted_row(line: str) -> bool:
    """Whether a line is one quoted cell that has several cells in it."""
    inside = line[1:-1].replace('""', "")
    quoted = len(line) > 2 and line[0] == line[-1] == '"' and '"' not in inside
    return quoted and any(mark in inside for mark in ",;\t")


def _unquote(found: re.Match[bytes]) -> bytes:
    return found[1].replace(b'""', b'"')
