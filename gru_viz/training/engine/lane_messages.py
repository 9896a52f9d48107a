"""What an engine and its workers send each other about a lane."""

from __future__ import annotations

from dataclasses import dataclass

from gru_viz.training.training_records import Checkpoint, RateChange, TrainingRecord

__all__ = ["LaneJob", "LaneProgress", "LaneReply", "LaneRequest"]


@dataclass(frozen=True)
class LaneJob:
    """What a worker needs to train a lane.

    ``backend`` was chosen when the run started, and is empty if the worker chooses; ``data`` are the user's, packed;
    ``checkpoint`` is None to begin; after ``lease`` seconds without a request the lane
    stops by itself, because its engine is gone.
    """

    settings: str
    lane: str
    backend: str
    until: int
    data: bytes
    checkpoint: Checkpoint | None
    changes: tuple[RateChange, ...]
    lease: float


@dataclass(frozen=True)
class LaneRequest:
    """What an engine asks of a lane; repeating a request is harmless.

    ``received`` counts the stored records; ``checkpoint_update`` is that of the stored checkpoint, or -1, and
    ``checkpoint`` asks for a newer one; ``rate`` has a serial number and the new learning rate.
    """

    received: int
    checkpoint_update: int
    checkpoint: bool
    stop: bool
    rate: tuple[int, float] | None


@dataclass(frozen=True)
class LaneProgress:
    """Progress of a lane; the fields of ``LaneState`` of the same names."""

    update: int
    seconds: float
    rate: float
    learning_rate: float
    backend: str


@dataclass(frozen=True)
class LaneReply:
    """State and new records of a lane.

    ``first`` is the number of the first record; ``ended`` is empty while it trains, then ``"finished"``, ``"stopped"``,
    ``"diverged"``, ``"failed"`` or ``"abandoned"``; ``error`` has a message for the page and a traceback for the log.
    """

    first: int
    records: tuple[TrainingRecord, ...]
    checkpoint: Checkpoint | None
    progress: LaneProgress | None
    ended: str
    error: tuple[str, str]
