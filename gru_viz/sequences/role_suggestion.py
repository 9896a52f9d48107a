"""Suggests which columns are features, time and id, from their names and cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gru_viz.sequences.column_parsing import ParsedColumn

__all__ = ["ColumnRoles", "suggest_roles"]

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
    """Suggest roles that fit ordinary tables; a column becomes the id only with good evidence.

    Example:
        >>> from gru_viz.sequences.column_parsing import parse_column
        >>> from gru_viz.sequences.cell_parsing import NumberFormat
        >>> table = pd.DataFrame({"step": [1, 2, 3], "price": [4.0, 4.5, 3.0]})
        >>> number_format = NumberFormat(".", None)
        >>> suggest_roles([parse_column(name, table[name], number_format, True, None) for name in table])
        ColumnRoles(features=('price',), time='step', id=None, one_hot=())
    """
    id = next((parsed for parsed in columns if _is_id(parsed) or _forms_blocks(parsed, columns)), None)
    groups = _codes(id.values) if id is not None else None
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
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z]+", split.lower())


def _is_id(parsed: ParsedColumn) -> bool:
    column, words = parsed.column, _words(parsed.column.name)
    if column.missing or column.constant or not set(words) & set(_ID_WORDS):
        return False
    if column.kind == "number":
        named = len(words) == 1 or words[-1] in _KEY_WORDS
        if not named or not _are_whole(parsed.values):
            return False
        return 2 * len(np.unique(parsed.values)) <= len(parsed.values)
    return column.kind == "text" and 2 * column.distinct <= len(parsed.values)


def _forms_blocks(parsed: ParsedColumn, columns: Sequence[ParsedColumn]) -> bool:
    """Whether each word forms one block of rows in which another column rises, to start over in the next block.

    This finds the id of a table in long form whatever the column is called.
    """
    column = parsed.column
    if column.kind != "text" or column.missing or column.constant or 3 * column.distinct > len(parsed.values):
        return False
    starts = parsed.values[1:] != parsed.values[:-1]
    if int(starts.sum()) + 1 != column.distinct:
        return False
    return any(_starts_over(other, starts) for other in columns if other.column.kind in ("number", "time"))


def _starts_over(parsed: ParsedColumn, starts: np.ndarray) -> bool:
    if parsed.column.missing or parsed.column.infinite:
        return False
    rises = parsed.values[1:] > parsed.values[:-1]
    return bool(rises[~starts].all() and not rises[starts].any())


def _codes(values: np.ndarray) -> np.ndarray:
    return pd.factorize(values)[0]


def _is_time(parsed: ParsedColumn, groups: np.ndarray | None) -> bool:
    words = _words(parsed.column.name)
    if (
        parsed.column.kind != "number"
        or parsed.column.missing
        or parsed.column.infinite
        or not set(words[:2]) & set(_TIME_WORDS)
    ):
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
