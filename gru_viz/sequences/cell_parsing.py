"""Parses the text of one cell: a missing value, a number in a given format, a boolean or a date."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from gru_viz.sequences.date_writing import rewrite_date

__all__ = ["BOOLEANS", "MISSING_VALUES", "NumberFormat", "is_missing", "looks_like_date", "other_number_formats"]

MISSING_VALUES = frozenset(
    mark
    for word in ("NA", "N/A", "NaN", "null", "None", "nil", "missing", "#N/A", "<NA>", "n.a.", "NaT", "#VALUE!")
    for mark in (word, word.lower(), word.upper(), word.capitalize())
) | {
    "",
    "-",
    "--",
    "---",
    "–",
    "—",
    "?",
    "??",
    ".",
    "..",
    "*",
    "**",
    "***",
    "****",
    ":",
    "-nan",
    "-NaN",
    "#DIV/0!",
    "#REF!",
    "#NUM!",
    "#NAME?",
}

BOOLEANS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}

_LONGEST_DATE = 80
_SPACES = "[ \u00a0\u202f\u2009]"  # plain, non-breaking, narrow, thin: all used between thousands
_GROUPING = {" ": _SPACES, "'": "['’]"}
_CURRENCY = "(?:[$€£¥₹]|USD|EUR|GBP|CHF|JPY)"
_DATE = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?|\d{1,2}:\d{2}(:\d{2}.*)?( ?[ap]m)?|\d{4}-\d{2}"
    r"|(\d{1,2}[ -])?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ -](\d{1,2},? )?\d{2,4}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are written.

    Attributes:
        decimal: the decimal mark.
        thousands: the thousands separator, or None.

    Example:
        >>> NumberFormat(",", ".").parse("1.234,5"), NumberFormat(".", None).parse("12 %")
        (1234.5, 12.0)
        >>> NumberFormat(".", None).parse("1,5")
        nan
    """

    decimal: str
    thousands: str | None

    def parse(self, text: str) -> float:
        """Return the number, or NaN if the text is not a number; ``inf`` and ``infinity`` are infinite."""
        found = self._match(text)
        if found is None:
            return {"inf": math.inf, "infinity": math.inf, "-inf": -math.inf}.get(text.strip().lower(), math.nan)
        whole = re.sub("[^0-9]", "", found["whole"] or "")
        number = float(f"{whole or '0'}.{found['part'] or '0'}{found['power'] or ''}")
        return -number if found["sign"] in {"-", "−"} or found["bracket"] else number

    def has_thousands(self, text: str) -> bool:
        """Whether the text is a number with a thousands separator."""
        found = self._match(text)
        return found is not None and not (found["whole"] or "0").isdigit()

    def has_symbol(self, text: str) -> bool:
        """Whether the text is a number with a percent sign, a currency or brackets for minus."""
        found = self._match(text)
        return found is not None and bool(found["bracket"] or found["before"] or found["after"])

    def _match(self, text: str) -> re.Match[str] | None:
        return _pattern(self.decimal, self.thousands).fullmatch(text.strip())


@cache
def _pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    whole = "[0-9]+"
    if thousands:
        mark = _GROUPING.get(thousands, re.escape(thousands))
        indian = rf"[1-9][0-9]?(?:{mark}[0-9]{{2}})+{mark}[0-9]{{3}}"
        whole = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|{indian}|[0-9]+"
    point = re.escape(decimal)
    return re.compile(
        rf"(?P<bracket>\()?(?P<sign>[-+−])?(?P<before>{_CURRENCY}{_SPACES}?)?(?=[0-9]|{point}[0-9])"
        rf"(?P<whole>{whole})?(?:{point}(?P<part>[0-9]*))?(?P<power>[eE][-+]?[0-9]+)?"
        rf"(?P<after>{_SPACES}?(?:%|{_CURRENCY}))?(?(bracket)\))"
    )


def other_number_formats(known: NumberFormat) -> Iterable[NumberFormat]:
    """The other common number formats, likely ones first."""
    pairs = ((".", None), (".", ","), (",", None), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
    return (NumberFormat(*pair) for pair in pairs if NumberFormat(*pair) != known)


def is_missing(text: str) -> bool:
    """Whether a cell is empty or marked as missing."""
    return text.strip() in MISSING_VALUES


def looks_like_date(text: str) -> bool:
    """Whether a cell looks like a date or a time of day.

    Example:
        >>> [looks_like_date(text) for text in ("01.02.2019", "Jan 2020", "Q1 2020", "12.5")]
        [True, True, True, False]
    """
    text = text.strip()
    if not text[:1].isalnum() or len(text) > _LONGEST_DATE:
        return False
    return _DATE.fullmatch(text) is not None or _DATE.fullmatch(rewrite_date(text)) is not None
