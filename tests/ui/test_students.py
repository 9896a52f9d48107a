"""A class on one server: thirty visitors press Start at once, each is answered and sees their place, and all finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from served import GENEROUS, dashboard

from benchmarks.session import Visitor
from gru_viz.training.runs import RunStore

STUDENTS, STAYING = 30, 8
PAGE = "GRU_against_LSTM"
SMALL = "seeds_sine=1&units_sine=4&batch_sine=4&updates_sine="


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with dashboard(tmp_path) as address:
        yield address


def wait(condition: Callable[[], object], failure: str) -> None:
    until = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < until, failure
        time.sleep(0.05)


def sees(visitor: Visitor, word: str) -> bool:
    return any(word in text for text in list(visitor.texts))


def test_a_class_presses_start_at_once(server: str, tmp_path: Path) -> None:
    """While another's training takes every place, so that all have to wait; who leaves meanwhile is trained as well."""
    with ExitStack() as room, Visitor(server) as teacher, Visitor(server, PAGE, f"{SMALL}200000") as other:
        wait(lambda: teacher.runs, "page 1 does not come up")
        other.press("Start", GENEROUS)
        wait(lambda: sees(other, "**Training"), "nothing is trained")
        students = [room.enter_context(Visitor(server, PAGE, f"{SMALL}6")) for _ in range(STUDENTS)]
        wait(lambda: all("Start" in each.buttons for each in students), "the page does not come up for all")

        with ThreadPoolExecutor(STUDENTS) as hands:
            clicks = [hands.submit(each.press, "Start", GENEROUS) for each in students]
            before = teacher.runs
            teacher.rerun()
            wait(lambda: teacher.runs > before, "page 1 is not answered while everyone clicks")
            for click in clicks:
                click.result()
        wait(lambda: all(sees(each, "in line") for each in students), "someone does not see their place")
        wait(lambda: sum(each.refresh_rate for each in students) < 20, "those who wait leave the server no time")
        for each in students[STAYING:]:
            each.close()

        other.press("Stop", GENEROUS)
        with RunStore(tmp_path) as store:
            wanted = ["finished"] * STUDENTS + ["stopped"]
            wait(lambda: sorted(run.status for run in store.runs()) == wanted, "not all have finished")
        wait(lambda: all(sees(each, "Finished") for each in students[:STAYING]), "a page has not heard of the end")
        assert [each.exceptions for each in (*students, teacher, other) if each.exceptions] == []
