"""Workers on this machine: dask's scheduler in a thread of this process, and one process for each lane."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from gru_viz.backends import compiled
from gru_viz.training.engine.executor import Executor, silence_dask
from gru_viz.training.engine.worker_launcher import WorkerLauncher

if TYPE_CHECKING:
    from distributed import LocalCluster

__all__ = ["LocalExecutor"]

LOAD_SECONDS = 4.0
"""About how long workers take to start on a machine that does nothing else."""

HUNG_SECONDS = 30.0
"""A worker that has not answered for so long is killed; its lanes can be resumed."""

QUICK_RESTARTS = 3
"""So many workers that end before they have joined are replaced at once; further ones after growing delays."""


class LocalExecutor(Executor):
    """Starts its workers, replaces those that die, and ends all of them.

    Everything listens on the loopback address only. Dask sends pickle without a password: another account on this
    machine could connect and run programs as this user, as with any local scheduler of dask.
    """

    kind = "local"
    lease = 120.0

    def __init__(self) -> None:
        super().__init__()
        self._cluster: LocalCluster | None = None
        self._launchers: list[WorkerLauncher] = []
        self._joined: set[str] = set()
        self._early_deaths, self._not_before, self._launched = 0, 0.0, time.monotonic()

    @property
    def waiting(self) -> str:
        """How long it may still take until the workers have loaded what they need."""
        spent = time.monotonic() - self._launched
        if spent < LOAD_SECONDS:
            return f"Starting workers: loading PyTorch, about {math.ceil(LOAD_SECONDS - spent)} s more …"
        return f"Starting workers: loading PyTorch, {spent:.0f} s so far; this machine does other work as well …"

    def open(self) -> None:
        """Start loading what workers need, compiling the kernels that are missing, and dask's scheduler."""
        compiled.compile_in_background()
        self._launched = time.monotonic()
        self._launchers.append(WorkerLauncher())
        silence_dask()
        import distributed

        self._cluster = distributed.LocalCluster(
            n_workers=0,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"allowed_failures": 0},
            silence_logs=False,
        )
        self.address = self._cluster.scheduler_address
        self._client = distributed.Client(self._cluster, timeout=10, set_as_default=False)

    def scale(self, count: int, busy: set[str]) -> None:
        """Replace dead workers, kill hung ones, end idle ones beyond the count, and start missing ones."""
        addresses = {worker.name: address for address, worker in self._workers.items()}
        owners = {name: launcher for launcher in self._launchers for name in launcher.workers}
        self._joined |= addresses.keys() & owners.keys()
        if self._joined:
            self._early_deaths, self.problem = 0, ""
        for name, launcher in owners.items():
            if name in addresses and self.silent_seconds(addresses[name]) > HUNG_SECONDS:
                launcher.end(name)
        self._notice_deaths()
        there = sum(len(launcher.workers) + launcher.awaited for launcher in self._launchers)
        idle = [name for name in owners if name in addresses and addresses[name] not in busy]
        for name in idle[: max(0, there - count)]:
            owners[name].end(name)
        for _ in range(count - there if time.monotonic() >= self._not_before else 0):
            self._start()

    def _start(self) -> None:
        launcher = next((each for each in self._launchers if each.capacity), None)
        if launcher is None:
            launcher = WorkerLauncher()
            self._launchers.append(launcher)
        launcher.start(self.address)

    def _notice_deaths(self) -> None:
        for launcher in list(self._launchers):
            for name, code in launcher.take_ended():
                self._notice_death(name, code)
            if launcher.process.poll() is not None:
                launcher.close()
                self._launchers.remove(launcher)

    def _notice_death(self, name: str, code: int) -> None:
        if name in self._joined:
            self._joined.discard(name)
            return
        self._early_deaths += 1
        self.problem = f"A worker process ended with exit code {code} before it could train; see the server's log."
        if self._early_deaths > QUICK_RESTARTS:
            self._not_before = time.monotonic() + min(60.0, 2.0**self._early_deaths)

    def close(self) -> None:
        """End every worker, then dask's scheduler."""
        launchers, self._launchers = self._launchers, []
        for launcher in launchers:
            launcher.close()
        try:
            super().close()
        finally:
            if self._cluster is not None:
                cluster, self._cluster = self._cluster, None
                cluster.close(timeout=2)
