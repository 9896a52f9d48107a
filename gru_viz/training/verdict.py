"""Which lane is ahead at the end of a training, by how much, and whether the seeds can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from gru_viz.training import wording
from gru_viz.training.curves import Curve
from gru_viz.training.paired import Paired, holm, paired, pairs_needed
from gru_viz.training.records import Diverged
from gru_viz.training.tasks.task import Measure, Task

__all__ = ["LEVEL", "Comparison", "Crossing", "Verdict", "verdict"]

LEVEL = 0.95
LAST_SHARE = 0.1
HELD_OUT = Measure("held_out", "held-out loss", "lower")


@dataclass(frozen=True)
class Comparison:
    """Two lanes held against each other by one measure, seed by seed: seed k of both had the same batches.

    Attributes:
        measure: what is compared; its name, title, and which way is better.
        lanes: the names of both.
        scale: ``"ratio"``, first over second, by the logarithms; ``"share"`` and ``"difference"``, first minus second.
        finals: for each lane the final value of every seed.
        estimate: the ratio (a geometric mean over seeds), or the mean difference.
        low: lower end of its interval; simultaneous for all pairs of lanes (Bonferroni).
        high: upper end.
        p: two-sided, of paired t.
        p_corrected: for the number of pairs of lanes, by Holm.
        ahead: the lane that is ahead; None where the seeds cannot tell.
        wins: in how many seeds the first lane is better.
        needed: how many seeds would show a difference like the one seen in four of five repetitions; None where that
            is not asked, or would be over a thousand.
        trouble: why there is no statistic, as in ``"one seed"``; else empty.
    """

    measure: Measure
    lanes: tuple[str, str]
    scale: Literal["ratio", "share", "difference"]
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
        """How many pairs there are."""
        return len(self.finals[0])


@dataclass(frozen=True)
class Crossing:
    """A plain fact: when the median of one lane first was as low as another's was in the end.

    Attributes:
        lane: who got there.
        other: whose final held-out loss it is.
        update: after how many updates.
        seconds: after how long a training.
        others_seconds: how long the other trained for it.
    """

    lane: str
    other: str
    update: int
    seconds: float
    others_seconds: float


@dataclass(frozen=True)
class Verdict:
    """What a comparison shows, as numbers and as sentences.

    Attributes:
        update: after how many updates the lanes are compared; the last that all reached.
        looks: how many evaluations a final value is the mean of.
        comparisons: by held-out loss, every pair of lanes; then by the task's own measure.
        crossings: who reached whose final loss first.
        unbeaten: titles of the lanes that are not clearly below the best baseline.
        sentences: all of it in words.
    """

    update: int
    looks: int
    comparisons: tuple[Comparison, ...]
    crossings: tuple[Crossing, ...]
    unbeaten: tuple[str, ...]
    sentences: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All of it, for the screen."""
        return " ".join(self.sentences)


def verdict(
    curves: Sequence[Curve],
    task: Task | None = None,
    lanes: Sequence[str] = (),
    diverged: Mapping[str, Diverged] | None = None,
) -> Verdict:
    """Say which lane is ahead at the end of a training, by how much, and whether the seeds can tell.

    A seed's final value is the mean of the evaluations in the last tenth of the updates. Lanes are compared seed by
    seed with paired t: positive losses by the ratio, shares by the difference. Of several pairs of lanes, p is
    corrected by Holm and intervals hold simultaneously.

    Args:
        curves: of a run; those of other measures than the held-out loss and the task's own are not read.
        task: for its own measure and its baselines.
        lanes: which lanes, in which order; empty: all, as they come.
        diverged: the lanes that stopped because they diverged.

    Example:
        >>> updates, seconds = np.arange(0, 101, 10), np.arange(11.0)
        >>> flat = lambda lane, *finals: Curve(lane, "held_out", updates, seconds, np.tile(finals, (11, 1)))
        >>> told = verdict([flat("GRU", 0.70, 0.80, 0.75, 0.85), flat("LSTM", 1.0, 1.1, 0.9, 1.15)])
        >>> print(told.sentences[0])
        GRU is ahead: its held-out loss is 25 % lower than LSTM's (95 % interval 16 to 34 %, 4 seeds, paired t).
    """
    held = {curve.lane: curve for curve in curves if curve.measure == HELD_OUT.name and len(curve.updates)}
    names = [name for name in (lanes or held) if name in held]
    update = min((int(held[name].updates[-1]) for name in names), default=0)
    if not update:
        return Verdict(0, 0, (), (), (), ("Nothing has been measured yet.",))
    looks = min(len(_last(held[name], update)) for name in names)
    comparisons = _compare(HELD_OUT, [held[name] for name in names], update)
    by_measure: tuple[Comparison, ...] = ()
    if task is not None:
        own = {curve.lane: curve for curve in curves if curve.measure == task.measure.name and len(curve.updates)}
        if all(name in own for name in names):
            by_measure = _compare(task.measure, [own[name] for name in names], update)
    crossings = tuple(
        crossing
        for pair in comparisons
        if pair.trouble != "not finite" and (crossing := _crossing(pair, held, update)) is not None
    )
    finals = {name: _finals(held[name], update) for name in names}
    best = min(task.baselines, key=lambda baseline: baseline.loss, default=None) if task is not None else None
    unbeaten = tuple(name for name in names if best is not None and not _below(finals[name], best.loss))
    ends = {name: int(held[name].updates[-1]) for name in names}
    sentences = (
        *wording.say_lanes(finals),
        *wording.say_comparisons(comparisons, by_measure, LEVEL),
        *(wording.say_baseline(best, unbeaten, names) if best is not None else ()),
        *wording.say_crossings(crossings, comparisons, update),
        *wording.say_ends(ends, update, diverged or {}),
        *wording.say_limits(len(names)),
    )
    return Verdict(update, looks, (*comparisons, *by_measure), crossings, unbeaten, sentences)


def _last(curve: Curve, update: int) -> np.ndarray:
    """(looks, seeds) the values in the last tenth of the updates, or the last before it where there are none."""
    within = (curve.updates <= update) & (curve.updates > (1 - LAST_SHARE) * update)
    return curve.values[within] if within.any() else curve.values[curve.updates <= update][-1:]


def _finals(curve: Curve, update: int) -> np.ndarray:
    """(seeds,) the final value of each; NaN where one of them is not finite."""
    values = _last(curve, update)
    finite = np.isfinite(values)
    return np.where(finite.all(0), np.where(finite, values, 0).mean(0), np.nan)


def _compare(measure: Measure, curves: Sequence[Curve], update: int) -> tuple[Comparison, ...]:
    """Every pair of lanes by one measure, p corrected for all of them."""
    finals = {curve.lane: _finals(curve, update) for curve in curves}
    together = np.concatenate([*finals.values(), [0.5]])
    scale: Literal["ratio", "share", "difference"] = "difference"
    if measure.better == "lower" and not (together <= 0).any():
        scale = "ratio"
    elif measure.better == "higher" and not ((together < 0) | (together > 1)).any():
        scale = "share"
    pairs = list(combinations(finals, 2))
    found = [_pair(measure, scale, (one, other), finals, 1 - (1 - LEVEL) / len(pairs)) for one, other in pairs]
    told = [k for k, (pair, _) in enumerate(found) if not pair.trouble]
    corrected = dict(zip(told, holm([found[k][0].p for k in told]), strict=True))
    return tuple(_decided(pair, effect, corrected.get(k), len(pairs)) for k, (pair, effect) in enumerate(found))


def _pair(
    measure: Measure, scale: Literal["ratio", "share", "difference"], lanes: tuple[str, str],
    finals: Mapping[str, np.ndarray], level: float,
) -> tuple[Comparison, float]:  # fmt: skip
    """Two lanes, nothing decided yet, and the size of the effect."""
    seeds = min(len(finals[name]) for name in lanes)
    one, other = (finals[name][:seeds] for name in lanes)
    trouble: Literal["", "one seed", "not finite", "no spread"] = ""
    if not (np.isfinite(one) & np.isfinite(other)).all():
        trouble, found = "not finite", Paired(math.nan, math.nan, math.nan, 1.0, math.nan)
    else:
        found = paired(np.log(one) - np.log(other) if scale == "ratio" else one - other, level)
        trouble = "one seed" if seeds == 1 else "no spread" if math.isnan(found.effect) else ""
    back = _exp if scale == "ratio" else float
    wins = int((one < other).sum() if measure.better == "lower" else (one > other).sum())
    values = (tuple(map(float, one)), tuple(map(float, other)))
    numbers = (back(found.mean), back(found.low), back(found.high), found.p, 1.0)
    return Comparison(measure, lanes, scale, values, *numbers, None, wins, None, trouble), found.effect


def _exp(value: float) -> float:
    return math.inf if value > 700 else math.exp(value)


def _decided(pair: Comparison, effect: float, corrected: float | None, pairs: int) -> Comparison:
    """The same, with who is ahead, or how many seeds would tell."""
    if corrected is None:
        return pair
    if corrected > 1 - LEVEL:
        needed = pairs_needed(effect, 1 - (1 - LEVEL) / pairs)
        return replace(pair, p_corrected=corrected, needed=needed and max(needed, pair.seeds + 1))
    neutral = 1.0 if pair.scale == "ratio" else 0.0
    first = (pair.estimate < neutral) == (pair.measure.better == "lower")
    return replace(pair, p_corrected=corrected, ahead=pair.lanes[0 if first else 1])


def _below(finals: np.ndarray, loss: float) -> bool:
    """Whether the interval over seeds lies below a loss; of one seed, whether it does."""
    if not np.isfinite(finals).all():
        return False
    found = paired(finals - loss, LEVEL)
    return (found.mean if len(finals) == 1 else found.high) < 0


def _crossing(pair: Comparison, held: Mapping[str, Curve], update: int) -> Crossing | None:
    """When the lane with the lower median in the end first was where the other ended."""
    one, other = (float(np.median(finals)) for finals in pair.finals)
    if one == other:
        return None
    lane, behind = pair.lanes if one < other else pair.lanes[::-1]
    curve, others = held[lane], held[behind]
    there = np.flatnonzero((curve.median <= max(one, other)) & (curve.updates <= update))
    if not len(there):
        return None
    others_seconds = float(others.seconds[others.updates <= update][-1])
    return Crossing(lane, behind, int(curve.updates[there[0]]), float(curve.seconds[there[0]]), others_seconds)
