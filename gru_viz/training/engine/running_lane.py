"""A lane on a worker, as its engine sees it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gru_viz.training.engine.executor import Worker
from gru_viz.training.engine.lane_messages import LaneReply, LaneRequest
from gru_viz.training.engine.run_queue import QueuedRun
from gru_viz.training.runs import Status
from gru_viz.training.training_records import Checkpoint, RateChange, TrainingRecord

if TYPE_CHECKING:
    from distributed import Future

__all__ = ["RunningLane"]

CHECKPOINT_RATE = 20e6
"""Bytes per second for the checkpoints of one lane; large ones are requested less often."""

BEGIN_SECONDS = 3.0
"""For so long the first update of a lane is looked for more often than others."""

log = logging.getLogger(__name__)


@dataclass(eq=False)
class RunningLane:
    """A lane that was submitted to a worker, which knows it by its token.

    ``end_status`` is to be set once it has stopped, None while it is to train; ``rate``, a serial number and a learning
    rate, stays until the lane confirms it.
    """

    queued: QueuedRun
    worker: Worker
    token: str
    future: Future
    update: int
    saved_update: int
    received: int = 0
    next_checkpoint: float = 0.0
    started: bool = False
    end_status: Status | None = None
    rate: tuple[int, float] | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def begins(self) -> bool:
        """Whether it was submitted just now, and its first update is not stored."""
        return not self.update and time.monotonic() - self.since < BEGIN_SECONDS

    @property
    def run_id(self) -> str:
        """Id of its run."""
        return self.queued.run_id

    @property
    def lane(self) -> str:
        """Name of the lane."""
        return self.queued.lanes[0]

    @property
    def request(self) -> LaneRequest:
        """The next request to its worker."""
        due = time.monotonic() >= self.next_checkpoint
        return LaneRequest(self.received, self.saved_update, due, self.end_status is not None, self.rate)

    def new_records(self, reply: LaneReply) -> list[TrainingRecord]:
        """Return the records of a reply that are not stored yet; the checkpoint comes last."""
        records: list[TrainingRecord] = list(reply.records[max(0, self.received - reply.first) :])
        return records if reply.checkpoint is None else [*records, reply.checkpoint]

    def stored(self, reply: LaneReply, records: list[TrainingRecord]) -> None:
        """Note that the records of a reply have been stored."""
        self.received = reply.first + len(reply.records)
        self.update = reply.progress.update if reply.progress else self.update
        if reply.checkpoint is not None:
            self.saved_update = reply.checkpoint.update
            self.next_checkpoint = time.monotonic() + _size(reply.checkpoint) / CHECKPOINT_RATE
        if self.rate and any(isinstance(record, RateChange) and record.rate == self.rate[1] for record in records):
            self.rate = None

    def final_state(self, reply: LaneReply) -> dict[str, Any]:
        """Return the changes to the state of a lane that has ended."""
        state: dict[str, Any] = {"rate": 0.0, "engine": ""}
        match reply.ended:
            case "diverged":
                return state  # status and message come from the record
            case "finished":
                return state | {"status": "finished", "message": ""}
            case "failed":
                if reply.error[1]:
                    log.error("Lane %s of run %s failed:\n%s", self.lane, self.run_id, reply.error[1])
                return state | {"status": "failed", "message": reply.error[0]}
        status, message = self.end_status or "interrupted", ""
        if status == "queued":
            return {"status": "queued", "message": "Makes room for a single run; continues by itself.", "rate": 0.0}
        if status == "interrupted":
            reached = reply.checkpoint.update if reply.checkpoint else self.saved_update
            why = "Its server did not respond" if reply.ended == "abandoned" else "The server was stopped"
            message = f"{why}; resume continues from update {max(0, reached):,}."
        return state | {"status": status, "message": message}


def _size(checkpoint: Checkpoint) -> int:
    return sum(array.nbytes for array in checkpoint.arrays.values())
