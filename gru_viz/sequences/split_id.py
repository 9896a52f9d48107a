"""Puts the name of a sequence together that is split into columns: store and item, latitude and longitude."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from gru_viz.sequences.column_parsing import Column, ParsedColumn
from gru_viz.sequences.column_roles import ColumnRoles, may_identify
from gru_viz.sequences.header import unique_names
from gru_viz.sequences.phrases import listing
from gru_viz.sequences.step_labels import label_steps

__all__ = ["join_id"]

_MOST_COLUMNS = 3
_MIN_ROWS = 3
_REPEATED = 1.5
"""Times must occur so often on average: a few events at one time are no sequences of their own."""


def join_id(
    columns: Mapping[str, ParsedColumn], roles: ColumnRoles
) -> tuple[dict[str, ParsedColumn], ColumnRoles, tuple[str, ...]]:
    """Add a column of names where only several columns together give each row of a sequence a time of its own.

    Returns:
        The columns, the roles with the new column as id, and a notice.

    Example:
        >>> from gru_viz.sequences import read_table
        >>> pairs = [(shop, item) for shop in "ab" for item in "xy"]
        >>> rows = "".join(f"2020-01-0{day},{shop},{item},{day}\\n" for day in (1, 2, 3) for shop, item in pairs)
        >>> [one.name for one in read_table(f"date,shop,item,sold\\n{rows}".encode())][:2]
        ['shop item a, x', 'shop item a, y']
    """
    time = columns[roles.time] if roles.time is not None else None
    if time is None or time.column.kind == "text" or time.column.missing or time.column.infinite:
        return dict(columns), roles, ()
    names = [roles.id] if roles.id is not None else []
    codes = pd.factorize(columns[names[0]].values)[0] if names else np.zeros(len(time.values), np.int64)
    if (time.values[1:] > time.values[:-1])[codes[1:] == codes[:-1]].all() and (np.diff(codes) >= 0).all():
        return dict(columns), roles, ()  # in order, as most tables are
    times = pd.factorize(time.values)[0]
    if _REPEATED * _distinct(codes, times) > len(times):
        return dict(columns), roles, ()
    for name in _candidates(columns, roles):
        joined = pd.factorize(codes * np.int64(len(codes)) + pd.factorize(columns[name].values)[0])[0]
        if joined.max() == codes.max() or _MIN_ROWS * (joined.max() + 1) > len(codes):
            continue
        codes, names = joined, [*names, name]
        if len(names) == _MOST_COLUMNS or _are_unique(codes, times):
            break
    if len(names) < 2 or not _are_unique(codes, times):
        return dict(columns), roles, ()
    name = unique_names([*columns, " ".join(names)])[0][-1]
    marked = {each: replace(columns[each], aside=f"together they are the id '{name}'") for each in names}
    features = tuple(each for each in roles.features if each not in names)
    if not features:
        return dict(columns), roles, ()
    notice = f"{listing(names)} together identify the sequences, as '{name}' (id= can name another column)."
    return (
        {name: _joined(name, codes, [columns[each] for each in names]), **columns, **marked},
        replace(roles, id=name, features=features),
        (notice,),
    )


def _distinct(codes: np.ndarray, times: np.ndarray) -> int:
    """The number of distinct pairs of a sequence and a time."""
    return len(pd.unique(codes * np.int64(times.max() + 1) + times))


def _are_unique(codes: np.ndarray, times: np.ndarray) -> bool:
    """Whether no time occurs twice in a sequence."""
    return _distinct(codes, times) == len(times)


def _candidates(columns: Mapping[str, ParsedColumn], roles: ColumnRoles) -> Iterator[str]:
    for name, parsed in columns.items():
        if name not in (roles.id, roles.time) and not parsed.aside and may_identify(parsed):
            yield name


def _joined(name: str, codes: np.ndarray, parts: list[ParsedColumn]) -> ParsedColumn:
    """The column of texts: one text for each distinct pair."""
    first = np.unique(codes, return_index=True)[1]
    labels = [label_steps(part.values[first]) for part in parts]
    texts = np.array([", ".join(words) for words in zip(*labels, strict=True)], dtype=object)
    column = Column(name, "text", 0, False, 0, 0, len(texts), str(texts[codes[0]]))
    return ParsedColumn(column, texts[codes])
