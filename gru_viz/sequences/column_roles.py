"""Assigns a role to each column: feature, one-hot, time or id; as specified, or as suggested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.column_parsing import ParsedColumn
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.role_suggestion import ColumnRoles

__all__ = ["ONE_HOT_CAP", "assign_roles"]

ONE_HOT_CAP = 64


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

    Args:
        where: the name of the table, for errors.
        columns: its columns by name.
        suggested: the roles to use by default.
        features, id, time, one_hot: as in ``Table.sequences``.

    Returns:
        The roles, and notices about columns that were left out.

    Raises:
        SequenceError: a column is unknown, has two roles, or is of a kind that does not fit its role.
    """
    hot = _names(one_hot)
    specified = None if features is None else _names(features)
    named = {name for name in (*hot, *(specified or ()), id, time) if isinstance(name, str)}
    id = _role(id, suggested.id, named)
    time = _role(time, suggested.time, named)
    others = {*hot, id, time}
    chosen = specified if specified is not None else tuple(name for name in suggested.features if name not in others)
    _refuse_unknown(where, columns, (*chosen, *hot, *(name for name in (id, time) if name is not None)))
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


def _refuse_unknown(where: str, columns: Mapping[str, ParsedColumn], names: Iterable[str]) -> None:
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
    column = parsed.column
    distinct = len(pd.unique(parsed.values[~pd.isna(parsed.values)]))
    if distinct > ONE_HOT_CAP:
        found = f"{distinct:,} different values in column '{column.name}'"
        remedy = "Leave it out, or merge rare values first."
        raise SequenceError(where, found, f"at most {ONE_HOT_CAP} for one-hot", remedy)


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
    kinds: dict[str, list[str]] = {"number": [], "text": [], "time": [], "empty": []}
    for name, parsed in columns.items():
        if name not in used:
            kinds[parsed.column.kind].append(name)
    reasons = {
        "number": "it only counts the rows (name it in features= to keep it)",
        "text": "text is not a number (one_hot= turns each value into a feature)",
        "time": "it contains times (time= can name one column)",
        "empty": "no cell is filled",
    }
    return tuple(
        f"{count(len(names), 'column')} left out, since {reasons[kind]}: {listing(names)}."
        for kind, names in kinds.items()
        if names
    )
