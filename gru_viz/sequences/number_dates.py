"""Converts numbers that are dates: years, 20200131, seconds since 1970, a spreadsheet's days."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Num

__all__ = ["NumberDates", "dates_from_numbers"]

_YEAR_NAMES = set("year years yr yyyy jahr année annee anno año ano rok jaar år год 年".split())  # noqa: SIM905
_DAY_NAMES = set(
    """date dates day days datum data dato datas time timestamp datetime fecha fechas jour giorno dia día tag dag dt ymd
    yyyymmdd yearmoda yrmoda yearmonthday yyyymm yyyymmddhh yyyymmddhhmm
    yyyymmddhhmmss month period дата 日期""".split()  # noqa: SIM905
)
_EPOCH_NAMES = set("epoch unix unixtime timestamp timestamps posix ts utime".split())  # noqa: SIM905
_CLOCK_NAMES = _DAY_NAMES | set("t clock utc zeit temps tiempo tempo tijd heure hora uhrzeit время 时间".split())  # noqa: SIM905
_SERIAL_NAMES = set("date dates datum data dato datetime fecha excel serial".split())  # noqa: SIM905
_FORMS = {14: "YMDhms", 12: "YMDhm", 10: "YMDh", 8: "YMD", 6: "YM"}
_EPOCHS = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}
_FROM, _TO = 3e8, 4.2e9
"""Seconds since 1970: from 1979 to 2103; numbers outside are no clock."""
_MIN_UNNAMED = 8
_SERIAL = (20_000, 80_000)
_EPOCH_START = np.datetime64("1970-01-01", "us")
_SERIAL_START = np.datetime64("1899-12-30", "us")


class NumberDates(NamedTuple):
    """(rows,) datetime64[us], NaT where the number is missing; and what was assumed, without the column's name."""

    dates: np.ndarray
    notices: tuple[str, ...] = ()


def dates_from_numbers(numbers: Num[np.ndarray, " rows"], name: str) -> NumberDates | None:
    """Convert numbers to dates where the column's name says so, or the numbers leave no doubt; else None.

    Example:
        >>> dates_from_numbers(np.array([2019.0, 2020.0]), "year").dates.astype("datetime64[Y]").tolist()
        [datetime.date(2019, 1, 1), datetime.date(2020, 1, 1)]
        >>> dates_from_numbers(np.array([2019.0, 2020.0]), "price") is None
        True
    """
    known = numbers[np.isfinite(numbers)]
    if not len(known) or numbers.dtype.kind not in "iuf":
        return None
    low, high = float(known.min()), float(known.max())
    if low < 1000 or high > 2e19:
        return None
    words = _words(name)
    if words & _YEAR_NAMES and high <= 2999 and _are_whole(known):
        return NumberDates(_dates(numbers, lambda each: _calendar(each.astype(np.int64), "Y")[0]))
    return (
        _from_digits(numbers, known, words, (low, high))
        or _from_epoch(numbers, known, words, (low, high))
        or _from_serial(numbers, known, words, (low, high))
    )


def _words(name: str) -> set[str]:
    lower = name.lower()
    return set(re.findall(r"[^\W\d_]+", lower)) | {re.sub(r"[\W\d_]", "", lower)}


def _are_whole(known: np.ndarray) -> bool:
    return known.dtype.kind in "iu" or bool((known == np.floor(known)).all())


def _one_direction(known: np.ndarray, strictly: bool = True) -> bool:
    """Whether each number is above the one before, or each is below it; or equal to it."""
    steps = np.diff(known.astype(np.float64))
    if not strictly:
        return bool(steps.any() and ((steps >= 0).all() or (steps <= 0).all()))
    return len(steps) > 0 and bool((steps > 0).all() or (steps < 0).all())


def _is_even(known: np.ndarray) -> bool:
    """Whether four in five steps are equal, to a hundredth."""
    steps = np.abs(np.diff(known.astype(np.float64)))
    return bool((np.abs(steps - np.median(steps)) <= 0.01 * np.median(steps)).mean() >= 0.8)


def _dates(numbers: np.ndarray, convert: object) -> np.ndarray:
    """Convert the finite numbers; the others become NaT."""
    finite = np.isfinite(numbers)
    dates = np.full(len(numbers), np.datetime64("NaT", "us"))
    dates[finite] = convert(numbers[finite])  # type: ignore[operator]
    return dates


def _calendar(numbers: np.ndarray, parts: str) -> tuple[np.ndarray, Bool[np.ndarray, " rows"]]:
    """Split 20200131 and the like into year, month, …; the dates, and which of the numbers are one."""
    values, rest = {}, numbers.astype(np.int64)
    for part in reversed(parts):
        rest, values[part] = np.divmod(rest, 100 if part != "Y" else 10**9)
    zero = np.zeros(len(numbers), np.int64)
    month, day = values.get("M", zero + 1), values.get("D", zero + 1)
    hour, minute, second = (values.get(part, zero) for part in "hms")
    months = (values["Y"] - 1970) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (day - 1)
    fits = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]").astype(np.int64) == months)
    fits &= (hour <= 24) & (minute <= 59) & (second <= 60)
    seconds = (hour * 60 + minute) * 60 + second
    return days.astype("datetime64[us]") + (seconds * 1_000_000).astype("timedelta64[us]"), fits


def _from_digits(
    numbers: np.ndarray, known: np.ndarray, words: set[str], limits: tuple[float, float]
) -> NumberDates | None:
    digits = next((digits for digits in _FORMS if 10 ** (digits - 1) <= limits[0] and limits[1] < 10**digits), None)
    named = bool(words & _DAY_NAMES)
    if digits is None or not _are_whole(known) or not (named or digits in (8, 12, 14)):
        return None
    century = known // 10 ** (digits - 2)
    unnamed = len(known) >= _MIN_UNNAMED and _one_direction(known) and century.min() >= 19 and century.max() <= 20
    if not (named or unnamed) or (digits == 6 and (century.min() < 17 or century.max() > 21)):
        return None
    if not _calendar(known, _FORMS[digits])[1].all():
        return None
    example = int(known[0])
    notice = f"numbers such as {example} were read as dates (naming the column in features= takes them as numbers)"
    dates = _dates(numbers, lambda each: _calendar(each, _FORMS[digits])[0])
    return NumberDates(dates, () if named else (notice,))


def _from_epoch(
    numbers: np.ndarray, known: np.ndarray, words: set[str], limits: tuple[float, float]
) -> NumberDates | None:
    unit = next((unit for unit, each in _EPOCHS.items() if _FROM * each <= limits[0] and limits[1] < _TO * each), None)
    if unit is None:
        return None
    named, clock = bool(words & _EPOCH_NAMES), bool(words & _CLOCK_NAMES)
    if not named and not (len(known) > 1 and _one_direction(known, strictly=not clock)):
        return None
    if not (named or clock):
        likely = limits[0] >= 9e8 * _EPOCHS[unit] and limits[1] < 2.1e9 * _EPOCHS[unit]
        if len(known) < _MIN_UNNAMED or not likely or (unit == "seconds" and not _is_even(known)):
            return None
    per_second = _EPOCHS[unit]

    def convert(each: np.ndarray) -> np.ndarray:
        if each.dtype.kind in "iu" and per_second >= 1e6:
            return _EPOCH_START + (each // int(per_second // 1_000_000)).astype("timedelta64[us]")
        return _EPOCH_START + np.round(each * (1e6 / per_second)).astype("timedelta64[us]")

    notice = f"numbers were read as {unit} since 1970 (naming the column in features= takes them as numbers)"
    return NumberDates(_dates(numbers, convert), () if named else (notice,))


def _from_serial(
    numbers: np.ndarray, known: np.ndarray, words: set[str], limits: tuple[float, float]
) -> NumberDates | None:
    """A spreadsheet's dates: days since 1899-12-30."""
    if not words & _SERIAL_NAMES or limits[0] < _SERIAL[0] or limits[1] > _SERIAL[1]:
        return None
    if len(known) < 2 or not _one_direction(known):
        return None
    milliseconds = _dates(numbers, lambda each: _SERIAL_START + np.round(each * 86_400_000).astype("timedelta64[ms]"))
    notice = (
        "numbers were read as a spreadsheet's dates, in days (naming the column in features= takes them as numbers)"
    )
    return NumberDates(milliseconds, (notice,))
