"""The threads of an engine: one drives the scheduler and carries out commands, one sends heartbeats."""

from __future__ import annotations

import atexit
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable

from gru_viz.errors import GruVizError, TrainingError
from gru_viz.training.engine.executor import ExecutorLostError
from gru_viz.training.engine.scheduler import Scheduler

__all__ = ["EngineThreads"]

STEP_SECONDS = 0.25
FIRST_SECONDS = 0.05
"""How often to look for the first update of a lane."""

IDLE_SECONDS = 1.0
ENDED_SECONDS = 0.02
"""How often to look whether a lane has ended."""

HEARTBEAT_SECONDS = 1.0
HEARTBEATS_PER_SEARCH = 5
"""Lanes of dead engines are searched for at every so many heartbeats."""

RETRY_SECONDS = 5.0
SHUTDOWN_SECONDS = 1.5
"""How long lanes may take to save a checkpoint when the engine is closed."""

log = logging.getLogger(__name__)


class EngineThreads:
    """Starts the threads, which run until ``close``; ``message`` describes a problem with the connection to workers."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler, self.message = scheduler, ""
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"gru_viz {target.__name__.strip('_')}", daemon=True)
            for target in (self._run, self._send_heartbeats)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def closing(self) -> bool:
        """Whether ``close`` was called."""
        return self._closing.is_set()

    def submit(self, command: Callable[[], None]) -> None:
        """Let the scheduler's thread call a function."""
        self._commands.put(command)
        self._wake.set()

    def wake(self) -> None:
        """Begin the next step at once."""
        self._wake.set()

    def close(self) -> None:
        """End the threads, the lanes and the workers."""
        if self.closing:
            return
        self._closing.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(SHUTDOWN_SECONDS + 8)
        atexit.unregister(self.close)

    def _send_heartbeats(self) -> None:
        """Send heartbeats, and search for lanes of engines that send none."""
        owners, engine_id, count = self.scheduler.store.owners, self.scheduler.monitor.engine_id, 0
        while not self._closing.wait(HEARTBEAT_SECONDS):
            try:
                owners.heartbeat(engine_id)
                count += 1
                if count % HEARTBEATS_PER_SEARCH == 0:
                    owners.interrupt_orphans(engine_id)
            except (sqlite3.Error, OSError):
                log.warning("The engine cannot write to its folder.", exc_info=True)

    def _run(self) -> None:
        """Connect to the workers, drive the scheduler, and begin again if the workers are lost."""
        while not self.closing:
            try:
                self.scheduler.executor.open()
                atexit.register(self.close)  # after dask has registered its own, so that ours is called first
                self.message = ""
                while not self.closing:
                    self._step()
                    self._rest()
            except TrainingError as reason:
                self._start_over(str(reason))
            except ExecutorLostError:
                self._start_over("The connection to the workers was lost. Reconnecting …")
            except Exception as reason:
                log.exception("The engine failed.")
                self._start_over(f"The engine failed ({type(reason).__name__}: {reason}) and restarts.")
        self._shut_down()

    def _step(self) -> None:
        try:
            self._run_commands()
            self.scheduler.step()
            self.scheduler.problem = ""
        except (sqlite3.Error, OSError) as reason:  # what was not stored is requested again
            log.warning("A step of the engine failed.", exc_info=True)
            self.scheduler.problem = f"Results cannot be stored: {reason}."

    def _run_commands(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            try:
                command()
            except GruVizError as reason:  # the run was deleted meanwhile
                log.info("A command came too late: %s", reason)

    def _rest(self) -> None:
        """Wait for the next step, a command, or the end of a lane, which frees its slot."""
        scheduler = self.scheduler
        idle = scheduler.ready and not scheduler.running and not len(scheduler.queue)
        pause = FIRST_SECONDS if scheduler.begins else IDLE_SECONDS if idle else STEP_SECONDS
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not scheduler.has_ended():
            if self._wake.wait(left if idle else min(left, ENDED_SECONDS)):
                break
        self._wake.clear()

    def _start_over(self, message: str) -> None:
        """Report what happened, and wait a little before connecting again."""
        self.message = message
        try:
            self.scheduler.lose_workers(message)
            self._run_commands()
        except (sqlite3.Error, OSError):
            log.warning("The engine cannot write to its folder.", exc_info=True)
        self._close_executor()
        self._closing.wait(RETRY_SECONDS)

    def _shut_down(self) -> None:
        scheduler = self.scheduler
        try:
            with scheduler.queue.lock:
                for queued in scheduler.queue.take(lambda _: True):
                    message = "The server was stopped while this lane was queued; resume queues it again."
                    scheduler.monitor.set_status(queued, "interrupted", message)
            scheduler.shut_down(SHUTDOWN_SECONDS)
        except Exception:  # the interpreter may be ending already; the next server will find the lanes
            log.debug("No orderly shutdown.", exc_info=True)
        finally:
            self._close_executor()

    def _close_executor(self) -> None:
        try:
            self.scheduler.executor.close()
        except Exception:
            log.debug("The workers could not be closed in order.", exc_info=True)
