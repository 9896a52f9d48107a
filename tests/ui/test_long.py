"""Page 1 on sequences of any length: the whole reduced, parts exact, links, cancelling, and many sequences."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from ui.test_dashboard import Dashboard

import gru_viz
from gru_viz.errors import GruVizError
from gru_viz.ui import trace_cache
from gru_viz.ui.result_cache import ResultCache, result_cache

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Streamlit's own
]
STEPS = 30_000


def table(steps: int = STEPS) -> bytes:
    values = np.sin(np.arange(steps) / 700).round(4)
    return b"wave,level\n" + b"".join(b"%.4f,%d\n" % (value, k // 5000) for k, value in enumerate(values))


def opened(data: bytes | None = None, **link: str) -> Dashboard:
    page = Dashboard(source="File", weights="Random", **link)
    page.widgets["file"].set_value(("long.csv", data or table(), "text/csv"))
    page.run()
    assert page.errors == []
    return page


def zoomed(page: Dashboard, first: int, last: int, total: int = STEPS) -> Dashboard:
    """As the component says it where the hand comes to rest."""
    page.app.session_state["inspector"] = {"range": {"from": first, "to": last, "total": total, "width": 900}}
    page.run()
    return page


@pytest.fixture(scope="module")
def data() -> bytes:
    return table()


def test_a_long_file_opens_on_all_of_it_and_refines_to_single_steps(data: bytes) -> None:
    page = opened(data)
    whole = page.header
    assert (whole["first"], whole["steps"], whole["total"]) == (1, STEPS, STEPS)
    assert whole["columns"] <= 900
    assert whole["formulas"] == []
    assert page.proofs == 1
    zoomed(page, 12_001, 18_000)
    part = page.header
    assert part["first"] <= 12_001
    assert part["first"] + part["steps"] > 18_000
    assert part["subject"] == whole["subject"]
    assert part["edges"][1] - part["edges"][0] < whole["edges"][1] - whole["edges"][0]
    zoomed(page, 12_101, 12_200)
    exact = page.header
    assert exact["edges"] is None
    assert len(exact["formulas"][0]["lines"]) == 4
    assert page.app.query_params["from"] == "12101"
    zoomed(page, 1, STEPS)
    assert page.header == whole
    assert "from" not in page.app.query_params


def test_the_steps_shown_are_those_of_the_whole_sequence(data: bytes) -> None:
    page = zoomed(opened(data), 20_001, 20_100)
    header, packed = page.header, page.packed
    sequences = gru_viz.read_table(data, scale="standardise")
    trace = gru_viz.trace(gru_viz.random_weights("torch", 2, 16, seed=0), sequences)
    blobs = packed[4 + int.from_bytes(packed[:4], "little") :]
    offset = header["formulas"][0]["units"]["0"]["hidden"]
    values = np.frombuffer(blobs, "<f4", header["columns"], offset)
    wanted = trace.hidden[0, header["first"] - 1 : header["first"] - 1 + header["steps"], 0]
    np.testing.assert_allclose(values, wanted, atol=1e-5)


def test_a_link_reproduces_the_part_and_another_length_does_not_inherit_it(data: bytes) -> None:
    page = opened(data, **{"from": "5001", "to": "5600"})
    assert page.header["zoom"] == [5001, 5600]
    assert page.header["edges"] is None
    page.press(units=9)
    assert page.header["zoom"] == [5001, 5600]
    page.widgets["file"].set_value(("other.csv", table(9000), "text/csv"))
    page.run()
    assert page.header["zoom"] == [1, 9000]


@pytest.mark.parametrize(
    "link", [{"from": "0", "to": "5"}, {"from": "9", "to": "3"}, {"from": "x", "to": "1e9"}, {"to": "900000"}]
)
def test_a_link_to_no_part_shows_all(data: bytes, link: dict[str, str]) -> None:
    assert opened(data, **link).header["zoom"] == [1, STEPS]


@pytest.mark.parametrize(
    ("key", "value"), [("layer", 1), ("direction", "backward"), ("order", "peak"), ("compare", "variants")]
)
def test_another_look_keeps_the_part(data: bytes, key: str, value: Any) -> None:
    page = opened(data, layers="2", both_ways="bidirectional", units="5")
    zoomed(page, 12_001, 18_000)
    before = page.header
    page.press(**{key: value})
    after = page.header
    assert page.errors == []
    assert page.proofs == 1
    assert after["zoom"] == before["zoom"]
    assert after["picture"] != before["picture"]
    assert after["subject"] != before["subject"]
    zoomed(page, 12_101, 12_200)
    assert page.errors == []
    assert page.header["edges"] is None
    assert len(page.header["formulas"]) == (2 if key == "compare" else 1)


def test_of_many_sequences_the_one_on_screen_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gru_viz.figures.budget.MOST_TOGETHER", 10_000)
    rows = "".join(f"{who},{step},{step % 7}\n" for who in "abc" for step in range(200))
    page = Dashboard(source="Table", weights="Random", table=f"who,day,dose\n{rows}")
    sequences = next(key for key in page.values() if key.startswith("id_"))
    page.press(**{sequences: "who"})
    assert page.errors == []
    assert page.header["total"] == 200
    page.press(sequence="who c")
    assert page.errors == []
    assert page.proofs == 1
    page.press(compare="sequences")
    assert page.maps[-1] == "difference"


# --- cancelling -----------------------------------------------------------------------------------------------------


@dataclass
class Slow:
    """Tracing that goes on until it is let go, or nobody wants it any more."""

    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slowly, stream = Slow(), trace_cache.stream

    def wait(*given: Any, progress: Any, **more: Any) -> Any:
        slowly.begun.set()
        while not slowly.go.wait(0.02):
            progress(1, 4)
        return stream(*given, progress=progress, **more)

    monkeypatch.setattr(trace_cache, "stream", wait)
    yield slowly
    slowly.go.set()


def test_cancelling_keeps_the_picture_and_begins_again_when_asked(data: bytes, slow: Slow) -> None:
    slow.go.set()
    page = opened(data)
    old = page.packed
    slow.go.clear()
    slow.begun.clear()
    jobs = page.app.session_state["background_jobs"]

    def click() -> None:
        assert slow.begun.wait(60)
        while not jobs:  # it begins a moment before it is listed
            time.sleep(0.01)
        for job in list(jobs.values()):
            job.unwanted.set()

    # AppTest runs a script to its end: the click comes from beside it, as the button's callback does it.
    beside = threading.Thread(target=click)
    beside.start()
    page.press(units=11)
    beside.join()
    assert page.errors == []
    assert any("Cancelled" in each.value for each in page.app.info)
    assert page.packed == old
    page.run()
    assert page.packed == old, "and it does not begin again by itself"
    slow.go.set()
    next(each for each in page.app.button if each.label == "Start again").click().run()
    assert len(page.header["units"]) == 11
    assert not page.app.info


# --- the cache --------------------------------------------------------------------------------------------------------


def nothing(done: int, total: int) -> None:
    pass


def test_two_who_ask_at_once_share_one_work() -> None:
    cache, made, begun, go = ResultCache(), [], threading.Event(), threading.Event()

    def work(progress: Any) -> object:
        begun.set()
        progress(3, 4)
        go.wait(60)
        made.append(object())
        return made[-1]

    found: list[Any] = []
    first = threading.Thread(target=lambda: found.append(cache.get_or_compute("k", work, lambda _: 1, nothing)))
    first.start()
    begun.wait(60)
    reports: list[tuple[int, int]] = []
    heard = threading.Event()

    def listen(done: int, total: int) -> None:
        reports.append((done, total))
        heard.set()

    second = threading.Thread(target=lambda: found.append(cache.get_or_compute("k", work, lambda _: 1, listen)))
    second.start()
    assert heard.wait(60)
    assert reports[0] == (3, 4), "who waits sees how far it is"
    go.set()
    first.join(60)
    second.join(60)
    assert len(made) == 1
    assert found == [made[0], made[0]]


def test_what_was_given_up_leaves_nothing_and_the_next_one_makes_it() -> None:
    cache = ResultCache()

    def given_up(progress: Any) -> int:
        raise GruVizError("here", "this", "that", "Do so.")

    with pytest.raises(GruVizError):
        cache.get_or_compute("k", given_up, lambda _: 1, nothing)
    assert cache.get("k") is None
    assert cache.get_or_compute("k", lambda _: 7, lambda _: 1, nothing) == 7


def test_the_cache_is_bounded_and_the_last_used_stays() -> None:
    cache = ResultCache(max_bytes=100)
    for key in "abc":
        cache.get_or_compute(key, lambda _, key=key: key, lambda _: 30, nothing)  # type: ignore[misc]
    assert cache.get("a") == "a"
    cache.get_or_compute("d", lambda _: "d", lambda _: 30, nothing)
    assert [cache.get(key) for key in "abcd"] == ["a", None, "c", "d"]
    cache.get_or_compute("huge", lambda _: "huge", lambda _: 1000, nothing)
    assert [cache.get(key) for key in ("a", "d", "huge")] == [None, None, "huge"]


def test_the_server_has_one_cache() -> None:
    assert result_cache() is result_cache()
