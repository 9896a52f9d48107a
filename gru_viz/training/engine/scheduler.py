"""Decides which queued lanes start, and on which worker."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable

from gru_viz.backends.compiled.kernel_cache import seconds_left
from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import GruVizError
from gru_viz.training.engine.executor import TASK_PREFIX, Executor, ExecutorLostError, Worker
from gru_viz.training.engine.lane_messages import LaneJob
from gru_viz.training.engine.lane_monitor import LaneMonitor
from gru_viz.training.engine.run_queue import QueuedRun, RunQueue
from gru_viz.training.engine.running_lane import RunningLane
from gru_viz.training.recurrence import choose_for_run
from gru_viz.training.runs import RunStore, Status

__all__ = ["Scheduler"]

log = logging.getLogger(__name__)


class Scheduler:
    """Starts lanes and ends them; used by the engine's thread, other threads only read.

    Attributes:
        monitor: the running lanes.
        slots: how many lanes train at once; 0 while unknown.
        ready: whether there is a worker.
        problem: what is wrong, in sentences.
    """

    def __init__(
        self, store: RunStore, engine_id: str, executor: Executor, queue: RunQueue, max_slots: int | None
    ) -> None:
        self.store, self.executor, self.queue, self.max_slots = store, executor, queue, max_slots
        self.monitor = LaneMonitor(store, engine_id, executor, queue)
        self.slots = (max_slots or count_cores()) if executor.kind == "local" else 0
        self.ready, self.problem = False, ""
        self._target = self.slots
        self._unplaced: list[QueuedRun] = []

    @property
    def running(self) -> int:
        """How many lanes train, or are about to start."""
        with self.queue.lock:
            return len(self.monitor.lanes) + len(self._unplaced)

    def is_running(self, run_id: str, lane: str) -> bool:
        """Return whether a lane trains, or is about to start."""
        with self.queue.lock:
            unplaced = ((queued.run_id, queued.lanes[0]) for queued in self._unplaced)
            return (run_id, lane) in self.monitor.lanes or (run_id, lane) in unplaced

    def worker_of(self, run_id: str, lane: str) -> Worker | None:
        """Return the worker that trains a lane."""
        running = self.monitor.lanes.get((run_id, lane))
        return running.worker if running else None

    def has_ended(self) -> bool:
        """Return whether a lane has ended since the last step."""
        return any(running.future.done() for running in self.monitor.lanes.values())

    @property
    def begins(self) -> bool:
        """Whether the first update of some lane is due."""
        return any(running.begins for running in self.monitor.lanes.values())

    def end(self, matches: Callable[[QueuedRun], bool], status: Status) -> None:
        """End all lanes of some runs, whether they train, are about to start, or are queued."""
        unplaced = [queued for queued in self._unplaced if matches(queued)]
        for queued in unplaced:
            self._unplaced.remove(queued)
        self.monitor.request_end(matches, status)
        with self.queue.lock:  # a lane may have returned to the queue in the meantime
            queued_again = self.queue.take(matches)
        for queued in (*unplaced, *queued_again):
            self.monitor.set_status(queued, status, "")

    def step(self) -> None:
        """Adjust the workers, poll the running lanes, and start queued ones.

        Raises:
            ExecutorLostError: dask's scheduler does not answer.
        """
        busy = {running.worker.address for running in self.monitor.lanes.values()}
        self.executor.scale(self._target, busy)
        workers = self.executor.workers()
        self.ready = bool(workers)
        if self.executor.kind == "cluster":
            threads = sum(worker.threads for worker in workers.values())
            self.slots = min(threads, self.max_slots or threads)
        self.monitor.poll(workers)
        self._start_lanes(workers)

    def lose_workers(self, why: str) -> None:
        """Interrupt all lanes, since dask's scheduler is gone."""
        self.ready = False
        self.monitor.interrupt_all(why.rstrip("."))
        with self.queue.lock:
            for queued in reversed(self._unplaced):
                self.queue.push_front(queued)
            self._unplaced.clear()

    def shut_down(self, seconds: float) -> None:
        """Let every lane make a checkpoint within some seconds; then set all of them to interrupted."""
        until = time.monotonic() + seconds
        self.end(lambda _: True, "interrupted")
        try:
            while self.monitor.lanes and time.monotonic() < until:
                self.monitor.poll(self.executor.workers())
                time.sleep(0.02)
        finally:
            self.monitor.request_end(lambda _: True, "interrupted")
            self.monitor.interrupt_all("The server was stopped")

    def _start_lanes(self, workers: dict[str, Worker]) -> None:
        free = self._free_threads(workers)
        for queued in list(self._unplaced):
            if not self._place(queued, workers, free):
                return
        while True:
            with self.queue.lock:
                first = self.queue.first
                if first is None:
                    self._target = max(self.slots, len(self.monitor.lanes))
                    return
                if not self._fits(first, workers, free):
                    break
                self._fix_backends(first)
                lanes = self.queue.pop().each()
                self._unplaced += lanes
            for queued in lanes:
                self._place(queued, workers, free)
        self._make_room(first, sum(free.values()))

    def _fix_backends(self, queued: QueuedRun) -> None:
        """Choose the backends of a run when it first starts here; they stay the same, so that it resumes bit by bit."""
        try:
            run = self.store.run(queued.run_id)
            if self.executor.kind != "local" or any(lane.backend for lane in run.lanes):
                return
            for name, backend in choose_for_run(run.settings.lanes).items():
                convention = CONVENTIONS[run.settings.lane(name).cell]
                seconds = seconds_left(convention, "training") if backend == "compiled" else 0.0
                message = f"Waits for its compiled kernel, about {seconds:.0f} s." if seconds else ""
                self.store.set_lane(run.run_id, name, by=self.monitor.engine_id, backend=backend, message=message)
        except GruVizError as reason:  # deleted meanwhile, which starting it finds too
            log.info("%s", reason)

    def _free_threads(self, workers: dict[str, Worker]) -> dict[str, int]:
        """Number of threads that train nothing, by worker."""
        own = {TASK_PREFIX + running.token for running in self.monitor.lanes.values()}
        used = Counter(running.worker.address for running in self.monitor.lanes.values())
        for worker in workers.values():
            used[worker.address] += sum(task not in own and task.startswith(TASK_PREFIX) for task in worker.tasks)
        return {address: max(0, worker.threads - used[address]) for address, worker in workers.items()}

    def _fits(self, queued: QueuedRun, workers: dict[str, Worker], free: dict[str, int]) -> bool:
        """Whether all lanes of a run can start now, or as many as ever could."""
        need, running = len(queued.lanes), len(self.monitor.lanes) + len(self._unplaced)
        if running:
            return running + need <= self.slots and sum(free.values()) >= need
        if self.executor.kind == "local":
            self._target = max(self.slots, need)
            return sum(free.values()) >= need
        threads = sum(worker.threads for worker in workers.values())
        return 0 < min(need, threads) <= sum(free.values())

    def _make_room(self, queued: QueuedRun, free: int) -> None:
        """For a run of no sweep, let lanes of sweeps make a checkpoint and return to the queue."""
        if queued.sweep:
            return
        lanes = list(self.monitor.lanes.values())
        swept = [running for running in lanes if running.queued.sweep and running.end_status is None]
        ending = sum(running.end_status == "queued" for running in lanes)
        missing = len(queued.lanes) - ending - max(0, min(free, self.slots - len(lanes)))
        for running in swept[: max(0, missing)]:
            running.end_status = "queued"

    def _place(self, queued: QueuedRun, workers: dict[str, Worker], free: dict[str, int]) -> bool:
        """Start a lane on the worker with the most free threads; False if there is none."""
        address = max(free, key=free.__getitem__, default=None)
        if address is None or not free[address]:
            return False
        free[address] -= 1
        self._unplaced.remove(queued)
        self._submit(queued, workers[address])
        return True

    def _submit(self, queued: QueuedRun, worker: Worker) -> None:
        token = f"{queued.run_id}-{os.urandom(6).hex()}"
        try:
            job = self._make_job(queued.run_id, queued.lanes[0])
            future = self.executor.submit(worker.address, token, job)
        except GruVizError as reason:
            self.monitor.set_status(queued, "failed", str(reason))
        except ExecutorLostError as reason:
            log.info("A worker did not take a lane: %s", reason)
            self._unplaced.append(queued)
        else:
            update, saved = (job.checkpoint.update, job.checkpoint.update) if job.checkpoint else (0, -1)
            self.monitor.add(RunningLane(queued, worker, token, future, update, saved))

    def _make_job(self, run_id: str, lane: str) -> LaneJob:
        run, store = self.store.run(run_id), self.store
        return LaneJob(
            run.settings.to_json(),
            lane,
            run.lane(lane).backend,
            run.lane(lane).until,
            store.files(run_id).data(),
            store.checkpoint(run_id, lane),
            tuple(store.rate_changes(run_id, lane)),
            self.executor.lease,
        )


def count_cores() -> int:
    """Return the number of cores this process may use; at least two, so that a GRU and an LSTM train together."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, cores)
