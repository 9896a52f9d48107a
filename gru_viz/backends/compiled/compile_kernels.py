"""Compile the kernels that are not on the disk yet: ``python -m gru_viz.backends.compiled.compile_kernels``."""

from __future__ import annotations

import os

from gru_viz.backends.compiled import warm
from gru_viz.backends.compiled.kernel_cache import KERNELS, is_ready, lock
from gru_viz.conventions import CONVENTIONS

NICENESS = 10
"""Of this process: a page and its training come first."""


def main() -> None:
    """Compile one kernel after the other; wait for another process that does, and compile what it has left."""
    give_way()
    with lock():
        for purpose, name, _ in KERNELS:
            if not is_ready(CONVENTIONS[name], purpose):
                warm([CONVENTIONS[name]], purposes=[purpose])


def give_way() -> None:
    """Leave the processor to whatever else wants it."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)


if __name__ == "__main__":
    main()
