"""A small task of every shape that a loop may meet, and what two trainings are compared by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from gru_viz.sequences import Sequence
from gru_viz.training import Checkpoint, Lane, Point, RateChange, Settings, TrainingRecord
from gru_viz.training.randomness import generator
from gru_viz.training.tasks import Baseline, Examples, Measure, Predictions, Task

SECONDS = ("seconds",)


class Small(Task):
    """Sequences of unequal length, of three features; the answer is the running sum of the first, or its end."""

    name = "small"
    features, tokens = 3, 6
    baselines = (Baseline("says nothing", 1.0, 1.0),)
    sentence = "a test"

    def __init__(self, output_at: str = "last", loss: str = "squared", scale: float = 1.0) -> None:
        self.output_at, self.loss, self.scale = output_at, loss, scale  # type: ignore[assignment]
        self.outputs = 2 if loss == "squared" else 4
        self.measure = Measure("error", "mean absolute error", "lower")
        self.held_out = self._draw(generator(2**31 - 1, "small"), 7)
        self.probe = Sequence(self.held_out.x[0], ("a", "b", "c"), None, "probe")

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        x = rng.standard_normal((size, self.tokens, self.features), np.float32)
        lengths = rng.integers(2, self.tokens + 1, size)
        counts = np.arange(self.tokens) < lengths[:, None]
        total = np.where(counts, x[:, :, 0], 0).cumsum(1)
        if self.loss == "squared":
            y = (self.scale * np.stack([total, -0.5 * total], -1)).astype(np.float32)
        else:
            y = np.digitize(total, [-1.0, 0.0, 1.0]).astype(np.int64)
        if self.output_at == "last":
            return Examples(x, y[np.arange(size), lengths - 1], lengths)
        return Examples(x, y, lengths, counts)

    def batch(self, seed: int, update: int, size: int) -> Examples:
        return self._draw(generator(seed, "small", update), size)

    def measured(self, loss: float, outputs: np.ndarray) -> float:
        return float(np.abs(outputs).mean())

    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        raise NotImplementedError


def settings(lanes: Iterable[Lane], **more: Any) -> Settings:
    return Settings("small", {}, tuple(lanes), **{"updates": 12, "batch": 5, "seeds": 3, **more})


def comparable(record: TrainingRecord) -> tuple[Any, ...]:
    """All that a record says but for the seconds, comparable to the last bit."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        if isinstance(value, dict):
            return tuple(sorted((name, plain(each)) for name, each in value.items()))
        return value

    return type(record).__name__, *(plain(each) for name, each in asdict(record).items() if name not in SECONDS)


def after(records: Iterable[TrainingRecord], update: int = -1) -> list[tuple[Any, ...]]:
    """The records past an update, without checkpoints, whose times the clock decides, and changes made by hand."""
    return [comparable(r) for r in records if not isinstance(r, Checkpoint | RateChange) and r.update > update]


def final(records: Iterable[TrainingRecord]) -> Checkpoint:
    return [record for record in records if isinstance(record, Checkpoint)][-1]


def points(records: Iterable[TrainingRecord], measure: str) -> dict[int, tuple[float, ...]]:
    return {r.update: r.values for r in records if isinstance(r, Point) and r.measure == measure}
