"""The smallest, largest and mean value of bins of steps, compiled: one pass, each loop over a whole contiguous row."""

from __future__ import annotations

import numpy as np

from gru_viz.kernels.compiler import compiled, part

__all__ = ["reduce"]


@part
def _include(row: np.ndarray, low: np.ndarray, high: np.ndarray, total: np.ndarray) -> None:
    """One more step of a bin; a NaN shows in the total alone."""
    for j in range(row.size):
        value = row[j]
        low[j] = value if value < low[j] else low[j]
        high[j] = value if value > high[j] else high[j]
        total[j] += value


@part
def _holds_nan(values: np.ndarray, j: int) -> bool:
    found = False
    for t in range(len(values)):
        found |= np.isnan(values[t, j])
    return found


@compiled
def reduce(values: np.ndarray, width: int, out: np.ndarray) -> None:
    """Fill out (bins, 3, units) with the low, high and mean of every ``width`` rows of values (time, units)."""
    units = values.shape[1]
    total = np.empty(units, np.float64)
    for k in range(len(out)):
        first, last = k * width, min((k + 1) * width, len(values))
        low, high = out[k, 0], out[k, 1]
        low[:] = np.inf
        high[:] = -np.inf
        total[:] = 0.0
        for t in range(first, last):
            _include(values[t], low, high, total)
        for j in range(units):
            if np.isnan(total[j]) and _holds_nan(values[first:last], j):
                low[j] = np.nan
                high[j] = np.nan
            out[k, 2, j] = total[j] / (last - first)
