"""A lane in the process that trains it: it fills an outbox, which its engine empties from elsewhere."""

from __future__ import annotations

import logging
import pickle
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from gru_viz.errors import GruVizError
from gru_viz.training.records import Checkpoint, Diverged, RateChange, Record
from gru_viz.training.settings import Lane, Settings
from gru_viz.training.tasks import make_task
from gru_viz.training.tasks.data import unpack
from gru_viz.training.trainer import Trainer

__all__ = ["Answer", "Ask", "Job", "Progress", "collect", "hand_over", "train", "warm_up"]

PACE_SECONDS = 3.0
"""The pace of a lane is told over so long."""

FORGOTTEN_AFTER = 600.0
"""Seconds after which the outbox of a lane that no engine asks for is thrown away; by then it has long ended."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker needs to train a lane.

    Attributes:
        settings: of the run, as JSON.
        lane: the lane's name.
        until: train to this update.
        data: the user's own, packed.
        checkpoint: where to go on from; None: begin.
        changes: learning rates set by hand earlier.
        lease: seconds without being asked after which the lane stops by itself, its engine being gone.
    """

    settings: str
    lane: str
    until: int
    data: bytes
    checkpoint: Checkpoint | None
    changes: tuple[RateChange, ...]
    lease: float


@dataclass(frozen=True)
class Ask:
    """What an engine wants to know of a lane, and wants it to do; saying it twice does no harm.

    Attributes:
        seen: how many records were written down already.
        saved: the update of the checkpoint that was written down; -1: none.
        checkpoint: whether a newer one is wanted now.
        stop: whether the lane is to save a checkpoint and end.
        rate: a learning rate to change to, after its serial number; None: leave it.
    """

    seen: int
    saved: int
    checkpoint: bool
    stop: bool
    rate: tuple[int, float] | None


@dataclass(frozen=True)
class Progress:
    """How far a lane has come; the fields of ``LaneState`` of the same names."""

    update: int
    seconds: float
    rate: float
    learning_rate: float
    backend: str


@dataclass(frozen=True)
class Answer:
    """What a lane tells.

    Attributes:
        first: the number of the first of the records.
        records: those that the engine has not seen, without checkpoints.
        checkpoint: the newest, if it is wanted and newer.
        progress: None before training has begun.
        ended: why it no longer trains: ``"finished"``, ``"stopped"``, ``"diverged"``, ``"failed"``, ``"abandoned"``;
            empty while it does.
        error: what went wrong, for the reader of the page; and for the log.
    """

    first: int
    records: tuple[Record, ...]
    checkpoint: Checkpoint | None
    progress: Progress | None
    ended: str
    error: tuple[str, str]


class Outbox:
    """What a lane has told and its engine has not yet seen, and what the engine wants of it."""

    def __init__(self, job: Job) -> None:
        self.job, self.asked = job, time.monotonic()
        self._lock = threading.Lock()
        self._first, self._records = 0, list[Record]()
        self._checkpoint: Checkpoint | None = None
        self._trainer: Trainer | None = None
        self._stop, self._rate = False, 0
        self._ended, self._error = "", ("", "")
        self._pace: deque[tuple[float, int]] = deque()

    def train(self) -> None:
        """Train to the end, or until told to stop."""
        ended, error = "failed", ("", "")
        try:
            ended = self._train()
        except GruVizError as reason:
            error = (str(reason), "")
        except Exception as reason:
            error = (f"An error nobody expected: {type(reason).__name__}: {reason}", traceback.format_exc())
        with self._lock:
            self._ended, self._error = ended, error

    def _train(self) -> str:
        trainer = self._build()
        ended = ""
        for record in trainer:
            with self._lock:
                if isinstance(record, Checkpoint):
                    if _is_finite(record):  # where the next update would diverge, the last good one stays
                        self._checkpoint = record
                else:
                    self._records.append(record)
            if isinstance(record, Diverged):
                ended = "diverged"
            if time.monotonic() - self.asked > self.job.lease:
                ended = ended or "abandoned"
                trainer.stop()
        return ended or ("finished" if trainer.update >= trainer.until else "stopped")

    def _build(self) -> Trainer:
        torch.set_num_threads(1)
        job, settings = self.job, Settings.from_json(self.job.settings)
        task = make_task(settings, unpack(job.data))
        trainer = Trainer(
            task, settings, job.lane, until=job.until, checkpoint=job.checkpoint, changes=list(job.changes)
        )
        with self._lock:
            self._trainer = trainer
            if self._stop:
                trainer.stop()
        return trainer

    def answer(self, ask: Ask) -> Answer:
        """Do what is asked, and tell what is new; records that the engine has seen are dropped."""
        self.asked = time.monotonic()
        with self._lock:
            if ask.stop and not self._stop:
                self._stop = True
                if self._trainer:
                    self._trainer.stop()
            if ask.rate and self._trainer and ask.rate[0] > self._rate:
                self._rate = ask.rate[0]
                self._trainer.change_rate(ask.rate[1])
            del self._records[: max(0, ask.seen - self._first)]
            self._first = max(self._first, ask.seen)
            newest = self._checkpoint
            wanted = newest is not None and newest.update > ask.saved and (ask.checkpoint or self._ended)
            told = newest if wanted else None
            return Answer(self._first, tuple(self._records), told, self._progress(), self._ended, self._error)

    def _progress(self) -> Progress | None:
        if self._trainer is None:
            return None
        now, update = time.monotonic(), self._trainer.update
        self._pace.append((now, update))
        while len(self._pace) > 2 and now - self._pace[0][0] > PACE_SECONDS:
            self._pace.popleft()
        (then, before), rate = self._pace[0], 0.0
        if now > then:
            rate = (update - before) / (now - then)
        return Progress(update, self._trainer.seconds, rate, self._trainer.rate, self._trainer.network.backend)


OUTBOXES: dict[str, Outbox] = {}
"""Of this process, by token."""


def hand_over(token: str, job: Job) -> None:
    """Give this process a lane to train; ``train`` begins."""
    now = time.monotonic()
    for old, box in list(OUTBOXES.items()):
        if now - box.asked > FORGOTTEN_AFTER:
            OUTBOXES.pop(old, None)
    OUTBOXES[token] = Outbox(job)


def train(token: str) -> None:
    """Train a lane that was handed over; returns when it has ended."""
    OUTBOXES[token].train()


def collect(asks: Mapping[str, Ask], done: tuple[str, ...]) -> bytes:
    """Empty some outboxes.

    Args:
        asks: what is wanted, by token.
        done: tokens of lanes of which all is known.

    Returns:
        token → ``Answer``, pickled; a token that this process does not know is left out. As bytes, since a scheduler
        on the way need not have gru_viz.
    """
    for token in done:
        OUTBOXES.pop(token, None)
    return pickle.dumps({token: OUTBOXES[token].answer(ask) for token, ask in asks.items() if token in OUTBOXES})


def warm_up(turn: int) -> None:
    """Compile, in a thread in the background, what the first lane would otherwise wait for.

    Args:
        turn: which cell comes first; several workers compile different ones, and share them by numba's cache on disk.
    """
    threading.Thread(target=_warm_up, args=(turn,), name="warm-up", daemon=True).start()


def _warm_up(turn: int) -> None:
    cells = ("torch", "torch_lstm", "torch_rnn")
    torch.set_num_threads(1)
    for cell in cells[turn % 3 :] + cells[: turn % 3]:
        settings = Settings("adding", {"length": 2}, (Lane(cell=cell, hidden=2),), updates=1, batch=1)
        try:
            for _ in Trainer(make_task(settings), settings, settings.lanes[0].name):
                pass
        except Exception:  # a lane that needs it will say what is wrong
            log.warning("Nothing was prepared for %s.", cell, exc_info=True)


def _is_finite(checkpoint: Checkpoint) -> bool:
    return all(np.isfinite(array).all() for name, array in checkpoint.arrays.items() if name.startswith("parameter."))
