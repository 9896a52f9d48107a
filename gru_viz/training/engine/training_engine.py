"""The engine: pages give it commands, which return at once; a thread carries them out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from gru_viz.errors import TrainingError
from gru_viz.training.engine.cluster_executor import ClusterExecutor
from gru_viz.training.engine.engine_threads import EngineThreads
from gru_viz.training.engine.executor import Executor
from gru_viz.training.engine.local_executor import LocalExecutor
from gru_viz.training.engine.run_queue import QueuedRun, RunQueue
from gru_viz.training.engine.scheduler import Scheduler
from gru_viz.training.runs import ACTIVE, RunStore, Status, TrainingRun
from gru_viz.training.runs.lane_owners import NotOwnerError, new_engine_id
from gru_viz.training.settings import LIMITS, check_rate

__all__ = ["CLUSTER_VARIABLE", "Engine", "EngineState"]

CLUSTER_VARIABLE = "GRU_VIZ_SCHEDULER"
"""The environment variable with the address of a cluster's scheduler."""

RESTARTABLE: tuple[Status, ...] = ("stopped", "paused", "interrupted", "failed")


@dataclass(frozen=True)
class EngineState:
    """State of an engine.

    Attributes:
        kind: whether it trains on this machine or on a cluster.
        address: address of dask's scheduler; empty before it is known.
        slots: maximum number of lanes that train at once; 0 for a cluster before it is known.
        running: number of lanes that train.
        queued: number of queued runs.
        ready: whether there is a worker.
        message: what is wrong or not yet ready, in sentences; or empty.
    """

    kind: Literal["local", "cluster"]
    address: str
    slots: int
    running: int
    queued: int
    ready: bool
    message: str


class Engine:
    """Trains the runs of a store in worker processes.

    All methods return at once: they change the state of a run in the store, and a thread does the rest. Lanes of a run
    start together. Runs are queued, first come, first served; those of a sweep come after all others and make room for
    them. A lane that ends unexpectedly is interrupted; when it is started again it resumes from its last checkpoint,
    with the same numbers as without the interruption.

    Args:
        store: where the runs are.
        scheduler: address of a cluster's scheduler, such as ``"tcp://10.0.0.1:8786"``; None for ``$GRU_VIZ_SCHEDULER``,
            or workers on this machine. It must come from whoever runs the server, never from a visitor: dask sends
            unauthenticated pickle, so whoever answers at that address, or can connect to it, runs programs here and
            there. Use ``tls://`` and dask's own configuration for it on a shared network.
        slots: how many lanes to train at once; None for this machine's cores, at least two, or the cluster's threads.

    Attributes:
        engine_id: unique id, by which it owns lanes in the store.
        queue: the queued runs.
        scheduler: what starts and ends lanes, to inspect.
        executor: the workers, to inspect.

    Raises:
        TrainingError: there are fewer than 1 slots.
    """

    def __init__(self, store: RunStore, scheduler: str | None = None, slots: int | None = None) -> None:
        self.store, self.engine_id = store, new_engine_id()
        if slots is not None and slots < 1:
            raise TrainingError("engine, slots", str(slots), "1 or more", "Leave it out to use every core.")
        address = scheduler or os.environ.get(CLUSTER_VARIABLE) or ""
        self.executor: Executor = ClusterExecutor(address) if address else LocalExecutor()
        self.queue = RunQueue()
        self.scheduler = Scheduler(store, self.engine_id, self.executor, self.queue, slots)
        store.owners.heartbeat(self.engine_id)
        store.owners.interrupt_orphans()
        self._threads = EngineThreads(self.scheduler)

    @property
    def state(self) -> EngineState:
        """The current state."""
        scheduler, executor = self.scheduler, self.executor
        with self.queue.lock:
            message = " ".join(filter(None, (self._threads.message, scheduler.problem, executor.problem)))
            if not message and not scheduler.ready:
                message = executor.waiting
            slots, running, queued = scheduler.slots, scheduler.running, len(self.queue)
            return EngineState(executor.kind, executor.address, slots, running, queued, scheduler.ready, message)

    def queue_position(self, run_id: str) -> int | None:
        """Return a run's position in the queue, 1 for the next; None if it is not queued."""
        with self.queue.lock:
            return self.queue.position(run_id)

    def start(self, run_id: str) -> None:
        """Queue a run, to begin or to resume from its last checkpoint.

        Raises:
            TrainingError: the queue is full, there is no such run, or it has no lane that can be started.
        """
        self._enqueue([self.store.run(run_id)], RESTARTABLE)

    def start_all(self, run_ids: Iterable[str]) -> None:
        """Queue several runs, in this order, as ``start`` does one."""
        self._enqueue([self.store.run(run_id) for run_id in run_ids], RESTARTABLE)

    def extend(self, run_id: str, until: int) -> None:
        """Continue the finished lanes of a run to a larger number of updates.

        Raises:
            TrainingError: the number is not larger, or too large, or no lane is finished.
        """
        run = self.store.run(run_id)
        done = max(lane.update for lane in run.lanes)
        if not done < until <= LIMITS.updates:
            wanted, remedy = f"{done + 1:,} to {LIMITS.updates:,}", "Choose a number within these limits."
            raise TrainingError(f"run {run.name}, updates", f"{until:,}", wanted, remedy)
        self._enqueue([run], ("finished",), until=until)

    def _enqueue(self, runs: list[TrainingRun], which: tuple[Status, ...], **state: Any) -> None:
        if self._threads.closing:
            raise TrainingError("engine", "a closed engine", "a running one", "Start the server again.")
        with self.queue.lock:
            if self.queue.single + sum(not run.sweep for run in runs) > LIMITS.waiting:
                found = f"{self.queue.single:,} queued runs"
                raise TrainingError("training", found, f"{LIMITS.waiting:,} at most", "Try again when some have ended.")
            state |= {"status": "queued", "message": "", "rate": 0.0}
            claimed = self.store.owners.claim([run.run_id for run in runs], self.engine_id, which, **state)
            if not claimed:
                found = f"a run that is {runs[0].status}" if runs else "no run"
                wanted = f"one with a lane that is {' or '.join(which)}"
                raise TrainingError(f"run {runs[0].name}" if runs else "runs", found, wanted, "There is nothing to do.")
            for run in runs:
                if run.run_id in claimed:
                    self.queue.append(QueuedRun(run.run_id, tuple(claimed[run.run_id]), run.sweep))
        self._threads.wake()

    def pause(self, run_id: str) -> None:
        """Make a checkpoint of every lane and free its slot; a queued run leaves the queue."""
        self._end(run_id, "paused", "Pausing: saving a checkpoint.")

    def stop(self, run_id: str) -> None:
        """Stop a run, as ``pause`` does; it can still be started again."""
        self._end(run_id, "stopped", "Stopping: saving a checkpoint.")

    def _end(self, run_id: str, status: Status, message: str) -> None:
        run = self.store.run(run_id)
        self._check_owned(run)

        def matches(queued: QueuedRun) -> bool:
            return queued.run_id == run_id

        with self.queue.lock:
            for queued in self.queue.take(matches):
                self.scheduler.monitor.set_status(queued, status, "")
        for lane in run.lanes:
            if self.scheduler.is_running(run_id, lane.name):
                with suppress(NotOwnerError):  # it has ended just now
                    self.store.set_lane(run_id, lane.name, by=self.engine_id, message=message)
        self._threads.submit(partial(self.scheduler.end, matches, status))

    def cancel_sweep(self, sweep: str) -> None:
        """Stop all runs of a sweep that have not ended."""

        def matches(queued: QueuedRun) -> bool:
            return queued.sweep == sweep

        with self.queue.lock:
            run_ids = [queued.run_id for queued in self.queue.take(matches)]
            self.store.owners.claim(run_ids, "", ("queued",), status="stopped", message="")
        self._threads.submit(partial(self.scheduler.end, matches, "stopped"))

    def change_rate(self, run_id: str, lane: str, rate: float) -> None:
        """Change the learning rate from a lane's next update on, or from where it resumes.

        Raises:
            TrainingError: there is no such lane, or the rate is out of range.
        """
        check_rate(f"lane {lane}", rate)
        self._check_owned(self.store.run(run_id))
        self.store.set_lane(run_id, lane, learning_rate=rate)
        self._threads.submit(partial(self.scheduler.monitor.change_rate, run_id, lane, rate))

    def _check_owned(self, run: TrainingRun) -> None:
        owners = self.store.owners.of_run(run.run_id)
        for lane in run.lanes:
            if lane.status in ACTIVE and owners[lane.name] not in ("", self.engine_id):
                wanted = "one that this server trains"
                raise TrainingError(f"run {run.name}", "a run that another server trains", wanted, "Ask that server.")

    def close(self) -> None:
        """Save checkpoints within a moment, set all lanes to interrupted, and end the workers."""
        self._threads.close()
