"""Pairs of lanes compared seed by seed: final values, a paired t-test, and who reached whose loss first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from gru_viz.optional import optional_packages
from gru_viz.training.curves import Curve
from gru_viz.training.tasks.base_task import Measure

__all__ = ["LEVEL", "Crossing", "LaneComparison", "beats", "compare_lanes", "final_values", "find_crossing"]

LEVEL = 0.95
LAST_SHARE = 0.1
MAX_PAIRS = 1000
"""The largest number of pairs that is proposed."""

Scale = Literal["ratio", "share", "difference"]


@dataclass(frozen=True)
class LaneComparison:
    """Two lanes compared by one measure, seed by seed: seed k of both had the same batches.

    Attributes:
        measure: what is compared.
        lanes: the names of both.
        scale: ``"ratio"``, first over second, by logarithms; ``"share"`` and ``"difference"``, first minus second.
        finals: for each lane the final value of every seed.
        estimate: the ratio (a geometric mean over seeds), or the mean difference.
        low: lower end of its confidence interval; simultaneous for all pairs of lanes (Bonferroni).
        high: upper end.
        p: two-sided, of the paired t-test.
        p_corrected: for the number of pairs of lanes, by Holm.
        ahead: the better lane; None without a significant difference.
        wins: number of seeds in which the first lane is better.
        needed: seeds that would detect a difference of this size with a power of 0.8; None if one is significant
            already, or over a thousand are needed.
        trouble: why there is no test, or empty.
    """

    measure: Measure
    lanes: tuple[str, str]
    scale: Scale
    finals: tuple[tuple[float, ...], tuple[float, ...]]
    estimate: float
    low: float
    high: float
    p: float
    p_corrected: float
    ahead: str | None
    wins: int
    needed: int | None
    trouble: Literal["", "one seed", "not finite", "no spread"]

    @property
    def seeds(self) -> int:
        """Number of pairs."""
        return len(self.finals[0])

    @property
    def neutral(self) -> float:
        """The estimate of two equal lanes."""
        return 1.0 if self.scale == "ratio" else 0.0


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


@dataclass(frozen=True)
class Crossing:
    """When the median of one lane first reached another's final median.

    Attributes:
        lane: which reached it.
        other: whose final held-out loss it is.
        update: after how many updates.
        seconds: training time of ``lane`` until then.
        others_seconds: training time of ``other`` until its end.
    """

    lane: str
    other: str
    update: int
    seconds: float
    others_seconds: float


def last_values(curve: Curve, update: int) -> np.ndarray:
    """(evaluations, seeds) the values in the last tenth of the updates, or the last before it if there are none."""
    within = (curve.updates <= update) & (curve.updates > (1 - LAST_SHARE) * update)
    return curve.values[within] if within.any() else curve.values[curve.updates <= update][-1:]


def final_values(curve: Curve, update: int) -> np.ndarray:
    """(seeds,) the mean of each seed's last values; NaN if one of them is not finite."""
    values = last_values(curve, update)
    finite = np.isfinite(values)
    return np.where(finite.all(0), np.where(finite, values, 0).mean(0), np.nan)


def compare_lanes(measure: Measure, curves: Sequence[Curve], update: int) -> tuple[LaneComparison, ...]:
    """Compare every pair of lanes by one measure after so many updates, with p corrected for the number of pairs."""
    finals = {curve.lane: final_values(curve, update) for curve in curves}
    together = np.concatenate([*finals.values(), [0.5]])
    scale: Scale = "difference"
    if measure.better == "lower" and not (together <= 0).any():
        scale = "ratio"
    elif measure.better == "higher" and not ((together < 0) | (together > 1)).any():
        scale = "share"
    pairs = list(combinations(finals, 2))
    found = [_test(measure, scale, pair, finals, 1 - (1 - LEVEL) / len(pairs)) for pair in pairs]
    tested = [k for k, (pair, _) in enumerate(found) if not pair.trouble]
    corrected = dict(zip(tested, holm([found[k][0].p for k in tested]), strict=True))
    return tuple(_decide(pair, effect, corrected.get(k), len(pairs)) for k, (pair, effect) in enumerate(found))


def _test(
    measure: Measure, scale: Scale, lanes: tuple[str, str], finals: Mapping[str, np.ndarray], level: float
) -> tuple[LaneComparison, float]:
    """Two lanes, nothing decided yet, and the size of the effect."""
    seeds = min(len(finals[name]) for name in lanes)
    one, other = (finals[name][:seeds] for name in lanes)
    trouble: Literal["", "one seed", "not finite", "no spread"] = ""
    if not (np.isfinite(one) & np.isfinite(other)).all():
        trouble, found = "not finite", PairedTest(math.nan, math.nan, math.nan, 1.0, math.nan)
    else:
        found = paired_test(np.log(one) - np.log(other) if scale == "ratio" else one - other, level)
        trouble = "one seed" if seeds == 1 else "no spread" if math.isnan(found.effect) else ""
    back = _exp if scale == "ratio" else float
    wins = int((one < other).sum() if measure.better == "lower" else (one > other).sum())
    values = (tuple(map(float, one)), tuple(map(float, other)))
    numbers = (back(found.mean), back(found.low), back(found.high), found.p, 1.0)
    return LaneComparison(measure, lanes, scale, values, *numbers, None, wins, None, trouble), found.effect


def _exp(value: float) -> float:
    return math.inf if value > 700 else math.exp(value)


def _decide(pair: LaneComparison, effect: float, corrected: float | None, pairs: int) -> LaneComparison:
    """The same, with the lane that is ahead, or the number of seeds needed."""
    if corrected is None:
        return pair
    if corrected > 1 - LEVEL:
        needed = pairs_needed(effect, 1 - (1 - LEVEL) / pairs)
        return replace(pair, p_corrected=corrected, needed=needed and max(needed, pair.seeds + 1))
    first = (pair.estimate < pair.neutral) == (pair.measure.better == "lower")
    return replace(pair, p_corrected=corrected, ahead=pair.lanes[0 if first else 1])


def beats(finals: np.ndarray, loss: float) -> bool:
    """Whether the confidence interval over seeds lies below a loss; for one seed, whether its value does."""
    if not np.isfinite(finals).all():
        return False
    found = paired_test(finals - loss, LEVEL)
    return (found.mean if len(finals) == 1 else found.high) < 0


def find_crossing(pair: LaneComparison, held_out: Mapping[str, Curve], update: int) -> Crossing | None:
    """When the lane with the lower final median first reached the other's; None if it never did, or both are equal."""
    one, other = (float(np.median(finals)) for finals in pair.finals)
    if one == other:
        return None
    lane, behind = pair.lanes if one < other else pair.lanes[::-1]
    curve, others = held_out[lane], held_out[behind]
    reached = np.flatnonzero((curve.median <= max(one, other)) & (curve.updates <= update))
    if not len(reached):
        return None
    others_seconds = float(others.seconds[others.updates <= update][-1])
    return Crossing(lane, behind, int(curve.updates[reached[0]]), float(curve.seconds[reached[0]]), others_seconds)


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
    special, freedom, error = _special(), len(differences) - 1, spread / math.sqrt(len(differences))
    half = float(special.stdtrit(freedom, (1 + level) / 2)) * error
    p = 2 * float(special.stdtr(freedom, -abs(mean / error)))
    return PairedTest(mean, mean - half, mean + half, p, mean / spread)


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
    special = _special()

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


def _special() -> Any:
    """scipy's distribution functions, imported when they are first needed; scipy.stats would take a second."""
    with optional_packages("the verdict of a comparison"):
        import scipy.special
    return scipy.special
