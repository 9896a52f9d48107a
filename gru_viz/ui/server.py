"""What the server process does once: beginning to import before a visitor comes, and the limits it needs."""

from __future__ import annotations

import functools
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

__all__ = ["expect_table", "lifespan", "load_the_rest", "prepare_server"]

SWITCH_SECONDS = 0.0005
"""How long a thread may run Python while another one waits for its turn."""

QUIET_SECONDS = 3.0
"""So long after its start, a server without a visitor imports what the first picture does not need."""

FIRST = ("torch", "onnx", "torch_lstm", "torch_rnn")
"""A convention of each kernel: a GRU whose reset acts after or before the product, an LSTM, a tanh RNN."""

_preparing, _first_picture = threading.Lock(), threading.Event()


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """Import, while the server starts, what the first page needs, so that its first visitor does not wait for it."""
    threading.Thread(target=_import_first_page, daemon=True, name="imports").start()
    yield


def _import_first_page() -> None:
    prepare_server()
    for module in ("frame", "sequence_choice", "model_choice", "view_choice", "inspector_page"):
        import_module(f"gru_viz.ui.{module}")


def prepare_server() -> None:
    """Once a process: limit torch to one thread; in the background, import what the first picture does not need, and
    collect garbage."""
    with _preparing:
        _prepare_once()


@functools.cache
def _prepare_once() -> None:
    # Python's own 5 ms would delay a click by as much at each turn of a thread that reads or traces.
    sys.setswitchinterval(SWITCH_SECONDS)
    # Two torch threads on a busy machine are many times slower than one at the sizes that are viewed.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for work in (_load_the_rest, _collect_every_minute):
        threading.Thread(target=work, daemon=True, name=work.__name__.strip("_")).start()


def load_the_rest() -> None:
    """Import, in the background, what the first picture does not need: it has been sent."""
    _first_picture.set()


def _load_the_rest() -> None:
    """The proof needs torch, which takes seconds to import; kernels that are on no disk take longer to compile."""
    _first_picture.wait(QUIET_SECONDS)
    import_module("gru_viz.verification")
    import_module("gru_viz.backends.compiled").compile_in_background()


@functools.cache
def expect_table() -> None:
    """Import, in the background, what a table needs, while the visitor still chooses one: readers, and the kernels.

    They take some 200 MiB, which a visitor of the examples does without.
    """
    threading.Thread(target=_load_for_tables, daemon=True, name="tables").start()


def _load_for_tables() -> None:
    import_module("gru_viz.sequences.table")
    from gru_viz.backends import compiled
    from gru_viz.conventions import CONVENTIONS

    for convention in map(CONVENTIONS.__getitem__, FIRST):
        if compiled.wait_until_ready(convention, "trace"):
            compiled.warm([convention], purposes=["trace"])


def _collect_every_minute() -> None:
    while True:
        time.sleep(60)
        gc.collect()
