"""Puts a clock together that is split into columns: date and time, or year, month, day, hour."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gru_viz.sequences.column_parsing import ParsedColumn, time_column
from gru_viz.sequences.date_writing import MONTHS
from gru_viz.sequences.header import unique_names
from gru_viz.sequences.phrases import count, listing

__all__ = ["join_clock"]

_NAMES = {
    "year": "year yyyy yy yr jahr année annee año ano anno jaar år rok год 年",
    "month": "month mo mon mm mnth monat mois mes mês mese maand måned месяц 月",
    "day": "day dd dy da tag jour dia día giorno dag mday dom dayofmonth день 日",
    "yearday": "doy yday jday yearday dayofyear julianday jd",
    "hour": "hour hr hh hours h stunde heure hora ora uur hourofday час 時 时",
    "minute": "minute min mn mi minutes mins minuto minuut минута 分",
    "second": "second sec ss seconds secs s sekunde segundo seconde 秒",
    "week": "week weeknum isoweek woche kw wk semaine semana",
    "quarter": "quarter qtr q quartal trimestre trimester",
    "clock": "time hhmm hrmn hhmmss zeit uhrzeit heure hora ora tijd tid utc gmt clock timeofday время 时间 時間",
}
_UNITS = {name: unit for unit, names in reversed(_NAMES.items()) for name in names.split()}
_LETTERS = {"y": "year", "m": "month", "d": "day", "h": "hour"}
_BESIDE = set("local lst lt obs observation start date of no nr number code est cet".split())  # noqa: SIM905
"""Words that stand beside a unit in the name of a part: local time, hour of the start."""
_RANGES = {
    "year": (1000, 2999), "month": (1, 12), "day": (1, 31), "yearday": (1, 366), "hour": (0, 24), "minute": (0, 59),
    "second": (0, 60), "week": (1, 53), "quarter": (1, 4), "clock": (0, 240_000),
}  # fmt: skip
_COARSE = (
    ("date",),
    ("year", "month", "day"),
    ("year", "yearday"),
    ("year", "month"),
    ("year", "week"),
    ("year", "quarter"),
)
_FINE = (("hour", "minute", "second"), ("hour", "minute"), ("hour",), ("clock",), ())
_MAX_WRONG = 0.02
_DAY, _HALF_DAY = np.timedelta64(1, "D"), np.timedelta64(12, "h")
_CLOCK_DAY = np.datetime64("1900-01-01", "us")  # what strptime adds to a time of day without a date


@dataclass(frozen=True)
class _Part:
    name: str
    unit: str
    values: np.ndarray


def join_clock(columns: Mapping[str, ParsedColumn]) -> tuple[dict[str, ParsedColumn], tuple[str, ...]]:
    """Add a column of times where several columns are one clock, and mark these as parts of it; with a notice.

    Example:
        >>> from gru_viz.sequences import open_table
        >>> open_table(b"year,month,v\\n2020,1,5\\n2020,2,6\\n").suggested
        ColumnRoles(features=('v',), time='year month', id=None, one_hot=())
    """
    parsed = dict(columns)
    parts = _parts(parsed) or _parts_by_place(parsed)
    for coarse in _COARSE:
        for fine in _FINE:
            units = (*coarse, *fine)
            if len(units) < 2 or not all(unit in parts for unit in units):
                continue
            values = {unit: parts[unit].values for unit in units}
            times = _join(values)
            if times is None or not _is_needed(times, columns, parts[units[-1]]):
                continue
            if not _is_constant(parts[units[-1]].values) and _distinct(_join_all_but_last(values)) == _distinct(times):
                continue  # it distinguishes no rows: it is another column that is named alike
            names = [parts[unit].name for unit in units]
            name = unique_names([*parsed, " ".join(names)])[0][-1]
            for part in names:
                parsed[part] = replace(parsed[part], aside=f"together they are the clock '{name}'")
            notice = f"{listing(names)} were read as one clock, '{name}' (time= can name another column)."
            return {name: time_column(name, times), **parsed}, (notice,)
    return _unwrapped(parsed)


def _parts(columns: Mapping[str, ParsedColumn]) -> dict[str, _Part]:
    """The columns that may be a part of a clock, by unit; of several for one unit the first."""
    found: dict[str, _Part] = {}
    letters = {"y", "m", "d"} <= {name.strip().lower() for name in columns}
    for name, parsed in columns.items():
        written = _LETTERS.get(name.strip().lower(), name) if letters else name
        part = _date_part(name, parsed) if parsed.column.kind == "time" else _number_part(name, written, parsed, found)
        if part is not None:
            found.setdefault(part.unit, part)
    return found


def _parts_by_place(columns: Mapping[str, ParsedColumn]) -> dict[str, _Part]:
    """Year, month, day and hour in the first columns of a table without names, if they rise or fall together."""
    found: dict[str, _Part] = {}
    numbers: list[np.ndarray] = []
    for unit, (name, parsed) in zip(("year", "month", "day", "hour", "minute"), columns.items(), strict=False):
        low, high = _RANGES[unit] if unit != "year" else (1600, 2200)
        values = parsed.values
        plain = parsed.column.kind == "number" and not parsed.column.missing and re.fullmatch(r"column \d+", name)
        if not plain or values.min() < low or values.max() > high or (values != np.floor(values)).any():
            break
        found[unit] = _Part(name, unit, values.astype(np.float64))
        numbers.append(values.astype(np.float64))
    one_way = [_one_way(numbers[:levels]) for levels in range(1, len(numbers) + 1)]
    levels = one_way.index(True) + 1 if True in one_way else 0  # no more than are needed
    return dict(list(found.items())[:levels]) if levels > 1 else {}


def _one_way(numbers: Sequence[np.ndarray]) -> bool:
    """Whether rows of years, months, … rise or fall from each to the next."""
    weights = 100.0 ** -np.arange(len(numbers))
    steps = sum(np.diff(each) * weight for each, weight in zip(numbers, weights, strict=True))
    return bool(np.all(steps > 1e-12) or np.all(steps < -1e-12))


def _date_part(name: str, parsed: ParsedColumn) -> _Part | None:
    known = parsed.values[~np.isnat(parsed.values)]
    days = known.astype("datetime64[D]")
    if not len(known):
        return None
    if (days == _CLOCK_DAY.astype("datetime64[D]")).all():
        return _Part(name, "clock", parsed.values - _CLOCK_DAY)
    if parsed.numbers is not None and _unit(name, {}) == "year" and (known == known.astype("datetime64[Y]")).all():
        return _Part(name, "year", parsed.values)
    return _Part(name, "date", parsed.values) if (known == days).all() else None


def _number_part(name: str, written: str, parsed: ParsedColumn, found: Mapping[str, _Part]) -> _Part | None:
    unit = _unit(written, found)
    if unit is None:
        return None
    if parsed.column.kind == "text" and unit == "month":
        words = [MONTHS.get(str(cell).strip(". ").lower(), 0) if cell is not None else 0 for cell in parsed.values]
        return _Part(name, unit, np.array(words, float)) if min(words) > 0 else None
    if parsed.column.kind != "number":
        return None
    values = parsed.values.astype(np.float64)
    known = values[np.isfinite(values)]
    low, high = _RANGES[unit]
    if unit == "year" and len(known) and known.min() >= 0 and known.max() <= 99:
        values, known = values + np.where(values < 69, 2000, 1900), known + 1900
    if not len(known) or (known != np.floor(known)).any() or known.min() < low or known.max() > high:
        return None
    return _Part(name, unit, values)


def _unit(name: str, found: Mapping[str, _Part]) -> str | None:
    """The unit that a name stands for; ``mm`` is a month, and after an hour a minute."""
    bare = re.sub(r"\s*[(\[{].*?[)\]}]\s*", " ", name).strip(" #<>_").lower()
    word = re.sub(r"[\W_]", "", bare)
    if word == "mm" and ("hour" in found or "month" in found):
        return "minute"
    if word in _UNITS:
        return _UNITS[word]
    words = re.findall(r"[^\W\d_]+", bare)
    known = {_UNITS[each] for each in words if each in _UNITS and len(each) > 2}
    plain = all(each in _UNITS or each in _BESIDE for each in words)
    return known.pop() if len(known) == 1 and len(words) == 2 and plain else None


def _join(parts: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Add the parts up to datetime64[us]; None where too many are no date."""
    values = {unit: each for unit, each in parts.items() if unit not in ("date",)}
    complete = np.ones(len(next(iter(parts.values()))), bool)
    for each in parts.values():
        complete &= ~np.isnat(each) if each.dtype.kind in "mM" else np.isfinite(each)
    if not complete.any():
        return None
    days, fits = _days({unit: each[complete] for unit, each in parts.items()})
    seconds = _seconds({unit: each[complete] for unit, each in values.items()})
    if days is None or seconds is None or fits.mean() < 1 - _MAX_WRONG:
        return None
    times = np.full(len(complete), np.datetime64("NaT", "us"))
    joined = days.astype("datetime64[us]") + seconds
    joined[~fits] = np.datetime64("NaT", "us")
    times[complete] = joined
    return times


def _days(parts: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The days, and which of them exist."""
    if "date" in parts:
        return parts["date"].astype("datetime64[D]"), np.ones(len(parts["date"]), bool)
    year = parts["year"]
    numbers = year.astype("datetime64[Y]").astype(np.int64) if year.dtype.kind == "M" else year.astype(np.int64) - 1970
    years = numbers.astype("datetime64[Y]")
    whole = {unit: each.astype(np.int64) for unit, each in parts.items() if unit != "year" and each.dtype.kind == "f"}
    if "yearday" in whole:
        days = years.astype("datetime64[D]") + (whole["yearday"] - 1)
        return days, days.astype("datetime64[Y]") == years
    if "week" in whole:
        fourth = years.astype("datetime64[D]") + 3
        monday = fourth - (fourth.astype(np.int64) + 3) % 7
        return monday + (whole["week"] - 1) * 7, np.ones(len(years), bool)
    month = whole["month"] if "month" in whole else 3 * whole["quarter"] - 2
    months = years.astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]") + (whole.get("day", np.ones(1, np.int64)) - 1)
    return days, days.astype("datetime64[M]") == months


def _seconds(parts: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The time of day as timedelta64[us]."""
    if "clock" in parts:
        clock = parts["clock"]
        if clock.dtype.kind == "m":
            return clock.astype("timedelta64[us]")
        return _from_digits(clock.astype(np.int64))
    hour, minute, second = (parts.get(unit, np.zeros(1)) for unit in ("hour", "minute", "second"))
    return (np.round(((hour * 60 + minute) * 60 + second) * 1e6)).astype("timedelta64[us]")


def _from_digits(clock: np.ndarray) -> np.ndarray | None:
    """The times that numbers such as 930 or 93000 write; whole hours where none is above 24."""
    high = int(clock.max())
    if high <= 24:
        seconds = clock * 3600
    elif high <= 2400:
        seconds = (clock // 100 * 60 + clock % 100) * 60
        if (clock % 100 > 59).any():
            return None
    else:
        seconds = (clock // 10_000 * 60 + clock // 100 % 100) * 60 + clock % 100
        if (clock % 100 > 59).any() or (clock // 100 % 100 > 59).any():
            return None
    return (seconds * 1_000_000).astype("timedelta64[us]")


def _join_all_but_last(values: Mapping[str, np.ndarray]) -> np.ndarray | None:
    units = list(values)[:-1]
    if units == ["year"]:
        return _days({"year": values["year"], "month": np.ones(len(values["year"]))})[0]
    return _join({unit: values[unit] for unit in units})


def _distinct(times: np.ndarray | None) -> int:
    return 0 if times is None else len(np.unique(times[~np.isnat(times)]))


def _is_constant(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


def _is_needed(times: np.ndarray, columns: Mapping[str, ParsedColumn], last: _Part) -> bool:
    """Whether the joined times tell more rows apart than any column of dates alone, and rise or fall if unnamed."""
    dates = (each for each in columns.values() if each.column.kind == "time" and not _is_clock_alone(each))
    distinct = max((each.column.distinct for each in dates), default=0)
    if len(np.unique(times[~np.isnat(times)])) <= distinct:
        return False
    steps = np.diff(times[~np.isnat(times)])
    zero = np.timedelta64(0)
    return last.unit != "clock" or _unit(last.name, {}) == "clock" or bool((steps > zero).all() or (steps < zero).all())


def _is_clock_alone(parsed: ParsedColumn) -> bool:
    return bool((parsed.values[~np.isnat(parsed.values)] < _CLOCK_DAY + _DAY).all())


def _unwrapped(columns: Mapping[str, ParsedColumn]) -> tuple[dict[str, ParsedColumn], tuple[str, ...]]:
    """Add a day after each midnight of a clock without dates, in a table without dates."""
    parsed = dict(columns)
    clocks = [name for name, each in parsed.items() if each.column.kind == "time"]
    if len(clocks) != 1:
        return parsed, ()
    name = clocks[0]
    times = parsed[name].values
    known = ~np.isnat(times)
    newest_first = bool((np.diff(times[known]) > _HALF_DAY).any())
    ordered = times[known][::-1] if newest_first else times[known]
    steps = np.diff(ordered)
    midnights = steps < -_HALF_DAY
    falls = bool((steps[~midnights] < np.timedelta64(0)).any())
    if falls or not midnights.any() or (ordered >= _CLOCK_DAY + _DAY).any():
        return parsed, ()
    unwrapped = times.copy()
    ordered = ordered + np.append(0, midnights.cumsum()) * _DAY
    unwrapped[known] = ordered[::-1] if newest_first else ordered
    parsed[name] = replace(time_column(name, unwrapped), notices=parsed[name].notices)
    notice = f"'{name}' passes midnight {count(int(midnights.sum()), 'time')}: a day was added each time."
    return parsed, (notice,)
