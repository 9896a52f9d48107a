"""The role of each column: feature, one-hot, time or id; suggested from its name and cells, or as specified."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.column_parsing import ParsedColumn
from gru_viz.sequences.phrases import count, listing

__all__ = ["ColumnRoles", "assign_roles", "refuse_unknown", "suggest_roles"]

_ONE_HOT_CAP = 64
_ID_WORDS = """
    id series group unit symbol ticker patient subject sensor station device name country region city store shop item
    product machine engine batch run trial vehicle user customer player participant person animal site node
""".split()  # noqa: SIM905
_KEY_WORDS = {"id", "nr", "no", "number", "num", "code", "key"}
_TIME_WORDS = """
    time date datetime timestamp step steps t tick cycle cycles frame epoch second seconds sec secs minute minutes
    hour hours day days week month year visit zeit datum
""".split()  # noqa: SIM905
_INDEX_WORDS = {"index", "idx", "row", "rows", "id", "nr", "no", "number", "num", "record", "obs", "unnamed"}


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


def suggest_roles(columns: Sequence[ParsedColumn]) -> ColumnRoles:
    """Suggest roles that fit ordinary tables; a column becomes the id only with good evidence."""
    id = next((parsed for parsed in columns if _is_id(parsed) or _forms_blocks(parsed, columns)), None)
    groups = pd.factorize(id.values)[0] if id is not None else None
    dates = [parsed for parsed in columns if parsed.column.kind == "time"]
    time = dates[0] if dates else next((parsed for parsed in columns if _is_time(parsed, groups)), None)
    taken = {parsed.column.name for parsed in (id, time) if parsed is not None}
    numbers = [parsed for parsed in columns if parsed.column.kind == "number" and parsed.column.name not in taken]
    features = [parsed.column.name for parsed in numbers if not _is_counter(parsed)]
    return ColumnRoles(
        tuple(features or [parsed.column.name for parsed in numbers]),
        time.column.name if time is not None else None,
        id.column.name if id is not None else None,
    )


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


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
    if column.kind != "number" or column.missing or column.infinite or not set(words[:2]) & set(_TIME_WORDS):
        return False
    if groups is None:
        return bool((np.diff(parsed.values) > 0).all())
    order = np.argsort(groups, kind="stable")
    same = np.diff(groups[order]) == 0
    return bool((np.diff(parsed.values[order])[same] > 0).all())


def _is_counter(parsed: ParsedColumn) -> bool:
    """Whether a column only counts the rows, and its name says so."""
    words = _words(parsed.column.name)
    if words and not _INDEX_WORDS & set(words):
        return False
    if parsed.column.missing or parsed.column.infinite or not _are_whole(parsed.values):
        return False
    first = int(parsed.values[0])
    return first in (0, 1) and bool((np.diff(parsed.values) == 1).all())


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
    if column.kind in {"text", "time"}:
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
        "number": "it only counts the rows (name it in features= to keep it)",
        "text": "text is not a number (one_hot= turns each value into a feature)",
        "time": "it contains times (time= can name one column)",
        "empty": "no cell is filled",
    }
    named = [([each.name for each in unused if each.kind == kind], reason) for kind, reason in reasons.items()]
    return tuple(
        f"{count(len(names), 'column')} left out, since {reason}: {listing(names)}." for names, reason in named if names
    )
