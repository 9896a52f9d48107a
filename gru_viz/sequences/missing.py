"""Missing values within sequences: filled forward, filled by a straight line, or their rows dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["MISSING", "Filled", "fill"]

MISSING = ("forward", "interpolate", "drop")


@dataclass(frozen=True)
class Filled:
    """The values without gaps.

    Attributes:
        values: (rows, features) as given, filled; still NaN in rows that are not kept.
        keep: (rows,) whether a row is complete now.
        filled: (features,) how many cells were filled.
    """

    values: Float[np.ndarray, "rows features"]
    keep: Bool[np.ndarray, " rows"]
    filled: Int[np.ndarray, " features"]


def fill(values: Float[np.ndarray, "rows features"], starts: Int[np.ndarray, " sequences"], how: str) -> Filled:
    """Fill gaps inside each sequence, never from one into another.

    Args:
        values: rows of all sequences, one sequence after another, in order of time; NaN where missing.
            Changed in place.
        starts: the row at which each sequence begins.
        how: ``"forward"`` repeats the last value; ``"interpolate"`` draws a straight line by step and holds the ends;
            ``"drop"`` fills nothing.

    Example:
        >>> rows = np.array([[1.0], [np.nan], [3.0], [np.nan]])
        >>> fill(rows.copy(), np.array([0]), "interpolate").values.ravel().tolist()
        [1.0, 2.0, 3.0, 3.0]
        >>> fill(rows.copy(), np.array([0]), "forward").values.ravel().tolist()
        [1.0, 1.0, 3.0, 3.0]
    """
    rows, features = values.shape
    gaps = np.isnan(values)
    if not gaps.any():
        return Filled(values, np.ones(rows, bool), np.zeros(features, int))
    before = gaps.sum(axis=0)
    if how != "drop" and before.any():
        lengths = np.diff(np.append(starts, rows))
        first = np.repeat(starts, lengths)
        last = first + np.repeat(lengths, lengths) - 1
        for at in np.flatnonzero(before):
            column = _forward if how == "forward" else _straight
            values[:, at] = column(values[:, at], gaps[:, at], first, last)
    left = np.isnan(values)
    return Filled(values, ~left.any(axis=1), before - left.sum(axis=0))


def _forward(
    values: Float[np.ndarray, " rows"],
    gap: Bool[np.ndarray, " rows"],
    first: Int[np.ndarray, " rows"],
    last: Int[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    return values[_known_before(gap, first)]


def _straight(
    values: Float[np.ndarray, " rows"],
    gap: Bool[np.ndarray, " rows"],
    first: Int[np.ndarray, " rows"],
    last: Int[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    rows = len(values)
    before = _known_before(gap, first)
    after = rows - 1 - _known_before(gap[::-1], rows - 1 - last[::-1])[::-1]
    low, high = values[before], values[after]
    low, high = np.where(np.isnan(low), high, low), np.where(np.isnan(high), low, high)
    share = (np.arange(rows) - before) / np.maximum(after - before, 1)
    return np.where(gap, low + (high - low) * share, values)


def _known_before(gap: Bool[np.ndarray, " rows"], first: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """The nearest known row at or before each row, or the sequence's first row where there is none."""
    known = np.where(gap, first, np.arange(len(gap)))
    return np.maximum.accumulate(np.maximum(known, first))
