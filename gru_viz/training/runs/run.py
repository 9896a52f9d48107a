"""A run as it stands: what was asked, how far each lane has come, and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gru_viz.training.settings import Settings

__all__ = ["ACTIVE", "LaneState", "Run", "Status"]

Status = Literal["queued", "running", "interrupted", "failed", "paused", "stopped", "diverged", "finished"]

ACTIVE: tuple[Status, ...] = ("queued", "running")
"""While a run has one of these, more is to come."""


@dataclass(frozen=True)
class LaneState:
    """How far a lane has come.

    Attributes:
        name: the lane's.
        status: ``"queued"`` for a worker, ``"running"``, ``"interrupted"`` by the death of its worker or server,
            ``"failed"`` with an error, ``"paused"`` or ``"stopped"`` by hand, ``"diverged"``, ``"finished"``.
        update: updates made, as far as they are known.
        until: updates to be made.
        seconds: how long it has trained, without pauses.
        rate: updates a second lately; 0 while it does not run.
        learning_rate: of the next update.
        way: what computes it: ``"compiled"``, ``"torch"``, ``"scratch"``; empty before it has run.
        parameters: numbers each of its models learns.
        message: what happened to it, in a sentence; or empty.
    """

    name: str
    status: Status
    update: int
    until: int
    seconds: float
    rate: float
    learning_rate: float
    way: str
    parameters: int
    message: str

    @property
    def seconds_left(self) -> float | None:
        """How long it still takes at its present pace; None while that is unknown."""
        return (self.until - self.update) / self.rate if self.status == "running" and self.rate else None


@dataclass(frozen=True)
class Run:
    """One comparison and where it stands.

    Attributes:
        id: its key, which is in the address of its page.
        name: what its owner calls it.
        created: when it was asked for.
        settings: what was asked.
        lanes: how far each lane has come, in the order of the settings.
        versions: of what computed it: gru_viz, torch, numpy, Python, the machine.
        sweep: the key of the sweep it belongs to, or empty.
    """

    id: str
    name: str
    created: datetime
    settings: Settings
    lanes: tuple[LaneState, ...]
    versions: Mapping[str, str]
    sweep: str = ""

    @property
    def status(self) -> Status:
        """What holds for the run as a whole: active if a lane is; else what needs attention first."""
        order: tuple[Status, ...] = ("running", "queued", "interrupted", "failed", "paused", "stopped")
        for status in order:
            if any(lane.status == status for lane in self.lanes):
                return status
        return "diverged" if all(lane.status == "diverged" for lane in self.lanes) else "finished"

    @property
    def active(self) -> bool:
        """Whether more is to come without anyone's doing."""
        return self.status in ACTIVE

    def lane(self, name: str) -> LaneState:
        """Find a lane's state by its name."""
        return next(lane for lane in self.lanes if lane.name == name)
