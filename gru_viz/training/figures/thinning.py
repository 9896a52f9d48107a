"""Fewer points than measured, chosen so that a growing line never moves what is already drawn."""

from __future__ import annotations

import numpy as np

__all__ = ["MOST_DRAWN", "bin_ends", "extremes", "smooth", "stride"]

MOST_DRAWN = 600
"""Points of a line; a chart has about as many columns."""


def stride(points: int, most: int) -> int:
    """The smallest power of two that leaves no more than ``most`` bins.

    Bins begin at the first point, so those that are full stay as they are while points are added, until the stride
    doubles and each takes in its neighbour.
    """
    bins = 1
    while -(-points // bins) > most:
        bins *= 2
    return bins


def bin_ends(points: int, most: int = MOST_DRAWN) -> np.ndarray:
    """The last place of every bin, with the first and the newest point."""
    if points <= most:
        return np.arange(points)
    step = stride(points, most - 2)
    return np.unique(np.append(np.arange(step - 1, points, step), [0, points - 1]))


def extremes(x: np.ndarray, y: np.ndarray, most: int = MOST_DRAWN) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest point of every bin, in the order in which they came; NaN where a bin has a gap."""
    if len(y) <= most:
        return x, y
    step = stride(len(y), most // 2)
    rows = -(-len(y) // step)
    padded = np.full(rows * step, np.nan)
    padded[: len(y)] = y
    bins = padded.reshape(rows, step)
    missing = np.isnan(bins)
    low = np.where(missing, np.inf, bins).argmin(1)
    high = np.where(missing, -np.inf, bins).argmax(1)
    places = np.sort(np.stack([low, high], 1), 1) + np.arange(rows)[:, None] * step
    chosen = places.ravel()
    values = y[chosen]
    gaps = np.flatnonzero(missing[:, :].any(1))
    gaps = gaps[gaps < len(y) // step]  # the newest bin is not full yet; that is no gap
    return np.insert(x[chosen], 2 * gaps + 2, x[places[gaps, 1]]), np.insert(values, 2 * gaps + 2, np.nan)


def smooth(values: np.ndarray, memory: float) -> np.ndarray:
    """Exponential moving average along the first axis; each older point counts ``memory`` times as much.

    With the bias correction of Kingma and Ba, so that it starts at the first value; a NaN stays NaN and has no weight.
    """
    there = np.isfinite(values)
    sums, weights = np.where(there, values, 0.0), there.astype(float)
    reach, share = 1, memory
    while reach < len(values) and share > 1e-12:  # after k rounds each sum holds 2ᵏ points: all passes, no loop
        sums[reach:] += share * sums[:-reach]
        weights[reach:] += share * weights[:-reach]
        reach, share = 2 * reach, share * share
    return np.divide(sums, weights, out=np.full(values.shape, np.nan), where=there)
