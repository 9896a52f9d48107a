"""Rewrites a date or a period, however it is written, as ISO 8601 or another form that ``parse_dates`` knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache

__all__ = ["MONTHS", "rewrite_clock", "rewrite_date"]

_MONTH_NAMES = """
    january jan januar janvier janv enero ene gennaio gen januari janeiro
    february feb februar février févr fevr fevrier febrero febbraio februari fevereiro fev
    march mar märz maerz mär mrz mars marzo maart mrt março marco
    april apr avril avr abril abr aprile
    may mai mayo maggio mag mei maj maio
    june jun juni juin junio giugno giu junho
    july jul juli juillet juil julio luglio lug julho
    august aug août aout agosto ago augustus augusti ag
    september sep sept septembre septiembre settembre set setembro
    october oct oktober okt octobre octubre ottobre ott outubro out
    november nov novembre noviembre novembro
    december dec dezember dez décembre déc decembre diciembre dic dicembre dezembro
"""
MONTHS = {word: at for at, line in enumerate(_MONTH_NAMES.strip().splitlines(), 1) for word in line.split()}
"""The name or abbreviation of a month, in lower case → 1 to 12; English, German, French, Spanish, Italian, Dutch, …"""

_WEEKDAY = re.compile(
    r"^(?:mon|tues?|wed|thu|thurs?|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday|mo|di|mi|do|fr|sa|"
    r"so|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lun|mer|jeu|ven|sam|dim|lundi|mardi|mercredi|jeudi|"
    r"vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado|domingo)[.,]*\s+(?=\w)",
    re.IGNORECASE,
)
_WORD = r"(?P<month>[^\W\d_]{3,10})\.?"
_END = r"(?P<clock>(?:,? +|T|:)\d{1,2}[:.]\d{2}.*)?"
_WORDED = [
    re.compile(rf"(?P<year>\d{{4}})[ /.-]*{_WORD}(?:[ /.-]*(?P<day>\d{{1,2}}))?{_END}"),
    re.compile(rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?[ /.-]*{_WORD},?[ /.-]*(?P<year>\d{{4}}|\d{{2}}){_END}"),
    re.compile(rf"{_WORD}[ /.-]+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? +(?P<year>\d{{4}}){_END}"),
    re.compile(rf"{_WORD},?[ /.'-]*(?P<year>\d{{4}})(?P<day>)(?P<clock>)"),
    re.compile(
        rf"{_WORD} +(?P<day>\d{{1,2}})(?P<clock> +\d{{1,2}}:\d{{2}}:\d{{2}})(?: [A-Z]{{3,4}})? (?P<year>\d{{4}})"
    ),
]
_YEAR = r"(?P<year>[12]\d{3})"
_LONGEST = 80
_NUMBER = re.compile(r"[-+]?[0-9.,]*(?:[eE][-+]?[0-9]+)?")


def _month(found: re.Match[str]) -> str:
    return f"{found['year']}-{int(found['part']):02d}"


def _quarter(found: re.Match[str]) -> str:
    return f"{found['year']}-{3 * int(found['part']) - 2:02d}"


def _half(found: re.Match[str]) -> str:
    return f"{found['year']}-{6 * int(found['part']) - 5:02d}"


def _week(found: re.Match[str]) -> str | None:
    try:
        day = int(found["day"] or 1)
        return date.fromisocalendar(int(found["year"]), int(found["part"]), day).isoformat()
    except ValueError:
        return None


def _stamp(found: re.Match[str]) -> str:
    day = "-".join(found.group("year", "month", "day"))
    return f"{day} {':'.join(part for part in found.group('hour', 'minute', 'second') if part)}{found['zone'] or ''}"


_QUARTER, _HALF, _MONTH, _WEEK = "(?P<part>[1-4])", "(?P<part>[12])", "(?P<part>0?[1-9]|1[0-2])", r"(?P<part>[0-5]?\d)"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), rewrite)
    for pattern, rewrite in (
        (rf"{_YEAR}[ ./:_-]?(?:Q|T|K|QTR|Quarter|Quartal|Trimestre)\.? ?{_QUARTER}", _quarter),
        (rf"(?:Q|T|K|QTR|Quarter|Quartal|Trimestre)\.? ?{_QUARTER}[ ,./_-]*{_YEAR}", _quarter),
        (rf"{_QUARTER}(?:\.|st|nd|rd|th)? ?(?:Q|QTR|Quarter|Quartal|trimestre)\.?(?: of)?[ /-]*{_YEAR}", _quarter),
        (rf"{_YEAR}[ _-]?[HS]{_HALF}", _half),
        (rf"[HS]{_HALF}[ /_-]{_YEAR}", _half),
        (rf"{_YEAR}[ _-]?(?:W|KW|Week) ?{_WEEK}(?:-(?P<day>[1-7]))?", _week),
        (rf"(?P<day>)(?:W|KW|Week) ?{_WEEK}[ ,/_-]+{_YEAR}", _week),
        (rf"{_YEAR}[ _-]?M{_MONTH}", _month),
        (rf"{_YEAR}[:/]{_MONTH}", _month),
        (rf"{_MONTH}[/-]{_YEAR}", _month),
        (
            r"(?P<year>\d{4})(?P<month>[01]\d)(?P<day>[0-3]\d)[T _-](?P<hour>[0-2]\d):?(?P<minute>[0-5]\d)?"
            r":?(?P<second>[0-5]\d(?:\.\d+)?)?(?P<zone>Z)?",
            _stamp,
        ),
        (
            r"(?P<year>\d{4})[-/](?P<month>[01]\d)[-/](?P<day>[0-3]\d)[ _-](?P<hour>[0-2]\d)[-:](?P<minute>[0-5]\d)"
            r"(?:[-:](?P<second>[0-5]\d(?:\.\d+)?))?(?P<zone>Z)?",
            _stamp,
        ),
    )
)


def rewrite_date(text: str) -> str:
    """Rewrite a date that is not written in numbers and marks alone; other text is returned unchanged.

    Example:
        >>> [rewrite_date(text) for text in ("1990 Q2", "5. März 2020", "Mon 05/01/2020", "2020-W01", "12.5")]
        ['1990-04', '2020-03-05', '05/01/2020', '2019-12-30', '12.5']
    """
    if len(text) > _LONGEST or _NUMBER.fullmatch(text) or not any(map(str.isdigit, text)):
        return text
    return _rewrite(text)


@lru_cache(4096)
def _rewrite(text: str) -> str:
    text = _WEEKDAY.sub("", text)
    for pattern, rewrite in _FORMS:
        found = pattern.fullmatch(text)
        if found:
            return rewrite(found) or text
    return _rewrite_words(text)


def _rewrite_words(text: str) -> str:
    plain = text.replace(" de ", " ").replace(" of ", " ")
    for pattern in _WORDED:
        found = pattern.fullmatch(plain)
        month = MONTHS.get(found["month"].lower()) if found else None
        if found and month:
            clock = (found["clock"] or "").lstrip(", T:")
            day, year = found["day"], found["year"]
            number = f"{year}-{month:02d}" + (f"-{int(day):02d}" if day else "")
            if len(year) == 2:
                number = f"{int(day):02d}.{month:02d}.{year}"
            return f"{number} {clock}".strip()
    return text


_INTERVAL = re.compile(
    r"(.*\d{1,2}:\d{2}(?::\d{2})?) ?(?:[-–/]|to|bis) ?(?=\d)(.*\d{1,2}:\d{2}(?::\d{2})?)(?: \(?[A-Z]{2,4}\)?)?"
)
_COMMA = re.compile(r"(:\d{2}),(?=\d+)")
_DOTS = re.compile(r"^(\S+[ T])(\d{1,2})\.(\d{2})(?:\.(\d{2}))?$")
_HOUR_ALONE = re.compile(r"^(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[ T]\d{1,2}) ?h?( ?[AaPp]\.?[Mm]\.?)?$")
_HALF_DAY = re.compile(r" ?([AaPp])\.?[Mm]\.?$")


def rewrite_clock(texts: Iterable[str]) -> tuple[list[str], tuple[str, ...]]:
    """Rewrite times of day with commas, dots, hours alone, or from … to …; and what was assumed.

    Example:
        >>> rewrite_clock(["2020-01-05 12:30:01,5", "05.01.2020 12.30", "2020-01-05 7 p.m."])[0]
        ['2020-01-05 12:30:01.5', '05.01.2020 12:30', '2020-01-05 7:00 PM']
    """
    rewritten, intervals = [], False
    for text in texts:
        found = _INTERVAL.fullmatch(text)
        if found:
            text, intervals = found[1], True
        text = _COMMA.sub(r"\1.", text)
        text = _DOTS.sub(lambda found: found[1] + ":".join(part for part in found.groups()[1:] if part), text)
        text = _HOUR_ALONE.sub(lambda found: f"{found[1]}:00{found[2] or ''}", text)
        rewritten.append(_HALF_DAY.sub(lambda found: f" {found[1].upper()}M", text) if text[-1:] in "mM." else text)
    return rewritten, ("of each interval, its beginning is the time",) if intervals else ()
