"""Parses the cells of one column as numbers, times or text, and summarises the column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gru_viz.errors import one_line
from gru_viz.sequences.cell_parsing import BOOLEANS, MISSING_VALUES, NumberFormat, other_number_formats
from gru_viz.sequences.date_parsing import parse_dates, parse_iso_dates, shortest_date_format
from gru_viz.sequences.number_dates import dates_from_numbers
from gru_viz.sequences.number_suffixes import has_suffix, read_suffixes
from gru_viz.sequences.phrases import count, listing

__all__ = ["Column", "ParsedColumn", "beyond_float32", "number_column", "parse_column", "time_column"]

_LARGEST = float(np.finfo(np.float32).max)
_MIN_SHARE = 0.8
_HUGE = 1e9
_SAMPLE = 10_000
_MOST_LISTED = 5
_NO_VALUE = set(
    """m mm nd n.d. bdl lod nodata no-data bad error err offline unavailable unknown invalid ol over overload missing
    none disconnected off-line timeout noread void fault #####""".split()  # noqa: SIM905
) | {"no data", "no sample", "not available", "bad input", "i/o timeout", "comm fail", "keine daten", "sin datos"}
"""Words that sensors and services write where they have no number."""


@dataclass(frozen=True)
class Column:
    """Summary of a column.

    Attributes:
        name: its name.
        kind: ``"number"``, ``"time"``, ``"text"`` or ``"empty"``.
        missing: number of cells that are empty, marked as missing, or of another kind than the column.
        constant: whether all other cells are equal.
        infinite: number of infinite cells.
        huge: number of cells beyond float32, or a billion times the median magnitude of the column.
        distinct: number of distinct cells; for numbers, among the first 10,000 rows.
        example: the first cell that is not missing.
    """

    name: str
    kind: Literal["number", "time", "text", "empty"]
    missing: int
    constant: bool
    infinite: int
    huge: int
    distinct: int
    example: str


@dataclass(frozen=True)
class ParsedColumn:
    """A column after parsing.

    Attributes:
        column: its summary.
        values: (rows,) numbers, datetime64[us], or strings with None where missing.
        notices: what was assumed in reading it.
        numbers: (rows,) the numbers that became dates, or None.
        aside: why it is not a feature unless it is named as one; empty where it is.
    """

    column: Column
    values: np.ndarray
    notices: tuple[str, ...] = ()
    numbers: np.ndarray | None = None
    aside: str = ""


class _DistinctTexts(NamedTuple):
    """The text cells of a column: ``texts[codes[row]]``, code -1 for an empty cell."""

    name: str
    texts: list[str]
    codes: np.ndarray
    missing: np.ndarray

    def failures(self, unparsed: np.ndarray, what: str) -> tuple[str, ...]:
        """A notice about the filled cells in ``unparsed``, (rows,) bool, if there are any."""
        rows = np.flatnonzero(unparsed & ~self.missing)
        if not len(rows):
            return ()
        first = ", ".join(f"{listing([self.texts[self.codes[row]]])} (row {row + 1})" for row in rows[:_MOST_LISTED])
        more = f" and {len(rows) - _MOST_LISTED:,} more" if len(rows) > _MOST_LISTED else ""
        return (f"'{self.name}': {count(len(rows), 'cell')} not a {what}, treated as missing: {first}{more}.",)


def parse_column(
    name: str, cells: pd.Series, number_format: NumberFormat, detect_format: bool, day_first: bool | None
) -> ParsedColumn:
    """Detect the kind of a column and convert its cells; ``detect_format`` allows it another number format."""
    if pd.api.types.is_bool_dtype(cells.dtype):
        return number_column(name, cells.to_numpy(np.float64), (f"'{name}': 'true' and 'false' became 1 and 0.",))
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return _from_numbers_or_dates(name, cells.to_numpy())
    if pd.api.types.is_timedelta64_dtype(cells.dtype):
        seconds = cells.dt.total_seconds().to_numpy()
        return number_column(name, seconds, (f"'{name}': durations were converted to seconds.",))
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        times = cells.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
        return time_column(name, times, (f"'{name}': times were converted to UTC.",))
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return time_column(name, cells.to_numpy("datetime64[us]"))
    return _from_text(name, cells, number_format, detect_format, day_first)


def _from_numbers_or_dates(name: str, values: np.ndarray) -> ParsedColumn:
    found = dates_from_numbers(values, name)
    if found is None:
        return number_column(name, values)
    notices = tuple(f"'{name}': {notice}." for notice in found.notices)
    return replace(time_column(name, found.dates, notices), numbers=values)


def beyond_float32(values: np.ndarray) -> np.ndarray:
    """Mark the numbers that float32 cannot represent: infinite, or beyond 3.4e38."""
    return np.abs(values) > _LARGEST


def number_column(name: str, values: np.ndarray, notices: tuple[str, ...] = ()) -> ParsedColumn:
    """A column of (rows,) numbers, NaN where missing."""
    missing = infinite = 0
    finite = values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        finite = values[np.isfinite(values)]
    if missing == len(values):
        return _empty(name, values, notices)
    constant = bool(len(finite) and finite.min() == finite.max())
    distinct = len(np.unique(finite[:_SAMPLE]))
    example = _as_text(finite[0] if len(finite) else values[~np.isnan(values)][0])
    column = Column(name, "number", missing, constant, infinite, _count_huge(finite), distinct, example)
    return ParsedColumn(column, values, notices)


def _empty(name: str, values: np.ndarray, notices: tuple[str, ...] = ()) -> ParsedColumn:
    return ParsedColumn(Column(name, "empty", len(values), False, 0, 0, 0, ""), values, notices)


def _count_huge(finite: np.ndarray) -> int:
    if not len(finite):
        return 0
    largest = max(abs(float(finite.max())), abs(float(finite.min())))
    sample = np.minimum(np.abs(finite[:: len(finite) // _SAMPLE + 1].astype(np.float64)), _LARGEST)
    sample = sample[sample > 0]
    bound = min(_LARGEST, _HUGE * float(np.median(sample))) if len(sample) else _LARGEST
    return int((np.abs(finite.astype(np.float64)) > bound).sum()) if largest > bound else 0


def _as_text(number: object) -> str:
    return f"{number:.15g}" if isinstance(number, (float, np.floating)) else str(number)


def time_column(name: str, values: np.ndarray, notices: tuple[str, ...] = ()) -> ParsedColumn:
    """A column of (rows,) datetime64[us]."""
    times = values[~np.isnat(values)]
    if not len(times):
        return _empty(name, values, notices)
    rises = np.diff(times) > np.timedelta64(0)
    ordered = bool((times[1:] >= times[:-1]).all())
    distinct = 1 + int(rises.sum()) if ordered else len(np.unique(times))
    example = shortest_date_format(times[:1]).format(times[:1])[0]
    column = Column(name, "time", len(values) - len(times), distinct == 1, 0, 0, distinct, example)
    return ParsedColumn(column, values, notices)


def _from_text(
    name: str, cells: pd.Series, number_format: NumberFormat, detect_format: bool, day_first: bool | None
) -> ParsedColumn:
    dates = parse_iso_dates(cells)
    if dates is not None:
        return time_column(name, dates)
    codes, distinct = pd.factorize(cells)
    texts = [str(text).strip() for text in distinct]
    absent = np.array([text in MISSING_VALUES for text in texts] + [True])  # the last is for code -1, an empty cell
    missing = absent[codes]
    if missing.all():
        return _empty(name, np.full(len(cells), None))
    column = _DistinctTexts(name, texts, codes, missing)
    parsed = (
        _parse_booleans(column)
        or _parse_numbers(column, number_format, detect_format)
        or _parse_dates(column, day_first, number_format.decimal == ",")
    )
    if parsed is not None:
        return parsed
    words = np.array([*texts, None], dtype=object)
    words[absent] = None
    values = words[codes]
    number = int((~absent[:-1]).sum())
    example = one_line(str(values[int((~missing).argmax())]))
    return ParsedColumn(Column(name, "text", int(missing.sum()), number == 1, 0, 0, number, example), values)


def _parse_booleans(column: _DistinctTexts) -> ParsedColumn | None:
    if len(column.texts) > _SAMPLE:
        return None
    words = {text.lower() for text in column.texts if text not in MISSING_VALUES}
    if not words <= BOOLEANS.keys():
        return None
    values = np.array([BOOLEANS.get(text.lower(), np.nan) for text in column.texts] + [np.nan])[column.codes]
    found = sorted(words, key=lambda text: -BOOLEANS[text])
    numbers = " and ".join(f"{BOOLEANS[text]:.0f}" for text in found)
    notice = f"'{column.name}': {listing(found)} became {numbers}."
    return number_column(column.name, np.where(column.missing, np.nan, values), (notice,))


def _parse_numbers(column: _DistinctTexts, number_format: NumberFormat, detect_format: bool) -> ParsedColumn | None:
    name, texts, missing = column.name, column.texts, column.missing
    filled = [text for text in texts if text not in MISSING_VALUES]
    best, matching = _best_format(filled[:200], number_format, detect_format)
    if matching < min(len(filled), 200) / 2:
        return None
    each = np.array([best.parse(text) for text in texts])
    notices = _read_what_is_left(name, texts, each, best)
    values = np.append(each, np.nan)[column.codes]
    unparsed = np.isnan(values) & ~missing
    words = {texts[code] for code in np.unique(column.codes[unparsed]).tolist()}
    share = unparsed.sum() / max(int((~missing).sum()), 1)
    no_values = (share <= 0.5 and len(words) == 1) or {word.lower() for word in words} <= _NO_VALUE
    if share > 1 - _MIN_SHARE and not no_values:
        return None
    values[missing] = np.nan
    if best != number_format:
        thousands = f" and thousands separator {best.thousands!r}" if best.thousands else ""
        notices.insert(0, f"'{name}': parsed with decimal mark {best.decimal!r}{thousands}, unlike other columns.")
    if any(best.has_symbol(text) for text in texts):
        notices.append(f"'{name}': percent signs, currencies or brackets for minus were removed; 12 % became 12.")
    return number_column(name, values, (*notices, *column.failures(unparsed, "number")))


def _best_format(sample: list[str], number_format: NumberFormat, detect_format: bool) -> tuple[NumberFormat, int]:
    """The format that fits most of the cells, and how many: of equally good ones the table's own."""

    def matching(candidate: NumberFormat) -> int:
        return sum(not np.isnan(candidate.parse(text)) or has_suffix(text, candidate) for text in sample)

    candidates = [number_format, *(other_number_formats(number_format) if detect_format else ())]
    best = max(candidates, key=matching)
    return best, matching(best)


def _read_what_is_left(name: str, texts: list[str], each: np.ndarray, number_format: NumberFormat) -> list[str]:
    """Read texts that are no plain numbers, in place, where all of the column can be read in one way."""
    filled = [at for at, text in enumerate(texts) if text not in MISSING_VALUES]
    if not np.isnan(each[filled]).any():
        return []
    found = read_suffixes([texts[at] for at in filled], name, number_format)
    if found is None:
        return []
    each[filled] = found.values
    return [f"'{name}': {notice}." for notice in found.notices]


def _parse_dates(column: _DistinctTexts, day_first: bool | None, day_usual: bool) -> ParsedColumn | None:
    places = [at for at, text in enumerate(column.texts) if text not in MISSING_VALUES]
    parsed = parse_dates([column.texts[at] for at in places], day_first, day_usual)
    if parsed is None:
        return None
    each = np.full(len(column.texts) + 1, np.datetime64("NaT", "us"))
    each[places], assumed = parsed
    values = each[column.codes]
    notices = (f"'{column.name}': {notice}." for notice in assumed)
    found = time_column(column.name, values, (*notices, *column.failures(np.isnat(values), "date")))
    return replace(found, numbers=_seconds_of_day(values))


def _seconds_of_day(times: np.ndarray) -> np.ndarray | None:
    """Times of day without a date as seconds, since they may be durations; None for dates."""
    known = times[~np.isnat(times)]
    midnight = np.datetime64("1900-01-01", "us")  # what strptime adds to a time of day without a date
    if not len(known) or known.max() >= midnight + np.timedelta64(1, "D"):
        return None
    return (times - midnight) / np.timedelta64(1, "s")
