"""What an engine and its workers send each other about a lane."""

from __future__ import annotations

from dataclasses import dataclass

from gru_viz.training.training_records import Checkpoint, RateChange, TrainingRecord

__all__ = ["LaneJob", "LaneProgress", "LaneReply", "LaneRequest"]


@dataclass(frozen=True)
class LaneJob:
    """What a worker needs to train a lane.

    Attributes:
        settings: settings of the run, as JSON.
        lane: name of the lane.
        until: update at which training ends.
        data: the user's own data, packed.
        checkpoint: where to resume; None to begin.
        changes: learning rates set by the user earlier.
        lease: seconds without a request after which the lane stops by itself, because its engine is gone.
    """

    settings: str
    lane: str
    until: int
    data: bytes
    checkpoint: Checkpoint | None
    changes: tuple[RateChange, ...]
    lease: float


@dataclass(frozen=True)
class LaneRequest:
    """What an engine asks of a lane; repeating a request is harmless.

    Attributes:
        received: number of records that are already stored.
        checkpoint_update: update of the checkpoint that is already stored; -1 if none.
        checkpoint: whether to send a newer one.
        stop: whether to make a checkpoint and end.
        rate: serial number of a change and the new learning rate; None for no change.
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

    Attributes:
        first: number of the first of the records.
        records: records not yet received by the engine, without checkpoints.
        checkpoint: the newest, if requested and newer.
        progress: None before training has begun.
        ended: why it no longer trains: ``"finished"``, ``"stopped"``, ``"diverged"``, ``"failed"``, ``"abandoned"``;
            empty while it trains.
        error: message for the page, and traceback for the log.
    """

    first: int
    records: tuple[TrainingRecord, ...]
    checkpoint: Checkpoint | None
    progress: LaneProgress | None
    ended: str
    error: tuple[str, str]
