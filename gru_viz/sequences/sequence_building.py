"""Builds sequences from columns: grouped by id, sorted by time, filled and scaled, with a notice for each change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int

from gru_viz.errors import SequenceError
from gru_viz.sequences.column_parsing import ParsedColumn, beyond_float32
from gru_viz.sequences.column_roles import ColumnRoles
from gru_viz.sequences.given_scaling import GivenScaling, read_scaling
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.row_order import RowOrder, order_rows
from gru_viz.sequences.scaling import SCALING_METHODS, Scaling, fit_scaling
from gru_viz.sequences.sequence import Sequence, Sequences
from gru_viz.sequences.step_labels import label_steps

__all__ = ["SequenceOptions", "build_sequences"]

_BLOCK = 4096
_FAR = 10.0
_FILLED_BY = {"forward": "the previous value", "interpolate": "linear interpolation, with constant ends"}
_Rows = tuple[str, Int[np.ndarray, " steps"]]
_SHORT = {"forward": "forward fill", "interpolate": "interpolation", "drop": "drop"}


@dataclass(frozen=True)
class SequenceOptions:
    """How columns become sequences; see ``Table.sequences``."""

    missing: str = "forward"
    scale: str | GivenScaling = "standardise"
    max_steps: int | None = None

    def check(self, name: str) -> None:
        """Refuse unknown methods and a limit below 2 steps."""
        if self.missing not in _SHORT:
            wanted = f"one of {listing(_SHORT)}"
            raise SequenceError(name, f"missing={self.missing!r}", wanted, "Change missing=.")
        if isinstance(self.scale, str) and self.scale not in SCALING_METHODS and not Path(self.scale).suffix:
            wanted = f"one of {listing(SCALING_METHODS)}, or the numbers of a scaler"
            raise SequenceError(name, f"scale={self.scale!r}", wanted, "Change scale=.")
        if self.max_steps is not None and self.max_steps < 2:
            found, remedy = f"max_steps={self.max_steps}", "Set a larger number or None."
            raise SequenceError(name, found, "at least 2 steps", remedy)


class _Features(NamedTuple):
    """The features side by side; a one-hot feature is not scaled."""

    values: Float[np.ndarray, "rows features"]
    names: tuple[str, ...]
    one_hot: Bool[np.ndarray, " features"]


class _FilledValues(NamedTuple):
    """The values, NaN only in rows that are not complete, and the number of cells filled in each feature."""

    values: Float[np.ndarray, "rows features"]
    complete: Bool[np.ndarray, " rows"]
    filled: Int[np.ndarray, " features"]


def build_sequences(
    name: str,
    columns: Mapping[str, ParsedColumn],
    roles: ColumnRoles,
    options: SequenceOptions,
    dialect: str,
    notices: Iterable[str],
) -> Sequences:
    """Build the sequences; ``dialect`` is how the table was written, ``notices`` what was assumed in reading it."""
    options.check(name)
    all_notices = list(notices)
    features = _features(name, columns, roles, all_notices)
    values, rows = features.values, len(features.values)
    id, time = (None if role is None else columns[role] for role in (roles.id, roles.time))
    order = order_rows(rows, id, time, name)
    all_notices += order.notices
    if len(order.rows) != rows or not np.array_equal(order.rows, np.arange(rows)):
        values = values[order.rows]
    filled = _fill_missing(values, order.starts, options.missing)
    filling = _describe_filling(filled, features.names, options.missing, all_notices)
    rows_of = _rows_of_sequences(name, order, filled.complete, options.max_steps, roles, all_notices)
    used = np.concatenate([each for _, each in rows_of])
    values = filled.values if len(used) == rows else filled.values[used]
    scaling, about = _choose_scaling(values, features, options.scale)
    all_notices += about
    items = _items(_scale(name, values, scaling), features.names, order, rows_of)
    if roles.id is not None:
        all_notices.insert(
            0, f"Each value of '{roles.id}' is a sequence of its own: {len(items):,} (id=False reads one)."
        )
    details = {"dialect": dialect, "missing": filling, "scale": scaling.method}
    return Sequences(items, scaling, tuple(all_notices), f"{name} ({dialect})", details)


def _choose_scaling(
    values: Float[np.ndarray, "rows features"], features: _Features, scale: str | GivenScaling
) -> tuple[Scaling, tuple[str, ...]]:
    """The scaling by a method, or the one that is given; a one-hot feature is scaled by neither."""
    if isinstance(scale, str) and scale in SCALING_METHODS:
        return fit_scaling(values, features.names, scale, features.one_hot)
    numbers = [name for name, hot in zip(features.names, features.one_hot, strict=True) if not hot]
    given = read_scaling(scale, numbers)
    centre, divisor = np.zeros(len(features.names)), np.ones(len(features.names))
    centre[~features.one_hot], divisor[~features.one_hot] = given.centre, given.scale
    scaling = Scaling("given", features.names, centre, divisor)
    return scaling, _implausible(values, scaling, features.one_hot)


def _implausible(
    values: Float[np.ndarray, "rows features"], scaling: Scaling, one_hot: Bool[np.ndarray, " features"]
) -> tuple[str, ...]:
    """A notice about features that the given numbers bring far from what a network is trained on."""
    low, high = scaling.apply(np.stack([values.min(axis=0), values.max(axis=0)]))
    far = ~one_hot & ((low > _FAR) | (high < -_FAR) | (high - low > _FAR**2))
    names = [f"{name} ({low[at]:.3g} to {high[at]:.3g})" for at, name in enumerate(scaling.features) if far[at]]
    if not names:
        return ()
    return (f"The given scaling may be of other units or another order: {listing(names)} after scaling.",)


def _features(where: str, columns: Mapping[str, ParsedColumn], roles: ColumnRoles, notices: list[str]) -> _Features:
    names: list[str] = []
    values: list[np.ndarray] = []
    infinite, huge, empty = [], [], []
    for name in roles.features:
        column = columns[name].column
        if column.kind == "empty":
            empty.append(name)
            continue
        parsed = columns[name]
        numbers = parsed.values if parsed.numbers is None else parsed.numbers
        if column.infinite or column.huge:
            infinite += [f"{name} ({column.infinite:,})"] if column.infinite else []
            huge += [f"{name} ({column.huge:,})"] if column.huge else []
            numbers = np.where(beyond_float32(numbers), np.nan, numbers)
            if np.isnan(numbers).all():
                empty.append(name)
                continue
        names.append(name)
        values.append(numbers)
    if infinite:
        notices.append(f"Infinite cells were treated as missing: {listing(infinite)}.")
    if huge:
        notices.append(
            f"Huge numbers, more than a billion times the median of the column, may dwarf all others: {listing(huge)}; "
            "those beyond 3.4e38 were treated as missing."
        )
    if empty:
        notices.append(f"{count(len(empty), 'column')} left out, since no cell is filled: {listing(empty)}.")
    scaled = len(names)
    for name in roles.one_hot:
        _add_one_hot(columns[name], names, values, notices)
    if not names:
        raise SequenceError(where, "no cell that is not missing", "numbers in a feature", "Choose other features.")
    together = np.empty((len(values), len(values[0])))
    for at, each in enumerate(values):  # one copy of all, whatever types the columns have
        together[at] = each
    return _Features(together.T, tuple(names), np.arange(len(names)) >= scaled)


def _add_one_hot(parsed: ParsedColumn, names: list[str], values: list[np.ndarray], notices: list[str]) -> None:
    name = parsed.column.name
    codes, distinct = pd.factorize(parsed.values)
    for code, label in enumerate(label_steps(np.asarray(distinct))):
        names.append(f"{name}={label}")
        values.append(codes == code)
    missing = int(pd.isna(parsed.values).sum())
    if missing:
        notices.append(f"{count(missing, 'missing cell')} in one-hot column '{name}' became 0 in all of its features.")


def _fill_missing(
    values: Float[np.ndarray, "rows features"], starts: Int[np.ndarray, " sequences"], method: str
) -> _FilledValues:
    """Fill missing values, NaN, inside each sequence, never across sequences; ``values`` changes in place."""
    rows, features = values.shape
    gaps = np.isnan(values)
    if not gaps.any():
        return _FilledValues(values, np.ones(rows, bool), np.zeros(features, int))
    if method != "drop":
        lengths = np.diff(np.append(starts, rows))
        first = np.repeat(starts, lengths)
        last = first + np.repeat(lengths, lengths) - 1
        for at in np.flatnonzero(gaps.any(axis=0)):
            before = _known_before(gaps[:, at], first)
            if method == "interpolate":
                values[:, at] = _interpolate(values[:, at], gaps[:, at], before, last)
            else:
                values[:, at] = values[before, at]
    left = np.isnan(values)
    return _FilledValues(values, ~left.any(axis=1), gaps.sum(axis=0) - left.sum(axis=0))


def _interpolate(
    values: Float[np.ndarray, " rows"],
    gap: Bool[np.ndarray, " rows"],
    before: Int[np.ndarray, " rows"],
    last: Int[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    """Fill linearly between the known neighbours; at an end of the sequence, with the one that is known."""
    rows = len(values)
    after = rows - 1 - _known_before(gap[::-1], rows - 1 - last[::-1])[::-1]
    low, high = values[before], values[after]
    low, high = np.where(np.isnan(low), high, low), np.where(np.isnan(high), low, high)
    share = (np.arange(rows) - before) / np.maximum(after - before, 1)
    return np.where(gap, low + (high - low) * share, values)


def _known_before(gap: Bool[np.ndarray, " rows"], first: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """The nearest known row at or before each row, or the first row of the sequence if there is none."""
    known = np.where(gap, first, np.arange(len(gap)))
    return np.maximum.accumulate(np.maximum(known, first))


def _describe_filling(filled: _FilledValues, features: tuple[str, ...], method: str, notices: list[str]) -> str:
    """Describe in short how missing cells were filled, and add notices."""
    cells = int(filled.filled.sum())
    names = [name for name, number in zip(features, filled.filled, strict=True) if number]
    dropped = count(int((~filled.complete).sum()), "row") if not filled.complete.all() else ""
    if cells:
        notices.append(f"{count(cells, 'missing cell')} filled by {_FILLED_BY[method]}: {listing(names)}.")
    if dropped and method == "drop":
        notices.append(f"{dropped} with missing cells dropped.")
    elif dropped:
        before = "before the first known value" if method == "forward" else "of a column without any value"
        notices.append(f"{dropped} dropped: in their sequence, a cell {before} cannot be filled.")
    if not cells and not dropped:
        return "none missing"
    parts = [f"{count(cells, 'cell')} in {count(len(names), 'column')}"] if cells else []
    parts += [f"{dropped} dropped"] if dropped else []
    return f"{_SHORT[method]}: {', '.join(parts)}"


def _rows_of_sequences(
    where: str,
    order: RowOrder,
    complete: Bool[np.ndarray, " rows"],
    max_steps: int | None,
    roles: ColumnRoles,
    notices: list[str],
) -> list[_Rows]:
    """The name and the rows of each sequence that has any."""
    bounds = [*order.starts.tolist(), len(order.rows)]
    found, empty, cut, single = [], [], [], []
    for name, begin, end in zip(order.names, bounds[:-1], bounds[1:], strict=True):
        rows = begin + np.flatnonzero(complete[begin:end])
        if max_steps is not None and len(rows) > max_steps:
            cut.append(name)
            rows = rows[:max_steps]
        if not len(rows):
            empty.append(name)
            continue
        if len(rows) == 1:
            single.append(name)
        found.append((name, rows))
    if len(found) == len(single):
        remedy = "Choose other features, or missing='interpolate'."
        if roles.id and found:
            remedy = "Choose another id, or id=False."
        steps = f"{count(len(found), 'sequence')} of one step" if found else "no complete row"
        raise SequenceError(where, steps, "at least 2 steps", remedy)
    if empty:
        notices.append(f"{count(len(empty), 'sequence')} left out, with no complete row: {listing(empty)}.")
    if single:
        notices.append(f"{count(len(single), 'sequence')} of one step only: {listing(single)}.")
    if cut:
        notices.append(f"{count(len(cut), 'sequence')} cut to the first {max_steps:,} steps: {listing(cut)}.")
    return found


def _items(
    scaled: Float32[np.ndarray, "rows features"], features: tuple[str, ...], order: RowOrder, rows_of: list[_Rows]
) -> tuple[Sequence, ...]:
    ends = np.cumsum([len(rows) for _, rows in rows_of]).tolist()
    return tuple(
        Sequence(scaled[end - len(rows) : end], features, order.labels and order.labels.take(rows), name)
        for (name, rows), end in zip(rows_of, ends, strict=True)
    )


def _scale(where: str, values: np.ndarray, scaling: Scaling) -> np.ndarray:
    scaled = np.empty(values.shape, np.float32)
    with np.errstate(over="ignore"):
        for at in range(0, len(values), _BLOCK):  # float64 temporaries of all rows would double the memory
            scaled[at : at + _BLOCK] = scaling.apply(values[at : at + _BLOCK])
    if not np.isfinite(scaled).all():
        names = [name for at, name in enumerate(scaling.features) if not np.isfinite(scaled[:, at]).all()]
        remedy = "Choose another scale=, or leave the column out."
        raise SequenceError(where, f"numbers beyond float32 after scaling in {listing(names)}", "finite ones", remedy)
    scaled.flags.writeable = False  # so that the sequences need no copies
    return scaled
