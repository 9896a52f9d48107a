"""Dates and times: read from text, and written back as short labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gru_viz.sequences.cells import looks_dated

__all__ = ["DateWriting", "Dates", "counted_dates", "date_writing", "read_dates", "read_plain_dates"]

_CLOCK = re.compile(r"(?P<gap>^|[T ] *)(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?P<half> ?[AaPp][Mm])?$")
_ZONE = re.compile(r"(:\d{2}(?:\.\d+)?) ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$")
_QUARTER = re.compile(r"(\d{4})[- ]?Q([1-4])")
_NUMERIC = re.compile(r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})")
_WORDED = re.compile(
    r"(?:(?P<before>\d{1,2})(?P<gap_before>[ -]))?(?P<month>[A-Za-z]+)(?P<gap>[ -])"
    r"(?:(?P<after>\d{1,2})(?P<gap_after>,? ))?(?P<year>\d{4}|\d{2})"
)
_YEAR_NAMES = {"year", "years", "yr", "jahr", "année", "anno"}
_DAY_NAMES = {"date", "day", "datum", "time", "timestamp", "yyyymmdd"}
_EPOCH_NAMES = {"epoch", "unix", "unixtime", "timestamp", "posix", "ts"}
_DATED_NAMES = _YEAR_NAMES | _DAY_NAMES | _EPOCH_NAMES
_LOOKED_AT = 50
_PLAIN = [[form] for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")]
_PLAIN += [[form + ".%f"] for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")]
_ENOUGH = 0.8
_EPOCH_UNITS: tuple[tuple[Literal["s", "ms", "us", "ns"], float, float], ...] = (
    ("s", 1e8, 1e11),
    ("ms", 1e11, 1e14),
    ("us", 1e14, 1e17),
    ("ns", 1e17, 1e19),
)


@dataclass(frozen=True)
class Dates:
    """Dates read from text.

    Attributes:
        values: (cells,) datetime64[us], NaT where a cell is no date.
        notices: what was assumed, without the column's name.
    """

    values: np.ndarray
    notices: tuple[str, ...] = ()


def read_dates(cells: Sequence[str], day_first: bool | None = None) -> Dates | None:
    """Read cells written in one common way, or give None where fewer than four in five are dates.

    Args:
        cells: distinct texts in the order in which the file has them.
        day_first: whether 1/2 is the first of February; None finds out.

    Example:
        >>> read_dates(["13/02/2019", "14/02/2019"]).values.astype("datetime64[D]").tolist()
        [datetime.date(2019, 2, 13), datetime.date(2019, 2, 14)]
    """
    texts = [cell.strip() for cell in cells]
    head = texts[:_LOOKED_AT]
    if sum(looks_dated(_ZONE.sub(r"\1", text)) for text in head) < _ENOUGH * len(head):
        return None
    texts, notices = _without_zone(texts)
    texts = [_QUARTER.sub(lambda found: f"{found[1]}-{int(found[2]) * 3 - 2:02d}", text) for text in texts]
    readings = [(form, _parse(texts, form)) for form in _forms(texts[:_LOOKED_AT])]
    if not readings:
        return None
    most = max(int(values.notna().sum()) for _, values in readings)
    if most < _ENOUGH * len(texts):
        return None
    best = {form: values for form, values in readings if int(values.notna().sum()) == most}
    form, assumed = _choose(best, day_first, texts[0])
    if "%y" in form:
        notices += ("years of two digits were read as 1969 to 2068",)
    return Dates(best[form].to_numpy("datetime64[us]"), notices + assumed)


def read_plain_dates(cells: pd.Series) -> np.ndarray | None:
    """Read cells that are all written alike, as ISO 8601 has it, with no zone; None where any is otherwise.

    Arrow reads a million of them in a fiftieth of the time that their texts would take one by one.

    Example:
        >>> read_plain_dates(pd.Series(["2019-02-13", "2019-02-14"])).astype("datetime64[D]").tolist()
        [datetime.date(2019, 2, 13), datetime.date(2019, 2, 14)]
        >>> read_plain_dates(pd.Series(["2019-02-13", "14.2.2019"])) is None
        True
    """
    head = [str(cell) for cell in cells.iloc[:_LOOKED_AT]]
    if _forms(head) not in _PLAIN:
        return None
    try:
        texts = pa.chunked_array(pa.array(cells, pa.large_string(), from_pandas=True))
        lengths = pc.min_max(pc.binary_length(texts))
        if texts.null_count or lengths["min"] != lengths["max"] or lengths["max"].as_py() != len(head[0]):
            return None
        dates = texts.cast(pa.timestamp("us"))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return dates.to_numpy().astype("datetime64[us]")


def counted_dates(numbers: np.ndarray, name: str) -> np.ndarray | None:
    """Read numbers as dates where the column's name says that they are: years, yyyymmdd, or time since 1970.

    Example:
        >>> counted_dates(np.array([2019.0, 2020.0]), "year").astype("datetime64[Y]").tolist()
        [datetime.date(2019, 1, 1), datetime.date(2020, 1, 1)]
        >>> counted_dates(np.array([2019.0, 2020.0]), "price") is None
        True
    """
    words = set(re.findall("[a-zé]+", name.lower()))
    if not words & _DATED_NAMES:
        return None
    known = numbers[np.isfinite(numbers)]
    if not len(known) or (known != np.floor(known)).any():
        return None
    low, high = float(known.min()), float(known.max())
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    if words & _YEAR_NAMES and low >= 1000 and high <= 2999:
        text = pd.Series(numbers).astype("Int64").astype("string")
        return pd.to_datetime(text, format="%Y", errors="coerce").to_numpy("datetime64[us]")
    if words & _DAY_NAMES and low >= 10000101 and high <= 29991231:
        text = pd.Series(numbers).astype("Int64").astype("string")
        dates = pd.to_datetime(text, format="%Y%m%d", errors="coerce")
        return dates.to_numpy("datetime64[us]") if dates.notna().sum() == len(known) else None
    if words & _EPOCH_NAMES:
        for unit, least, most in _EPOCH_UNITS:
            if low >= least and high < most:
                return pd.to_datetime(pd.Series(numbers), unit=unit, errors="coerce").to_numpy("datetime64[us]")
    return None


@dataclass(frozen=True)
class DateWriting:
    """How dates are written: no longer than they need to be.

    Attributes:
        unit: the finest part that any of them has, as numpy names it: ``"Y"``, ``"M"``, ``"D"``, ``"m"``, ``"s"`` …
        clock: whether they are times of a day without a date.
    """

    unit: str
    clock: bool

    def write(self, dates: np.ndarray) -> list[str]:
        """Write dates one by one."""
        texts: list[str] = np.datetime_as_string(dates.astype(f"datetime64[{self.unit}]")).tolist()
        return [text[11:] if self.clock else text.replace("T", " ") for text in texts]


def date_writing(dates: np.ndarray) -> DateWriting:
    """Find the shortest writing that loses nothing of these dates.

    Example:
        >>> days = np.array(["2019-01-01", "2019-01-02"], "datetime64[us]")
        >>> date_writing(days).write(days)
        ['2019-01-01', '2019-01-02']
        >>> clock = np.array(["2019-01-01T10:30", "2019-01-01T10:45"], "datetime64[us]")
        >>> date_writing(clock).write(clock)
        ['2019-01-01 10:30', '2019-01-01 10:45']
    """
    known = dates[~np.isnat(dates)]

    def whole(unit: str) -> bool:
        some = known[:_LOOKED_AT]  # most columns show it at once
        if (some != some.astype(f"datetime64[{unit}]")).any():
            return False
        return bool((known == known.astype(f"datetime64[{unit}]")).all())

    if len(known) > 1 and whole("M"):
        unit = "Y" if whole("Y") else "M"
    else:
        unit = next((unit for unit in ("D", "m", "s", "ms") if whole(unit)), "us")
    nowhen = np.datetime64("1900-01-01")  # where strptime puts a time of day without a date
    return DateWriting(unit, unit not in {"Y", "M", "D"} and bool((known.astype("datetime64[D]") == nowhen).all()))


def _without_zone(texts: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Drop one common zone and keep the clock; bring several to UTC."""
    found = [_ZONE.search(text) for text in texts]
    zones = {match[2] for match in found if match}
    if not zones:
        return texts, ()
    if len(zones) == 1:
        zone = zones.pop()
        said = "UTC" if zone in {"Z", "UTC", "GMT"} else f"zone {zone}"
        return [_ZONE.sub(r"\1", text) for text in texts], (f"times are as in the file, in {said}",)
    dates = pd.to_datetime(pd.Series(texts), format="ISO8601", errors="coerce", utc=True)
    written = dates.dt.strftime("%Y-%m-%d %H:%M:%S.%f").fillna("")
    return written.tolist(), (f"times from {len(zones)} zones were brought to UTC",)


def _forms(texts: list[str]) -> list[str]:
    """The strptime forms that any of these texts could be in."""
    forms: dict[str, None] = {}
    for text in texts:
        clock = _CLOCK.search(text)
        date = text[: clock.start()] if clock else text
        after = _clock_form(clock) if clock else ""
        for before in _date_forms(date.strip()):
            forms[before + after] = None
    mixed = len(forms) > 1 and any(form.startswith("%Y-") for form in forms)
    return [*forms, "ISO8601"] if mixed else list(forms)


def _clock_form(clock: re.Match[str]) -> str:
    form = ("%H:%M", "%H:%M:%S")[clock["clock"].count(":") - 1] + (".%f" if "." in clock["clock"] else "")
    if clock["half"]:
        form = form.replace("%H", "%I") + (" %p" if clock["half"].startswith(" ") else "%p")
    return clock["gap"] + form


def _date_forms(date: str) -> tuple[str, ...]:
    if not date:
        return ("",)
    if found := _NUMERIC.fullmatch(date):
        first, mark, _, last = found.groups()
        if len(first) == 4:
            return (f"%Y{mark}%m{mark}%d",)
        year = "%Y" if len(last) == 4 else "%y"
        return (f"%d{mark}%m{mark}{year}", f"%m{mark}%d{mark}{year}")
    if re.fullmatch(r"\d{4}-\d{2}", date):
        return ("%Y-%m",)
    worded = _WORDED.fullmatch(date)
    if worded is None or (worded["before"] and worded["after"]):
        return ()
    day_before = f"%d{worded['gap_before']}" if worded["before"] else ""
    month = "%b" if len(worded["month"]) == 3 else "%B"
    day_after = f"%d{worded['gap_after']}" if worded["after"] else ""
    year = "%Y" if len(worded["year"]) == 4 else "%y"
    return (f"{day_before}{month}{worded['gap']}{day_after}{year}",)


def _parse(texts: list[str], form: str) -> pd.Series:
    return pd.to_datetime(pd.Series(texts, dtype="object"), format=form, errors="coerce")


def _choose(readings: dict[str, pd.Series], day_first: bool | None, example: str) -> tuple[str, tuple[str, ...]]:
    """Of forms that read equally many cells, take the one told, else the one in order of time, else a convention."""
    forms = list(readings)
    if len(forms) == 1:
        return forms[0], ()
    days, months = (next((form for form in forms if form.startswith(start)), forms[0]) for start in ("%d", "%m"))
    if day_first is not None:
        return (days if day_first else months), ()
    if "." in forms[0][:3]:  # 1.2.2019 is written where the day comes first
        return days, ()
    rising = [form for form in (days, months) if readings[form].dropna().is_monotonic_increasing]
    form = rising[0] if len(rising) == 1 else (months if "/" in forms[0] else days)
    order, other = ("day", "False") if form == days else ("month", "True")
    said = (
        f"in dates such as {example} day or month could be first; the {order} was assumed (day_first={other} turns it)"
    )
    return form, (said,)
