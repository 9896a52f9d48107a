"""Which lane is ahead at the end of a training, by how much, and whether the seeds suffice to say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gru_viz.training import lane_comparison, verdict_text
from gru_viz.training.curves import Curve
from gru_viz.training.lane_comparison import Crossing, LaneComparison, final_values, find_crossing, last_values
from gru_viz.training.tasks.base_task import Measure, Task
from gru_viz.training.training_records import Diverged

__all__ = ["Verdict", "verdict"]

HELD_OUT = Measure("held_out", "held-out loss", "lower")


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison, as numbers and as sentences.

    Attributes:
        update: after how many updates the lanes are compared; the last that all reached.
        evaluations: how many a final value is the mean of.
        comparisons: by held-out loss, every pair of lanes; then by the task's own measure.
        crossings: which lane reached whose final loss first.
        unbeaten: names of the lanes that do not clearly beat the best baseline.
        sentences: all of it in words.
    """

    update: int
    evaluations: int
    comparisons: tuple[LaneComparison, ...]
    crossings: tuple[Crossing, ...]
    unbeaten: tuple[str, ...]
    sentences: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """All sentences in one line."""
        return " ".join(self.sentences)


def verdict(
    curves: Sequence[Curve],
    task: Task | None = None,
    lanes: Sequence[str] = (),
    diverged: Mapping[str, Diverged] | None = None,
) -> Verdict:
    """Decide which lane is ahead at the end of a training, by how much, and whether the seeds suffice to say so.

    A seed's final value is the mean of the evaluations in the last tenth of the updates. Lanes are compared seed by
    seed with a paired t-test: positive losses by the ratio, shares by the difference. With several pairs of lanes, p
    is corrected by Holm and the intervals are simultaneous.

    Args:
        curves: of a run; measures other than the held-out loss and the task's own are ignored.
        task: for its own measure and its baselines.
        lanes: names of the lanes to compare, in order; empty: all in ``curves``.
        diverged: lane → the record that ended it.

    Example:
        >>> import numpy as np
        >>> updates, seconds = np.arange(0, 101, 10), np.arange(11.0)
        >>> flat = lambda lane, *finals: Curve(lane, "held_out", updates, seconds, np.tile(finals, (11, 1)))
        >>> found = verdict([flat("GRU", 0.70, 0.80, 0.75, 0.85), flat("LSTM", 1.0, 1.1, 0.9, 1.15)])
        >>> print(found.sentences[0])
        GRU is ahead: its held-out loss is 25 % lower than LSTM's (95 % CI 16 to 34 %, 4 seeds, paired t-test).
    """
    held_out = _by_lane(curves, HELD_OUT)
    names = [name for name in (lanes or held_out) if name in held_out]
    update = min((int(held_out[name].updates[-1]) for name in names), default=0)
    if not update:
        return Verdict(0, 0, (), (), (), ("Nothing has been measured yet.",))
    comparisons = lane_comparison.compare_lanes(HELD_OUT, [held_out[name] for name in names], update)
    by_measure: tuple[LaneComparison, ...] = ()
    own = {} if task is None else _by_lane(curves, task.measure)
    if task is not None and all(name in own for name in names):
        by_measure = lane_comparison.compare_lanes(task.measure, [own[name] for name in names], update)
    finite = [pair for pair in comparisons if pair.trouble != "not finite"]
    crossings = tuple(filter(None, (find_crossing(pair, held_out, update) for pair in finite)))
    finals = {name: final_values(held_out[name], update) for name in names}
    best = min(task.baselines, key=lambda baseline: baseline.loss, default=None) if task is not None else None
    unbeaten = tuple(name for name in names if best is not None and not lane_comparison.beats(finals[name], best.loss))
    sentences = (
        *verdict_text.single(finals),
        *verdict_text.comparisons(comparisons, by_measure, lane_comparison.LEVEL),
        *(verdict_text.baseline(best, unbeaten, names) if best is not None else ()),
        *verdict_text.crossings(crossings, comparisons, update),
        *verdict_text.ends({name: int(held_out[name].updates[-1]) for name in names}, update, diverged or {}),
        *verdict_text.limits(len(names)),
    )
    evaluations = min(len(last_values(held_out[name], update)) for name in names)
    return Verdict(update, evaluations, (*comparisons, *by_measure), crossings, unbeaten, sentences)


def _by_lane(curves: Sequence[Curve], measure: Measure) -> dict[str, Curve]:
    return {curve.lane: curve for curve in curves if curve.measure == measure.name and len(curve.updates)}
