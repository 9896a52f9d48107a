"""What the server process does once: beginning to import before a visitor comes, and the files and limits it needs."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["QuickPage", "expect_table", "lifespan", "load_the_rest", "prepare_server"]

ROOT = Path(__file__).resolve().parents[2]
LOADING = b"""<div id="root"></div>
<p id="loading" style="position: fixed; inset: 40% 0 auto; text-align: center; font: 1.1rem sans-serif; color: #777">
gru_viz is loading &#8230;</p>
<style>#root:has(h1) ~ #loading { display: none }</style>"""
ADDED = {
    b"</head>": b'<link rel="preload" as="script" href="app/static/plotly.min.js"></head>',
    b'<div id="root"></div>': LOADING,
}
"""What Streamlit's page gets: the address of plotly's script, to be fetched at once, and a word
until the page's heading is drawn."""

SWITCH_SECONDS = 0.0005
"""How long a thread may run Python while another one waits for its turn."""

QUIET_SECONDS = 3.0
"""So long after its start, a server without a visitor imports what the first picture does not need."""

FIRST = ("torch", "onnx", "torch_lstm", "torch_rnn")
"""A convention of each kernel: a GRU whose reset acts after or before the product, an LSTM, a tanh RNN."""

_first_picture = threading.Event()


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """Import, while the server starts, what the first page needs, so that its first visitor does not wait for it."""
    threading.Thread(target=_import_first_page, daemon=True, name="imports").start()
    yield


def _import_first_page() -> None:
    for module in ("frame", "sequence_choice", "model_choice", "view_choice", "inspector_page"):
        import_module(f"gru_viz.ui.{module}")
    prepare_server()


@functools.cache
def prepare_server() -> None:
    """Once a process: copy plotly's script to the static folder, and limit torch to one thread; in the background,
    import what the first picture does not need, and collect garbage."""
    # Python's own 5 ms would delay a click by as much at each turn of a thread that reads or traces.
    sys.setswitchinterval(SWITCH_SECONDS)
    # Two torch threads on a busy machine are many times slower than one at the sizes that are viewed.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _copy_plotly()
    for work in (_load_the_rest, _collect_every_minute):
        threading.Thread(target=work, daemon=True, name=work.__name__.strip("_")).start()


def load_the_rest() -> None:
    """Import, in the background, what the first picture does not need: it has been sent."""
    _first_picture.set()


def _copy_plotly() -> None:
    package = find_spec("plotly")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).parent / "package_data" / "plotly.min.js"
    target = ROOT / "static" / source.name
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        target.parent.mkdir(exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}")  # its own, since two servers may start at once
        shutil.copyfile(source, partial)
        partial.replace(target)


def _load_the_rest() -> None:
    """The proof needs torch, which takes seconds to import."""
    _first_picture.wait(QUIET_SECONDS)
    import_module("gru_viz.verification")


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

    compiled.warm((CONVENTIONS[name] for name in FIRST), training=False)


def _collect_every_minute() -> None:
    while True:
        time.sleep(60)
        gc.collect()


Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class QuickPage:
    """Gives a page a word at once, and lets the browser fetch plotly's script while it waits for the rest."""

    def __init__(self, app: Callable[[Message, Any, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        """Pass a request on; to an answer that is a page, ``ADDED`` is added."""
        await self.app(scope, receive, _Rewriting(send) if scope["type"] == "http" else send)


class _Rewriting:
    """Sends an answer on; a page only once it is whole."""

    def __init__(self, send: Send) -> None:
        self.send, self.body = send, b""
        self.start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self.start = message
        elif self.start is None or message["type"] != "http.response.body":
            await self.send(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_page(self.start)

    async def _send_page(self, start: Message) -> None:
        body = self.body
        for place, added in ADDED.items():
            body = body.replace(place, added, 1)
        length = (b"content-length", str(len(body)).encode())
        headers = [length if name.lower() == b"content-length" else (name, value) for name, value in start["headers"]]
        await self.send({**start, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    """Whether it is a page as it is written; a compressed one goes its way unchanged."""
    headers = {name.lower(): value for name, value in start["headers"]}
    is_html = headers.get(b"content-type", b"").startswith(b"text/html")
    return start["status"] == 200 and is_html and b"content-encoding" not in headers
