"""What each column holds: numbers, times, text or nothing, and what is odd about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from gru_viz.sequences.cells import MISSING_MARKS, TRUTHS, Writing, others
from gru_viz.sequences.dates import counted_dates, date_writing, read_dates, read_plain_dates
from gru_viz.sequences.words import count, listing

__all__ = ["LARGEST", "Column", "Held", "hold", "out_of_range"]

LARGEST = float(np.finfo(np.float32).max)
_ENOUGH = 0.8
_HUGE = 1e9
_LOOKED_AT = 10_000
_SHOWN = 5


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        name: its name.
        kind: ``"number"``, ``"time"``, ``"text"`` or ``"empty"``.
        missing: how many cells are empty, marked as missing, or of another kind than the column.
        constant: whether all other cells are equal.
        infinite: how many cells are infinite.
        huge: how many numbers are beyond float32, or a billion times the middle of the column's magnitudes.
        distinct: how many different cells it has; for numbers, among the first 10,000 rows.
        example: the first cell that is not missing.
    """

    name: str
    kind: Literal["number", "time", "text", "empty"]
    missing: int
    constant: bool
    infinite: int
    huge: int
    distinct: int
    example: str


@dataclass(frozen=True)
class Held:
    """A column and its cells.

    Attributes:
        column: what it holds.
        values: (rows,) numbers, datetime64[us], or texts with None where missing.
        notices: what was assumed in reading it.
    """

    column: Column
    values: np.ndarray
    notices: tuple[str, ...] = ()


def hold(name: str, cells: pd.Series, writing: Writing, free: bool, day_first: bool | None) -> Held:
    """Find the kind of a parsed column and bring its cells to it.

    Args:
        name: the column's name.
        cells: numbers where the parser found only numbers, else texts.
        writing: how numbers are written in this table.
        free: whether this column may turn out to write them in another way.
        day_first: see ``open_table``.

    Example:
        >>> hold("x", pd.Series(["1 234,5", "2,5"]), Writing(",", " "), True, None).values.tolist()
        [1234.5, 2.5]
    """
    if pd.api.types.is_bool_dtype(cells.dtype):
        said = (f"'{name}': 'true' and 'false' became 1 and 0.",)
        return _numbers(name, cells.to_numpy(np.float64), said)
    if pd.api.types.is_numeric_dtype(cells.dtype):
        values = cells.to_numpy()
        dates = counted_dates(values, name)
        return _numbers(name, values) if dates is None else _times(name, dates)
    if pd.api.types.is_timedelta64_dtype(cells.dtype):
        return _numbers(name, cells.dt.total_seconds().to_numpy(), (f"'{name}': durations were read as seconds.",))
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        said = (f"'{name}': times were brought to UTC.",)
        return _times(name, cells.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]"), said)
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return _times(name, cells.to_numpy("datetime64[us]"))
    return _texts(name, cells, writing, free, day_first)


def out_of_range(values: np.ndarray) -> np.ndarray:
    """Say which numbers float32 cannot hold: infinite ones and those beyond 3.4e38.

    Example:
        >>> out_of_range(np.array([1.0, np.inf, 1e39, np.nan])).tolist()
        [False, True, True, False]
    """
    return np.abs(values) > LARGEST


def _numbers(name: str, values: np.ndarray, notices: tuple[str, ...] = ()) -> Held:
    missing = infinite = 0
    known = values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        missing, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        known = values[np.isfinite(values)]
    if missing == len(values):
        return Held(Column(name, "empty", missing, False, 0, 0, 0, ""), values, notices)
    constant = bool(len(known) and known.min() == known.max())
    distinct = len(np.unique(known[:_LOOKED_AT]))
    example = _as_text(known[0] if len(known) else values[~np.isnan(values)][0])
    column = Column(name, "number", missing, constant, infinite, _count_huge(known), distinct, example)
    return Held(column, values, notices)


def _count_huge(known: np.ndarray) -> int:
    if not len(known):
        return 0
    top = max(abs(float(known.max())), abs(float(known.min())))
    some = np.abs(known[:: len(known) // _LOOKED_AT + 1].astype(np.float64))
    some = some[some > 0]
    bound = min(LARGEST, _HUGE * float(np.median(some))) if len(some) else LARGEST
    return int((np.abs(known.astype(np.float64)) > bound).sum()) if top > bound else 0


def _as_text(number: object) -> str:
    return f"{number:.15g}" if isinstance(number, (float, np.floating)) else str(number)


def _times(name: str, values: np.ndarray, notices: tuple[str, ...] = ()) -> Held:
    known = values[~np.isnat(values)]
    if not len(known):
        return Held(Column(name, "empty", len(values), False, 0, 0, 0, ""), values, notices)
    rises = np.diff(known) > np.timedelta64(0)
    ordered = bool((known[1:] >= known[:-1]).all())
    distinct = 1 + int(rises.sum()) if ordered else len(np.unique(known))
    example = date_writing(known[:1]).write(known[:1])[0]
    column = Column(name, "time", len(values) - len(known), distinct == 1, 0, 0, distinct, example)
    return Held(column, values, notices)


def _texts(name: str, cells: pd.Series, writing: Writing, free: bool, day_first: bool | None) -> Held:
    dates = read_plain_dates(cells)
    if dates is not None:
        return _times(name, dates)
    codes, distinct = pd.factorize(cells)
    texts = [str(text).strip() for text in distinct]
    absent = np.array([text in MISSING_MARKS for text in texts] + [True])  # the last stands for code -1, an empty cell
    lost = absent[codes]
    if lost.all():
        return Held(Column(name, "empty", len(cells), False, 0, 0, 0, ""), np.full(len(cells), None), ())
    held = (
        _truths(name, texts, codes, lost)
        or _written_numbers(name, texts, codes, lost, writing, free)
        or _written_dates(name, texts, codes, lost, day_first)
    )
    if held is not None:
        return held
    words = np.array([*texts, None], dtype=object)
    words[absent] = None
    kept = words[codes]
    first = kept[int((~lost).argmax())]
    number = int((~absent[:-1]).sum())
    return Held(Column(name, "text", int(lost.sum()), number == 1, 0, 0, number, str(first)), kept)


def _truths(name: str, texts: list[str], codes: np.ndarray, lost: np.ndarray) -> Held | None:
    known = {text.lower() for text in texts[:_LOOKED_AT] if text not in MISSING_MARKS}
    if not known <= TRUTHS.keys() or len(texts) > _LOOKED_AT:
        return None
    values = np.array([TRUTHS.get(text.lower(), np.nan) for text in texts] + [np.nan])[codes]
    found = sorted(known, key=lambda text: -TRUTHS[text])
    became = " and ".join(f"{TRUTHS[text]:.0f}" for text in found)
    said = (f"'{name}': {listing(found)} became {became}.",)
    return _numbers(name, np.where(lost, np.nan, values), said)


def _written_numbers(
    name: str, texts: list[str], codes: np.ndarray, lost: np.ndarray, writing: Writing, free: bool
) -> Held | None:
    some = [text for text in texts[:200] if text not in MISSING_MARKS]
    best = writing
    if free:  # of equally good ways, max keeps the table's own
        best = max([writing, *others(writing)], key=lambda way: sum(not np.isnan(way.read(text)) for text in some))
    if sum(not np.isnan(best.read(text)) for text in some) < len(some) / 2:
        return None
    numbers = np.array([best.read(text) for text in texts] + [np.nan])
    values = numbers[codes]
    words = np.flatnonzero(np.isnan(values) & ~lost)
    if len(words) > (1 - _ENOUGH) * int((~lost).sum()):
        return None
    values[lost] = np.nan
    said = []
    if best != writing:
        thousands = f" and {best.thousands!r} between thousands" if best.thousands else ""
        said.append(
            f"'{name}': numbers were read with {best.decimal!r} before the fraction{thousands}, unlike other columns."
        )
    if any(best.marked(text) for text in texts):
        said.append(f"'{name}': percent signs, currencies or brackets for minus were taken off; 12 % became 12.")
    if len(words):
        shown = ", ".join(f"{listing([texts[codes[row]]])} (row {row + 1})" for row in words[:_SHOWN])
        more = f" and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
        said.append(f"'{name}': {count(len(words), 'cell')} not a number, taken as missing: {shown}{more}.")
    return _numbers(name, values, tuple(said))


def _written_dates(
    name: str, texts: list[str], codes: np.ndarray, lost: np.ndarray, day_first: bool | None
) -> Held | None:
    places = [at for at, text in enumerate(texts) if text not in MISSING_MARKS]
    dates = read_dates([texts[at] for at in places], day_first)
    if dates is None:
        return None
    each = np.full(len(texts) + 1, np.datetime64("NaT", "us"))
    each[places] = dates.values
    values = each[codes]
    said = [f"'{name}': {notice}." for notice in dates.notices]
    words = np.flatnonzero(np.isnat(values) & ~lost)
    if len(words):
        shown = ", ".join(f"{listing([texts[codes[row]]])} (row {row + 1})" for row in words[:_SHOWN])
        said.append(f"'{name}': {count(len(words), 'cell')} not a date, taken as missing: {shown}.")
    return _times(name, values, tuple(said))
