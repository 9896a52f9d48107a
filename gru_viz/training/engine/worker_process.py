"""The worker processes of this machine: ``python -m gru_viz.training.engine.worker_process SERVER``.

One process loads what a lane needs, then forks into as many workers as it is asked for: they share its memory, and
start at once. Where a fork is not safe, it becomes the only worker. It reads ``start ADDRESS`` (of dask's scheduler)
and ``end PROCESS`` from its standard input, and writes ``started PROCESS``, ``ended PROCESS CODE`` and ``alone``.

All of them end when their server does, however that ended: the server has the other end of their standard input.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from gru_viz.training.engine.worker_launcher import FORKS

__all__ = ["Launcher", "give_way"]

NICE = int(os.environ.get("GRU_VIZ_NICE", "2"))
"""Niceness of training."""

WATCH_SECONDS = 0.5
"""How often a process looks whether its parent is alive, and which of its children have ended."""


def give_way() -> None:
    """Let the page go first, and nothing else on this machine.

    A niceness of 10 would give training a tenth of what any other program gets. As a batch process it gets almost the
    same, but does not interrupt the server, which computes for a moment and sleeps again.
    """
    if hasattr(os, "nice"):
        os.nice(NICE)
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class Launcher:
    """Forks into workers, and reports those that have ended.

    Args:
        server: process id of the server.
    """

    def __init__(self, server: int) -> None:
        self.server = server
        self._scratch: dict[int, str] = {}
        self._unread = b""

    def run(self) -> NoReturn:
        """Carry out what the server writes, until it closes its end."""
        pipe = select.poll()
        pipe.register(0, select.POLLIN)
        while os.getppid() == self.server:
            for line in self._lines() if pipe.poll(1000 * WATCH_SECONDS) else ():
                command, argument = line.split()
                if command == "start":
                    self._start(argument)
                elif int(argument) in self._scratch:
                    os.kill(int(argument), signal.SIGKILL)
            self._report_ended()
        os._exit(0)

    def _lines(self) -> list[str]:
        """The lines that are there; at the end of the input, end."""
        read = os.read(0, 1 << 16)
        if not read:
            os._exit(0)
        *lines, self._unread = (self._unread + read).split(b"\n")
        return [line.decode() for line in lines]

    def _start(self, address: str) -> None:
        scratch = _scratch_folder()
        process = os.fork()
        if not process:
            _hide_output()
            _train_for(address, scratch, os.getppid())
        self._scratch[process] = scratch
        write(f"started {process}")

    def _report_ended(self) -> None:
        while self._scratch:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            shutil.rmtree(self._scratch.pop(process), ignore_errors=True)
            write(f"ended {process} {os.waitstatus_to_exitcode(status)}")


def write(line: str) -> None:
    """Send a line to the server."""
    with suppress(OSError):
        os.write(1, f"{line}\n".encode())


def _hide_output() -> None:
    """What a worker prints is not for the server."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _scratch_folder() -> str:
    """Dask requires a folder, and stores nothing in it."""
    return tempfile.mkdtemp(prefix="gru_viz-worker-")


def _train_for(address: str, scratch: str, parent: int) -> NoReturn:
    """Join a scheduler of dask, and train the lanes that it sends."""
    from gru_viz.training.engine import worker_lane

    for watch in (_exit_with_input, _exit_with_parent):
        threading.Thread(target=watch, args=(scratch, parent), daemon=True).start()
    worker_lane.load_kernels_later()
    try:
        asyncio.run(_serve(address, scratch))
    finally:
        _exit(scratch)


def _exit(scratch: str) -> NoReturn:
    """Exit at once: an orderly exit would wait for the lane that still trains."""
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


def _exit_with_input(scratch: str, _: int) -> None:
    """Where several processes share the input, none reads it: the others would miss what it takes."""
    if FORKS:
        pipe = select.poll()
        pipe.register(0, 0)
        pipe.poll()
    else:
        while os.read(0, 1 << 16):
            pass
    _exit(scratch)


def _exit_with_parent(scratch: str, parent: int) -> None:
    """If a fork of the server has the pipe too, the pipe stays open, but POSIX gives this process another parent."""
    while os.name != "posix" or os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    _exit(scratch)


async def _serve(address: str, scratch: str) -> None:
    from distributed import Worker

    async with Worker(
        address,
        name=str(os.getpid()),
        nthreads=1,
        host="127.0.0.1",
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        local_directory=scratch,
        death_timeout=10,
    ) as worker:
        await worker.finished()


def main(server: int) -> None:
    """Load what a lane needs; then fork into workers, or become one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches every process; the server handles it
    give_way()
    from distributed import Worker  # noqa: F401

    from gru_viz.training.engine import worker_lane

    worker_lane.load_kernels()
    if FORKS and len(list(Path("/proc/self/task").iterdir())) == 1:
        Launcher(server).run()
    write("alone")
    first = os.read(0, 1 << 16).split()
    if first:
        write(f"started {os.getpid()}")
        _hide_output()
        _train_for(first[1].decode(), _scratch_folder(), server)


if __name__ == "__main__":
    main(int(sys.argv[1]))
