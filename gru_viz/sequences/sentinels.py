"""Finds numbers that stand for a missing value, such as −9999: far outside the column's others, and repeated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np

from gru_viz.sequences.column_parsing import ParsedColumn, number_column
from gru_viz.sequences.phrases import count, listing

__all__ = ["mark_missing", "mark_sentinels"]

_FILLS = (1e20, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 9.96921e36, 3.4028235e38, 1.7976931348623157e308)
_WHOLE = (6999, 7999, 32767, 32768, 65535, 2147483647, 2147483648, 4294967295)
_NINES = tuple(float("9" * digits) for digits in range(2, 9))
_TENTHS = tuple(
    (10.0**digits - 1) / 10**places for digits in range(3, 8) for places in (1, 2, 3) if digits > places + 1
)
_EIGHTS = (777.0, 888.0, 7777.0, 8888.0, 88888.0, 777.7, 888.8, 7777.7)
_USUAL = {round(size, 3) for size in (*_NINES, *_TENTHS, *_EIGHTS, *map(float, _WHOLE))}
_WRITTEN = _USUAL | {float(np.float32(size)) for size in _USUAL}
"""Magnitudes of such numbers as float64 and float32 write them, beside 1e20 and its like."""
_UNDER_ZERO = -200.0
"""A mark below zero alone: 200 is a usual value."""
_SMALL = 100.0
_PRICES = re.compile(
    r"price|preis|prix|precio|prezzo|cost|amount|sales?\b|open|high|low|close|bid|ask|total", re.IGNORECASE
)
_MIN_OTHERS, _MANY = 3, 10
_MIN_GAPS = 5.0
_TOGETHER = 0.5


def mark_sentinels(
    columns: Mapping[str, ParsedColumn], skipped: Collection[str] = ()
) -> tuple[dict[str, ParsedColumn], tuple[str, ...], tuple[str, ...]]:
    """Make numbers that stand for a missing value missing; one that is not repeated is only named.

    A number is taken for a mark if it is a usual one (−9999, 999.9, −200, 1e20, …), repeated in the table, and further
    from the other values of its column than these are from one another. Columns in ``skipped`` keep all numbers.

    Returns:
        The columns, notices about what is missing now, and about what may be.

    Example:
        >>> from gru_viz.sequences import open_table
        >>> open_table(b"x\\n15\\n16\\n-9999\\n15.5\\n-9999\\n").columns[0].missing
        2
    """
    marked = dict(columns)
    clear: dict[float, dict[str, np.ndarray]] = {}
    for name, parsed in columns.items():
        if parsed.column.kind == "number" and name not in skipped:
            for mark, at in _far_marks(parsed).items():
                clear.setdefault(mark, {})[name] = at
    notices, single = list[str](), list[tuple[float, str]]()
    for mark, places in clear.items():
        repeated = sum(int(at.sum()) for at in places.values())
        if repeated < 2:
            single.append((mark, next(iter(places))))
            continue
        places = places | _with_others(mark, places, columns, skipped)
        for name, at in places.items():
            marked[name] = _without(marked[name], at)
        cells = sum(int(at.sum()) for at in places.values())
        notices.append(
            f"{count(cells, 'cell')} of {_written(mark)} far from all others taken as missing, in {listing(places)} "
            "(missing_values=() keeps them)."
        )
    offers = [
        f"'{name}' has one {_written(mark)} far from all others: missing_values={_written(mark, '-')} makes it missing."
        for mark, name in single
    ]
    return marked, tuple(notices), tuple(offers)


def mark_missing(
    columns: Mapping[str, ParsedColumn], marks: Iterable[float]
) -> tuple[dict[str, ParsedColumn], tuple[str, ...]]:
    """Make these numbers missing in every column of numbers, with a notice."""
    marked, cells, names = dict(columns), 0, []
    marks = tuple(marks)
    for name, parsed in columns.items():
        if parsed.column.kind != "number":
            continue
        at = np.logical_or.reduce([_equal(parsed.values, mark) for mark in marks]) if marks else np.array([False])
        if at.any():
            marked[name] = _without(parsed, at)
            cells += int(at.sum())
            names.append(name)
    if not names:
        return marked, ()
    return marked, (f"{count(cells, 'cell')} of {', '.join(map(_written, marks))} are missing: {listing(names)}.",)


def _written(mark: float, minus: str = "−") -> str:
    return f"{mark:.10g}".replace("-", minus)


def _equal(values: np.ndarray, mark: float) -> np.ndarray:
    """Where the mark is, as float64 or as float32 write it."""
    if abs(mark) >= min(_FILLS):
        return np.abs(values - mark) <= 1e-5 * abs(mark)
    return (values == mark) | (values == float(np.float32(mark)))


def _without(parsed: ParsedColumn, at: np.ndarray) -> ParsedColumn:
    values = np.where(at, np.nan, parsed.values)
    return replace(number_column(parsed.column.name, values, parsed.notices), aside=parsed.aside)


def _is_mark(value: float) -> bool:
    size = abs(value)
    return size in _WRITTEN or value == _UNDER_ZERO or any(abs(fill - size) <= 1e-5 * fill for fill in _FILLS)


def _far_marks(parsed: ParsedColumn) -> dict[float, np.ndarray]:
    """Mark → (rows,) where it stands; taken from the outside while what is left is far away."""
    values = parsed.values
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    found: dict[float, np.ndarray] = {}
    for _ in range(4):
        ends = [float(finite.min()), float(finite.max())] if len(finite) else []
        mark = next((end for end in ends if _is_mark(end)), None)
        if mark is None:
            break
        others = finite[~_equal(finite, mark)]
        found[mark] = _equal(values, mark)
        finite = others
    far = {}
    while found:  # the innermost first: the others are judged by what is left
        mark, at = found.popitem()
        if not _is_far(mark, finite, parsed.column.name):
            finite = np.append(finite, mark)
            continue
        far[mark] = at
    return far


def _is_far(mark: float, others: np.ndarray, name: str) -> bool:
    """Whether a mark is further from the other values than these are from one another, and much larger or negative."""
    distinct = np.unique(others[:10_000])
    if len(distinct) < 2 or (mark > 0 and _PRICES.search(name) and mark < 1e6):
        return False
    low, high = float(others.min()), float(others.max())
    gap, extent = max(low - mark, mark - high), high - low
    between = float(np.diff(distinct).max())
    if mark < 0 <= low and len(distinct) >= _MANY and gap > _MIN_GAPS * between:
        return True
    if abs(mark) < _SMALL and (len(distinct) < 2 * _MIN_OTHERS or gap <= (3 if mark > 0 else 1) * extent):
        return False
    if len(distinct) < (_MIN_OTHERS if mark > 0 else 2) or gap <= 0:
        return False
    if abs(mark) <= 2 * max(abs(low), abs(high)) and not mark < 0 <= low:
        return False
    return gap > extent


def _with_others(
    mark: float, clear: Mapping[str, np.ndarray], columns: Mapping[str, ParsedColumn], skipped: Collection[str]
) -> dict[str, np.ndarray]:
    """The same mark in columns of a wider range: outside their values, apart from them, or all that they have."""
    found = {}
    for name, parsed in columns.items():
        if name in clear or parsed.column.kind != "number" or name in skipped:
            continue
        at = _equal(parsed.values, mark)
        others = parsed.values[~at & np.isfinite(parsed.values)]
        if not at.any():
            continue
        if not len(others):
            found[name] = at
            continue
        gap = max(float(others.min()) - mark, mark - float(others.max()))
        between = np.diff(np.unique(others[:10_000]))
        apart = gap > _MIN_GAPS * float(between.max(initial=0.0)) or _stand_together(at, clear)
        if gap > 0 and apart:
            found[name] = at
    return found


def _stand_together(at: np.ndarray, clear: Mapping[str, np.ndarray]) -> bool:
    """Whether most of the rows with the mark have it in another column too, and it occurs more than once."""
    elsewhere = np.logical_or.reduce(list(clear.values()))
    return int(at.sum()) > 1 and float(elsewhere[at].mean()) >= _TOGETHER
