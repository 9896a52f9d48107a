"""Bins: what a picture shows of more steps than it has columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Bins"]

CLEARLY = 12
"""How many median absolute deviations beyond the median an extreme must depart to stand out of its row."""

FLOOR = 1 / 64
"""The least departure that is shown, as a share of the range of all values shown."""


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

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    edges: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.low, self.high, self.mean, self.edges):
            array.flags.writeable = False

    @property
    def width(self) -> int:
        """How many steps the first bin holds, and each but the last, which may end with the sequence; 0 of no bins."""
        return int(self.edges[1] - self.edges[0]) if len(self.edges) > 1 else 0

    def shown(self) -> np.ndarray:
        """What to paint, (units, bins): the mean, except where an extreme stands out of its row.

        How far a bin's high lies above its mean is compared with the same departure in the other bins of the row: it
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
    return known > np.maximum(usual + CLEARLY * spread, floor)


def _median(rows: np.ndarray) -> np.ndarray:
    """The median of each row without its NaNs, the lower of two, as a column; NaN where there is nothing else."""
    middle = np.maximum(np.isfinite(rows).sum(1, keepdims=True) - 1, 0) // 2
    return np.take_along_axis(np.sort(rows, 1), middle, 1)  # NaNs are sorted to the end
