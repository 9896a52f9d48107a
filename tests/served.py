"""A dashboard as a person starts it, in a process of its own, for tests that visit it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
GENEROUS = 300.0
"""Seconds after which a wait is given up; a machine that does much else needs some."""

STREAMLIT = ("streamlit", "run", "dashboard.py", "--server.port")


@contextmanager
def dashboard(
    home: Path, module: Sequence[str] = STREAMLIT, folder: Path = ROOT, more: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Its host and port; it answers from the beginning, and is ended for certain.

    Args:
        home: where it keeps its runs.
        module: what Python runs, up to the option that takes the port.
        folder: where it is started.
        more: variables of its environment.
    """
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", *module, str(port), "--server.headless=true"]
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "STREAMLIT"))}
    environment = own | {"GRU_VIZ_HOME": str(home)} | dict(more or {})
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(GENEROUS)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + GENEROUS
    while not _answers(address):
        assert server.poll() is None, f"the server ended with {server.returncode}"
        assert time.monotonic() < until, f"{address} does not answer"
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        return int(urllib.request.urlopen(address, timeout=5).status) == 200
    except OSError:
        return False
