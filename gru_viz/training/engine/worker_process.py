"""A worker process of this machine: ``python -m gru_viz.training.engine.worker_process ADDRESS PARENT``.

It ends when its server does, however that ended: the server has the other end of its standard input.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from typing import NoReturn

NICE = int(os.environ.get("GRU_VIZ_NICE", "10"))
"""Niceness of training, so that the pages stay quick; ``GRU_VIZ_NICE=0`` gives training an equal share."""


def main(address: str, parent: int) -> None:
    """Join a scheduler of dask, and train the lanes that it sends; ``parent`` is the server's process id."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches every process; the server handles it
    scratch = tempfile.mkdtemp(prefix="gru_viz-worker-")  # dask requires a folder, and stores nothing in it
    threading.Thread(target=_exit_with_input, args=(scratch,), daemon=True).start()
    threading.Thread(target=_exit_with_parent, args=(parent, scratch), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(NICE)
    try:
        asyncio.run(_serve(address, scratch))
    finally:
        _exit(scratch)


def _exit(scratch: str) -> NoReturn:
    """Exit at once: an orderly exit would wait for the lane that still trains."""
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


def _exit_with_input(scratch: str) -> None:
    sys.stdin.buffer.read()
    _exit(scratch)


def _exit_with_parent(parent: int, scratch: str) -> None:
    """If a fork of the server has the pipe too, the pipe stays open, but POSIX gives this process another parent."""
    while os.name != "posix" or os.getppid() == parent:
        time.sleep(0.5)
    _exit(scratch)


async def _serve(address: str, scratch: str) -> None:
    import torch
    from distributed import Worker

    import gru_viz.training.engine.worker_lane  # noqa: F401  # loaded before the first lane arrives

    torch.set_num_threads(1)
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


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
