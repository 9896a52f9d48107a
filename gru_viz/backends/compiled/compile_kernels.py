"""Compile the kernels that are not on the disk yet: ``python -m gru_viz.backends.compiled.compile_kernels``."""

from __future__ import annotations

import os
import signal

from gru_viz.backends.compiled import warm
from gru_viz.backends.compiled.kernel_cache import KERNELS, is_ready, lock
from gru_viz.conventions import CONVENTIONS

NICENESS = 10
"""Of this process: a page and its training come first."""


def compile_missing() -> None:
    """Compile one kernel after the other, while the process that wants them lives.

    Where another process already compiles, wait for it, and compile what it has left.
    """
    parent = os.getppid()
    with lock():
        for purpose, name, _ in KERNELS:
            if os.getppid() == parent and not is_ready(CONVENTIONS[name], purpose):
                warm([CONVENTIONS[name]], purposes=[purpose])


def main() -> None:
    """Do so beside whatever else this machine does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C in a terminal reaches every process
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    compile_missing()


if __name__ == "__main__":
    main()
