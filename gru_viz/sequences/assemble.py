"""Chosen columns become sequences: parted, ordered, filled, scaled, and every change said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from gru_viz.errors import SequenceError
from gru_viz.sequences.columns import Held, out_of_range
from gru_viz.sequences.labels import labels_of
from gru_viz.sequences.missing import MISSING, Filled, fill
from gru_viz.sequences.model import Scaling, Sequence, Sequences
from gru_viz.sequences.order import Order, arrange
from gru_viz.sequences.roles import Roles
from gru_viz.sequences.scaling import SCALES, fit_scaling
from gru_viz.sequences.words import count, listing

__all__ = ["assemble"]

_BLOCK = 4096
_HOW = {
    "forward": "repeating the value before",
    "interpolate": "a straight line between their neighbours, the ends held",
}


def assemble(
    where: str,
    rows: int,
    held: Mapping[str, Held],
    roles: Roles,
    missing: str,
    scale: str,
    max_steps: int | None,
    dialect: str,
    notices: Iterable[str],
) -> Sequences:
    """Make the sequences.

    Raises:
        SequenceError: an unknown choice, no step left, or numbers that float32 cannot hold.
    """
    _refuse_choice(where, "missing", missing, MISSING)
    _refuse_choice(where, "scale", scale, SCALES)
    if max_steps is not None and max_steps < 2:
        raise SequenceError(where, f"max_steps={max_steps}", "at least 2 steps", "Give a larger number or None.")
    said = list(roles.notices)
    values, features, hot, columns_said = _matrix(where, rows, held, roles)
    said += columns_said
    order = arrange(rows, held[roles.id] if roles.id else None, held[roles.time] if roles.time else None, where)
    said += order.notices
    if len(order.rows) != rows or not np.array_equal(order.rows, np.arange(rows)):
        values = values[order.rows]
    filled = fill(values, order.starts, missing)
    filling, filling_said = _filling(filled, features, missing)
    said += filling_said
    parts = _parts(where, order, filled.keep, max_steps, said, roles)
    kept = np.concatenate([rows_of for _, rows_of in parts])
    whole = filled.values if len(kept) == rows else filled.values[kept]
    scaling, scaling_said = fit_scaling(whole, features, scale, hot)
    said += scaling_said
    scaled = _scaled(where, whole, scaling)
    items, begin = [], 0
    for name, rows_of in parts:
        end = begin + len(rows_of)
        labels = None if order.labels is None else order.labels.take(rows_of)
        items.append(Sequence(scaled[begin:end], features, labels, name))
        begin = end
    if roles.id is not None:
        said.insert(0, f"Each value of '{roles.id}' is a sequence of its own: {len(items):,} (id=False reads one).")
    details = {"dialect": dialect, "missing": filling, "scale": scale}
    return Sequences(tuple(items), scaling, (*notices, *said), f"{where} ({dialect})", details)


def _refuse_choice(where: str, argument: str, given: str, choices: tuple[str, ...]) -> None:
    if given not in choices:
        wanted = f"one of {listing(choices)}"
        raise SequenceError(where, f"{argument}={given!r}", wanted, f"Change {argument}=.")


def _matrix(
    where: str, rows: int, held: Mapping[str, Held], roles: Roles
) -> tuple[Float[np.ndarray, "rows features"], tuple[str, ...], np.ndarray, list[str]]:
    """The features side by side, which of them are one-hot, and what was odd."""
    names, columns, said = [], [], []
    endless, huge, lost = [], [], []
    for name in roles.features:
        one = held[name]
        if one.column.kind == "empty":
            lost.append(name)
            continue
        column = one.values.astype(np.float64, copy=False)
        if one.column.infinite or one.column.huge:
            beyond = out_of_range(column)
            endless += [f"{name} ({one.column.infinite:,})"] if one.column.infinite else []
            huge += [f"{name} ({one.column.huge:,})"] if one.column.huge else []
            column = np.where(beyond, np.nan, column)
            if np.isnan(column).all():
                lost.append(name)
                continue
        names.append(name)
        columns.append(column)
    if endless:
        said.append(f"Infinite cells were taken as missing: {listing(endless)}.")
    if huge:
        said.append(
            f"Huge numbers, more than a billion times the column's middle, may dwarf all others: {listing(huge)}; "
            "those beyond 3.4e38 were taken as missing."
        )
    if lost:
        said.append(f"{count(len(lost), 'column')} left out, since no cell is filled: {listing(lost)}.")
    numbers = len(names)
    for name in roles.one_hot:
        for label, ones in _one_hot(held[name]):
            names.append(f"{name}={label}")
            columns.append(ones)
        absent = int(pd.isna(held[name].values).sum())
        if absent:
            said.append(f"{count(absent, 'missing cell')} in one-hot column '{name}' became 0 in all of its features.")
    if not names:
        raise SequenceError(where, "no cell that is not missing", "numbers in a feature", "Choose other features.")
    return np.array(columns).T, tuple(names), np.arange(len(names)) >= numbers, said


def _one_hot(held: Held) -> list[tuple[str, np.ndarray]]:
    codes, distinct = pd.factorize(held.values)
    labels = labels_of(np.asarray(distinct))
    return [(label, (codes == at).astype(np.float64)) for at, label in enumerate(labels)]


def _filling(filled: Filled, features: tuple[str, ...], missing: str) -> tuple[str, list[str]]:
    """What was done about missing cells, in short and in full."""
    cells, touched = (
        int(filled.filled.sum()),
        [name for name, cells in zip(features, filled.filled, strict=True) if cells],
    )
    dropped = int((~filled.keep).sum())
    said = []
    if cells:
        said.append(f"{count(cells, 'missing cell')} filled by {_HOW[missing]}: {listing(touched)}.")
    if dropped and missing == "drop":
        said.append(f"{count(dropped, 'row')} with missing cells dropped.")
    elif dropped:
        before = "before the first known value" if missing == "forward" else "of a column without any value"
        said.append(f"{count(dropped, 'row')} dropped: in their sequence, a cell {before} cannot be filled.")
    if not cells and not dropped:
        return "none missing", said
    short = {"forward": "forward fill", "interpolate": "interpolation", "drop": "drop"}[missing]
    parts = [f"{count(cells, 'cell')} in {count(len(touched), 'column')}"] if cells else []
    parts += [f"{count(dropped, 'row')} dropped"] if dropped else []
    return f"{short}: {', '.join(parts)}", said


def _parts(
    where: str, order: Order, keep: np.ndarray, max_steps: int | None, said: list[str], roles: Roles
) -> list[tuple[str, np.ndarray]]:
    """The rows of each sequence that has any."""
    bounds = [*order.starts.tolist(), len(order.rows)]
    parts, empty, cut, single = [], [], [], []
    for name, begin, end in zip(order.names, bounds[:-1], bounds[1:], strict=True):
        rows = begin + np.flatnonzero(keep[begin:end])
        if max_steps is not None and len(rows) > max_steps:
            cut.append(name)
            rows = rows[:max_steps]
        if not len(rows):
            empty.append(name)
            continue
        if len(rows) == 1:
            single.append(name)
        parts.append((name, rows))
    if len(parts) == len(single):
        found = f"{count(len(parts), 'sequence')} of one step" if parts else "no complete row"
        remedy = (
            "Choose another id, or id=False."
            if roles.id and parts
            else "Choose other features, or missing='interpolate'."
        )
        raise SequenceError(where, found, "at least 2 steps", remedy)
    if empty:
        said.append(f"{count(len(empty), 'sequence')} left out, with no complete row: {listing(empty)}.")
    if single:
        said.append(f"{count(len(single), 'sequence')} of one step only: {listing(single)}.")
    if cut:
        said.append(f"{count(len(cut), 'sequence')} cut to the first {max_steps:,} steps: {listing(cut)}.")
    return parts


def _scaled(where: str, values: np.ndarray, scaling: Scaling) -> np.ndarray:
    scaled = np.empty(values.shape, np.float32)
    with np.errstate(over="ignore"):
        for at in range(0, len(values), _BLOCK):  # whole temporaries of float64 would take twice the table's room
            scaled[at : at + _BLOCK] = scaling.apply(values[at : at + _BLOCK])
    if not np.isfinite(scaled).all():
        worst = [name for at, name in enumerate(scaling.features) if not np.isfinite(scaled[:, at]).all()]
        remedy = "Choose another scale=, or leave the column out."
        raise SequenceError(where, f"numbers beyond float32 after scaling in {listing(worst)}", "finite ones", remedy)
    scaled.flags.writeable = False  # so that the sequences need no copies of their own
    return scaled
