"""Forecasting: from the last few steps of a series, say what comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence as AbstractSequence
from dataclasses import dataclass

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.sequences import Scaling, Sequence, Sequences
from gru_viz.sequences.phrases import count, listing
from gru_viz.training.randomness import draw_rows, generator
from gru_viz.training.tasks.parts import HELD_OUT_SEED, PROBE_STEPS, affordable, rescaled, spaced
from gru_viz.training.tasks.season import find_season
from gru_viz.training.tasks.task import Baseline, Examples, Measure, Shown, Task

__all__ = ["Forecast", "Sine"]

WINDOW = 32
"""The longest window that is chosen for the user."""
STRETCH = 400
"""How many steps of a held-out stretch are shown."""


@dataclass(frozen=True)
class _Cut:
    """Where each sequence is cut in time, in rows of all sequences one after another."""

    begin: np.ndarray
    held: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, lengths: AbstractSequence[int], validation: float) -> _Cut:
        end = np.cumsum(lengths)
        begin = end - lengths
        return cls(begin, end - np.round(validation * np.asarray(lengths)).astype(np.int64), end)

    @property
    def rooms(self) -> np.ndarray:
        """(sequences,) the steps of the smaller of the two parts."""
        return np.minimum(self.held - self.begin, self.end - self.held)


class Forecast(Task):
    """From a window of a series, say what comes next (or later), at the window's end.

    Each sequence is cut in time: its first part is trained on, its last part is held out. No window crosses the cut,
    none crosses from one sequence to the next, and the values are scaled by the part that is trained on alone.

    Args:
        data: the series.
        length: steps of a window; 0 lets the data choose, at most 32.
        horizon: how many steps after the window's last the answer lies.
        validation: the share of each sequence, its last, that is held out.
        target: the feature to forecast, or several; empty: all.
        says: ``"value"``, the value itself; ``"change"``, how far it is from the window's last. The errors, and so the
            loss, mean the same; a series that wanders off where nothing was trained on is better said by its change.

    Raises:
        TrainingError: no sequence is long enough, a target is unknown, or there is nothing to forecast.

    Example:
        >>> from gru_viz.sequences import read_table
        >>> rows = "".join(f"{step},{step % 7}\\n" for step in range(100))
        >>> task = Forecast(read_table(("step,x\\n" + rows).encode()), length=10)
        >>> [(each.title, round(each.measure, 2)) for each in task.baselines]
        [('repeats the last value', 2.83), ('repeats the value of 7 steps before', 0.0)]
    """

    name = "forecast"
    answers, loss = "last", "squared"

    def __init__(
        self,
        data: Sequences,
        length: int = 0,
        horizon: int = 1,
        validation: float = 0.2,
        target: str | AbstractSequence[str] = "",
        says: str = "value",
    ) -> None:
        if not sum(data.lengths):
            raise TrainingError("forecast", "no step", "a series", "Choose other data.")
        cut = _Cut.of(data.lengths, validation)
        self.length, self.horizon, self.says = length or _choose_length(cut, horizon), horizon, says
        self.tokens, self.features = self.length, len(data.features)
        self.targets = _find_targets(data.features, target)
        self.outputs = len(self.targets)
        trained = [_starts(*part, self.length + horizon) for part in zip(cut.begin, cut.held, strict=True)]
        held = [_starts(*part, self.length + horizon) for part in zip(cut.held, cut.end, strict=True)]
        self.notices = self._check_room(data, cut, trained, held)
        self._starts, self._held = np.concatenate(trained), np.concatenate(held)

        self._values = data.scaling.undo(np.concatenate([item.values for item in data]))
        training = np.zeros(len(self._values), bool)
        for begin, end, windows in zip(cut.begin, cut.held, trained, strict=True):
            training[begin:end] = len(windows) > 0
        self._scaled, self.scaling, said = rescaled("forecast", data, self._values, training)
        self.notices += said
        self._check_motion(data.features, training)
        self._steps = np.arange(self.length)

        most = affordable(self.length * self.features)
        if len(self._held) > most:
            self.notices += (f"Of {len(self._held):,} held-out windows, {most} evenly spaced ones are looked at.",)
        looked_at = spaced(self._held, most)
        self.held_out = self._windows(looked_at)
        self.measure, self._unit = self._measure(data.features)
        season = find_season(
            self._scaled[begin:end, feature]
            for begin, end, windows in zip(cut.begin, cut.held, trained, strict=True)
            for feature in self.targets
            if len(windows)
        )
        self.baselines = self._baselines(looked_at, season, cut)
        longest = int(np.argmax(cut.end - cut.held))
        self._longest = (data[longest], int(cut.begin[longest]), held[longest])
        self.probe = self._probe(data[longest], int(cut.held[longest] - cut.begin[longest]), int(cut.begin[longest]))
        self.sentence = self._sentence(data)

    def batch(self, seed: int, update: int, size: int) -> Examples:
        """Windows of the part that is trained on, each once an epoch."""
        return self._windows(self._starts[draw_rows(seed, update, size, len(self._starts))])

    def measured(self, loss: float, answers: np.ndarray) -> float:
        """The root of the mean squared error, in the target's own unit where there is one target."""
        return float(loss**0.5 * self._unit)

    def shown(self, answer: Callable[[Examples], np.ndarray]) -> Shown:
        """The longest held-out stretch, true and forecast, in the data's own units."""
        item, begin, starts = self._longest
        starts = starts[: min(STRETCH, affordable(self.length * self.features))]
        at = starts + self.length - 1 + self.horizon
        said = answer(self._windows(starts)) + self._origin(starts)
        said = said * self.scaling.scale[self.targets] + self.scaling.centre[self.targets]
        labels = tuple(item.time[step - begin] if item.time else str(step - begin + 1) for step in at.tolist())
        names = tuple(item.features[feature] for feature in self.targets)
        ahead = "one step" if self.horizon == 1 else f"{self.horizon} steps"
        title = f"held-out end of {item.name}, forecast {ahead} ahead"
        return Shown("curves", self._values[at][:, self.targets], said, names, labels, title)

    def _windows(self, starts: np.ndarray) -> Examples:
        answers = self._scaled[starts + (self.length - 1 + self.horizon)][:, self.targets] - self._origin(starts)
        return Examples(self._scaled[starts[:, None] + self._steps], answers)

    def _origin(self, starts: np.ndarray) -> np.ndarray | np.float32:
        """What the answers are counted from."""
        if self.says == "value":
            return np.float32(0)
        return self._scaled[starts + (self.length - 1)][:, self.targets]

    def _check_room(
        self, data: Sequences, cut: _Cut, trained: list[np.ndarray], held: list[np.ndarray]
    ) -> tuple[str, ...]:
        """Refuse data without a window, and say which sequences have none."""
        span, room = self.length + self.horizon, int(cut.rooms.max())
        if not any(map(len, trained)) or not any(map(len, held)):
            longest = int(np.argmax(cut.rooms))
            part = "held out" if cut.end[longest] - cut.held[longest] == room else "trained on"
            found = f"at most {count(room, 'step')} {part}, of {data.lengths[longest]:,} in a sequence"
            wanted = f"{span}: a window of {self.length} and the answer {count(self.horizon, 'step')} after it"
            most = room - self.horizon
            shorter = f"Choose a window of at most {most}, or " if most > 0 else "Choose longer sequences, or "
            raise TrainingError("forecast", found, wanted, f"{shorter}change the share that is held out.")
        without = [item.name for item, *parts in zip(data, trained, held, strict=True) if not any(map(len, parts))]
        either = [
            item.name
            for item, one, other in zip(data, trained, held, strict=True)
            if bool(len(one)) != bool(len(other))
        ]
        said = []
        if without:
            some = count(len(without), "sequence")
            said.append(f"{some} left out, shorter than a window in both parts ({span} steps): {listing(without)}.")
        if either:
            some = count(len(either), "sequence")
            said.append(f"{some} long enough for a window ({span} steps) in one of the two parts: {listing(either)}.")
        return tuple(said)

    def _check_motion(self, features: tuple[str, ...], training: np.ndarray) -> None:
        moving = np.ptp(self._scaled[training][:, self.targets], axis=0) > 0
        if not moving.any():
            names = listing(features[feature] for feature in self.targets)
            found = f"the same value at every step that is trained on, in {names}"
            raise TrainingError("forecast", found, "a feature that changes", "Choose another target, or other data.")

    def _measure(self, features: tuple[str, ...]) -> tuple[Measure, float]:
        if len(self.targets) == 1:
            feature = self.targets[0]
            title = f"root mean squared error of {features[feature]}, in its own unit"
            return Measure("error", title, "lower"), float(self.scaling.scale[feature])
        how = "as they are" if self.scaling.method == "none" else "scaled"
        title = f"root mean squared error over {len(self.targets)} features, {how}"
        return Measure("error", title, "lower"), 1.0

    def _baselines(self, starts: np.ndarray, season: int | None, cut: _Cut) -> tuple[Baseline, ...]:
        last = starts + self.length - 1
        at = last + self.horizon
        found = [self._repeating("repeats the last value", at, last)]
        if season is None:
            return tuple(found)
        begins = cut.begin[np.searchsorted(cut.end, at, side="right")]
        ago = at - season * -(-self.horizon // season)
        if (ago >= begins).all():
            found.append(self._repeating(f"repeats the value of {season} steps before", at, ago))
        return tuple(found)

    def _repeating(self, title: str, at: np.ndarray, taken: np.ndarray) -> Baseline:
        error = self._scaled[at][:, self.targets].astype(np.float64) - self._scaled[taken][:, self.targets]
        loss = float(np.square(error).mean())
        return Baseline(title, loss, float(loss**0.5 * self._unit))

    def _probe(self, item: Sequence, held: int, begin: int) -> Sequence:
        steps = slice(held, min(len(item), held + PROBE_STEPS))
        time = None if item.time is None else item.time[steps]
        values = self._scaled[begin + steps.start : begin + steps.stop]
        return Sequence(values, item.features, time, f"{item.name}, held out")

    def _sentence(self, data: Sequences) -> str:
        what = "every feature" if len(self.targets) > 1 else data.features[self.targets[0]]
        when = "at the next step" if self.horizon == 1 else f"{self.horizon} steps later"
        how = "" if self.says == "value" else "how much higher or lower is "
        return f"From {self.length} steps of {listing(data.features, most=3)}, say {how}{what} {when}."


class Sine(Forecast):
    """The sine of the tutorials: from a few steps of a noisy wave, say the next.

    Args:
        period: steps of one swing.
        noise: standard deviation of what is added to every step.
        length: steps of a window.
        validation: the share, the last, that is held out.

    Example:
        >>> Sine(noise=0.0).sentence
        'From 20 steps of a sine that swings once in 25 steps, say the next.'
    """

    name = "sine"

    def __init__(self, period: float = 25.0, noise: float = 0.05, length: int = 20, validation: float = 0.2) -> None:
        self.period, self.noise = period, noise
        steps = max(1000, int(np.ceil(3 * (length + 1) / min(validation, 1 - validation))))
        wave = np.sin(2 * np.pi * np.arange(steps) / period)
        wave += noise * generator(HELD_OUT_SEED, "sine").standard_normal(steps)
        features = ("value",)
        item = Sequence(wave[:, None].astype(np.float32), features, None, "sine")
        super().__init__(Sequences((item,), Scaling("none", features, np.zeros(1), np.ones(1))), length, 1, validation)

    def _sentence(self, data: Sequences) -> str:
        swing = f"From {self.length} steps of a sine that swings once in {self.period:g} steps, say the next"
        if not self.noise:
            return f"{swing}."
        return f"{swing}; the noise leaves an error of about {self.noise:g} even to someone who knows the wave."


def _choose_length(cut: _Cut, horizon: int) -> int:
    """A window that fits twice into the smaller part of most sequences."""
    usual, largest = int(np.median(cut.rooms)) - horizon, int(cut.rooms.max()) - horizon
    return max(1, min(WINDOW, max(usual // 2, min(2, largest))))


def _starts(begin: int, end: int, span: int) -> np.ndarray:
    return np.arange(begin, max(begin, end - span + 1))


def _find_targets(features: tuple[str, ...], target: str | AbstractSequence[str]) -> list[int]:
    names = [target] if isinstance(target, str) and target else list(target)
    for name in names:
        if name not in features:
            found, wanted = f"no feature '{name}'", f"some of {listing(features, most=20)}"
            raise TrainingError("forecast, target", found, wanted, "Name a feature, or none for all.")
    return [features.index(name) for name in dict.fromkeys(names)] or list(range(len(features)))
