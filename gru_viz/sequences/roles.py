"""Which column plays which part in a reading: asked for, or suggested, and refused where it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.columns import Held
from gru_viz.sequences.suggest import Choice
from gru_viz.sequences.words import count, listing

__all__ = ["ONE_HOT_CAP", "Roles", "assign"]

ONE_HOT_CAP = 64


@dataclass(frozen=True)
class Roles:
    """The part that each column plays in one reading.

    Attributes:
        features: numbers that become features.
        one_hot: columns of which each distinct cell becomes a feature of 0 and 1.
        time: what labels and orders the steps, or None.
        id: what parts the table into sequences, or None.
        notices: what was left out, and what was chosen by itself.
    """

    features: tuple[str, ...]
    one_hot: tuple[str, ...]
    time: str | None
    id: str | None
    notices: tuple[str, ...]


def assign(
    where: str,
    held: Mapping[str, Held],
    suggested: Choice,
    features: str | Iterable[str] | None,
    id: str | bool | None,
    time: str | bool | None,
    one_hot: str | Iterable[str],
) -> Roles:
    """Settle the parts; None takes the suggestion and False leaves a part empty.

    Raises:
        SequenceError: a name is unknown, in two parts, or of a kind that cannot play its part.
    """
    hot = _names(one_hot)
    asked = None if features is None else _names(features)
    told = {name for name in (*hot, *(asked or ()), id, time) if isinstance(name, str)}
    id = _part(id, suggested.id, told)
    time = _part(time, suggested.time, told)
    others = {*hot, id, time}
    chosen = asked if asked is not None else tuple(name for name in suggested.features if name not in others)
    _refuse_unknown(where, held, (*chosen, *hot, *(name for name in (id, time) if name is not None)))
    _refuse_twice(where, chosen, hot, id, time)
    for name in chosen:
        _refuse_feature(where, held[name])
    for name in hot:
        _refuse_one_hot(where, held[name])
    if not chosen and not hot:
        _refuse_nothing(where, held, asked is not None)
    roles = Roles(chosen, hot, time, id, ())
    return Roles(chosen, hot, time, id, _left_out(held, roles) if asked is None else ())


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _part(given: str | bool | None, suggested: str | None, told: set[str]) -> str | None:
    if given is None:
        return suggested if suggested not in told else None
    return given if isinstance(given, str) else None


def _refuse_unknown(where: str, held: Mapping[str, Held], names: Iterable[str]) -> None:
    for name in names:
        if name not in held:
            wanted = f"one of its columns: {listing(held, most=20)}"
            raise SequenceError(where, f"no column '{name}'", wanted, "Check the spelling and the header.")


def _refuse_twice(
    where: str, features: tuple[str, ...], one_hot: tuple[str, ...], id: str | None, time: str | None
) -> None:
    parts = [(name, "feature") for name in features] + [(name, "one-hot") for name in one_hot]
    parts += [(name, part) for name, part in ((id, "id"), (time, "time")) if name is not None]
    seen: dict[str, str] = {}
    for name, part in parts:
        if name in seen:
            found = f"column '{name}' as {seen[name]} and as {part}"
            raise SequenceError(where, found, "each column in one part", "Take it out of one of them.")
        seen[name] = part


def _refuse_feature(where: str, held: Held) -> None:
    column = held.column
    if column.kind in {"text", "time"}:
        found = f"{column.kind} in column '{column.name}', such as {listing([column.example])}"
        remedy = "Give it as one_hot=." if column.kind == "text" else "Give it as time=."
        raise SequenceError(where, found, "numbers in a feature", remedy)


def _refuse_one_hot(where: str, held: Held) -> None:
    column = held.column
    distinct = len(pd.unique(held.values[~pd.isna(held.values)]))
    if distinct > ONE_HOT_CAP:
        found = f"{distinct:,} different values in column '{column.name}'"
        remedy = "Leave it out, or join rare values before."
        raise SequenceError(where, found, f"at most {ONE_HOT_CAP} for one-hot", remedy)


def _refuse_nothing(where: str, held: Mapping[str, Held], asked: bool) -> None:
    if asked:
        raise SequenceError(where, "no feature asked for", "at least one", "Name a column in features=.")
    if all(one.column.kind == "empty" for one in held.values()):
        raise SequenceError(where, "no cell that is not missing", "numbers", "Choose another file.")
    texts = [name for name, one in held.items() if one.column.kind == "text"]
    remedy = f"Text can become features by one_hot=: {listing(texts)}." if texts else "Choose another file."
    raise SequenceError(where, f"no column of numbers among {count(len(held), 'column')}", "at least one", remedy)


def _left_out(held: Mapping[str, Held], roles: Roles) -> tuple[str, ...]:
    """Say which columns no part was found for, and which parts were found without being asked."""
    used = {*roles.features, *roles.one_hot, roles.time, roles.id}
    kinds: dict[str, list[str]] = {"number": [], "text": [], "time": [], "empty": []}
    for name, one in held.items():
        if name not in used:
            kinds[one.column.kind].append(name)
    reasons = {
        "number": "it only counts the rows (name it in features= to keep it)",
        "text": "text is no number (one_hot= turns each value into a feature)",
        "time": "it holds times (time= can name one column)",
        "empty": "no cell is filled",
    }
    return tuple(
        f"{count(len(names), 'column')} left out, since {reasons[kind]}: {listing(names)}."
        for kind, names in kinds.items()
        if names
    )
