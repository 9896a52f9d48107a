"""The first visit to a new server: what it does not wait for, and what it says meanwhile."""

from __future__ import annotations

import asyncio
import atexit
import gzip
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import plotly
import pytest

from gru_viz import random_weights
from gru_viz.sequences import Scaling, Sequence, Sequences
from gru_viz.ui.background_work import finish
from gru_viz.ui.model_choice import ModelChoice
from gru_viz.ui.quick_page import QuickPage
from gru_viz.ui.sequence_choice import SequenceChoice
from gru_viz.ui.trace_cache import cached_trace

ROOT = Path(__file__).parents[2]
HEAVY = ("numba", "pandas", "pyarrow", "scipy", "sklearn", "torch")

VISIT = f"""
import os, sys
from streamlit.testing.v1 import AppTest
import gru_viz.ui.inspector_page as page

def drawn():
    print([name for name in {HEAVY} if name in sys.modules], flush=True)
    os._exit(0)

page.load_the_rest = drawn
AppTest.from_file({str(ROOT / "dashboard.py")!r}, default_timeout=300).run()
"""


def visit(code: str) -> str:
    """What a new process prints that draws the first page."""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_the_first_picture_is_drawn_before_anything_heavy_is_imported() -> None:
    assert visit(VISIT) == "[]"


def test_the_check_of_what_is_imported_can_fail() -> None:
    assert visit(f"import torch\n{VISIT}") == "['torch']"


def answer(*messages: MutableMapping[str, Any], path: str = "/", **asked: str) -> list[MutableMapping[str, Any]]:
    """What reaches the browser of an answer to a request with these headers."""
    sent: list[MutableMapping[str, Any]] = []
    asked = {name.replace("_", "-"): value for name, value in asked.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        requests.append(scope)
        for message in messages:
            await send(message)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in asked.items()],
    }
    with ThreadPoolExecutor(1) as thread:  # a browser's test leaves an event loop in this one
        thread.submit(asyncio.run, QuickPage(app, static)(scope, None, send)).result()
    return sent


requests: list[Any] = []
static = Path(tempfile.mkdtemp(prefix="gru_viz-static-"))
atexit.register(shutil.rmtree, static, ignore_errors=True)


def start(kind: bytes, length: int, *more: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    """The beginning of an answer."""
    headers = [(b"Content-Type", kind), (b"Content-Length", str(length).encode()), *more]
    return {"type": "http.response.start", "status": status, "headers": headers}


def test_a_page_says_that_it_is_loading_and_brings_plotly() -> None:
    page = b'<html><head></head><body><div id="root"></div></body></html>'
    parts = (page[:20], page[20:])
    bodies = [{"type": "http.response.body", "body": part, "more_body": part is parts[0]} for part in parts]
    first, body = answer(start(b"text/html; charset=utf-8", len(page)), *bodies)
    assert b"gru_viz is loading" in body["body"]
    assert b'href="app/static/plotly.min.js"' in body["body"]
    assert dict(first["headers"])[b"content-length"] == str(len(body["body"])).encode()


@pytest.mark.parametrize(
    "begin",
    [
        start(b"text/javascript", 4),
        start(b"text/html", 4, (b"Content-Encoding", b"gzip")),
        start(b"text/html", 4, status=304),
    ],
)
def test_any_other_answer_goes_its_way_unchanged(begin: dict[str, Any]) -> None:
    body = {"type": "http.response.body", "body": b"abcd", "more_body": False}
    assert answer(begin, body) == [begin, body]


def test_a_page_is_requested_uncompressed_and_nothing_else() -> None:
    for accept, compressed in (("text/html,*/*", False), ("*/*", True)):
        answer(start(b"text/html", 0), accept=accept, accept_encoding="gzip")
        names = [name for name, _ in requests[-1]["headers"]]
        assert (b"accept-encoding" in names) is compressed


def test_plotly_is_compressed_once_for_all_and_sent_once_to_each() -> None:
    path = "/app/static/plotly.min.js"
    first, body = answer(path=path, accept_encoding="gzip, br")
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    assert gzip.decompress(body["body"]) == source.read_bytes()
    tag = dict(first["headers"])[b"etag"].decode()
    again, _ = answer(path=path, accept_encoding="gzip", if_none_match=tag)
    assert again["status"] == 304
    untouched = start(b"text/javascript", 0)
    assert answer(untouched, path=path) == [untouched]  # a browser that cannot unpack it is answered by Streamlit


def test_the_page_of_this_streamlit_has_the_places() -> None:
    import streamlit  # noqa: TID251

    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    _, body = answer(start(b"text/html", len(page)), {"type": "http.response.body", "body": page})
    assert b"gru_viz is loading" in body["body"]
    assert b"app/static/plotly.min.js" in body["body"]


def test_what_is_drawn_is_drawn_again_until_the_work_has_ended() -> None:
    drawn, done = list[int](), threading.Event()

    def redraw() -> None:
        drawn.append(1)
        if len(drawn) == 3:
            done.set()

    finish(lambda: done.wait(300), redraw)
    assert len(drawn) >= 3


def test_an_error_of_the_work_reaches_the_page() -> None:
    def fail() -> None:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        finish(fail, lambda: None)


@pytest.mark.parametrize(
    ("steps", "units", "backend", "ran"),
    [
        (1500, 4, "auto", "loop"),
        (1501, 4, "auto", "compiled"),
        (50, 200, "auto", "compiled"),
        (50, 4, "compiled", "compiled"),
        (50, 4, "scratch", "scratch"),
    ],
)
def test_numpy_runs_what_is_small_and_kernels_the_rest(steps: int, units: int, backend: Any, ran: str) -> None:
    pytest.importorskip("numba")
    values = np.zeros((steps, 1), np.float32)
    one = Sequence(values, ("x",), None, "zeros")
    sequences = Sequences((one,), Scaling("none", ("x",), np.zeros(1), np.ones(1)))
    choice = SequenceChoice(sequences, f"zeros {steps} {units} {backend}")
    traced = cached_trace("trace", choice, ModelChoice(units=units, backend=backend), 0).trace
    assert traced.backend == ran
    again = cached_trace("trace", choice, ModelChoice(units=units, backend=backend), 0).trace
    assert again is traced
    assert traced.weights.units == random_weights("torch", 1, units).units
