"""The engine: takes wishes from pages at once, and fulfils them in a thread of its own."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from gru_viz.errors import GruVizError, TrainingError
from gru_viz.training.engine.crew import Crew, CrewLostError
from gru_viz.training.engine.foreman import Foreman
from gru_viz.training.engine.line import Line, Ticket
from gru_viz.training.engine.local_crew import LocalCrew
from gru_viz.training.runs import ACTIVE, RunStore, Status, TrainingRun
from gru_viz.training.runs.lane_owners import NotOwnerError, new_engine_id
from gru_viz.training.settings import LIMITS, check_rate

__all__ = ["SCHEDULER", "Engine", "EngineState"]

SCHEDULER = "GRU_VIZ_SCHEDULER"
"""The environment variable with the address of a cluster's scheduler."""

RESTARTABLE: tuple[Status, ...] = ("stopped", "paused", "interrupted", "failed")
PULL_SECONDS = 0.25
IDLE_SECONDS = 1.0
GLANCE_SECONDS = 0.02
BEAT_SECONDS = 1.0
BEATS_PER_SEARCH = 5
RETRY_SECONDS = 5.0
FAREWELL_SECONDS = 1.5
"""How long lanes may take to save a checkpoint when the engine is closed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineState:
    """How an engine stands.

    Attributes:
        kind: whether it trains on this machine or on a cluster.
        address: its scheduler's; empty before it is known.
        slots: how many lanes it trains at once; 0 for a cluster before it is known.
        running: how many it trains now.
        waiting: how many runs wait.
        ready: whether there is a worker that could begin now or when its lane ends.
        message: what is wrong or still to come, in sentences; or empty.
    """

    kind: Literal["local", "cluster"]
    address: str
    slots: int
    running: int
    waiting: int
    ready: bool
    message: str


class Engine:
    """Trains the runs of a store in processes of their own.

    It returns at once, and so do its methods: they change what the store says of a run, and a thread does the rest.
    Lanes of a run start together; runs wait in line, first come, first served; those of a sweep wait behind all others
    and make room for them. What ends unexpectedly is called interrupted, and goes on from its last checkpoint when it
    is started again, exactly as if nothing had happened.

    Args:
        store: where the runs are.
        scheduler: the address of a cluster's scheduler, such as ``"tcp://10.0.0.1:8786"``; None takes
            ``$GRU_VIZ_SCHEDULER``, or else starts workers on this machine. It must come from whoever runs the server,
            never from a visitor: what dask sends is unauthenticated pickle, and whoever answers at that address, or
            can connect to it, runs programs here and there. Use ``tls://`` and dask's own configuration for it on any
            network that others share.
        slots: how many lanes to train at once; None: this machine's cores, at least two, or the cluster's threads.

    Raises:
        TrainingError: there cannot be so many slots.
    """

    def __init__(self, store: RunStore, scheduler: str | None = None, slots: int | None = None) -> None:
        self.store, self.id = store, new_engine_id()
        address = scheduler or os.environ.get(SCHEDULER) or ""
        if slots is not None and slots < 1:
            raise TrainingError("engine, slots", str(slots), "1 or more", "Leave it out to use every core.")
        self._kind: Literal["local", "cluster"] = "cluster" if address else "local"
        self._crew = _hire(address)
        self._line, self._lock = Line(), threading.RLock()
        self._foreman = Foreman(store, self.id, self._crew, self._line, self._lock, slots)
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._message = ""
        store.owners.heartbeat(self.id)
        store.owners.interrupt_orphans()
        self._threads = [
            threading.Thread(target=target, name=f"gru_viz {target.__name__.strip('_')}", daemon=True)
            for target in (self._work, self._live)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def state(self) -> EngineState:
        """How it stands now."""
        foreman = self._foreman
        with self._lock:
            message = " ".join(filter(None, (self._message, foreman.trouble, self._crew.trouble)))
            if not message and not foreman.ready:
                message = "The workers are starting." if self._kind == "local" else "The cluster has no workers yet."
            return EngineState(
                self._kind, self._crew.address, foreman.slots, foreman.running, len(self._line), foreman.ready, message
            )

    def place(self, run_id: str) -> int | None:
        """A run's place in line, 1 being next; None where it does not wait."""
        with self._lock:
            return self._line.place(run_id)

    def start(self, run_id: str) -> None:
        """Put a run in line: new, or to go on from its last checkpoint.

        Raises:
            TrainingError: the line is full, there is no such run, or it has no lane that could go on.
        """
        run = self.store.run(run_id)
        self._enqueue([run], RESTARTABLE)

    def start_all(self, run_ids: Iterable[str]) -> None:
        """Put several runs in line, in this order; as ``start`` does one."""
        self._enqueue([self.store.run(key) for key in run_ids], RESTARTABLE)

    def extend(self, run_id: str, until: int) -> None:
        """Train the lanes that are finished on, to another number of updates.

        Raises:
            TrainingError: it is not more than there was, more than there may be, or no lane is finished.
        """
        run = self.store.run(run_id)
        done = max(lane.update for lane in run.lanes)
        if not done < until <= LIMITS.updates:
            wanted = f"{done + 1:,} to {LIMITS.updates:,}"
            raise TrainingError(
                f"run {run.name}, updates", f"{until:,}", wanted, "Choose a number within these limits."
            )
        self._enqueue([run], ("finished",), until=until)

    def _enqueue(self, runs: list[TrainingRun], which: tuple[Status, ...], **state: Any) -> None:
        if self._closing.is_set():
            raise TrainingError("engine", "a closed engine", "one at work", "Start the server again.")
        with self._lock:
            watched = [run for run in runs if not run.sweep]
            if self._line.watched + len(watched) > LIMITS.waiting:
                found = f"{self._line.watched:,} runs in line"
                raise TrainingError("training", found, f"{LIMITS.waiting:,} at most", "Try again when some have ended.")
            queued: dict[str, Any] = {"status": "queued", "message": "", "rate": 0.0}
            claimed = self.store.owners.claim([run.run_id for run in runs], self.id, which, **queued, **state)
            if not claimed:
                found = f"a run that is {runs[0].status}" if runs else "no run"
                wanted = f"one with a lane that is {' or '.join(which)}"
                raise TrainingError(f"run {runs[0].name}" if runs else "runs", found, wanted, "There is nothing to do.")
            for run in runs:
                if run.run_id in claimed:
                    self._line.append(Ticket(run.run_id, tuple(claimed[run.run_id]), run.sweep))
        self._wake.set()

    def pause(self, run_id: str) -> None:
        """Save a checkpoint of every lane and free its slot; a run that waits leaves the line."""
        self._end(run_id, "paused", "Pausing: a checkpoint is being saved.")

    def stop(self, run_id: str) -> None:
        """As ``pause``, for good; it can be started again all the same."""
        self._end(run_id, "stopped", "Stopping: a checkpoint is being saved.")

    def _end(self, run_id: str, status: Status, message: str) -> None:
        run = self.store.run(run_id)
        self._check_ours(run)
        with self._lock:
            for ticket in self._line.take(run_id):
                self._foreman.settle(ticket, status, "")
        for lane in run.lanes:
            if self._foreman.has(run_id, lane.name):
                with suppress(NotOwnerError):  # it has ended by itself just now
                    self.store.set_lane(run_id, lane.name, by=self.id, message=message)
        self._wish(partial(self._foreman.end, run_id, status))

    def cancel_sweep(self, key: str) -> None:
        """Stop what has not ended of a sweep."""
        with self._lock:
            tickets = self._line.take_sweep(key)
            self.store.owners.claim([ticket.run for ticket in tickets], "", ("queued",), status="stopped", message="")
        self._wish(partial(self._foreman.end_sweep, key))

    def change_rate(self, run_id: str, lane: str, rate: float) -> None:
        """Use another learning rate: from a lane's next update on, or from where it will go on.

        Raises:
            TrainingError: there is no such lane, or it is no learning rate.
        """
        check_rate(f"lane {lane}", rate)
        self._check_ours(self.store.run(run_id))
        self.store.set_lane(run_id, lane, learning_rate=rate)
        self._wish(partial(self._foreman.change_rate, run_id, lane, rate))

    def _check_ours(self, run: TrainingRun) -> None:
        engines = self.store.owners.of_run(run.run_id)
        for lane in run.lanes:
            if lane.status in ACTIVE and engines[lane.name] not in ("", self.id):
                wanted = "one that this server trains"
                raise TrainingError(f"run {run.name}", "another server at work on it", wanted, "Ask that server.")

    def _wish(self, wish: Callable[[], None]) -> None:
        self._wishes.put(wish)
        self._wake.set()

    def close(self) -> None:
        """Save what can be saved in a moment, call the rest interrupted, and end the workers."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(FAREWELL_SECONDS + 8)
        atexit.unregister(self.close)

    def _live(self) -> None:
        """Show signs of life, and look for those who show none."""
        beats = 0
        while not self._closing.wait(BEAT_SECONDS):
            try:
                self.store.owners.heartbeat(self.id)
                beats += 1
                if beats % BEATS_PER_SEARCH == 0:
                    self.store.owners.interrupt_orphans(self.id)
            except (sqlite3.Error, OSError):
                log.warning("The engine cannot write to its folder.", exc_info=True)

    def _work(self) -> None:
        """Find workers, work, and begin again where they are lost."""
        while not self._closing.is_set():
            try:
                self._crew.open()
                atexit.register(self.close)  # after dask has registered its own, so that ours comes first
                self._message = ""
                while not self._closing.is_set():
                    self._turn()
                    self._rest()
            except TrainingError as reason:
                self._start_over(str(reason))
            except CrewLostError:
                self._start_over("The connection to the workers was lost; it is being sought again.")
            except Exception as reason:
                log.exception("The engine stumbled.")
                self._start_over(f"The engine stumbled ({type(reason).__name__}: {reason}) and begins again.")
        self._say_farewell()

    def _rest(self) -> None:
        """Wait for the next round, a wish, or the end of a lane, which frees its slot for whoever is next."""
        foreman = self._foreman
        idle = foreman.ready and not foreman.running and not len(self._line)
        until = time.monotonic() + (IDLE_SECONDS if idle else PULL_SECONDS)
        while (left := until - time.monotonic()) > 0 and not foreman.has_ended():
            if self._wake.wait(left if idle else min(left, GLANCE_SECONDS)):
                break
        self._wake.clear()

    def _start_over(self, message: str) -> None:
        """Say what happened, and wait a little before the workers are sought anew."""
        self._message = message
        try:
            self._foreman.lose_everyone(message)
            self._grant_wishes()
        except (sqlite3.Error, OSError):
            log.warning("The engine cannot write to its folder.", exc_info=True)
        self._close_crew()
        self._closing.wait(RETRY_SECONDS)

    def _turn(self) -> None:
        """One round: keep the workers, hear wishes, empty outboxes, hand out work."""
        try:
            self._grant_wishes()
            self._foreman.turn()
            self._foreman.trouble = ""
        except (sqlite3.Error, OSError) as reason:  # what was not written down is asked for again
            log.warning("A turn of the engine failed.", exc_info=True)
            self._foreman.trouble = f"What is trained cannot be written down: {reason}."

    def _grant_wishes(self) -> None:
        while True:
            try:
                wish = self._wishes.get_nowait()
            except queue.Empty:
                return
            try:
                wish()
            except GruVizError as reason:  # the run was deleted meanwhile
                log.info("A wish came too late: %s", reason)

    def _say_farewell(self) -> None:
        try:
            with self._lock:
                for ticket in self._line.take_all():
                    message = "The server was stopped while this lane was queued; resume queues it again."
                    self._foreman.settle(ticket, "interrupted", message)
            self._foreman.farewell(FAREWELL_SECONDS)
        except Exception:  # the interpreter may be ending already; the next server will find the lanes
            log.debug("No farewell.", exc_info=True)
        finally:
            self._close_crew()

    def _close_crew(self) -> None:
        try:
            self._crew.close()
        except Exception:
            log.debug("The workers could not be let go in order.", exc_info=True)


def _hire(address: str) -> Crew:
    if address:
        from gru_viz.training.engine.cluster_crew import ClusterCrew

        return ClusterCrew(address)
    return LocalCrew()
