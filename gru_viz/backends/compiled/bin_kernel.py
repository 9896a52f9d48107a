"""The smallest, largest and mean value of bins of steps, compiled: one pass, each loop over a long contiguous row."""

from __future__ import annotations

import numpy as np

from gru_viz.backends.compiled.compiler import compiled, part

__all__ = ["reduce"]

LONG = 256
"""Steps of few units are taken several at a time, as one row of about so many numbers: a short loop costs its begin."""


FEW = 32
"""So many rows are summed in the numbers' own type before the sum goes over into float64: fast, and still exact."""


@part
def _include(row: np.ndarray, low: np.ndarray, high: np.ndarray, some: np.ndarray) -> None:
    """One more row of a bin; a NaN shows in the sum alone."""
    for j in range(row.size):
        value = row[j]
        low[j] = value if value < low[j] else low[j]
        high[j] = value if value > high[j] else high[j]
        some[j] += value


@part
def _include_four(
    one: np.ndarray, two: np.ndarray, three: np.ndarray, four: np.ndarray,
    low: np.ndarray, high: np.ndarray, some: np.ndarray,
) -> None:  # fmt: skip
    """Four more rows of a bin; where one has a NaN others may be lost, since the bin is NaN then."""
    for j in range(one.size):
        a, b, c, d = one[j], two[j], three[j], four[j]
        least, lesser = b if b < a else a, d if d < c else c
        most, more = b if b > a else a, d if d > c else c
        least, most = lesser if lesser < least else least, more if more > most else most
        low[j] = least if least < low[j] else low[j]
        high[j] = most if most > high[j] else high[j]
        some[j] += (a + b) + (c + d)


@part
def _fold(low: np.ndarray, high: np.ndarray, total: np.ndarray, units: int) -> None:
    """Bring rows that lie end to end together into the first one."""
    for j in range(units, low.size, units):
        here = slice(j, j + units)
        for i in range(units):
            low[i] = min(low[i], low[here][i])
            high[i] = max(high[i], high[here][i])
            total[i] += total[here][i]


@part
def _holds_nan(values: np.ndarray, first: int, last: int, units: int) -> bool:
    found = False
    for n in range(first, last, units):
        found |= np.isnan(values[n])
    return found


@compiled
def reduce(values: np.ndarray, width: int, out: np.ndarray) -> None:
    """Fill out (bins, 3, units) with the low, high and mean of every ``width`` rows of values (time, units)."""
    steps, units = values.shape
    flat = values.reshape(-1)
    several = max(min(LONG // max(units, 1), width), 1) * units
    low, high, some = np.empty(several, values.dtype), np.empty(several, values.dtype), np.empty(several, values.dtype)
    total = np.empty(several, np.float64)
    for k in range(len(out)):
        first, last = k * width * units, min((k + 1) * width, steps) * units
        low[:] = np.inf
        high[:] = -np.inf
        total[:] = 0.0
        n = first
        while n < last:
            some[:] = 0.0
            end = min(n + FEW * several, last)
            while n + 4 * several <= end:
                two, three, four = n + several, n + 2 * several, n + 3 * several
                n += 4 * several
                _include_four(
                    flat[two - several : two], flat[two:three], flat[three:four], flat[four:n], low, high, some
                )
            while n + several <= end:
                _include(flat[n : n + several], low, high, some)
                n += several
            if end == last:
                _include(flat[n:last], low, high, some)
                n = last
            for j in range(several):
                total[j] += some[j]
        _fold(low, high, total, units)
        steps_in, doubtful = (last - first) // units, False
        for j in range(units):
            out[k, 0, j] = low[j]
            out[k, 1, j] = high[j]
            out[k, 2, j] = total[j] / steps_in
            doubtful |= np.isnan(total[j])
        if doubtful:  # by a NaN, or by infinities of both signs
            for j in range(units):
                if _holds_nan(flat, first + j, last, units):
                    out[k, :2, j] = np.nan
