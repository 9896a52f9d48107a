"""The statistics of paired differences: the paired t-test, Holm's correction, and how many pairs a difference needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gru_viz.optional import optional_packages

__all__ = ["MAX_PAIRS", "PairedTest", "holm", "paired_test", "pairs_needed"]

MAX_PAIRS = 1000
"""The largest number of pairs that is proposed."""


@dataclass(frozen=True)
class PairedTest:
    """A t-test of paired differences against a mean of zero.

    Attributes:
        mean: of the differences.
        low: lower end of the confidence interval of the mean.
        high: its upper end; both infinite for a single pair.
        p: two-sided; 1 for a single pair.
        effect: mean over standard deviation; NaN without spread.
    """

    mean: float
    low: float
    high: float
    p: float
    effect: float


def paired_test(differences: np.ndarray, level: float) -> PairedTest:
    """Run the paired t-test (Student 1908).

    Equal differences have no spread to estimate: the interval is then a point, and p is 1 or 0.

    Args:
        differences: (pairs,) first minus second.
        level: of the confidence interval.

    Example:
        >>> found = paired_test(np.array([1.0, 2.0, 3.0]), 0.95)
        >>> round(found.low, 2), round(found.high, 2), round(found.p, 3)
        (-0.48, 4.48, 0.074)
    """
    mean = float(np.mean(differences))
    if len(differences) < 2:
        return PairedTest(mean, -math.inf, math.inf, 1.0, math.nan)
    spread = float(np.std(differences, ddof=1))
    if spread <= 1e-12 * float(np.abs(differences).max()):
        return PairedTest(mean, mean, mean, 0.0 if mean else 1.0, math.nan)
    found = _scipy().stats.ttest_1samp(differences, 0.0)
    low, high = found.confidence_interval(level)
    return PairedTest(mean, float(low), float(high), float(found.pvalue), mean / spread)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979): at most the stated share of such families has a false result.

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
    """Count the pairs that detect an effect of this size with this power.

    Args:
        effect: mean difference over the standard deviation of the differences.
        level: of the confidence interval that must exclude zero.
        power: probability of detection.

    Returns:
        The number of pairs; None above 1,000, or without an effect.

    Example:
        >>> pairs_needed(1.0, 0.95), pairs_needed(0.01, 0.95)
        (10, None)
    """
    special = _scipy().special

    def detected(pairs: int) -> bool:
        edge, centre = float(special.stdtrit(pairs - 1, (1 + level) / 2)), abs(effect) * math.sqrt(pairs)
        if centre > edge + 10:  # certain, and beyond where the non-central t is computed well
            return True
        return 1 - float(special.nctdtr(pairs - 1, centre, edge)) >= power

    if not math.isfinite(effect) or not detected(MAX_PAIRS):
        return None
    low, high = 1, MAX_PAIRS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detected(middle) else (middle, high)
    return high


def _scipy() -> Any:
    """scipy, when it is first needed: its statistics take a second to import."""
    with optional_packages("the verdict of a comparison"):
        import scipy.special
        import scipy.stats
    return scipy
