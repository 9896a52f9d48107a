"""Fills missing values within sequences: forward fill, linear interpolation, or dropping rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["MISSING_METHODS", "FilledValues", "fill_missing"]

MISSING_METHODS = ("forward", "interpolate", "drop")


@dataclass(frozen=True)
class FilledValues:
    """Values after missing ones were filled.

    Attributes:
        values: (rows, features), still NaN in rows that are not complete.
        complete: (rows,) whether a row has no missing value left.
        filled: (features,) number of cells filled.
    """

    values: Float[np.ndarray, "rows features"]
    complete: Bool[np.ndarray, " rows"]
    filled: Int[np.ndarray, " features"]


def fill_missing(
    values: Float[np.ndarray, "rows features"], starts: Int[np.ndarray, " sequences"], method: str
) -> FilledValues:
    """Fill missing values inside each sequence, never across sequences.

    Args:
        values: (rows, features) the sequences one after another, each in time order; NaN where missing.
            Changed in place.
        starts: the row at which each sequence begins.
        method: ``"forward"`` repeats the last value; ``"interpolate"`` is linear between the neighbouring steps and
            repeats the first and last value at the ends; ``"drop"`` fills nothing.

    Example:
        >>> rows = np.array([[1.0], [np.nan], [3.0], [np.nan]])
        >>> fill_missing(rows.copy(), np.array([0]), "interpolate").values.ravel().tolist()
        [1.0, 2.0, 3.0, 3.0]
        >>> fill_missing(rows.copy(), np.array([0]), "forward").values.ravel().tolist()
        [1.0, 1.0, 3.0, 3.0]
    """
    rows, features = values.shape
    gaps = np.isnan(values)
    if not gaps.any():
        return FilledValues(values, np.ones(rows, bool), np.zeros(features, int))
    before = gaps.sum(axis=0)
    if method != "drop" and before.any():
        lengths = np.diff(np.append(starts, rows))
        first = np.repeat(starts, lengths)
        last = first + np.repeat(lengths, lengths) - 1
        for at in np.flatnonzero(before):
            fill = _forward if method == "forward" else _interpolate
            values[:, at] = fill(values[:, at], gaps[:, at], first, last)
    left = np.isnan(values)
    return FilledValues(values, ~left.any(axis=1), before - left.sum(axis=0))


def _forward(
    values: Float[np.ndarray, " rows"],
    gap: Bool[np.ndarray, " rows"],
    first: Int[np.ndarray, " rows"],
    last: Int[np.ndarray, " rows"],
) -> Float[np.ndarray, " rows"]:
    return values[_known_before(gap, first)]


def _interpolate(
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
    """The nearest known row at or before each row, or the first row of the sequence if there is none."""
    known = np.where(gap, first, np.arange(len(gap)))
    return np.maximum.accumulate(np.maximum(known, first))
