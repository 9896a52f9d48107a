"""A process that launches workers, as the server sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress

from gru_viz.version import PACKAGE

__all__ = ["FORKS", "WorkerLauncher", "package_path"]

FORKS = sys.platform == "linux"
"""Whether processes of this system fork; macOS can, but its own libraries fail in the child."""

UNWATCHED = {
    "DASK_LOGGING__DISTRIBUTED": "critical",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "5s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__GIL__ENABLED": "False",
}
"""dask's settings for a worker, which otherwise looks at itself a hundred times a second, also when it has no work."""


class WorkerLauncher:
    """A process that has loaded what a lane needs, and forks into workers, or becomes the only one.

    Attributes:
        workers: process ids of its workers, as text: dask's names for them.
        awaited: how many workers were asked for and have not started.
        alone: whether it becomes a worker itself, and is good for no other.
    """

    def __init__(self) -> None:
        self.workers: set[str] = set()
        self.awaited, self.alone = 0, not FORKS
        self._ended: list[tuple[str, int]] = []
        self._lock = threading.Lock()
        one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
        environment = {**os.environ, **one, **UNWATCHED, "PYTHONPATH": package_path()}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gru_viz.training.engine.worker_process", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, name="launcher", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Take what the process reports, until it has ended."""
        assert self.process.stdout is not None
        with suppress(ValueError):  # closed by ``close``
            for line in self.process.stdout:
                event, *arguments = line.decode().split()
                with self._lock:
                    if event == "alone":
                        self.alone, self.awaited = True, min(1, self.awaited)
                    elif event == "started":
                        self.workers.add(arguments[0])
                        self.awaited -= 1
                    else:
                        self.workers.discard(arguments[0])
                        self._ended.append((arguments[0], int(arguments[1])))

    @property
    def capacity(self) -> int:
        """How many more workers it can be asked for."""
        if self.process.poll() is not None:
            return 0
        return max(0, 1 - self.awaited - len(self.workers)) if self.alone else 1

    def start(self, address: str) -> None:
        """Ask for a worker that joins the scheduler at an address; it starts as soon as everything is loaded."""
        with self._lock:
            self.awaited += 1
        self._write(f"start {address}")

    def end(self, worker: str) -> None:
        """End a worker at once, even one that hangs."""
        with self._lock:
            self.workers.discard(worker)
        if self.alone:
            self.process.kill()
        else:
            self._write(f"end {worker}")

    def _write(self, line: str) -> None:
        with suppress(OSError):  # it has ended, which the next look at it finds
            assert self.process.stdin is not None
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()

    def take_ended(self) -> list[tuple[str, int]]:
        """Return the workers that have ended since the last call, with their exit codes."""
        code = self.process.poll()
        with self._lock:
            ended, self._ended = self._ended, []
            if code is not None:
                ended += [(worker, code) for worker in self.workers]
                if self.awaited:
                    ended.append(("", code))
                self.workers, self.awaited = set(), 0
        return ended

    def close(self, timeout: float = 2.0) -> None:
        """End the process and its workers by closing its standard input."""
        with suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout)
        if self.process.stdout:
            self.process.stdout.close()


def package_path() -> str:
    """Return a ``PYTHONPATH`` with which another process imports this gru_viz."""
    return os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH"))))
