"""The state of a run: its settings, the progress of each lane, and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gru_viz.training.settings import Settings

__all__ = ["ACTIVE", "LaneState", "Status", "TrainingRun"]

Status = Literal["queued", "running", "interrupted", "failed", "paused", "stopped", "diverged", "finished"]

ACTIVE: tuple[Status, ...] = ("queued", "running")
"""A lane with one of these will train without further commands."""


@dataclass(frozen=True)
class LaneState:
    """Progress of one lane.

    Attributes:
        name: name of the lane.
        status: ``"queued"`` for a worker, ``"running"``, ``"interrupted"`` by the death of its worker or server,
            ``"failed"`` with an error, ``"paused"`` or ``"stopped"`` by the user, ``"diverged"``, ``"finished"``.
        update: completed updates, as last reported.
        until: update at which training ends.
        seconds: training time in seconds, without pauses.
        rate: recent updates per second; 0 unless running.
        learning_rate: learning rate of the next update.
        backend: ``"compiled"``, ``"torch"``, ``"scratch"``; empty before the first update.
        parameters: trainable parameters of one model.
        message: what happened, in one sentence; or empty.
    """

    name: str
    status: Status
    update: int
    until: int
    seconds: float
    rate: float
    learning_rate: float
    backend: str
    parameters: int
    message: str

    @property
    def seconds_left(self) -> float | None:
        """Estimated remaining time in seconds; None while unknown."""
        return (self.until - self.update) / self.rate if self.status == "running" and self.rate else None


@dataclass(frozen=True)
class TrainingRun:
    """One comparison of lanes and its progress.

    Attributes:
        run_id: unique id, used in the address of the run's page.
        name: name chosen by the user.
        created: creation time.
        settings: what to train.
        lanes: progress of each lane, in the order of the settings.
        versions: versions of gru_viz, torch, numpy, Python and the machine that trained it.
        sweep: id of the sweep it belongs to, or empty.
    """

    run_id: str
    name: str
    created: datetime
    settings: Settings
    lanes: tuple[LaneState, ...]
    versions: Mapping[str, str]
    sweep: str = ""

    @property
    def status(self) -> Status:
        """Status of the whole run: active if any lane is; else the status that needs attention first."""
        order: tuple[Status, ...] = ("running", "queued", "interrupted", "failed", "paused", "stopped")
        for status in order:
            if any(lane.status == status for lane in self.lanes):
                return status
        return "diverged" if all(lane.status == "diverged" for lane in self.lanes) else "finished"

    @property
    def active(self) -> bool:
        """Whether the run will train without further commands."""
        return self.status in ACTIVE

    def lane(self, name: str) -> LaneState:
        """Return the state of the lane with this name."""
        return next(lane for lane in self.lanes if lane.name == name)
