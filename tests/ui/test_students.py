"""A class on one server: thirty visitors press Start at once, each is answered and sees their place, and all finish."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.session import Visitor
from gru_viz.training.runs import Store

ROOT = Path(__file__).parents[2]
STUDENTS = 30
SECONDS_FOR_A_CLICK = 30.0
SECONDS_FOR_PAGE_ONE = 5.0
SECONDS_FOR_ALL = 240.0
SMALL = "updates_sine=6&seeds_sine=1&units_sine=4&batch_sine=4"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", f"--server.port={port}", "--server.headless=true"]  # fmt: skip  # noqa: E501
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    environment["GRU_VIZ_HOME"] = str(tmp_path)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
        process.terminate()


def wait(condition, seconds: float, said: str) -> float:  # type: ignore[no-untyped-def]
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, said
        time.sleep(0.05)
    return time.monotonic() - begun


def test_a_class_presses_start_at_once(server: str, tmp_path: Path) -> None:
    with ExitStack() as room, Visitor(server) as teacher:
        wait(lambda: teacher.runs, 60, "page 1 does not come up")
        students = [room.enter_context(Visitor(server, "GRU_against_LSTM", SMALL)) for _ in range(STUDENTS)]
        wait(lambda: all("Start" in each.buttons for each in students), 60, "the page does not come up for all")

        looks: list[float] = []

        def look() -> None:
            before = teacher.runs
            teacher.rerun()
            looks.append(wait(lambda: teacher.runs > before, 30, "page 1 is not answered"))

        begun = time.monotonic()
        with ThreadPoolExecutor(STUDENTS) as hands:
            clicks = [hands.submit(each.press, "Start") for each in students]
            look()
            answered = sorted(click.result() for click in clicks)
        with Store(tmp_path) as store:
            while [run.status for run in store.runs()] != ["finished"] * STUDENTS:
                look()
                assert time.monotonic() - begun < SECONDS_FOR_ALL, [run.status for run in store.runs()]
        trained = time.monotonic() - begun

        def told(student: Visitor, word: str) -> bool:
            return any(word in text for text in list(student.texts))

        wait(lambda: all(told(each, "Finished") for each in students), 15, "a page has not heard of the end")
        middle = sorted(looks)[len(looks) // 2]
        print(
            f"{STUDENTS} clicks at once: median {answered[STUDENTS // 2]:.2f} s, slowest {answered[-1]:.2f} s; "
            f"all trained after {trained:.1f} s; page 1 meanwhile: median {middle:.2f} s, slowest {max(looks):.2f} s"
        )
        assert answered[-1] < SECONDS_FOR_A_CLICK
        assert middle < SECONDS_FOR_PAGE_ONE
        assert looks[0] < SECONDS_FOR_A_CLICK, "while everyone clicks"
        assert sum(told(each, "in line") for each in students) > STUDENTS // 2, "who waits sees their place"
        assert [each.exceptions for each in (*students, teacher) if each.exceptions] == []
