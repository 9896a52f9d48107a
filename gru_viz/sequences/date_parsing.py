"""Parses dates and times from text, and formats them as short labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gru_viz.sequences.cell_parsing import looks_like_date
from gru_viz.sequences.date_writing import rewrite_clock, rewrite_date

__all__ = ["DateFormat", "parse_dates", "parse_iso_dates", "shortest_date_format"]

_CLOCK = re.compile(r"(?P<gap>^|[T ] *)(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?P<half> ?[AaPp][Mm])?$")
_ZONE_HOURS = dict.fromkeys(("WET", "UTC", "GMT"), 0) | dict.fromkeys(("CET", "MEZ", "WEST", "BST"), 1)
_ZONE_HOURS |= dict.fromkeys(("CEST", "MESZ", "EET", "SAST"), 2) | {
    "EEST": 3,
    "MSK": 3,
    "JST": 9,
    "AEST": 10,
    "AEDT": 11,
}
_ZONE_HOURS |= {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_ZONE = re.compile(rf"(:\d{{2}}(?:\.\d+)?) ?(Z|{'|'.join(_ZONE_HOURS)}|[+-]\d{{2}}(?::?\d{{2}})?)$")
_NUMERIC = re.compile(r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})")
_WORDED = re.compile(
    r"(?:(?P<before>\d{1,2})(?P<gap_before>[ -]))?(?P<month>[A-Za-z]+)(?P<gap>[ -])"
    r"(?:(?P<after>\d{1,2})(?P<gap_after>,? ))?(?P<year>\d{4}|\d{2})"
)
_SAMPLE = 50
_ISO_FORMATS = [[each] for each in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")]
_ISO_FORMATS += [[each + ".%f"] for each in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")]
_MIN_SHARE = 0.8
_FURTHEST = 5
_NO_DATE = np.datetime64("1900-01-01")
"""What strptime adds to a time of day without a date."""


def parse_dates(
    cells: Sequence[str], day_first: bool | None = None, day_usual: bool = False
) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """Parse cells that share a format; None if fewer than four in five are dates.

    Args:
        cells: distinct texts in the order of the file.
        day_first: whether 1/2 is the first of February; None detects it.
        day_usual: whether it is so where nothing else decides, as where numbers have a decimal comma.

    Returns:
        (cells,) datetime64[us], NaT where a cell is not a date; and what was assumed, without the column's name.

    Example:
        >>> parse_dates(["13/02/2019", "14/02/2019"])[0].astype("datetime64[D]").tolist()
        [datetime.date(2019, 2, 13), datetime.date(2019, 2, 14)]
    """
    texts, notices = _rewrite([cell.strip() for cell in cells])
    head = texts[:_SAMPLE]
    if sum(looks_like_date(_ZONE.sub(r"\1", text)) for text in head) < _MIN_SHARE * len(head):
        return None
    texts, zones = _remove_zone(texts)
    texts, midnights = _split_midnights(texts)
    notices += zones
    parsed = {pattern: _parse(texts, pattern) for pattern in _patterns(texts[:_SAMPLE])}
    most = max((int(values.notna().sum()) for values in parsed.values()), default=0)
    if not parsed or most < _MIN_SHARE * len(texts):
        return None
    best = {pattern: values for pattern, values in parsed.items() if int(values.notna().sum()) == most}
    pattern, assumed = _choose_pattern(best, day_first, day_usual, texts[0])
    if "%y" in pattern:
        notices += ("years of two digits were read as 1969 to 2068",)
    dates = best[pattern].to_numpy("datetime64[us]").copy()
    dates[midnights] += np.timedelta64(1, "D")
    return dates, notices + assumed


def _rewrite(texts: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Rewrite what the first texts need: a million texts are rewritten only where one of the first is."""
    head = texts[:_SAMPLE]
    if any(rewrite_date(text) != text for text in head):
        texts = [rewrite_date(text) for text in texts]
    rewritten, notices = rewrite_clock(texts[:_SAMPLE])
    return rewrite_clock(texts) if rewritten != texts[:_SAMPLE] else (texts, notices)


def _split_midnights(texts: list[str]) -> tuple[list[str], list[int]]:
    """Write 24:00 as 0:00, and return the places of those texts, which belong to the next day."""
    places = [at for at, text in enumerate(texts) if " 24:00" in text or "T24:00" in text]
    for at in places:
        texts[at] = re.sub("(?<=[ T])24:00", "00:00", texts[at])
    return texts, places


def parse_iso_dates(cells: pd.Series) -> np.ndarray | None:
    """Parse cells that all have the same ISO 8601 format without a time zone; None if any differs.

    Arrow parses a million of them 50 times as fast as one text after another.
    """
    head = [str(cell) for cell in cells.iloc[:_SAMPLE]]
    if _patterns(head) not in _ISO_FORMATS:
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


@dataclass(frozen=True)
class DateFormat:
    """How dates are formatted as labels.

    Attributes:
        unit: the finest unit needed, by its numpy name: ``"Y"``, ``"M"``, ``"D"``, ``"m"``, ``"s"`` …
        clock: whether they are times of day without a date; after midnight with the days added.
    """

    unit: str
    clock: bool

    def format(self, dates: np.ndarray) -> list[str]:
        """Format each date."""
        texts: list[str] = np.datetime_as_string(dates.astype(f"datetime64[{self.unit}]")).tolist()
        if not self.clock:
            return [text.replace("T", " ") for text in texts]
        days = (dates.astype("datetime64[D]") - _NO_DATE).astype(np.int64).tolist()
        return [text[11:] + (f" +{day} d" if day > 0 else "") for text, day in zip(texts, days, strict=True)]


def shortest_date_format(dates: np.ndarray) -> DateFormat:
    """Return the shortest format that represents these dates exactly.

    Example:
        >>> days = np.array(["2019-01-01", "2019-01-02"], "datetime64[us]")
        >>> shortest_date_format(days).format(days)
        ['2019-01-01', '2019-01-02']
        >>> clock = np.array(["2019-01-01T10:30", "2019-01-01T10:45"], "datetime64[us]")
        >>> shortest_date_format(clock).format(clock)
        ['2019-01-01 10:30', '2019-01-01 10:45']
    """
    known = dates[~np.isnat(dates)]

    def exact(unit: str) -> bool:
        sample = known[:_SAMPLE]  # enough for most columns
        if (sample != sample.astype(f"datetime64[{unit}]")).any():
            return False
        return bool((known == known.astype(f"datetime64[{unit}]")).all())

    if len(known) > 1 and exact("M"):
        unit = "Y" if exact("Y") else "M"
    else:
        unit = next((unit for unit in ("D", "m", "s", "ms") if exact(unit)), "us")
    begin, end = (known.min(), known.max()) if len(known) else (_NO_DATE, _NO_DATE)
    clock = begin.astype("datetime64[D]") == _NO_DATE and end < _NO_DATE + np.timedelta64(366, "D")
    return DateFormat(unit, unit not in {"Y", "M", "D"} and bool(clock))


def _remove_zone(texts: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Remove one common time zone without changing the times; convert several zones to UTC."""
    found = [_ZONE.search(text) for text in texts]
    zones = {match[2] for match in found if match}
    if not zones:
        return texts, ()
    if len(zones) == 1:
        zone = zones.pop()
        label = "UTC" if zone in {"Z", "UTC", "GMT"} else f"zone {zone}"
        return [_ZONE.sub(r"\1", text) for text in texts], (f"times are as in the file, in {label}",)
    texts = [_ZONE.sub(lambda each: f"{each[1]}{_offset(each[2])}", text) for text in texts]
    dates = pd.to_datetime(pd.Series(texts), format="ISO8601", errors="coerce", utc=True)
    utc = dates.dt.strftime("%Y-%m-%d %H:%M:%S.%f").fillna("")
    return utc.tolist(), (f"times from {len(zones)} zones were converted to UTC",)


def _offset(zone: str) -> str:
    return f"{_ZONE_HOURS[zone]:+03d}:00" if zone in _ZONE_HOURS else zone


def _patterns(texts: list[str]) -> list[str]:
    """The strptime patterns that may match any of these texts."""
    patterns: dict[str, None] = {}
    for text in texts:
        clock = _CLOCK.search(text)
        date = text[: clock.start()] if clock else text
        after = _clock_pattern(clock) if clock else ""
        for before in _date_patterns(date.strip()):
            patterns[before + after] = None
    mixed = len(patterns) > 1 and any(pattern.startswith("%Y-") for pattern in patterns)
    return [*patterns, "ISO8601"] if mixed else list(patterns)


def _clock_pattern(clock: re.Match[str]) -> str:
    pattern = ("%H:%M", "%H:%M:%S")[clock["clock"].count(":") - 1] + (".%f" if "." in clock["clock"] else "")
    if clock["half"]:
        pattern = pattern.replace("%H", "%I") + (" %p" if clock["half"].startswith(" ") else "%p")
    return clock["gap"] + pattern


def _date_patterns(date: str) -> tuple[str, ...]:
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


def _parse(texts: list[str], pattern: str) -> pd.Series:
    return pd.to_datetime(pd.Series(texts, dtype="object"), format=pattern, errors="coerce")


def _goes_one_way(dates: pd.Series) -> bool:
    return dates.is_monotonic_increasing or dates.is_monotonic_decreasing


def _is_even(dates: pd.Series) -> bool:
    """Whether four in five dates are as far apart as the usual two, and no two much further; or months apart."""
    months = np.diff(dates.dt.year * 12 + dates.dt.month)
    if dates.dt.day.nunique() == 1 and len(np.unique(months)) == 1:
        return True
    gaps = np.abs(np.diff(dates.to_numpy("datetime64[s]").astype(np.int64)))
    usual = np.median(gaps) if len(gaps) else 0
    return len(gaps) > 1 and bool((gaps == usual).mean() >= _MIN_SHARE and gaps.max() <= _FURTHEST * usual)


def _choose_pattern(
    parsed: dict[str, pd.Series], day_first: bool | None, day_usual: bool, example: str
) -> tuple[str, tuple[str, ...]]:
    """Of patterns that match equally many cells: the one specified, else the one in time order, else the usual one."""
    patterns = list(parsed)
    if len(patterns) == 1:
        return patterns[0], ()
    days, months = (
        next((pattern for pattern in patterns if pattern.startswith(start)), patterns[0]) for start in ("%d", "%m")
    )
    if day_first is not None:
        return (days if day_first else months), ()
    if "." in patterns[0][:3]:  # with dots, the day comes first
        return days, ()
    likely = [pattern for pattern in (days, months) if _goes_one_way(parsed[pattern].dropna())] or [days, months]
    if len(likely) > 1:
        likely = [pattern for pattern in likely if _is_even(parsed[pattern].dropna())] or likely
    pattern = likely[0] if len(likely) == 1 else (months if "/" in patterns[0] and not day_usual else days)
    order, other = ("day", "False") if pattern == days else ("month", "True")
    notice = f"in {example} day or month could be first; the {order} was assumed (day_first={other} changes it)"
    return pattern, (notice,)
