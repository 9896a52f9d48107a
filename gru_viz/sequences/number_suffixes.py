"""Reads numbers with something before or after them: 40.5K, 23 °C, 12.4*, <0.5, 12.50-."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from gru_viz.sequences.cell_parsing import NumberFormat
from gru_viz.sequences.date_writing import MONTHS
from gru_viz.sequences.phrases import count, listing

__all__ = ["SuffixedNumbers", "has_suffix", "read_suffixes"]

_MULTIPLES = dict.fromkeys(("k", "K", "tsd", "Tsd", "Tsd.", "thousand"), 1e3)
_MULTIPLES |= dict.fromkeys(("M", "mn", "mln", "Mn", "Mln", "Mio", "Mio.", "mio", "MM", "million", "millions"), 1e6)
_MULTIPLES |= dict.fromkeys(("B", "bn", "Bn", "bln", "Mrd", "Mrd.", "mrd", "Mia", "billion", "billions"), 1e9)
_MULTIPLES |= {"T": 1e12, "tn": 1e12, "Tn": 1e12, "trillion": 1e12, "lakh": 1e5, "lac": 1e5, "L": 1e5}
_MULTIPLES |= {"Cr": 1e7, "cr": 1e7, "crore": 1e7, "万": 1e4, "亿": 1e8}
_UNCERTAIN = {"L", "T", "MM"}
"""Letters that are a unit unless they stand beside other multiples."""
_BYTES = {"B": 1.0, "bytes": 1.0} | {f"{each}B": 1e3**at for at, each in enumerate("KMGT", 1)} | {"kB": 1e3}
_BYTES |= {f"{each}iB": 1024.0**at for at, each in enumerate("KMGT", 1)}
_COMPASS = {"N": 1.0, "E": 1.0, "S": -1.0, "W": -1.0, "°N": 1.0, "°E": 1.0, "°S": -1.0, "°W": -1.0}
_PARTS = re.compile(
    r"(?P<before>[<>≤≥~≈=]*)\s*(?P<number>(?:\S.*?)?[0-9)][.,]?)(?P<gap>\s*)(?P<after>-|[^\s0-9):.,-][^0-9:]{0,11}[23]?)?"
)
_MARKS = re.compile(r"[*#†‡§^!?+]{1,3}")
_LETTERS = re.compile(r"\(?[a-z]{1,2}\)?|[A-Z]", re.ASCII)
_NO_SUFFIXES = MONTHS.keys() | {"am", "pm", "a.m.", "p.m."}
_MULTIPLE_LETTERS, _UNIT_LETTERS = set("kmtg"), set("kmbgthsdwy")
_MAX_DISTINCT = 8


class SuffixedNumbers(NamedTuple):
    """A number for each text, NaN where there is none; and what was assumed, without the column's name."""

    values: list[float]
    notices: tuple[str, ...]


class _Parts(NamedTuple):
    before: str
    number: float
    gap: str
    after: str


def has_suffix(text: str, number_format: NumberFormat) -> bool:
    """Whether a text is a number with something before or after it."""
    return math.isnan(number_format.parse(text)) and _split(text, number_format) is not None


def read_suffixes(texts: Sequence[str], name: str, number_format: NumberFormat) -> SuffixedNumbers | None:
    """Read distinct texts as numbers with a multiple, a unit, a mark or a limit; None where most are none of these.

    Args:
        texts: distinct cells, none of them missing.
        name: the column's name, which can say that K is Kelvin.
        number_format: how the numbers are written.

    Example:
        >>> read_suffixes(["40.5K", "1.2M", "300"], "volume", NumberFormat(".", None)).values
        [40500.0, 1200000.0, 300.0]
        >>> read_suffixes(["21.5 °C", "22 °C"], "room", NumberFormat(".", None)).values
        [21.5, 22.0]
    """
    parts = [_split(text, number_format) for text in texts]
    known = [each for each in parts if each is not None]
    if not known or len(known) < 0.5 * len(parts):
        return None
    factors = _factors(known, name)
    if factors is None:
        return None
    by_suffix, notice = factors
    values = [
        math.nan if each is None else _multiply(each.number, by_suffix.get(each.after, math.nan)) for each in parts
    ]
    limits = sum(bool(each.before) for each in known)
    notices = [notice] if notice else []
    if limits:
        notices.append(f"{count(limits, 'cell')} with < or > before the number: the limit itself was taken")
    return SuffixedNumbers(values, tuple(notices))


def _multiply(number: float, factor: float) -> float:
    """The product without the error of binary fractions: 40.3K is 40300."""
    product = number * factor
    return float(f"{product:.15g}") if factor not in (1.0, -1.0) else product


def _split(text: str, number_format: NumberFormat) -> _Parts | None:
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        return None
    number, after = number_format.parse(found["number"]), (found["after"] or "").strip()
    if math.isnan(number) or after.lower() in _NO_SUFFIXES:
        return None
    return _Parts(found["before"], number, found["gap"], after)


def _factors(known: Sequence[_Parts], name: str) -> tuple[dict[str, float], str] | None:
    """Suffix → the factor it stands for, and a notice."""
    suffixes = {each.after for each in known}
    named = suffixes - {""}
    plain = {"": 1.0}
    if not named:
        return plain, ""
    listed = listing(sorted(named))
    if _are_multiples(known, named, name):
        return plain | _MULTIPLES, f"{listed} after a number multiplied it: {_example(known, _MULTIPLES)}"
    if len(named) > 1 and named <= _BYTES.keys():
        return plain | _BYTES, f"{listed} after a number became bytes: {_example(known, _BYTES)}"
    if named <= _COMPASS.keys() and (len(named) > 1 or re.search("lat|lon|lng|coord", name.lower())):
        return plain | _COMPASS, f"{listed} after a number was removed; south and west became negative"
    if named == {"-"}:
        return plain | {"-": -1.0}, "a minus after a number was read as one before it"
    bare = sum(each.after == "" for each in known) / len(known)
    if len({each.lower().rstrip("s.") for each in named}) == 1 and bare <= 0.05:
        return plain | dict.fromkeys(named, 1.0), f"the unit {listed} was removed"
    spaced = all(each.gap for each in known if each.after)
    letters = bare >= 0.5 and not named & (_MULTIPLE_LETTERS if spaced else _UNIT_LETTERS)
    if len(named) <= _MAX_DISTINCT and all(
        _MARKS.fullmatch(each) or (letters and _LETTERS.fullmatch(each)) for each in named
    ):
        return plain | dict.fromkeys(named, 1.0), f"the mark {listed} after some numbers was removed"
    return None


def _are_multiples(known: Sequence[_Parts], named: set[str], name: str) -> bool:
    if not named <= _MULTIPLES.keys() or named <= _UNCERTAIN:
        return False
    if len(named) > 1 or any(each.after == "" for each in known):
        return True
    spaced = any(each.gap for each in known)
    kelvin = bool(re.search(r"temp|kelvin|\[k\]|\(k\)", name.lower()))
    return not (len(next(iter(named))) == 1 and spaced) and not (named == {"K"} and kelvin)


def _example(known: Sequence[_Parts], factors: dict[str, float]) -> str:
    one = next(each for each in known if each.after)
    return f"{one.number:g}{one.gap}{one.after} became {_multiply(one.number, factors[one.after]):.15g}"
