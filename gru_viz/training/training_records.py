"""The records that a training yields: points of its curves, snapshots, checkpoints, changes of rate, divergence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Checkpoint", "Diverged", "Point", "RateChange", "Snapshot", "TrainingRecord"]


@dataclass(frozen=True)
class Point:
    """One value of one measure for every model of a lane.

    Attributes:
        measure: ``"train"`` loss, ``"held_out"`` loss, ``"gradient"`` norm before clipping, or the task's own measure.
        update: number of updates made; for ``"train"`` and ``"gradient"``, including the measured one.
        seconds: training time, without pauses and evaluation.
        values: one per seed.
    """

    measure: str
    update: int
    seconds: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Snapshot:
    """The first model's parameters after some updates, saved for good.

    Attributes:
        update: number of updates made.
        arrays: name → array, from ``Network.arrays``.
    """

    update: int
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """The state from which a lane resumes exactly; only the newest is saved.

    Attributes:
        update: number of updates made.
        seconds: training time.
        arrays: parameters of every model, optimiser state, and losses since the last point, by name.
    """

    update: int
    seconds: float
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class RateChange:
    """A change of the learning rate by the user.

    Attributes:
        update: the first update that uses it, from 0.
        rate: the new rate, before the schedule.
    """

    update: int
    rate: float


@dataclass(frozen=True)
class Diverged:
    """The loss or the gradient became infinite or NaN; the lane has stopped.

    Attributes:
        update: at which it happened, from 1; it was not applied.
        seeds: of the models concerned.
        what: ``"loss"`` or ``"gradient"``.
    """

    update: int
    seeds: tuple[int, ...]
    what: str


TrainingRecord = Point | Snapshot | Checkpoint | RateChange | Diverged
