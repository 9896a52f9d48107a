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

    A single pair has an infinite interval and p = 1; ``effect``, mean over standard deviation, is NaN without spread.
    """

    mean: float
    low: float
    high: float
    p: float
    effect: float


def paired_test(differences: np.ndarray, level: float) -> PairedTest:
    """Run the paired t-test (Student 1908) on (pairs,) differences, with a confidence interval of this level.

    Equal differences have no spread to estimate: the interval is then a point, and p is 1 or 0.
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
    """Correct p-values for their number (Holm 1979): at most the stated share of such families has a false result."""
    corrected, highest = [1.0] * len(p), 0.0
    for done, at in enumerate(sorted(range(len(p)), key=lambda k: p[k])):
        highest = max(highest, min(1.0, (len(p) - done) * p[at]))
        corrected[at] = highest
    return corrected


def pairs_needed(effect: float, level: float, power: float = 0.8) -> int | None:
    """Count the pairs that detect an effect (mean over standard deviation of the differences) with this power.

    Returns:
        The number of pairs; None above 1,000, or without an effect.
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
