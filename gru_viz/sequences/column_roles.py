"""The role of each column: feature, one-hot, time or id; suggested from its name and cells, or as specified."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.column_parsing import ParsedColumn
from gru_viz.sequences.phrases import count, listing

__all__ = [
    "ColumnRoles",
    "assign_roles",
    "identifying_columns",
    "may_identify",
    "notice_roles",
    "refuse_unknown",
    "suggest_roles",
]

_ONE_HOT_CAP = 64
_ID_WORDS = """
    id series group unit symbol ticker patient subject sensor station device name country region city store shop item
    product machine engine batch run trial vehicle user customer player participant person animal site node
""".split()  # noqa: SIM905
_KEY_WORDS = {"id", "nr", "no", "number", "num", "code", "key"}
_TIME_WORDS = """
    time date datetime timestamp step steps t tick ticks cycle cycles frame epoch second seconds sec secs minute minutes
    hour hours day days week month year visit zeit datum temps tiempo tempo tijd tid fecha utc ms elapsed jd mjd bjd
    sample samples monat jahr tag stunde woche mois jour heure semaine mes año ano hora semana dia día mese giorno ora
    maand jaar uur время месяц год день
""".split()  # noqa: SIM905
_CLOCK_WORDS = set("time date datetime timestamp t zeit datum epoch elapsed utc jd mjd bjd clock".split())  # noqa: SIM905
_INDEX_WORDS = set(
    """index idx row rows id nr no number num record rec obs observation unnamed sample samples i sno lfd frame packet
    line scan entry""".split()  # noqa: SIM905
)
_COUNT_WORDS = _INDEX_WORDS | set(
    "n counter count seq sequence point measurement reading event messung tick cycle step".split()  # noqa: SIM905
)
_CALENDAR = {"hour": 24, "minute": 60, "day": 366, "week": 53, "month": 12}
_PART_WORDS = {"dept", "department", "category", "class", "family", "type", "channel", "zone", "pos"}
_PLACE_WORDS = {"lat", "latitude", "lon", "lng", "longitude", "depth", "level", "height"}
_NEAR_YEAR, _MOST_SETTINGS, _MIN_BESIDE = 0.1, 30, 5
_SYMBOLS = {"T", "I", "N"}
"""Temperature, current, force: no index and no time."""
_UNNAMED = re.compile(r"column \d+|unnamed \d+")
_MIN_COUNTED = 10
_HUGE_CLOCK, _TICKS = 1e8, 1e12
_CLOCK_BLOCKS = {7, 12, 24, 48, 60, 96, 144, 288, 365, 366, 1440}
"""Numbers of steps in a day, an hour, a year: blocks of so many are rather time than sequences."""


@dataclass(frozen=True)
class ColumnRoles:
    """The role of each column.

    Attributes:
        features: the columns of numbers that become features.
        time: the column that orders and labels the steps, or None.
        id: the column that identifies the sequence of a row, or None.
        one_hot: the columns whose distinct cells each become a feature of 0 and 1.
    """

    features: tuple[str, ...]
    time: str | None
    id: str | None
    one_hot: tuple[str, ...] = ()


def suggest_roles(columns: Mapping[str, ParsedColumn]) -> tuple[dict[str, ParsedColumn], ColumnRoles]:
    """Suggest roles that fit ordinary tables; a column becomes the id only with good evidence.

    Returns:
        The columns, those that count rows or are another clock set aside; and the roles.
    """
    id, counter = _find_id(list(columns.values()))
    groups = pd.factorize(id.values)[0] if id is not None else None
    time = counter or _find_time([parsed for parsed in columns.values() if parsed is not id], groups)
    if id is None and time is not None:
        id = next((each for each in _telling_apart(columns.values(), time) if each.column.kind == "text"), None)
        groups = pd.factorize(id.values)[0] if id is not None else None
    others = [name for name, parsed in columns.items() if parsed is not id and parsed is not time]
    numbers = [name for name in others if columns[name].column.kind == "number"]
    marked = dict(columns)
    for name in numbers:
        if not columns[name].aside:
            reason = _reason_aside(columns[name], groups, len(columns)) or _reason_beside(columns[name], time, columns)
            marked[name] = replace(columns[name], aside=reason)
    if time is None or time.column.kind != "time":
        numbers = [name for name in others if name in numbers or _is_duration(columns[name], groups)]
    features = tuple(name for name in numbers if not marked[name].aside) or tuple(numbers)
    named = time.column.name if time is not None else None
    return marked, ColumnRoles(features, named, id.column.name if id is not None else None)


def _reason_aside(parsed: ParsedColumn, groups: np.ndarray | None, columns: int) -> str:
    if _is_counter(parsed, groups, columns):
        return "it only counts the rows"
    return "it is another clock" if _is_other_clock(parsed, groups) else ""


def _reason_beside(parsed: ParsedColumn, time: ParsedColumn | None, columns: Mapping[str, ParsedColumn]) -> str:
    """Why a column of numbers is no feature, seen beside others: the year as a fraction, or settings above."""
    values = parsed.values
    if time is not None and time.column.kind == "time" and not parsed.column.missing and not time.column.missing:
        years = time.values.astype("datetime64[Y]")
        passed = (time.values - years).astype("timedelta64[D]").astype(np.float64) / 365.25
        if bool((np.abs(values - (years.astype(np.int64) + 1970 + passed)) < _NEAR_YEAR).all()):
            return "it is another clock"
    if not parsed.column.missing or values.dtype.kind != "f":
        return ""
    filled = ~np.isnan(values)
    rows = int(filled.sum())
    others = any(each.column.kind == "number" and each.column.missing == 0 for each in columns.values())
    if (
        others
        and len(values) >= _MIN_BESIDE
        and rows <= _MOST_SETTINGS
        and 2 * rows <= len(values)
        and filled[:rows].all()
    ):
        return f"it is filled in the first {count(rows, 'row')} only"
    return ""


def _telling_apart(columns: Iterable[ParsedColumn], time: ParsedColumn) -> Iterator[ParsedColumn]:
    """Columns with few distinct cells, for each of which a time occurs once, where times occur several times."""
    values = time.values
    if time.column.kind == "text" or time.column.missing or (values[1:] > values[:-1]).all():
        return
    distinct = time.column.distinct if time.column.kind == "time" else len(np.unique(values))
    if 1.25 * distinct > len(values):
        return
    times = pd.factorize(time.values)[0]
    for parsed in columns:
        place = parsed.column.kind == "number" and set(_words(parsed.column.name)) & _PLACE_WORDS
        if parsed is time or parsed.column.missing or parsed.column.constant or parsed.column.infinite:
            continue
        if parsed.column.kind == "text" or place or (parsed.column.kind == "number" and _are_whole(parsed.values)):
            codes = pd.factorize(parsed.values)[0]
            pairs = codes * np.int64(times.max() + 1) + times
            if 3 * (codes.max() + 1) <= len(codes) and len(np.unique(pairs)) == len(pairs):
                yield parsed


def may_identify(parsed: ParsedColumn) -> bool:
    """Whether the cells of a column may be a part of the name of a sequence: words, or numbers named so."""
    column, words = parsed.column, set(_words(parsed.column.name))
    if column.missing or column.infinite or column.constant:
        return False
    if column.kind == "text":
        return True
    named = bool(words & (set(_ID_WORDS) | _KEY_WORDS | _PART_WORDS)) and _are_whole(parsed.values)
    return column.kind == "number" and (named or bool(words & _PLACE_WORDS))


def identifying_columns(columns: Iterable[ParsedColumn]) -> set[str]:
    """The columns whose names and cells say that they number or order the rows: their numbers are never marks."""
    return {parsed.column.name for parsed in columns if _is_id(parsed) or _is_time(parsed, None)}


def _find_id(columns: Sequence[ParsedColumn]) -> tuple[ParsedColumn | None, ParsedColumn | None]:
    """The column that identifies the sequences; with the counter of steps, where columns have no names."""
    id = next((parsed for parsed in columns if _is_id(parsed) or _forms_blocks(parsed, columns)), None)
    if id is not None:
        return id, None
    for one, other in _numbered_blocks(columns):
        lengths = np.diff(np.flatnonzero(np.diff(one.values, prepend=np.nan, append=np.nan) != 0))
        clock_like = len(set(lengths.tolist())) == 1 and int(lengths[0]) in _CLOCK_BLOCKS
        if _UNNAMED.fullmatch(one.column.name) and _UNNAMED.fullmatch(other.column.name) and not clock_like:
            return one, other
    return None, None


def notice_roles(columns: Sequence[ParsedColumn], roles: ColumnRoles) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Notices about roles that were taken on the cells' evidence, and about likely ones that were not."""
    durations = [each.column.name for each in columns if each.column.kind == "time"]
    durations = [name for name in durations if name in roles.features]
    if durations:
        notice = f"Read as durations in seconds, since they rise and fall: {listing(durations)} (time= orders by one)."
        return (notice,), ()
    for one, other in _numbered_blocks(columns):
        id, time = one.column.name, other.column.name
        number = len(np.unique(one.values))
        if (roles.id, roles.time) == (id, time):
            instead = "id=False, time=False reads them as features of one sequence"
            notice = f"'{id}' looks like an id and '{time}' like a counter of its steps, and were read so ({instead})."
            return (notice,), ()
        if roles.id is None and id in roles.features:
            return (), (f"'{id}' looks like an id and '{time}' like a counter: id='{id}' reads {number:,} sequences.",)
    clock = next((parsed for parsed in columns if parsed.column.name == roles.time), None)
    if roles.id is None and clock is not None:
        for parsed in _telling_apart(columns, clock):
            id, number = parsed.column.name, len(np.unique(parsed.values))
            return (), (f"Times repeat, and '{id}' distinguishes their rows: id='{id}' reads {number:,} sequences.",)
    return (), ()


def _numbered_blocks(columns: Sequence[ParsedColumn]) -> Iterator[tuple[ParsedColumn, ParsedColumn]]:
    """Pairs of columns of whole numbers: blocks of equal ones, and a counter that starts over with each block."""
    whole = [parsed for parsed in columns if _has_whole_numbers(parsed) and not parsed.aside]
    for one in whole[:4]:
        starts = one.values[1:] != one.values[:-1]
        blocks = int(starts.sum()) + 1
        if blocks < 2 or 3 * blocks > len(one.values) or len(np.unique(one.values)) != blocks:
            continue
        for other in whole[:6]:
            steps = np.diff(other.values)
            first = other.values[np.append(True, starts)]
            if other is not one and (steps[~starts] == 1).all() and len(np.unique(first)) == 1 and first[0] in (0, 1):
                yield one, other
                break


def _has_whole_numbers(parsed: ParsedColumn) -> bool:
    column = parsed.column
    return column.kind == "number" and not column.missing and not column.infinite and _are_whole(parsed.values)


def _find_time(columns: Sequence[ParsedColumn], groups: np.ndarray | None) -> ParsedColumn | None:
    """The column that orders the rows: of dates, else of numbers that rise and are named so, or leave no doubt."""
    dates = [
        each for each in columns if each.column.kind == "time" and not each.aside and not _is_duration(each, groups)
    ]
    if dates:
        return max(
            dates, key=lambda parsed: (parsed.column.distinct > 1, _goes_one_way(parsed), parsed.numbers is None)
        )
    numbers = [parsed for parsed in columns if parsed.column.kind == "number" and not parsed.aside]
    named = next((parsed for parsed in numbers if _is_time(parsed, groups) or _falls(parsed)), None)
    labels = (parsed for parsed in columns if _labels_steps(parsed))
    return named or next((parsed for parsed in numbers if _is_huge_clock(parsed, groups)), None) or next(labels, None)


def _labels_steps(parsed: ParsedColumn) -> bool:
    """Whether a column of text is named as a time and has another text in each row."""
    column = parsed.column
    named = bool(set(_words(column.name)) & _CLOCK_WORDS)
    return column.kind == "text" and named and column.missing == 0 and column.distinct == len(parsed.values)


def _is_duration(parsed: ParsedColumn, groups: np.ndarray | None) -> bool:
    """Whether times of day without a date neither rise nor fall: durations, or unsorted."""
    if parsed.column.kind != "time" or parsed.numbers is None or not _is_clock(parsed):
        return False
    seconds = parsed.numbers if groups is None else parsed.numbers[np.argsort(groups, kind="stable")]
    steps = np.diff(seconds)
    if groups is not None:
        steps = steps[np.diff(np.sort(groups)) == 0]
    known = steps[np.isfinite(steps)]
    return bool((known < 0).any() and (known > 0).any())


def _is_clock(parsed: ParsedColumn) -> bool:
    known = parsed.values[~np.isnat(parsed.values)]
    return len(known) > 0 and bool((known.astype("datetime64[Y]") == np.datetime64("1900")).all())


def _goes_one_way(parsed: ParsedColumn) -> bool:
    steps = np.diff(parsed.values[~np.isnat(parsed.values)]).astype(np.int64)
    return bool((steps >= 0).all() or (steps <= 0).all())


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _is_id(parsed: ParsedColumn) -> bool:
    column, words = parsed.column, _words(parsed.column.name)
    if column.missing or column.constant or not set(words) & set(_ID_WORDS):
        return False
    if column.kind == "number":
        named = len(words) == 1 or words[-1] in _KEY_WORDS
        return named and _are_whole(parsed.values) and 2 * len(np.unique(parsed.values)) <= len(parsed.values)
    return column.kind == "text" and 2 * column.distinct <= len(parsed.values)


def _forms_blocks(parsed: ParsedColumn, columns: Sequence[ParsedColumn]) -> bool:
    """Whether each word forms one block of rows in which another column rises, to start over in the next block.

    This finds the id of a table in long form whatever the column is called.
    """
    column = parsed.column
    if column.kind != "text" or column.missing or column.constant or 3 * column.distinct > len(parsed.values):
        return False
    starts = parsed.values[1:] != parsed.values[:-1]
    return int(starts.sum()) + 1 == column.distinct and any(_starts_over(other, starts) for other in columns)


def _starts_over(parsed: ParsedColumn, starts: np.ndarray) -> bool:
    column = parsed.column
    if column.kind not in ("number", "time") or column.missing or column.infinite:
        return False
    rises = parsed.values[1:] > parsed.values[:-1]
    return bool(rises[~starts].all() and not rises[starts].any())


def _is_time(parsed: ParsedColumn, groups: np.ndarray | None) -> bool:
    column, words = parsed.column, _words(parsed.column.name)
    if column.kind != "number" or column.missing or column.infinite:
        return False
    if not set(words[:2]) & set(_TIME_WORDS) and words != ["x", "value"]:
        return False
    steps = _steps(parsed, groups)
    if words[0] in _CLOCK_WORDS and len(steps):  # events of a simulator share a time
        return bool((steps >= 0).all() and 2 * int((steps > 0).sum()) >= len(steps))
    return bool((steps > 0).all())


def _steps(parsed: ParsedColumn, groups: np.ndarray | None) -> np.ndarray:
    """The differences of neighbouring rows of one sequence."""
    if groups is None:
        return np.diff(parsed.values)
    order = np.argsort(groups, kind="stable")
    return np.diff(parsed.values[order])[np.diff(groups[order]) == 0]


def _falls(parsed: ParsedColumn) -> bool:
    """Whether a column is a clock by its whole name and falls from row to row: the newest row is the first."""
    column, words = parsed.column, _words(parsed.column.name)
    if column.missing or column.infinite or len(words) != 1 or words[0] not in _CLOCK_WORDS:
        return False
    return len(parsed.values) > 2 and bool((np.diff(parsed.values) < 0).all())


def _is_huge_clock(parsed: ParsedColumn, groups: np.ndarray | None) -> bool:
    """Whether huge whole numbers rise evenly, as the ticks of a clock do; without a name, they need not be even."""
    if not _has_whole_numbers(parsed) or float(parsed.values.min()) < _HUGE_CLOCK:
        return False
    steps = _steps(parsed, groups).astype(np.float64)
    unnamed = _UNNAMED.fullmatch(parsed.column.name) and float(parsed.values.min()) >= _TICKS
    return len(steps) >= _MIN_COUNTED and bool((steps > 0).all()) and (bool(unnamed) or _are_even(steps))


def _are_even(steps: np.ndarray) -> bool:
    """Whether four in five steps are equal, to a hundredth."""
    usual = np.median(steps)
    return bool((np.abs(steps - usual) <= 0.01 * abs(usual)).mean() >= 0.8)


def _is_other_clock(parsed: ParsedColumn, groups: np.ndarray | None) -> bool:
    if _is_huge_clock(parsed, groups):
        return True
    if not _is_time(parsed, groups) or parsed.column.name.strip() in _SYMBOLS:
        return False
    words = set(_words(parsed.column.name))
    if any(words & {name, f"{name}s"} and float(parsed.values.max()) <= most for name, most in _CALENDAR.items()):
        return False  # a part of the date, which is a feature like others
    return bool(words & _CLOCK_WORDS) or _are_even(_steps(parsed, groups))


def _is_counter(parsed: ParsedColumn, groups: np.ndarray | None, columns: int) -> bool:
    """Whether a column only counts the rows, and its name or its place says so."""
    name, words = parsed.column.name, set(_words(parsed.column.name))
    if not _has_whole_numbers(parsed) or name.strip() in _SYMBOLS:
        return False
    steps, first = _steps(parsed, groups), int(parsed.values[0])
    if not len(steps) or not ((steps == 1).all() or (groups is None and (steps == -1).all())):
        return bool(words & _INDEX_WORDS) and _wraps(parsed.values, steps)
    if _UNNAMED.fullmatch(name) and not name.startswith("unnamed"):  # no name says so: it is the first of several
        return name == "column 1" and columns > 1 and first in (0, 1) and len(parsed.values) >= _MIN_COUNTED
    return bool(words & _INDEX_WORDS) or (first in (0, 1) and (not words or bool(words & _COUNT_WORDS)))


def _wraps(values: np.ndarray, steps: np.ndarray) -> bool:
    """Whether a counter starts over at a limit, such as 255, each time with the same step back."""
    back = np.unique(steps[steps != 1])
    return len(back) == 1 and 2 * int((steps == 1).sum()) > len(steps) and bool(back[0] == values.min() - values.max())


def _are_whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "iu" or bool((values == np.floor(values)).all())


def assign_roles(
    where: str,
    columns: Mapping[str, ParsedColumn],
    suggested: ColumnRoles,
    features: str | Iterable[str] | None,
    id: str | bool | None,
    time: str | bool | None,
    one_hot: str | Iterable[str],
) -> tuple[ColumnRoles, tuple[str, ...]]:
    """Assign the roles; None takes the suggestion and False leaves a role empty.

    Returns:
        The roles, and notices about columns that were left out.
    """
    hot = _names(one_hot)
    specified = None if features is None else _names(features)
    named = {name for name in (*hot, *(specified or ()), id, time) if isinstance(name, str)}
    id = _role(id, suggested.id, named)
    time = _role(time, suggested.time, named)
    others = {*hot, id, time}
    chosen = specified if specified is not None else tuple(name for name in suggested.features if name not in others)
    refuse_unknown(where, columns, (*chosen, *hot, *(name for name in (id, time) if name is not None)))
    _refuse_twice(where, chosen, hot, id, time)
    for name in chosen:
        _refuse_feature(where, columns[name])
    for name in hot:
        _refuse_one_hot(where, columns[name])
    if not chosen and not hot:
        _refuse_nothing(where, columns, specified is not None)
    roles = ColumnRoles(chosen, time, id, hot)
    return roles, _unused(columns, roles) if specified is None else ()


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _role(given: str | bool | None, suggested: str | None, named: set[str]) -> str | None:
    if given is None:
        return suggested if suggested not in named else None
    return given if isinstance(given, str) else None


def refuse_unknown(where: str, columns: Mapping[str, ParsedColumn], names: Iterable[str]) -> None:
    """Refuse names that are no columns."""
    for name in names:
        if name not in columns:
            wanted = f"one of its columns: {listing(columns, most=20)}"
            raise SequenceError(where, f"no column '{name}'", wanted, "Check the spelling and the header.")


def _refuse_twice(
    where: str, features: tuple[str, ...], one_hot: tuple[str, ...], id: str | None, time: str | None
) -> None:
    roles = [(name, "feature") for name in features] + [(name, "one-hot") for name in one_hot]
    roles += [(name, role) for name, role in ((id, "id"), (time, "time")) if name is not None]
    seen: dict[str, str] = {}
    for name, role in roles:
        if name in seen:
            found = f"column '{name}' as {seen[name]} and as {role}"
            raise SequenceError(where, found, "one role for each column", "Remove it from one of them.")
        seen[name] = role


def _refuse_feature(where: str, parsed: ParsedColumn) -> None:
    column = parsed.column
    if column.kind == "text" or (column.kind == "time" and parsed.numbers is None):
        found = f"{column.kind} in column '{column.name}', such as {listing([column.example])}"
        remedy = "Use it as one_hot=." if column.kind == "text" else "Use it as time=."
        raise SequenceError(where, found, "numbers in a feature", remedy)


def _refuse_one_hot(where: str, parsed: ParsedColumn) -> None:
    distinct = len(pd.unique(parsed.values[~pd.isna(parsed.values)]))
    if distinct > _ONE_HOT_CAP:
        found = f"{distinct:,} different values in column '{parsed.column.name}'"
        remedy = "Leave it out, or merge rare values first."
        raise SequenceError(where, found, f"at most {_ONE_HOT_CAP} for one-hot", remedy)


def _refuse_nothing(where: str, columns: Mapping[str, ParsedColumn], specified: bool) -> None:
    if specified:
        raise SequenceError(where, "no feature specified", "at least one", "Name a column in features=.")
    if all(parsed.column.kind == "empty" for parsed in columns.values()):
        raise SequenceError(where, "no cell that is not missing", "numbers", "Choose another file.")
    texts = [name for name, parsed in columns.items() if parsed.column.kind == "text"]
    remedy = f"Text can become features by one_hot=: {listing(texts)}." if texts else "Choose another file."
    raise SequenceError(where, f"no column of numbers among {count(len(columns), 'column')}", "at least one", remedy)


def _unused(columns: Mapping[str, ParsedColumn], roles: ColumnRoles) -> tuple[str, ...]:
    """Notices about the columns without a role."""
    used = {*roles.features, *roles.one_hot, roles.time, roles.id}
    unused = [parsed.column for name, parsed in columns.items() if name not in used]
    reasons = {
        "number": "it was not chosen",
        "text": "text is not a number (one_hot= turns each value into a feature)",
        "time": "it contains times (time= can name one column)",
        "empty": "no cell is filled",
    }
    by_reason: dict[str, list[str]] = {}
    for each in unused:
        parsed = columns[each.name]
        hint = " (name it in features= to keep it)" if each.kind == "number" or parsed.numbers is not None else ""
        by_reason.setdefault(f"{parsed.aside}{hint}" if parsed.aside else reasons[each.kind], []).append(each.name)
    notices = []
    for reason, names in by_reason.items():
        each_of = (
            reason if len(names) == 1 else reason.replace("it ", "each ", 1) if reason.startswith("it ") else reason
        )
        notices.append(f"{count(len(names), 'column')} left out, since {each_of}: {listing(names)}.")
    return tuple(notices)
