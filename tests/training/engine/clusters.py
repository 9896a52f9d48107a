"""A cluster for tests: a scheduler and workers as anyone would start them, by dask's command line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gru_viz.training.engine.worker_launcher import package_path


def free_port() -> int:
    """A free port."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def dask(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """``dask …``, ended for certain."""
    one = {"OMP_NUM_THREADS": "1", "PYTHONPATH": package_path(), "DASK_LOGGING__DISTRIBUTED": "critical"}
    command = [sys.executable, "-m", "dask", *arguments]
    with subprocess.Popen(command, env={**os.environ, **one}, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def scheduler(port: int) -> Iterator[str]:
    """Its address."""
    with dask("scheduler", "--host=127.0.0.1", f"--port={port}", "--dashboard-address=127.0.0.1:0"):
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def workers(address: str, count: int, threads: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Their processes."""
    with ExitStack() as stack:
        flags = (f"--nthreads={threads}", "--no-nanny", "--host=127.0.0.1", "--dashboard-address=127.0.0.1:0")
        yield [stack.enter_context(dask("worker", address, *flags)) for _ in range(count)]
