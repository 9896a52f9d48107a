"""The sentences of a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gru_viz.training.lane_comparison import Crossing, LaneComparison
from gru_viz.training.tasks.base_task import Baseline
from gru_viz.training.training_records import Diverged

__all__ = ["baseline", "comparisons", "crossings", "ends", "limits", "single"]

FEWEST_SEEDS = 3


def single(finals: Mapping[str, np.ndarray]) -> Iterator[str]:
    """The final losses of a single lane or a single seed, which have no verdict."""
    if len(finals) > 1 and min(map(len, finals.values())) > 1:
        return
    listed = _listing([f"{np.mean(values):.3g} for {name}" for name, values in finals.items()])
    if len(finals) == 1:
        yield f"Only one model, so there is nothing to compare. Held-out loss: {listed}."
    else:
        yield f"One seed is too few for a verdict: choose {FEWEST_SEEDS} or more seeds. Held-out loss: {listed}."


def comparisons(by_loss: Sequence[LaneComparison], by_measure: Sequence[LaneComparison], level: float) -> Iterator[str]:
    """Every pair of lanes, by the held-out loss and by the task's own measure."""
    for pair in by_loss:
        if pair.trouble != "one seed":
            yield _pair(pair, level, len(by_loss))
    judged = [pair for pair in by_measure if pair.trouble in ("", "no spread")]
    if len(by_measure) == 1:
        yield from (_pair(pair, level, 1) for pair in judged)
    elif judged:
        ahead = [f"{pair.ahead} is ahead of {_behind(pair)}" for pair in judged if pair.ahead]
        equal = [f"{pair.lanes[0]} and {pair.lanes[1]} are not distinguishable" for pair in judged if not pair.ahead]
        yield f"By {judged[0].measure.title}, {_listing([*ahead, *equal])}."
    if any(pair.seeds == 2 and not pair.trouble and pair.ahead is None for pair in by_loss):
        yield f"Two seeds make a wide interval: choose {FEWEST_SEEDS} or more."


def _pair(pair: LaneComparison, level: float, pairs: int) -> str:
    if pair.trouble:
        return _without_test(pair)
    how = [f"{100 * level:.0f} %{' simultaneous' if pairs > 1 else ''} CI {{}}"]
    if pairs > 1:
        how.append(f"Holm's p {_p(pair.p_corrected)}")
    how += [f"{pair.seeds} seeds", "paired t-test"]
    return _undecided(pair, how) if pair.ahead is None else _decided(pair, how, pairs)


def _without_test(pair: LaneComparison) -> str:
    (one, other), title = pair.lanes, pair.measure.title
    if pair.trouble == "not finite":
        broken = [
            f"{name}'s in {sum(not math.isfinite(value) for value in values)} of {pair.seeds} seeds"
            for name, values in zip(pair.lanes, pair.finals, strict=True)
            if not all(map(math.isfinite, values))
        ]
        return f"No verdict on {one} and {other}: the {title} is not finite, {_listing(broken)}."
    if pair.estimate == pair.neutral:
        return f"{one} and {other} have the same {title} in every seed."
    change = _change(pair, pair.estimate)
    return f"No verdict by {title}: {one}'s is {change} than {other}'s in every seed, so there is no spread to test."


def _undecided(pair: LaneComparison, how: Sequence[str]) -> str:
    (one, other), title = pair.lanes, pair.measure.title
    span, change = _span(pair, pair.low, pair.high, rising=True), _change(pair, pair.estimate)
    needed = "more than a thousand" if pair.needed is None else f"about {pair.needed}"
    return (
        f"{one} and {other} are not distinguishable by {title}: {one}'s is {change} than {other}'s "
        f"({', '.join(how).format(span)}). To detect this difference you would need {needed} seeds."
    )


def _decided(pair: LaneComparison, how: Sequence[str], pairs: int) -> str:
    behind, title = _behind(pair), pair.measure.title
    values: tuple[float, ...] = (pair.estimate, pair.low, pair.high)
    if pair.ahead == pair.lanes[1]:
        values = tuple((1 / v if v else math.inf) if pair.scale == "ratio" else -v for v in values)
    span, change = _span(pair, values[1], values[2]), _change(pair, values[0])
    ahead = f"{pair.ahead} is ahead" + (f" of {behind}" if pairs > 1 else "")
    if pair.low <= pair.neutral <= pair.high:  # Holm's correction has a little more power than simultaneous intervals
        return f"{ahead} ({', '.join(how[1:])}): its {title} is {change}; the {how[0].format(f'goes {span}')}."
    return f"{ahead}: its {title} is {change} than {behind}'s ({', '.join(how).format(span)})."


def _behind(pair: LaneComparison) -> str:
    return next(name for name in pair.lanes if name != pair.ahead)


def _change(pair: LaneComparison, value: float) -> str:
    """A ratio or a difference in words, such as ``"23 % lower"``."""
    return "{}{} {}".format(*_parts(pair, value))


def _span(pair: LaneComparison, low: float, high: float, *, rising: bool = False) -> str:
    """An interval in words: the lower end first if ``rising``, else the smaller change."""

    def size(value: float) -> float:
        if pair.scale != "ratio":
            return abs(value)
        return abs(math.log(value)) if 0 < value < math.inf else math.inf

    near, far = (low, high) if rising else sorted((low, high), key=size)
    (a, *which), (b, *other) = _parts(pair, near), _parts(pair, far)
    if which == other:
        return f"{a} to {b}{which[0]}"
    return f"from {_change(pair, near)} to {_change(pair, far)}"


def _parts(pair: LaneComparison, value: float) -> tuple[str, str, str]:
    """Amount, unit and direction."""
    if pair.scale == "difference":
        return f"{abs(value):.3g}", "", "lower" if value < 0 else "higher"
    if pair.scale == "share":
        return _two_digits(100 * abs(value)), " points", "lower" if value < 0 else "higher"
    times = max(value, 1 / value if value else math.inf)
    if times >= (20 if value < 1 else 5):
        many = f"{times:.0f}" if times >= 10 else f"{times:.1f}"
        return "over 1000" if times > 1000 else many, " times", "smaller" if value < 1 else "larger"
    return _two_digits(100 * abs(value - 1)), " %", "lower" if value < 1 else "higher"


def baseline(best: Baseline, unbeaten: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Which lanes do not clearly beat the best baseline."""
    if not unbeaten:
        return
    if 1 < len(unbeaten) == len(names):
        subject, verb = "Neither model" if len(names) == 2 else "No model", "clearly beats"
    else:
        subject, verb = _listing(unbeaten), f"{'does' if len(unbeaten) == 1 else 'do'} not clearly beat"
    yield f"{subject} {verb} the best baseline: {best.title}, held-out loss {best.loss:.3g}."


def crossings(found: Sequence[Crossing], pairs: Sequence[LaneComparison], update: int) -> Iterator[str]:
    """Of two lanes, when the better one reached the other's final loss."""
    if len(pairs) != 1 or pairs[0].ahead is None:
        return
    for crossing in found:
        if crossing.lane == pairs[0].ahead and crossing.update < update:
            reached = f"{crossing.update:,} of {update:,} updates"
            spent = f"{crossing.seconds:.3g} s of training; {crossing.other} trained {crossing.others_seconds:.3g} s"
            yield f"{crossing.lane} reached {crossing.other}'s final loss after {reached} ({spent})."


def ends(updates: Mapping[str, int], compared: int, diverged: Mapping[str, Diverged]) -> Iterator[str]:
    """Which lanes stopped early, and after how many updates all are compared."""
    for name, end in diverged.items():
        yield f"{name} diverged at update {end.update:,}."
    if len(set(updates.values())) > 1:
        listed = _listing([f"{name} {end:,}" for name, end in updates.items()])
        yield f"The models made different numbers of updates ({listed}): they are compared after {compared:,}."


def limits(lanes: int) -> Iterator[str]:
    """What the comparison does not show."""
    if lanes > 1:
        yield (
            "This holds for these settings and this training length; other sizes, learning rates, initialisations or "
            f"data may reverse it. {'Neither' if lanes == 2 else 'No'} model was tuned."
        )


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.2g}"


def _listing(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
