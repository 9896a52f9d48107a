"""Polls the lanes that train, stores what they report, and handles their end."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from gru_viz.errors import GruVizError
from gru_viz.training.engine.executor import Executor, Worker
from gru_viz.training.engine.lane_messages import LaneReply, LaneRequest
from gru_viz.training.engine.run_queue import QueuedRun, RunQueue
from gru_viz.training.engine.running_lane import RunningLane
from gru_viz.training.runs import RunStore, Status

__all__ = ["LaneMonitor"]

SWEEP_RESTARTS = 3
"""How often lanes of a sweep's run are restarted after the death of their worker."""

log = logging.getLogger(__name__)


class LaneMonitor:
    """The lanes that train, by run id and name; the queue's lock guards them."""

    def __init__(self, store: RunStore, engine_id: str, executor: Executor, queue: RunQueue) -> None:
        self.store, self.engine_id, self.executor, self.queue = store, engine_id, executor, queue
        self.lanes: dict[tuple[str, str], RunningLane] = {}
        self._done: dict[str, list[str]] = {}
        self._deaths: Counter[str] = Counter()
        self._serial = 0

    def add(self, running: RunningLane) -> None:
        """Add a lane that was submitted to a worker."""
        with self.queue.lock:
            self.lanes[running.run_id, running.lane] = running

    def request_end(self, matches: Callable[[QueuedRun], bool], status: Status) -> None:
        """Ask some lanes to stop, and set this status then."""
        for running in self.lanes.values():
            if matches(running.queued):
                running.end_status = status

    def change_rate(self, run_id: str, lane: str, rate: float) -> None:
        """Send a learning rate to a lane that trains; store it for one that does not."""
        running = self.lanes.get((run_id, lane))
        if running is None:
            self.store.set_rate(run_id, lane, rate)
        else:
            self._serial += 1
            running.rate = (self._serial, rate)

    def set_status(self, queued: QueuedRun, status: Status, message: str) -> bool:
        """Set the status of lanes that do not train; False if one was deleted, or belongs to another engine."""
        state: dict[str, Any] = {"status": status, "message": message, "rate": 0.0}
        if status != "queued":
            state["engine"] = ""
        written = True
        for lane in queued.lanes:
            try:
                self.store.set_lane(queued.run_id, lane, by=self.engine_id, **state)
            except GruVizError as reason:
                log.info("%s", reason)
                written = False
        return written

    def poll(self, workers: dict[str, Worker]) -> None:
        """Send a request to every lane, and store the replies."""
        requests: dict[str, dict[str, LaneRequest]] = {address: {} for address in self._done if address in workers}
        done_before = {running.token for running in self.lanes.values() if running.future.done()}
        for running in self.lanes.values():
            if running.worker.address in workers:
                requests.setdefault(running.worker.address, {})[running.token] = running.request
        done, self._done = self._done, {}
        replies = self.executor.poll(requests, done)
        for running in list(self.lanes.values()):
            reply = replies.get(running.token)
            if reply is not None:
                self._store(running, reply)
            elif running.worker.address not in workers:
                running.future.cancel()
                self._interrupt(running, f"Its worker, {self._name(running.worker)}, ended")
            elif running.token in done_before and not self.executor.silent_seconds(running.worker.address):
                self._interrupt(running, self._explain_loss(running))

    def _name(self, worker: Worker) -> str:
        return f"process {worker.name}" if self.executor.kind == "local" else worker.address

    def _explain_loss(self, running: RunningLane) -> str:
        """Its task has ended, but its worker does not have the lane."""
        reason = running.future.exception() if running.future.status == "error" else None
        text = f"{type(reason).__name__}: {reason}" if reason else running.future.status
        return f"Its worker, {self._name(running.worker)}, lost it ({text})"

    def _store(self, running: RunningLane, reply: LaneReply) -> None:
        """Store the records and the state of a lane."""
        records = running.new_records(reply)
        state: dict[str, Any] = {} if reply.progress is None else asdict(reply.progress)
        if reply.ended:
            state |= running.final_state(reply)
        elif reply.progress is not None and not running.started:
            running.started = True
            state |= {"status": "running"} | ({} if running.end_status else {"message": ""})
        try:
            if records or state:
                self.store.write(running.run_id, running.lane, records, by=self.engine_id, **state)
        except GruVizError as reason:  # deleted, or claimed by an engine that believed this one dead
            log.warning("A lane is left alone: %s", reason)
            running.end_status = running.end_status or "stopped"
            if reply.ended:
                self._remove(running)
            return
        running.stored(reply, records)
        if reply.ended:
            self._remove(running)
            if state.get("status") == "queued":
                with self.queue.lock:
                    self.queue.push_front(running.queued)

    def _remove(self, running: RunningLane) -> None:
        """Remove a lane that has ended; its worker can delete it."""
        with self.queue.lock:
            self.lanes.pop((running.run_id, running.lane), None)
        self._done.setdefault(running.worker.address, []).append(running.token)
        if running.rate:
            try:
                self.store.set_rate(running.run_id, running.lane, running.rate[1])
            except GruVizError as reason:
                log.info("%s", reason)

    def _interrupt(self, running: RunningLane, why: str) -> None:
        """A lane was lost; one of a sweep is restarted, a few times."""
        queued, status = running.queued, running.end_status
        self._remove(running)
        self._deaths[running.run_id] += 1
        restart = queued.sweep and self._deaths[running.run_id] <= SWEEP_RESTARTS and status in (None, "queued")
        try:
            resume = self.store.describe_resume(running.run_id, running.lane)
        except GruVizError:
            return
        message = f"{why} near update {running.update:,}; {resume}"
        if not restart:
            self.set_status(queued, status if status in ("paused", "stopped") else "interrupted", message)
        elif self.set_status(queued, "queued", message):
            with self.queue.lock:
                self.queue.push_front(queued)

    def interrupt_all(self, why: str) -> None:
        """All workers are lost."""
        for running in list(self.lanes.values()):
            self._interrupt(running, why)
        self._done.clear()
