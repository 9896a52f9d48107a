"""The measured values of a run as arrays: for charts, verdicts and exports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from gru_viz.training.training_records import Point

__all__ = ["Curve"]


@dataclass(frozen=True, eq=False)
class Curve:
    """One measure of one lane, for every seed.

    Attributes:
        lane: its name.
        measure: ``"train"``, ``"held_out"``, ``"gradient"``, or the task's own.
        updates: (points,) int64, rising.
        seconds: (points,) training time.
        values: (points, seeds).

    Example:
        >>> points = [Point("train", 1, 0.1, (3.0, 1.0)), Point("train", 2, 0.2, (2.0, 0.0))]
        >>> curve = Curve.gather("GRU", "train", points)
        >>> curve.median.tolist()
        [2.0, 1.0]
    """

    lane: str
    measure: str
    updates: np.ndarray
    seconds: np.ndarray
    values: np.ndarray

    @classmethod
    def gather(cls, lane: str, measure: str, points: Iterable[Point]) -> Self:
        """Collect the points of one measure; of two at the same update the later counts."""
        ordered = sorted({p.update: p for p in points if p.measure == measure}.values(), key=lambda p: p.update)
        seeds = len(ordered[0].values) if ordered else 1
        return cls(
            lane,
            measure,
            np.array([p.update for p in ordered], np.int64),
            np.array([p.seconds for p in ordered]),
            np.array([p.values for p in ordered], float).reshape(len(ordered), seeds),
        )

    def extended(self, points: Iterable[Point]) -> Self:
        """Return the curve with more points; of two at the same update the later counts."""
        more = type(self).gather(self.lane, self.measure, points)
        if not len(more.updates):
            return self
        old = ~np.isin(self.updates, more.updates)
        updates = np.concatenate([self.updates[old], more.updates])
        order = np.argsort(updates)
        seconds = np.concatenate([self.seconds[old], more.seconds])
        values = np.concatenate([self.values[old], more.values])
        return type(self)(self.lane, self.measure, updates[order], seconds[order], values[order])

    @property
    def seeds(self) -> int:
        """Number of models."""
        return self.values.shape[1]

    @property
    def median(self) -> np.ndarray:
        """(points,) median over the seeds."""
        return np.median(self.values, axis=1)

    def band(self, share: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """(points,) twice: lower and upper quantile that enclose a share of the seeds."""
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            low, high = np.quantile(self.values, [(1 - share) / 2, (1 + share) / 2], axis=1)
        return low, high
