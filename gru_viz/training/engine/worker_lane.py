"""A lane in the worker process that trains it; the engine polls it through the functions of this module."""

from __future__ import annotations

import logging
import pickle
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from gru_viz.backends import compiled
from gru_viz.backends.compiled.kernel_cache import wait_until_ready
from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import GruVizError
from gru_viz.training.engine.lane_messages import LaneJob, LaneProgress, LaneReply, LaneRequest
from gru_viz.training.settings import Settings
from gru_viz.training.tasks import make_task
from gru_viz.training.tasks.data_bytes import unpack_data
from gru_viz.training.trainer import Trainer
from gru_viz.training.training_records import Checkpoint, Diverged, TrainingRecord

__all__ = ["WorkerLane", "load_kernels", "load_kernels_later", "poll", "submit", "train", "warm_up"]

RATE_SECONDS = 3.0
"""Updates per second are averaged over this time."""

FORGET_SECONDS = 600.0
"""A lane that no engine has polled for so long is deleted; it has ended long before."""

CELLS = ("torch", "torch_lstm", "torch_rnn", "onnx")
"""A convention of each kernel."""

log = logging.getLogger(__name__)


class WorkerLane:
    """Trains a lane in one thread, and answers requests in another."""

    def __init__(self, job: LaneJob) -> None:
        self.job, self.polled = job, time.monotonic()
        self._lock = threading.Lock()
        self._first, self._records = 0, list[TrainingRecord]()
        self._checkpoint: Checkpoint | None = None
        self._trainer: Trainer | None = None
        self._stop, self._rate_serial = False, 0
        self._ended, self._error = "", ("", "")
        self._recent: deque[tuple[float, int]] = deque()

    def train(self) -> None:
        """Train to the end, or until a request to stop."""
        ended, error = "failed", ("", "")
        try:
            ended = self._train()
        except GruVizError as reason:
            error = (str(reason), "")
        except Exception as reason:
            error = (f"Unexpected error: {type(reason).__name__}: {reason}", traceback.format_exc())
        with self._lock:
            self._ended, self._error = ended, error

    def _train(self) -> str:
        trainer = self._build()
        ended = ""
        for record in trainer:
            with self._lock:
                if isinstance(record, Checkpoint):
                    if _is_finite(record):  # if the next update would diverge, the last good checkpoint stays
                        self._checkpoint = record
                else:
                    self._records.append(record)
            if isinstance(record, Diverged):
                ended = "diverged"
            if time.monotonic() - self.polled > self.job.lease:
                ended = ended or "abandoned"
                trainer.stop()
        return ended or ("finished" if trainer.update >= trainer.until else "stopped")

    def _build(self) -> Trainer:
        torch.set_num_threads(1)
        job, settings = self.job, Settings.from_json(self.job.settings)
        if job.backend:
            settings = _with_backend(settings, job.lane, job.backend)
        task = make_task(settings, unpack_data(job.data))
        trainer = Trainer(
            task, settings, job.lane, until=job.until, checkpoint=job.checkpoint, changes=list(job.changes)
        )
        with self._lock:
            self._trainer = trainer
            if self._stop:
                trainer.stop()
        return trainer

    def reply(self, request: LaneRequest) -> LaneReply:
        """Apply a request and return what is new; records that the engine has received are dropped."""
        self.polled = time.monotonic()
        with self._lock:
            if request.stop and not self._stop:
                self._stop = True
                if self._trainer:
                    self._trainer.stop()
            if request.rate and self._trainer and request.rate[0] > self._rate_serial:
                self._rate_serial = request.rate[0]
                self._trainer.change_rate(request.rate[1])
            del self._records[: max(0, request.received - self._first)]
            self._first = max(self._first, request.received)
            newest, send = self._checkpoint, request.checkpoint or self._ended
            if newest is not None and (newest.update <= request.checkpoint_update or not send):
                newest = None
            return LaneReply(self._first, tuple(self._records), newest, self._progress(), self._ended, self._error)

    def _progress(self) -> LaneProgress | None:
        if self._trainer is None:
            return None
        now, update = time.monotonic(), self._trainer.update
        self._recent.append((now, update))
        while len(self._recent) > 2 and now - self._recent[0][0] > RATE_SECONDS:
            self._recent.popleft()
        (then, before), rate = self._recent[0], 0.0
        if now > then:
            rate = (update - before) / (now - then)
        return LaneProgress(update, self._trainer.seconds, rate, self._trainer.rate, self._trainer.network.backend)


LANES: dict[str, WorkerLane] = {}
"""Lanes of this process, by token."""


def submit(token: str, job: LaneJob) -> None:
    """Give this process a lane; ``train`` begins the training."""
    now = time.monotonic()
    for old, lane in list(LANES.items()):
        if now - lane.polled > FORGET_SECONDS:
            LANES.pop(old, None)
    LANES[token] = WorkerLane(job)


def train(token: str) -> None:
    """Train a submitted lane to its end."""
    LANES[token].train()


def poll(requests: Mapping[str, LaneRequest], done: tuple[str, ...]) -> bytes:
    """Answer requests, pickled since dask's scheduler need not have gru_viz; delete the lanes that are done."""
    for token in done:
        LANES.pop(token, None)
    return pickle.dumps({token: LANES[token].reply(request) for token, request in requests.items() if token in LANES})


def load_kernels() -> None:
    """Load the kernels that are on the disk.

    It starts no thread and computes no gradient, after both of which a process must not fork.
    """
    torch.set_num_threads(1)
    ready = [CONVENTIONS[cell] for cell in CELLS if compiled.is_ready(CONVENTIONS[cell], "training")]
    compiled.warm(ready, purposes=["training"])


def load_kernels_later() -> None:
    """Load those that were not, in a background thread, as soon as they have been compiled."""

    def wait() -> None:
        for cell in CELLS:
            if wait_until_ready(CONVENTIONS[cell], "training"):
                compiled.warm([CONVENTIONS[cell]], purposes=["training"])

    threading.Thread(target=wait, name="kernels", daemon=True).start()


def warm_up(turn: int) -> None:
    """Compile, in a background thread, what the first lane would otherwise wait for.

    Workers with different turns begin with different cells, and share them through numba's cache.
    """
    threading.Thread(target=_warm_up, args=(turn,), name="warm-up", daemon=True).start()


def _warm_up(turn: int) -> None:
    torch.set_num_threads(1)
    turn %= len(CELLS)
    try:
        compiled.warm([CONVENTIONS[cell] for cell in CELLS[turn:] + CELLS[:turn]], purposes=["training"])
    except Exception:  # a lane that needs it will report what is wrong
        log.warning("Nothing was compiled in advance.", exc_info=True)


def _with_backend(settings: Settings, name: str, backend: str) -> Settings:
    """The settings with a lane's backend decided; if its kernel is being compiled, wait for it."""
    lane = replace(settings.lane(name), backend=backend)
    if backend == "compiled":
        wait_until_ready(CONVENTIONS[lane.cell], "training")
    return replace(settings, lanes=tuple(lane if each.name == name else each for each in settings.lanes))


def _is_finite(checkpoint: Checkpoint) -> bool:
    return all(np.isfinite(array).all() for name, array in checkpoint.arrays.items() if name.startswith("parameter."))
