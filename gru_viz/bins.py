"""Bins: the smallest, largest and mean value of neighbouring steps, for a picture with fewer columns than steps.

A reduction is an array (bins, 3, units): low, high and mean of every bin. A bin with a NaN is NaN in all three, so that
it shows at every zoom; an infinity is its bin's low or high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gru_viz.backends.compiled import why_not
from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import TraceError

__all__ = ["Bins", "align", "combine", "reduce"]

OUTLIER = 12
"""How many median absolute deviations beyond the median an extreme must be to stand out of its row."""

FLOOR = 1 / 64
"""The least departure that is painted, as a share of the range of all values."""


@dataclass(frozen=True, eq=False)
class Bins:
    """The smallest, largest and mean value of every unit in neighbouring bins of steps.

    Attributes:
        low: (units, bins).
        high: (units, bins).
        mean: (units, bins).
        edges: (bins + 1,) step numbers from 0: bin k holds the steps from ``edges[k]`` to before ``edges[k + 1]``.

    Example:
        >>> bins = Bins(np.array([[0.0]]), np.array([[2.0]]), np.array([[0.5]]), np.array([0, 4]))
        >>> bins.width
        4
    """

    low: Float[np.ndarray, "units bins"]
    high: Float[np.ndarray, "units bins"]
    mean: Float[np.ndarray, "units bins"]
    edges: Int[np.ndarray, bins + 1]

    def __post_init__(self) -> None:
        for array in (self.low, self.high, self.mean, self.edges):
            array.flags.writeable = False

    @classmethod
    def of(cls, reduced: np.ndarray, first: int, last: int, width: int) -> Bins:
        """From a reduction (bins, 3, units) of the steps from ``first`` to before ``last``."""
        low, high, mean = (np.ascontiguousarray(reduced[:, each].T) for each in range(3))
        return cls(low, high, mean, np.minimum(first + width * np.arange(len(reduced) + 1), max(last, first)))

    @property
    def width(self) -> int:
        """How many steps the first bin holds, and each but the last, which may end with the sequence; 0 of no bins."""
        return int(self.edges[1] - self.edges[0]) if len(self.edges) > 1 else 0

    def with_spikes(self) -> np.ndarray:
        """What to paint, (units, bins): the mean, except where an extreme stands out of its row.

        How far a bin's high is above its mean is compared with the same departure in the other bins of the row: it
        stands out where it exceeds their median by more than 12 median absolute deviations, and is more than 1/64 of
        the range of all values. The same for the low, below the mean. Where both stand out, the one further from the
        mean is painted, the high if they are equally far. So a spike of one step stays visible however wide its bin,
        and noise, which departs alike in every bin, stays its mean.
        """
        with np.errstate(invalid="ignore"):
            up, down = self.high - self.mean, self.mean - self.low
            floor = FLOOR * _range(self.low, self.high)
            rises, falls = _stands_out(up, floor), _stands_out(down, floor)
        high = rises & ~(falls & (down > up))
        return np.where(high, self.high, np.where(falls, self.low, self.mean))


def _range(low: np.ndarray, high: np.ndarray) -> float:
    finite = np.isfinite(high) & np.isfinite(low)
    return float(np.max(high, where=finite, initial=-np.inf) - np.min(low, where=finite, initial=np.inf))


def _stands_out(departure: np.ndarray, floor: float) -> np.ndarray:
    """Where a departure (units, bins) is far beyond what is usual in its row; what is not finite stands for nothing."""
    if not departure.shape[1]:
        return np.zeros(departure.shape, bool)
    known = np.where(np.isfinite(departure), departure, np.nan)
    usual = _median(known)
    spread = _median(np.abs(known - usual))
    return known > np.maximum(usual + OUTLIER * spread, floor)


def _median(rows: np.ndarray) -> np.ndarray:
    """The median of each row without its NaNs, the lower of two, as a column; NaN where there is nothing else."""
    middle = np.maximum(np.isfinite(rows).sum(1, keepdims=True) - 1, 0) // 2
    return np.take_along_axis(np.sort(rows, 1), middle, 1)  # NaNs are sorted to the end


def align(start: int, stop: int, columns: int, length: int, unit: int = 1) -> tuple[int, int, int]:
    """At most ``columns`` equally wide bins that cover the steps from ``start`` to before ``stop``.

    Bins begin at multiples of their width, so that they stay the same while one pans; the width is a multiple of
    ``unit``. Returned are the first step of the first bin, the end of the last, and the width.

    Raises:
        TraceError: fewer than one column.
    """
    if columns < 1:
        raise TraceError("columns", str(columns), "at least 1", "Use one bin or more.")
    width = max(-(-(stop - start) // (columns * unit)), 1) * unit
    while -(-stop // width) - start // width > columns:
        width += unit
    return start // width * width, min(-(-stop // width) * width, length), width


def reduce(values: np.ndarray, width: int) -> np.ndarray:
    """Reduce values (time, units) to bins of ``width`` steps, the last one of what is left: (bins, 3, units)."""
    out = np.empty((-(-len(values) // width), 3, values.shape[1]), values.dtype)
    if why_not(CONVENTIONS["torch"]) is None:
        from gru_viz.backends.compiled import bin_kernel

        bin_kernel.reduce(np.ascontiguousarray(values), width, out)
        return out
    whole = len(values) // width
    _reduce_groups(values[: whole * width].reshape(whole, width, values.shape[1]), out[:whole])
    if whole < len(out):
        _reduce_groups(values[None, whole * width :], out[whole:])
    return out


def _reduce_groups(groups: np.ndarray, out: np.ndarray) -> None:
    """Fill out (bins, 3, units) from groups (bins, steps, units)."""
    with np.errstate(invalid="ignore"):  # ∞ − ∞ and NaN are meant to come through
        groups.min(1, out=out[:, 0])
        groups.max(1, out=out[:, 1])
        out[:, 2] = groups.mean(1, dtype=np.float64)


def combine(bins: np.ndarray, factor: int, last: float = 1.0) -> np.ndarray:
    """Reduce bins (bins, 3, units) further, ``factor`` neighbours to one; ``last`` is the width of the last bin, as a
    share of the others'.
    """
    if factor == 1:
        return bins
    out = np.empty((-(-len(bins) // factor), *bins.shape[1:]), bins.dtype)
    whole = max(len(out) - 1, 0)
    groups = bins[: whole * factor].reshape(whole, factor, *bins.shape[1:])
    with np.errstate(invalid="ignore"):
        groups[:, :, 0].min(1, out=out[:whole, 0])
        groups[:, :, 1].max(1, out=out[:whole, 1])
        out[:whole, 2] = groups[:, :, 2].mean(1, dtype=np.float64)
        for tail in (bins[whole * factor :],) if len(bins) else ():
            shares = np.ones(len(tail))
            shares[-1] = last
            out[-1, 0], out[-1, 1] = tail[:, 0].min(0), tail[:, 1].max(0)
            out[-1, 2] = (shares[:, None] * tail[:, 2]).sum(0) / shares.sum()
    return out
