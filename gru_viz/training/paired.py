"""The statistics of paired differences: Student's t, Holm's correction, and how many pairs a difference needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gru_viz.optional import optional_packages

with optional_packages("the verdict of a comparison"):
    from scipy.special import nctdtr, stdtr, stdtrit

__all__ = ["MOST_NEEDED", "Paired", "holm", "paired", "pairs_needed"]

MOST_NEEDED = 1000


@dataclass(frozen=True)
class Paired:
    """What a few paired differences say of their mean.

    Attributes:
        mean: of the differences.
        low: lower end of the interval.
        high: its upper end; infinitely far from ``low`` where there is but one pair.
        p: two-sided, of a mean of zero; 1 where there is but one pair.
        effect: the mean over the standard deviation; NaN where there is no spread.
    """

    mean: float
    low: float
    high: float
    p: float
    effect: float


def paired(differences: np.ndarray, level: float) -> Paired:
    """Student's t on paired differences (1908).

    Differences that are all the same have no spread to estimate: the interval is then a point, and p is 1 or 0.

    Example:
        >>> found = paired(np.array([1.0, 2.0, 3.0]), 0.95)
        >>> round(found.low, 2), round(found.high, 2), round(found.p, 3)
        (-0.48, 4.48, 0.074)
    """
    count, mean = len(differences), float(np.mean(differences))
    if count < 2:
        return Paired(mean, -math.inf, math.inf, 1.0, math.nan)
    spread = float(np.std(differences, ddof=1))
    if spread <= 1e-12 * float(np.abs(differences).max()):
        return Paired(mean, mean, mean, 0.0 if mean else 1.0, math.nan)
    error = spread / math.sqrt(count)
    half = float(stdtrit(count - 1, (1 + level) / 2)) * error
    p = 2 * float(stdtr(count - 1, -abs(mean) / error))
    return Paired(mean, mean - half, mean + half, p, mean / spread)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p for having looked so many times (Holm 1979): what is at most 0.05 errs in one family of twenty.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected, highest = [1.0] * len(p), 0.0
    for done, at in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        highest = max(highest, min(1.0, (len(p) - done) * p[at]))
        corrected[at] = highest
    return corrected


def pairs_needed(effect: float, level: float, power: float = 0.8) -> int | None:
    """How many pairs show an effect of this size with this power; None: more than a thousand, or no effect.

    Args:
        effect: the mean difference over the standard deviation of the differences.
        level: of the interval that is to leave out zero.
        power: the share of repetitions in which it shall.

    Example:
        >>> pairs_needed(1.0, 0.95), pairs_needed(0.01, 0.95)
        (10, None)
    """

    def reached(pairs: int) -> bool:
        edge, centre = float(stdtrit(pairs - 1, (1 + level) / 2)), abs(effect) * math.sqrt(pairs)
        if centre > edge + 10:  # beyond doubt, and beyond where the non-central t is computed well
            return True
        return 1 - float(nctdtr(pairs - 1, centre, edge)) >= power

    if not math.isfinite(effect) or not reached(MOST_NEEDED):
        return None
    low, high = 1, MOST_NEEDED
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
