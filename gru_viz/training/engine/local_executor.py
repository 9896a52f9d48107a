"""Workers on this machine: dask's scheduler in a thread of this process, and one process for each lane."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gru_viz.training.engine.executor import Executor, silence_dask
from gru_viz.version import PACKAGE

if TYPE_CHECKING:
    from distributed import LocalCluster

__all__ = ["LocalExecutor", "package_path"]

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
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._joined: set[str] = set()
        self._early_deaths, self._not_before = 0, 0.0

    def open(self) -> None:
        """Start dask's scheduler."""
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
        self._joined |= addresses.keys() & self._processes.keys()
        if self._joined:
            self._early_deaths, self.problem = 0, ""
        for name, process in list(self._processes.items()):
            if name in addresses and self.silent_seconds(addresses[name]) > HUNG_SECONDS:
                process.kill()
            if process.poll() is not None:
                self._remove(name)
        idle = [name for name in self._processes if name in addresses and addresses[name] not in busy]
        for name in idle[: max(0, len(self._processes) - count)]:
            self._end(self._processes.pop(name))
        while len(self._processes) < count and time.monotonic() >= self._not_before:
            self._start()

    def _start(self) -> None:
        one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
        environment = {**os.environ, **one, "PYTHONPATH": package_path(), "DASK_LOGGING__DISTRIBUTED": "critical"}
        module = "gru_viz.training.engine.worker_process"
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, self.address, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=environment,
        )
        self._processes[str(process.pid)] = process

    def _remove(self, name: str) -> None:
        process = self._processes.pop(name)
        self._end(process)
        if name in self._joined:
            self._joined.discard(name)
            return
        self._early_deaths += 1
        code = process.returncode
        self.problem = f"A worker process ended with exit code {code} before it could train; see the server's log."
        if self._early_deaths > QUICK_RESTARTS:
            self._not_before = time.monotonic() + min(60.0, 2.0**self._early_deaths)

    @staticmethod
    def _end(process: subprocess.Popen[bytes], timeout: float = 2.0) -> None:
        """End a worker by closing its standard input."""
        _close_input(process)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End every worker, then dask's scheduler."""
        processes, self._processes = list(self._processes.values()), {}
        for process in processes:
            _close_input(process)
        for process in processes:
            self._end(process)
        try:
            super().close()
        finally:
            if self._cluster is not None:
                cluster, self._cluster = self._cluster, None
                cluster.close(timeout=2)


def _close_input(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if process.stdin:
            process.stdin.close()


def package_path() -> str:
    """Return a ``PYTHONPATH`` with which another process imports this gru_viz."""
    return os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH"))))
