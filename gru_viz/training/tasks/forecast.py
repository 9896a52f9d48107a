"""Forecasting: from the last few steps of a series, predict what comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence as AbstractSequence
from dataclasses import dataclass

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.sequences import Scaling, Sequence, Sequences
from gru_viz.sequences.phrases import count, listing
from gru_viz.training.randomness import draw_rows, generator
from gru_viz.training.tasks.base_task import Baseline, Examples, Measure, Predictions, Task
from gru_viz.training.tasks.held_out_data import HELD_OUT_SEED, PROBE_STEPS, affordable, rescaled, spaced

__all__ = ["Forecast", "Sine"]

WINDOW = 32
"""The longest window that is chosen for the user."""
MOST_STEPS = 400
"""Steps of the held-out part that are drawn."""
CLEAR = 0.3
"""Smallest autocorrelation of a season, and smallest rise from the trough before it."""


@dataclass(frozen=True)
class _Cut:
    """Where each sequence is split in time, in rows of all sequences one after another."""

    begin: np.ndarray
    split: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, lengths: AbstractSequence[int], validation: float) -> _Cut:
        end = np.cumsum(lengths)
        begin = end - lengths
        return cls(begin, end - np.round(validation * np.asarray(lengths)).astype(np.int64), end)

    @property
    def smaller(self) -> np.ndarray:
        """(sequences,) steps of the smaller of the two parts."""
        return np.minimum(self.split - self.begin, self.end - self.split)


class Forecast(Task):
    """From a window of a series, predict the value one or more steps after its end.

    Each sequence is split in time: the first part is for training, the last is held out. No window crosses the split
    or a sequence's end, and the scaling is fitted to the training part.

    Args:
        data: the series.
        length: steps of a window; 0: chosen from the data, at most 32.
        horizon: steps from the window's end to the target.
        validation: held-out share of each sequence, its last.
        target: the feature to forecast, or several; empty: all.
        predict: ``"value"``, or ``"change"`` since the window's last step. Errors and loss mean the same; a series that
            drifts beyond the training range is predicted better by its change.

    Raises:
        TrainingError: no sequence is long enough, a target is unknown, or no target ever changes.
    """

    name = "forecast"
    output_at, loss = "last", "squared"

    def __init__(
        self,
        data: Sequences,
        length: int = 0,
        horizon: int = 1,
        validation: float = 0.2,
        target: str | AbstractSequence[str] = "",
        predict: str = "value",
    ) -> None:
        if not sum(data.lengths):
            raise TrainingError("forecast", "no step", "a series", "Choose other data.")
        cut = _Cut.of(data.lengths, validation)
        self.length, self.horizon, self.predict = length or _choose_length(cut, horizon), horizon, predict
        self.tokens, self.features = self.length, len(data.features)
        self.targets = _find_targets(data.features, target)
        self.outputs = len(self.targets)
        self._steps = np.arange(self.length)
        trained = [_starts(*part, self.length + horizon) for part in zip(cut.begin, cut.split, strict=True)]
        held_out = [_starts(*part, self.length + horizon) for part in zip(cut.split, cut.end, strict=True)]
        self.notices = self._check_room(data, cut, trained, held_out)
        self._starts = np.concatenate(trained)
        self.epoch_size = len(self._starts)
        parts = [slice(*part) for *part, starts in zip(cut.begin, cut.split, trained, strict=True) if len(starts)]
        self._scale(data, parts)
        self._hold_out(data, cut, held_out, parts)
        self.sentence = self._sentence(data)

    def _scale(self, data: Sequences, parts: list[slice]) -> None:
        """Fit the scaling to the parts that are trained on."""
        self._values = data.scaling.undo(np.concatenate([item.values for item in data]))
        training = np.zeros(len(self._values), bool)
        for part in parts:
            training[part] = True
        self._scaled, self.scaling, notices = rescaled("forecast", data, self._values, training)
        self.notices += notices
        self._check_motion(data.features, training)

    def _hold_out(self, data: Sequences, cut: _Cut, starts: list[np.ndarray], parts: list[slice]) -> None:
        """Choose the held-out windows, the baselines on them and the probe."""
        every, most = np.concatenate(starts), affordable(self.length * self.features)
        if len(every) > most:
            self.notices += (f"Of {len(every):,} held-out windows, {most} evenly spaced ones are evaluated.",)
        evaluated = spaced(every, most)
        self.held_out = self._windows(evaluated)
        self.measure, self._unit = self._measure(data.features)
        season = find_season(self._scaled[part, feature] for part in parts for feature in self.targets)
        self.baselines = self._baselines(evaluated, season, cut)
        longest = int(np.argmax(cut.end - cut.split))
        begin, split = int(cut.begin[longest]), int(cut.split[longest])
        self._longest = (data[longest], begin, starts[longest])
        self.probe = self._probe(data[longest], split - begin, begin)

    def batch(self, seed: int, update: int, size: int) -> Examples:
        """Windows of the training part, each once per epoch."""
        return self._windows(self._starts[draw_rows(seed, update, size, self.epoch_size)])

    def measured(self, loss: float, outputs: np.ndarray) -> float:
        """The RMSE; of a single target in its original unit."""
        return float(loss**0.5 * self._unit)

    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        """The longest held-out part, true and forecast, in original units."""
        item, begin, starts = self._longest
        starts = starts[: min(MOST_STEPS, affordable(self.length * self.features))]
        at = starts + self.length - 1 + self.horizon
        scaled = predict(self._windows(starts)) + self._origin(starts)
        predicted = scaled * self.scaling.scale[self.targets] + self.scaling.centre[self.targets]
        labels = tuple(item.time[step - begin] if item.time else str(step - begin + 1) for step in at.tolist())
        names = tuple(item.features[feature] for feature in self.targets)
        ahead = "one step" if self.horizon == 1 else f"{self.horizon} steps"
        title = f"held-out end of {item.name}, forecast {ahead} ahead"
        return Predictions("curves", self._values[at][:, self.targets], predicted, names, labels, title)

    def _windows(self, starts: np.ndarray) -> Examples:
        y = self._scaled[starts + (self.length - 1 + self.horizon)][:, self.targets] - self._origin(starts)
        return Examples(self._scaled[starts[:, None] + self._steps], y)

    def _origin(self, starts: np.ndarray) -> np.ndarray | np.float32:
        """What the targets are relative to."""
        if self.predict == "value":
            return np.float32(0)
        return self._scaled[starts + (self.length - 1)][:, self.targets]

    def _check_room(
        self, data: Sequences, cut: _Cut, trained: list[np.ndarray], held_out: list[np.ndarray]
    ) -> tuple[str, ...]:
        """Refuse data without a window; the notices name sequences without one."""
        span, most = self.length + self.horizon, int(cut.smaller.max())
        if not any(map(len, trained)) or not any(map(len, held_out)):
            longest = int(np.argmax(cut.smaller))
            part = "held out" if cut.end[longest] - cut.split[longest] == most else "trained on"
            found = f"at most {count(most, 'step')} {part}, of {data.lengths[longest]:,} in a sequence"
            wanted = f"{span}: a window of {self.length} and the target {count(self.horizon, 'step')} after it"
            window = most - self.horizon
            shorter = f"Choose a window of at most {window}, or " if window > 0 else "Choose longer sequences, or "
            raise TrainingError("forecast", found, wanted, f"{shorter}change the held-out share.")
        parts: tuple[list[str], ...] = ([], [], [])  # names by the number of parts with a window
        for item, one, other in zip(data, trained, held_out, strict=True):
            parts[(len(one) > 0) + (len(other) > 0)].append(item.name)
        groups = (
            (parts[0], f"left out, shorter than a window in both parts ({span} steps)"),
            (parts[1], f"long enough for a window ({span} steps) in one of the two parts"),
        )
        return tuple(f"{count(len(names), 'sequence')} {what}: {listing(names)}." for names, what in groups if names)

    def _check_motion(self, features: tuple[str, ...], training: np.ndarray) -> None:
        moving = np.ptp(self._scaled[training][:, self.targets], axis=0) > 0
        if not moving.any():
            names = listing(features[feature] for feature in self.targets)
            found = f"the same value at every training step, in {names}"
            raise TrainingError("forecast", found, "a feature that changes", "Choose another target, or other data.")

    def _measure(self, features: tuple[str, ...]) -> tuple[Measure, float]:
        if len(self.targets) == 1:
            feature = self.targets[0]
            title = f"RMSE of {features[feature]} (original units)"
            return Measure("error", title, "lower"), float(self.scaling.scale[feature])
        unit = "original units" if self.scaling.method == "none" else "scaled"
        title = f"RMSE over {len(self.targets)} features ({unit})"
        return Measure("error", title, "lower"), 1.0

    def _baselines(self, starts: np.ndarray, season: int | None, cut: _Cut) -> tuple[Baseline, ...]:
        last = starts + self.length - 1
        at = last + self.horizon
        found = [self._repeating("naive baseline", at, last)]
        if season is None:
            return tuple(found)
        begins = cut.begin[np.searchsorted(cut.end, at, side="right")]
        ago = at - season * -(-self.horizon // season)
        if (ago >= begins).all():
            found.append(self._repeating(f"seasonal-naive baseline (lag {season})", at, ago))
        return tuple(found)

    def _repeating(self, title: str, at: np.ndarray, taken: np.ndarray) -> Baseline:
        error = self._scaled[at][:, self.targets].astype(np.float64) - self._scaled[taken][:, self.targets]
        loss = float(np.square(error).mean())
        return Baseline(title, loss, float(loss**0.5 * self._unit))

    def _probe(self, item: Sequence, first: int, begin: int) -> Sequence:
        steps = slice(first, min(len(item), first + PROBE_STEPS))
        time = None if item.time is None else item.time[steps]
        values = self._scaled[begin + steps.start : begin + steps.stop]
        return Sequence(values, item.features, time, f"{item.name}, held out")

    def _sentence(self, data: Sequences) -> str:
        what = "every feature" if len(self.targets) > 1 else data.features[self.targets[0]]
        when = "at the next step" if self.horizon == 1 else f"{self.horizon} steps later"
        how = "" if self.predict == "value" else "the change of "
        return f"From {self.length} steps of {listing(data.features, most=3)}, predict {how}{what} {when}."


class Sine(Forecast):
    """The sine of the tutorials: from a few steps of a noisy wave, predict the next."""

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
        sentence = f"From {self.length} steps of a sine with a period of {self.period:g} steps, predict the next"
        return sentence + (f"; the noise makes errors below about {self.noise:g} impossible." if self.noise else ".")


def _choose_length(cut: _Cut, horizon: int) -> int:
    """A window that fits twice into the smaller part of most sequences."""
    usual, largest = int(np.median(cut.smaller)) - horizon, int(cut.smaller.max()) - horizon
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


def find_season(series: Iterable[np.ndarray]) -> int | None:
    """Find the lag, in steps, with the highest autocorrelation peak; None without a clear one.

    Each series is detrended by a straight line; the autocorrelation (Box & Jenkins 1976) is averaged over the series,
    weighted by their steps, and searched up to a third of the shortest.
    """
    correlations, weights = [], []
    for one in series:
        steps = len(one)
        if steps < 8:
            continue
        rest = one - np.polyval(np.polyfit(np.arange(steps), one, 1), np.arange(steps))
        size = np.abs(rest).max()
        if size <= 1e-9 * max(1.0, np.abs(one).max()):
            continue
        spectrum = np.fft.rfft(rest / size, 2 * steps)
        products = np.fft.irfft(np.abs(spectrum) ** 2)[: steps // 3 + 2]
        correlations.append(products / products[0])
        weights.append(steps)
    if not correlations:
        return None
    most = min(map(len, correlations))
    r = np.average([each[:most] for each in correlations], axis=0, weights=weights)
    lags = np.arange(2, most - 1)
    troughs = np.minimum.accumulate(r)[lags]
    peaks = (r[lags] > r[lags - 1]) & (r[lags] >= r[lags + 1]) & (r[lags] > CLEAR) & (r[lags] - troughs > CLEAR)
    return int(lags[peaks][np.argmax(r[lags[peaks]])]) if peaks.any() else None
