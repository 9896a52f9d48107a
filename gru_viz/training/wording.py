"""A verdict in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gru_viz.training.records import Diverged
from gru_viz.training.tasks.task import Baseline

if TYPE_CHECKING:
    from gru_viz.training.verdict import Comparison, Crossing

__all__ = ["say_baseline", "say_comparisons", "say_crossings", "say_ends", "say_lanes", "say_limits"]

FEWEST_SEEDS = 3


def say_lanes(finals: Mapping[str, np.ndarray]) -> Iterator[str]:
    """What one lane alone, or one seed alone, comes to."""
    if len(finals) > 1 and min(map(len, finals.values())) > 1:
        return
    ends = _listing([f"{np.mean(values):.3g} for {name}" for name, values in finals.items()])
    if len(finals) == 1:
        yield f"There is one lane, and nothing to compare it with: a held-out loss of {ends}."
    else:
        yield f"One seed shows a curve, not a verdict: choose {FEWEST_SEEDS} or more seeds. Held-out loss: {ends}."


def say_comparisons(by_loss: Sequence[Comparison], by_measure: Sequence[Comparison], level: float) -> Iterator[str]:
    """Every pair of lanes, by the held-out loss and by the task's own measure."""
    for pair in by_loss:
        if pair.trouble != "one seed":
            yield _say_pair(pair, level, len(by_loss))
    judged = [pair for pair in by_measure if pair.trouble in ("", "no spread")]
    if len(by_measure) == 1:
        yield from (_say_pair(pair, level, 1) for pair in judged)
    elif judged:
        ahead = [f"{pair.ahead} is ahead of {_behind(pair)}" for pair in judged if pair.ahead]
        level_with = [
            f"{pair.lanes[0]} and {pair.lanes[1]} are not distinguishable" for pair in judged if not pair.ahead
        ]
        yield f"By {judged[0].measure.title}, {_listing([*ahead, *level_with])}."
    two = [pair for pair in by_loss if pair.seeds == 2 and not pair.trouble and pair.ahead is None]
    if two:
        yield f"Two seeds make a wide interval: choose {FEWEST_SEEDS} or more."


def _say_pair(pair: Comparison, level: float, pairs: int) -> str:
    (one, other), title = pair.lanes, pair.measure.title
    if pair.trouble == "not finite":
        broken = [
            f"{name}'s in {sum(not math.isfinite(value) for value in values)} of {pair.seeds} seeds"
            for name, values in zip(pair.lanes, pair.finals, strict=True)
            if not all(map(math.isfinite, values))
        ]
        return f"No verdict on {one} and {other}: the {title} is not finite, {_listing(broken)}."
    if pair.trouble == "no spread":
        if pair.estimate == (pair.scale == "ratio"):
            return f"{one} and {other} have the same {title} in every seed."
        said = _change(pair, pair.estimate)
        return f"No verdict by {title}: {one}'s is {said} than {other}'s in every seed alike, with no spread to judge."
    how = [f"{100 * level:.0f} %{' simultaneous' if pairs > 1 else ''} interval {{}}"]
    if pairs > 1:
        how.append(f"Holm's p {_p(pair.p_corrected)}")
    how += [f"{pair.seeds} seeds", "paired t"]
    if pair.ahead is None:
        span, seen = _span(pair, pair.low, pair.high, both_ways=True), _change(pair, pair.estimate)
        needed = "more than a thousand" if pair.needed is None else f"about {pair.needed}"
        return (
            f"{one} and {other} are not distinguishable by {title}: {one}'s is {seen} than {other}'s "
            f"({', '.join(how).format(span)}). Were this the true difference, {needed} seeds would show it."
        )
    behind = _behind(pair)
    values: tuple[float, ...] = (pair.estimate, pair.low, pair.high)
    if pair.ahead == other:
        values = tuple((1 / v if v else math.inf) if pair.scale == "ratio" else -v for v in values)
    span, seen = _span(pair, values[1], values[2]), _change(pair, values[0])
    whom = f" of {behind}" if pairs > 1 else ""
    neutral = 1.0 if pair.scale == "ratio" else 0.0
    if pair.low <= neutral <= pair.high:  # Holm's correction can see a little further than intervals for all at once
        said = f"its {title} is {seen}; the {how[0].format('')}still reaches {span}"
        return f"{pair.ahead} is ahead{whom} ({', '.join(how[1:])}): {said}."
    return f"{pair.ahead} is ahead{whom}: its {title} is {seen} than {behind}'s ({', '.join(how).format(span)})."


def _behind(pair: Comparison) -> str:
    return next(name for name in pair.lanes if name != pair.ahead)


def _change(pair: Comparison, value: float) -> str:
    """A ratio or a difference in words, such as ``"23 % lower"``."""
    amount, unit, way = _parts(pair, value)
    return f"{amount}{unit} {way}"


def _span(pair: Comparison, low: float, high: float, *, both_ways: bool = False) -> str:
    """An interval in words: the lower end first where it goes both ways, else the smaller change."""

    def size(value: float) -> float:
        if pair.scale != "ratio":
            return abs(value)
        return abs(math.log(value)) if 0 < value < math.inf else math.inf

    near, far = (low, high) if both_ways else sorted((low, high), key=size)
    (a, unit, way), (b, other_unit, other_way) = _parts(pair, near), _parts(pair, far)
    if (unit, way) == (other_unit, other_way):
        return f"{a} to {b}{unit}"
    return f"from {_change(pair, near)} to {_change(pair, far)}"


def _parts(pair: Comparison, value: float) -> tuple[str, str, str]:
    """How much, in which unit, and which way."""
    if pair.scale == "difference":
        return f"{abs(value):.3g}", "", "lower" if value < 0 else "higher"
    if pair.scale == "share":
        return _two_digits(100 * abs(value)), " points", "lower" if value < 0 else "higher"
    times = max(value, 1 / value if value else math.inf)
    if times >= (20 if value < 1 else 5):
        many = f"{times:.0f}" if times >= 10 else f"{times:.1f}"
        return "over 1000" if times > 1000 else many, " times", "smaller" if value < 1 else "larger"
    return _two_digits(100 * abs(value - 1)), " %", "lower" if value < 1 else "higher"


def say_baseline(best: Baseline, unbeaten: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Who has learnt nothing that is worth it."""
    if not unbeaten:
        return
    if 1 < len(unbeaten) == len(names):
        who = "Neither is" if len(names) == 2 else "None is"
    else:
        who = f"{_listing(unbeaten)} {'is' if len(unbeaten) == 1 else 'are'} not"
    yield (
        f"{who} clearly below what is reached without learning: “{best.title}” has a held-out loss of {best.loss:.3g}."
    )


def say_crossings(crossings: Sequence[Crossing], comparisons: Sequence[Comparison], update: int) -> Iterator[str]:
    """Of two lanes, when the one that is ahead was where the other ended."""
    if len(comparisons) != 1 or comparisons[0].ahead is None:
        return
    for crossing in crossings:
        if crossing.lane == comparisons[0].ahead and crossing.update < update:
            there = f"{crossing.update:,} of {update:,} updates"
            spent = f"{crossing.seconds:.3g} s of training against {crossing.others_seconds:.3g} s"
            yield f"{crossing.lane} was at {crossing.other}'s final loss after {there}, {spent}."


def say_ends(ends: Mapping[str, int], update: int, diverged: Mapping[str, Diverged]) -> Iterator[str]:
    """Which lanes stopped early, and where they are compared for it."""
    for name, end in diverged.items():
        yield f"{name} diverged at update {end.update:,}."
    if len(set(ends.values())) > 1:
        listed = _listing([f"{name} {end:,}" for name, end in ends.items()])
        yield f"The lanes made unequal numbers of updates ({listed}): they are compared after {update:,}."


def say_limits(lanes: int) -> Iterator[str]:
    """What is not shown."""
    if lanes > 1:
        yield (
            "This is about these settings and this long a training; other sizes, learning rates, first weights or data "
            f"may turn it, and {'neither' if lanes == 2 else 'no'} lane was tuned."
        )


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.2g}"


def _listing(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
