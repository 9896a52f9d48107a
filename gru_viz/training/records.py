"""What a training tells as it goes: points of its curves, snapshots, checkpoints, and why it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Checkpoint", "Diverged", "Point", "RateChange", "Record", "Snapshot"]


@dataclass(frozen=True)
class Point:
    """One value of one measure for every model of a lane.

    Attributes:
        measure: ``"train"`` loss, ``"held_out"`` loss, ``"gradient"`` norm before clipping, or the task's own measure.
        update: how many updates had been made; for ``"train"`` and ``"gradient"``, including the measured one.
        seconds: how long the lane had trained, without pauses and without measuring.
        values: one per seed.
    """

    measure: str
    update: int
    seconds: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Snapshot:
    """The first model's parameters after so many updates, kept for good.

    Attributes:
        update: how many updates had been made.
        arrays: name → array, as ``Network.arrays`` gives them.
    """

    update: int
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Checkpoint:
    """All that a lane needs to go on as if it had never stopped; only the newest is kept.

    Attributes:
        update: how many updates had been made.
        seconds: how long the lane had trained.
        arrays: parameters of every model, the optimiser's memory, and what was measured since the last point, by name.
    """

    update: int
    seconds: float
    arrays: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class RateChange:
    """The learning rate was changed by hand.

    Attributes:
        update: the first update that uses it, counted from 0.
        rate: the new rate, before the schedule.
    """

    update: int
    rate: float


@dataclass(frozen=True)
class Diverged:
    """The loss or its gradient was no longer finite; the lane has stopped.

    Attributes:
        update: the update, counted from 1, at which it happened; it was not applied.
        seeds: of the models it happened to.
        what: ``"loss"`` or ``"gradient"``.
    """

    update: int
    seeds: tuple[int, ...]
    what: str


Record = Point | Snapshot | Checkpoint | RateChange | Diverged
