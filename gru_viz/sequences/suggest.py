"""Which columns are likely the features, the time and the id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gru_viz.sequences.columns import Held

__all__ = ["Choice", "suggest"]

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
class Choice:
    """The part that each column plays.

    Attributes:
        features: what the GRU reads.
        time: what labels and orders the steps, or None.
        id: what parts the table into sequences, or None.
    """

    features: tuple[str, ...]
    time: str | None
    id: str | None


def suggest(columns: Sequence[Held]) -> Choice:
    """Give a default that is right for ordinary tables and takes no column for an id lightly.

    Example:
        >>> from gru_viz.sequences.columns import hold
        >>> from gru_viz.sequences.cells import Writing
        >>> import pandas as pd
        >>> table = {"step": [1, 2, 3], "price": [4.0, 4.5, 3.0]}
        >>> suggest([hold(name, pd.Series(cells), Writing(".", None), True, None) for name, cells in table.items()])
        Choice(features=('price',), time='step', id=None)
    """
    id_held = next((held for held in columns if _is_id(held) or _parts_into_runs(held, columns)), None)
    groups = _codes(id_held.values) if id_held is not None else None
    dates = [held for held in columns if held.column.kind == "time"]
    time_held = dates[0] if dates else next((held for held in columns if _is_time(held, groups)), None)
    taken = {held.column.name for held in (id_held, time_held) if held is not None}
    numbers = [held for held in columns if held.column.kind == "number" and held.column.name not in taken]
    features = [held.column.name for held in numbers if not _is_counter(held)]
    return Choice(
        tuple(features or [held.column.name for held in numbers]),
        time_held.column.name if time_held is not None else None,
        id_held.column.name if id_held is not None else None,
    )


def _words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z]+", parted.lower())


def _is_id(held: Held) -> bool:
    column, words = held.column, _words(held.column.name)
    if column.missing or column.constant or not set(words) & set(_ID_WORDS):
        return False
    if column.kind == "number":
        named = len(words) == 1 or words[-1] in _KEY_WORDS
        if not named or not _are_whole(held.values):
            return False
        return 2 * len(np.unique(held.values)) <= len(held.values)
    return column.kind == "text" and 2 * column.distinct <= len(held.values)


def _parts_into_runs(held: Held, columns: Sequence[Held]) -> bool:
    """Whether words stand in blocks, one each, with some column that rises in every block and starts over in the next.

    So a long table shows what tells its sequences apart, whatever the column is called.
    """
    column = held.column
    if column.kind != "text" or column.missing or column.constant or 3 * column.distinct > len(held.values):
        return False
    starts = held.values[1:] != held.values[:-1]
    if int(starts.sum()) + 1 != column.distinct:
        return False
    return any(_starts_over(other, starts) for other in columns if other.column.kind in ("number", "time"))


def _starts_over(held: Held, starts: np.ndarray) -> bool:
    if held.column.missing or held.column.infinite:
        return False
    rises = held.values[1:] > held.values[:-1]
    return bool(rises[~starts].all() and not rises[starts].any())


def _codes(values: np.ndarray) -> np.ndarray:
    return pd.factorize(values)[0]


def _is_time(held: Held, groups: np.ndarray | None) -> bool:
    words = _words(held.column.name)
    if (
        held.column.kind != "number"
        or held.column.missing
        or held.column.infinite
        or not set(words[:2]) & set(_TIME_WORDS)
    ):
        return False
    if groups is None:
        return bool((np.diff(held.values) > 0).all())
    order = np.argsort(groups, kind="stable")
    same = np.diff(groups[order]) == 0
    return bool((np.diff(held.values[order])[same] > 0).all())


def _is_counter(held: Held) -> bool:
    """Whether a column only counts the rows, and is named so."""
    words = _words(held.column.name)
    if words and not _INDEX_WORDS & set(words):
        return False
    if held.column.missing or held.column.infinite or not _are_whole(held.values):
        return False
    first = int(held.values[0])
    return first in (0, 1) and bool((np.diff(held.values) == 1).all())


def _are_whole(values: np.ndarray) -> bool:
    return values.dtype.kind in "iu" or bool((values == np.floor(values)).all())
