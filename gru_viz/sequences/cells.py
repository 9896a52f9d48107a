"""What one cell's text means: a missing mark, a number in some way of writing, yes or no."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

__all__ = ["MISSING_MARKS", "TRUTHS", "Writing", "is_missing", "looks_dated", "others"]

MISSING_MARKS = frozenset(
    mark
    for word in ("NA", "N/A", "NaN", "null", "None", "nil", "missing", "#N/A", "<NA>", "n.a.", "NaT", "#VALUE!")
    for mark in (word, word.lower(), word.upper(), word.capitalize())
) | {"", "-", "--", "---", "–", "—", "?", "??", ".", "..", "*", "-nan", "-NaN", "#DIV/0!", "#REF!", "#NUM!", "#NAME?"}

TRUTHS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}

_BLANKS = "[ \u00a0\u202f\u2009]"  # blank, non-breaking, narrow, thin: all used between thousands
_GROUPING = {" ": _BLANKS, "'": "['’]"}
_MONEY = "(?:[$€£¥₹]|USD|EUR|GBP|CHF|JPY)"
_DATED = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?|\d{1,2}:\d{2}(:\d{2}.*)?|\d{4}-\d{2}|\d{4}-?Q[1-4]"
    r"|(\d{1,2}[ -])?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[ -](\d{1,2},? )?\d{2,4}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Writing:
    """A way of writing numbers.

    Attributes:
        decimal: the mark before the fraction.
        thousands: the mark between groups of three digits, or None.

    Example:
        >>> Writing(",", ".").read("1.234,5"), Writing(".", None).read("12 %"), Writing(".", None).read("1,5")
        (1234.5, 12.0, nan)
    """

    decimal: str
    thousands: str | None

    def read(self, text: str) -> float:
        """Give the number, or NaN where the text is none; infinity in words is infinity."""
        found = _pattern(self.decimal, self.thousands).fullmatch(text.strip())
        if found is None:
            return {"inf": math.inf, "infinity": math.inf, "-inf": -math.inf}.get(text.strip().lower(), math.nan)
        whole = re.sub("[^0-9]", "", found["whole"] or "")
        number = float(f"{whole or '0'}.{found['part'] or '0'}{found['power'] or ''}")
        return -number if found["sign"] in {"-", "−"} or found["bracket"] else number

    def groups(self, text: str) -> bool:
        """Say whether the text is a number with a thousands mark in it."""
        found = _pattern(self.decimal, self.thousands).fullmatch(text.strip())
        return found is not None and not (found["whole"] or "0").isdigit()

    def marked(self, text: str) -> bool:
        """Say whether the text is a number with a percent sign, a currency or brackets for minus about it."""
        found = _pattern(self.decimal, self.thousands).fullmatch(text.strip())
        return found is not None and bool(found["bracket"] or found["before"] or found["after"])


@cache
def _pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    whole = "[0-9]+"
    if thousands:
        mark = _GROUPING.get(thousands, re.escape(thousands))
        whole = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|[0-9]+"
    point = re.escape(decimal)
    return re.compile(
        rf"(?P<bracket>\()?(?P<sign>[-+−])?(?P<before>{_MONEY}{_BLANKS}?)?(?=[0-9]|{point}[0-9])"
        rf"(?P<whole>{whole})?(?:{point}(?P<part>[0-9]*))?(?P<power>[eE][-+]?[0-9]+)?"
        rf"(?P<after>{_BLANKS}?(?:%|{_MONEY}))?(?(bracket)\))"
    )


def others(writing: Writing) -> Iterable[Writing]:
    """The other common ways of writing numbers, likely ones first."""
    pairs = ((".", None), (".", ","), (",", None), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
    return (Writing(*pair) for pair in pairs if Writing(*pair) != writing)


def is_missing(text: str) -> bool:
    """Say whether a cell is empty or marked as missing.

    Example:
        >>> is_missing(" N/A "), is_missing("0")
        (True, False)
    """
    return text.strip() in MISSING_MARKS


def looks_dated(text: str) -> bool:
    """Say whether a cell looks like a date or a time of day.

    Example:
        >>> looks_dated("01.02.2019"), looks_dated("Jan 2020"), looks_dated("12.5")
        (True, True, False)
    """
    return _DATED.fullmatch(text.strip()) is not None
