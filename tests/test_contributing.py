"""CONTRIBUTING is true: its two walks are what the program does, and its glossary replaces a private vocabulary."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest  # noqa: TID251 - a page runs, nothing is drawn

from gru_viz.training import Lane, Settings
from gru_viz.training.engine import Engine
from gru_viz.training.figures import loss_picture
from gru_viz.training.runs import Follower, RunStore

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
STEP = re.compile(r"^\| \d+ \| `([\w.]+)` \| \[(\S+)\]\(\2\) \| .+ \|$", re.MULTILINE)
CSV = "day,load\n" + "".join(f"2024-01-{day:02},{day * 7 % 5}\n" for day in range(1, 29))
IN_THE_WORKER = {"WorkerLane.train", "Trainer.__iter__"}


def walk(heading: str) -> list[tuple[str, str]]:
    """Function and file of each step of a walk."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [(name, path) for name, path in STEP.findall(section)]


TO_THE_HEATMAP, TO_THE_CURVE = walk("From a CSV file to the heatmap"), walk("From a click on Start to the loss curve")


@contextmanager
def recorded(steps: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Collect the calls of these functions, in this thread and in those that are started meanwhile."""
    wanted = {(name, str(ROOT / path)): (name, path) for name, path in steps}
    called: list[tuple[str, str]] = []
    known: dict[CodeType, tuple[str, str] | None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code not in known:
            known[code] = wanted.get((code.co_qualname, code.co_filename))
        step = known[code]
        if step is not None:
            called.append(step)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def python_steps(steps: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [step for step in steps if step[1].endswith(".py")]


def goes_through(called: list[tuple[str, str]], steps: list[tuple[str, str]]) -> bool:
    """Whether all steps are among the calls, in this order."""
    left = iter(called)
    return all(step in left for step in steps)


def test_the_check_of_the_order_can_fail() -> None:
    first, second = TO_THE_HEATMAP[:2]
    assert goes_through([first, second, first], [first, second])
    assert not goes_through([second, first], [first, second])
    assert not goes_through([first], [first, second])


@pytest.mark.parametrize("steps", [TO_THE_HEATMAP, TO_THE_CURVE])
def test_a_walk_has_at_most_twelve_functions_that_exist(steps: list[tuple[str, str]]) -> None:
    assert 10 <= len(steps) <= 12
    for name, path in steps:
        source = (ROOT / path).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"(def|class|function) {part}\b|^  async {part}\(", source, re.MULTILINE), (name, path)


def test_a_csv_goes_this_way_to_the_heatmap() -> None:
    app = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=120)
    app.query_params["source"] = "Table"
    app.run()
    with recorded(TO_THE_HEATMAP) as called:
        app.text_area(key="table").set_value(CSV).run()
    assert not app.exception
    assert goes_through(called, python_steps(TO_THE_HEATMAP))


def test_a_click_on_start_goes_this_way_to_the_loss_curve(tmp_path: Path) -> None:
    settings = Settings("sine", lanes=(Lane("GRU", hidden=2),), updates=4, batch=2, seeds=1)
    with recorded(TO_THE_CURVE) as called, RunStore(tmp_path) as store:
        engine = Engine(store, slots=1)
        try:
            run_id = store.create(settings)
            engine.start(run_id)
            until = time.monotonic() + 300
            while store.run(run_id).status != "finished":
                assert time.monotonic() < until, store.run(run_id).status
                time.sleep(0.05)
            assert loss_picture(Follower(store, run_id).curves(), ()).data
        finally:
            engine.close()
    here = [step for step in python_steps(TO_THE_CURVE) if step[0] not in IN_THE_WORKER and step[0] != "_start"]
    assert goes_through(called, here)


WORDS = (
    "told tells kept said wish wishes tend farewell foreman crew seat seats ticket brain film workshop shelf "
    "surroundings"
)
FORBIDDEN = re.compile(rf"(?<![A-Za-z])({WORDS.replace(' ', '|')}|held(?![-_ ]out))(?![a-z])", re.IGNORECASE)
FORMAT_NAMES = ("brain.Event:2",)
"""TensorBoard's own name of its file format."""


def private_words(text: str) -> list[str]:
    for name in FORMAT_NAMES:
        text = text.replace(name, "")
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ").replace("held out", "held-out")
    return FORBIDDEN.findall(apart)


def test_nobody_needs_a_private_vocabulary() -> None:
    run = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    places = ("gru_viz/", "pages/", "benchmarks/", "scripts/", "docs/", "dashboard.py", "README.md", "CONTRIBUTING.md")
    kinds = (".py", ".js", ".html", ".css", ".md")
    files = [name for name in run.stdout.splitlines() if name.startswith(places) and name.endswith(kinds)]
    assert len(files) > 200
    found = {name: words for name in files if (words := private_words((ROOT / name).read_text(encoding="utf-8")))}
    assert found == {}


def test_the_check_of_the_vocabulary_can_fail() -> None:
    assert private_words("def tend(crew): return FilmLane, what_was_told") == ["tend", "crew", "Film", "told"]
    assert private_words("held_out, held-out, heldOut, skeptic, filmography, attend") == []
