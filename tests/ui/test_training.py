"""Pages 2 and 3 as a person uses them, with an engine that trains nothing: what a click requests, and the text."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest  # noqa: TID251
from streamlit.testing.v1.element_tree import Widget  # noqa: TID251

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import TrainingError
from gru_viz.training import LESSONS, Lane, Settings, Trainer, count_parameters, make_task
from gru_viz.training.engine import EngineState
from gru_viz.training.figures import PlotOptions
from gru_viz.training.runs import RunStore
from gru_viz.training.settings import BACKENDS, OPTIMISERS, SCHEDULES
from gru_viz.training.sweep import start_sweep
from gru_viz.training.training_records import Point, RateChange
from gru_viz.ui import resources
from gru_viz.ui.training import lane_choice, run_charts

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Streamlit's own
]
ROOT = Path(__file__).parents[2]
SINE = Settings("sine", {}, (Lane("GRU", hidden=3), Lane("LSTM", cell="torch_lstm", hidden=3)), updates=8, seeds=3)
SERIES = "load,heat\n" + "".join(f"{k % 9},{k % 5}\n" for k in range(300))


@dataclass
class Recorder:
    """A stand-in for the engine: records calls, and trains nothing."""

    store: RunStore
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    refusal: str = ""
    ready: bool = True
    running: int = 2

    @property
    def state(self) -> EngineState:
        message = "" if self.ready else "Starting workers …"
        return EngineState("local", "", 2, self.running, len(self.places), self.ready, message)

    def queue_position(self, run: str) -> int | None:
        return self.places.get(run)

    def start(self, run: str) -> None:
        self._take("start", run)
        for lane in self.store.run(run).lanes:
            self.store.set_lane(run, lane.name, status="queued")

    def start_all(self, runs: Iterable[str]) -> None:
        for run in runs:
            self.start(run)

    def pause(self, run: str) -> None:
        self._take("pause", run)

    def stop(self, run: str) -> None:
        self._take("stop", run)

    def extend(self, run: str, until: int) -> None:
        self._take("extend", run, until)

    def change_rate(self, run: str, lane: str, rate: float) -> None:
        self._take("change_rate", run, lane, rate)

    def cancel_sweep(self, sweep: str) -> None:
        self._take("cancel_sweep", sweep)

    def close(self) -> None:
        pass

    def _take(self, *call: Any) -> None:
        if self.refusal:
            raise TrainingError("training", self.refusal, "200 at most", "Try again when some have ended.")
        self.calls.append(call)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    cached = (resources.store, resources.engine, resources.follower, resources.task_of)
    monkeypatch.setenv("GRU_VIZ_HOME", str(tmp_path))
    monkeypatch.setattr("gru_viz.training.engine.Engine", Recorder)
    monkeypatch.setattr(run_charts, "WAIT_SECONDS", 0.0)
    for each in cached:
        each.clear()
    yield resources.engine()
    resources.store().close()
    for each in cached:
        each.clear()


class Page:
    """A page, its widgets by key, and what it sends to the browser."""

    def __init__(self, name: str = "GRU_against_LSTM", **link: Any) -> None:
        self.app = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=120)
        if name:
            self.app.switch_page(f"pages/{name}.py")
        for key, value in link.items():
            self.app.query_params[key] = value
        self.run()

    def run(self) -> Page:
        self.app.run()
        assert not self.app.exception, [each.value for each in self.app.exception]
        return self

    @property
    def widgets(self) -> dict[str, Widget]:
        def descend(block: Any) -> Iterator[Widget]:
            for child in getattr(block, "children", {}).values():
                if isinstance(child, Widget) and child.key and hasattr(child, "set_value"):
                    yield child
                yield from descend(child)

        found = [*descend(self.app.main), *descend(self.app.sidebar)]
        assert len({each.key for each in found}) == len(found)
        return {str(each.key): each for each in found}

    def values(self) -> dict[str, Any]:
        return {key: widget.value for key, widget in self.widgets.items() if widget.type != "button"}  # type: ignore[attr-defined]

    def press(self, *buttons: str, **choices: Any) -> Page:
        """Set controls one after the other, then press buttons by their keys; each is followed by a run."""
        for key, value in choices.items():
            self.widgets[key].set_value(value)
            self.run()
        for key in buttons:
            self.app.button(key=key).click()
            self.run()
        return self

    @property
    def buttons(self) -> dict[str, bool]:
        """The keys of the buttons in sight, and whether they can be pressed."""
        return {str(each.key): not each.disabled for each in self.app.button if each.key}

    @property
    def open_run(self) -> str:
        run_id = self.app.query_params.get("run", "")
        return run_id[0] if isinstance(run_id, list) else run_id

    @property
    def errors(self) -> list[str]:
        return [each.value for each in self.app.error]

    @property
    def text(self) -> str:
        parts = [*self.app.markdown, *self.app.caption, *self.app.error]
        return "\n".join([*(each.value for each in parts), *(each.label for each in self.app.expander)])

    def sent(self) -> list[dict[str, Any]]:
        """The headers of all that goes to the browser's components."""
        packed = [bytes(each.proto.bytes) for each in self.app.get("bidi_component")]
        return [json.loads(each[4 : 4 + int.from_bytes(each[:4], "little")]) for each in packed]

    @property
    def lanes(self) -> list[dict[str, Any]]:
        return next((header["lanes"] for header in self.sent() if header.get("lanes") and "columns" in header), [])

    def figures(self) -> list[str]:
        return [figure["key"] for header in self.sent() for figure in header.get("figures", [])]


def trained(store: RunStore, settings: Settings = SINE, data: Any = None, name: str = "", **state: Any) -> str:
    """A run that has trained, here and now; with a status of one's choice."""
    key = store.create(settings, data, name)
    task = make_task(settings, data)
    for lane in settings.lanes:
        records = list(Trainer(task, settings, lane.name))
        state = {"status": "finished", "update": settings.updates, "backend": "compiled"} | state
        store.write(key, lane.name, records, **state)
    return key


# --- starting -----------------------------------------------------------------------------------------------------


def test_start_asks_for_exactly_what_was_chosen(engine: Recorder) -> None:
    page = Page().press(units_sine=5, layers_sine=2, updates_sine=70, seeds_sine=4, rate_sine=0.02, batch_sine=9)
    page.press(optimiser_sine="rmsprop", schedule_sine="cosine", clip_sine=0.5, initialisation_sine="chrono")
    page.press(dropout_sine=0.2, first_seed_sine=7, backend_sine="torch", onednn_sine=False, gru_sine="d2l_code")
    page.press(third_sine=True).press("start")
    (call,) = engine.calls
    asked = engine.store.run(page.open_run).settings
    assert call == ("start", page.open_run)
    wanted = {
        "hidden": 5, "layers": 2, "learning_rate": 0.02, "optimiser": "rmsprop", "schedule": "cosine", "clip": 0.5,
        "initialisation": "chrono", "dropout": 0.2, "backend": "torch", "onednn": False, "device": "cpu",
    }  # fmt: skip
    cells = {"GRU": "d2l_code", "LSTM": "torch_lstm", "RNN": "torch_rnn"}
    assert asked.lanes == tuple(Lane(name, cell=cell, **wanted) for name, cell in cells.items())
    assert (asked.task, asked.updates, asked.seeds, asked.first_seed, asked.batch) == ("sine", 70, 4, 7, 9)
    assert [lane["name"] for lane in page.lanes] == list(cells)


def test_untouched_every_lesson_is_started_as_it_is_written(engine: Recorder) -> None:
    page = Page()
    for name, lesson in LESSONS.items():
        if lesson.settings.task in ("forecast", "classify"):
            continue
        page.press("start", lesson=name)
        run = engine.store.run(page.open_run)
        asked, wanted = run.settings, lesson.settings
        assert (asked.lanes, asked.updates, asked.seeds) == (wanted.lanes, wanted.updates, wanted.seeds), name
        assert wanted.options.items() <= asked.options.items(), name
        assert run.name == lesson.title
        assert page.errors == []
    assert len(engine.calls) == len(LESSONS) - 2


def test_equal_parameters_are_as_equal_as_whole_units_allow(engine: Recorder) -> None:
    page = Page().press("start", third_sine=True, equal_sine="parameters", units_sine=40)
    asked, task = engine.store.run(page.open_run).settings, make_task(SINE)
    counted = {
        lane.name: count_parameters(lane.cell, task.features, lane.hidden, lane.layers, task.outputs)
        for lane in asked.lanes
    }
    assert asked.lane("GRU").hidden == 40
    assert all(abs(count / counted["GRU"] - 1) < 0.03 for count in counted.values()), counted
    assert all(f"{count:,} parameters" in page.text for count in counted.values())


def test_own_settings_reach_their_lane_alone(engine: Recorder) -> None:
    page = Page().press(own_LSTM_sine=True)
    page.press(units_LSTM_sine=6, rate_LSTM_sine=0.03, optimiser_LSTM_sine="sgd", backend_LSTM_sine="scratch")
    page.press("start")
    asked = engine.store.run(page.open_run).settings
    assert asked.lane("GRU") == LESSONS["sine"].settings.lane("GRU")
    lstm = asked.lane("LSTM")
    assert (lstm.hidden, lstm.learning_rate, lstm.optimiser, lstm.backend) == (6, 0.03, "sgd", "scratch")


def test_every_choice_of_a_list_can_be_started(engine: Recorder) -> None:
    page = Page()
    grus = [name for name, each in CONVENTIONS.items() if each.cell == "gru"]
    lists = {"gru_sine": grus, "optimiser_sine": OPTIMISERS, "schedule_sine": SCHEDULES}
    for key, names in lists.items():
        for name in names:
            assert page.press(**{key: name}).buttons["start"], (key, name, page.errors)
    for way in BACKENDS:
        page.press(gru_sine="torch", backend_sine=way)
        assert page.buttons["start"], way


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"device_sine": "cuda"}, "CUDA"),
        ({"gru_sine": "cho_2014_v3", "backend_sine": "torch"}, "reset gate"),
        ({"units_sine": 512, "equal_sine": "parameters", "third_sine": True}, "512"),
        ({"units_sine": 512, "batch_sine": 512, "seeds_sine": 20, "layers_sine": 4}, "GiB"),
    ],
    ids=["no GPU", "not in torch", "too wide", "too large"],
)
def test_what_cannot_be_trained_is_refused_before_it_is_started(
    engine: Recorder, choices: dict[str, Any], reason: str
) -> None:
    page = Page()
    before = page.values()
    page.press(**choices)
    (error,) = page.errors
    assert reason in error
    assert not page.buttons["start"]
    back = {key: before.get(key, False) for key in reversed(choices)}
    assert page.press(**back).buttons["start"]
    assert page.errors == []


def test_a_refusal_is_shown_and_nothing_is_lost(engine: Recorder) -> None:
    page = Page().press("start", units_sine=4)
    run, values, runs = page.open_run, page.values(), [each.run_id for each in engine.store.runs()]
    engine.refusal = "200 queued runs"
    page.press("start")
    (error,) = page.errors
    assert "200 queued runs" in error
    assert (page.open_run, page.values()) == (run, values)
    assert [run.run_id for run in engine.store.runs()] == runs, "a run that was never put in line is not left behind"
    assert len(page.run().errors) == 1, "it can be read while the page refreshes itself"
    engine.refusal = ""
    page.press("start")
    assert page.errors == []
    assert page.open_run != run


def test_a_link_brings_the_choices_back(engine: Recorder) -> None:
    pressed = Page().press(lesson="adding", units_adding=5, seeds_adding=2, third_adding=False, own_GRU_adding=True)
    pressed.press(units_GRU_adding=9, schedule_adding="cosine", equal_adding="parameters", length_adding=30)
    link = {"lesson": LESSONS["adding"].title, "units_adding": "5", "seeds_adding": "2", "third_adding": "false"}
    link |= {"own_GRU_adding": "true", "units_GRU_adding": "9", "schedule_adding": SCHEDULES["cosine"]}
    linked = Page(**link, equal_adding="Equal parameters", length_adding="30")
    assert linked.values() == pressed.values()
    assert linked.press("start").lanes == pressed.press("start").lanes


# --- a run in each of its states ------------------------------------------------------------------------------------

STATES = {
    "queued": ({"stop": True, "pause": False}, "Starting"),
    "running": ({"stop": True, "pause": True}, "Training"),
    "paused": ({"resume": True}, "Paused"),
    "stopped": ({"resume": True}, "Stopped"),
    "interrupted": ({"resume": True}, "Interrupted"),
    "failed": ({"resume": True}, "Failed"),
    "diverged": ({}, "Diverged"),
    "finished": ({"longer": True}, "Finished"),
}
CONTROLS = {"stop", "pause", "resume", "longer"}


def test_every_state_has_its_controls_and_its_curves(engine: Recorder) -> None:
    key = trained(engine.store)
    for status, (wanted, word) in STATES.items():
        for lane in ("GRU", "LSTM"):
            engine.store.set_lane(key, lane, status=status, message="What happened." if status == "failed" else "")
        page = Page(run=key)
        assert {name: on for name, on in page.buttons.items() if name in CONTROLS} == wanted, status
        assert f"**{word}.**" in page.text
        assert {"loss", "measure", "predictions", "gradient"} <= set(page.figures())
        assert [lane["message"] for lane in page.lanes] == ["What happened." if status == "failed" else ""] * 2
        verdicts = [each.label for each in page.app.expander if each.label.startswith("**")]
        assert len(verdicts) == (status not in ("queued", "running")), "a verdict once it rests"
        engine.calls.clear()
        for name in (name for name, on in wanted.items() if on):
            Page(run=key).press(name)
        asked = {"resume": ("start", key), "longer": ("extend", key, 16)}
        assert engine.calls == [asked.get(name, (name, key)) for name, on in wanted.items() if on]


def test_a_run_in_line_says_its_place(engine: Recorder) -> None:
    key = engine.store.create(SINE)
    engine.start(key)
    for place, text in ((1, "**Queued, first in line.** 2 of 2 workers"), (7, "**Queued, number 7 in line.**")):
        engine.places[key] = place
        assert text in Page(run=key).text
    engine.running = 0
    assert "**Queued, number 7 in line.** Starting workers …" in Page(run=key).text
    engine.ready = False
    assert "Starting workers" in Page(run=key).text.replace("\\", "")


def test_before_the_first_update_there_are_no_axes_and_predictions_are_those_it_begins_with(engine: Recorder) -> None:
    page = Page().press("start")
    figures = {figure["key"]: figure["data"] for figure in page.sent()[0]["figures"]}
    assert [key for key, data in figures.items() if data] == ["predictions"]
    assert set(figures) == {"loss", "measure", "predictions", "gradient"}
    assert page.text.count("**Starting.**") == 1


def test_the_first_points_are_waited_for_a_moment(engine: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_charts, "WAIT_SECONDS", 60.0)
    store = engine.store
    engine.start(key := store.create(SINE))
    engine.places[key] = 1
    assert not run_charts.wait_for_first_points(store.run(key)).lane("GRU").update, "in line nothing is waited for"
    engine.running = 0
    later = threading.Timer(0.1, store.write, (key, "GRU", [Point("train", 1, 0.1, (0.5,))]), {"update": 1})
    later.start()
    assert run_charts.wait_for_first_points(store.run(key)).lane("GRU").update == 1


def test_all_who_see_the_same_share_its_charts(engine: Recorder) -> None:
    store, key = engine.store, trained(engine.store, status="running")

    def charts(**how: Any) -> bytes:
        return run_charts.packed_charts(store.run(key), PlotOptions(["GRU", "LSTM"], **how))

    before = charts()
    assert charts() is before
    assert charts(smoothing=0.0) != before
    store.write(key, "GRU", [Point("train", 9, 1.0, (0.5, 0.5, 0.5))])
    grown = charts()
    assert grown not in (before, None)
    store.write(key, "GRU", [RateChange(4, 0.25)])
    assert b"rate 0.25" in charts()
    assert b"rate 0.25" not in grown
    store.set_lane(key, "LSTM", message="Waits.")
    assert b"Waits." in charts()


def test_many_who_watch_ask_less_often() -> None:
    watching = resources.Viewers()
    counts = [watching.count("a run", f"viewer {k % 30}") for k in range(60)]
    assert counts == [*range(1, 31), *[30] * 30]
    assert watching.count("another", "viewer 1") == 1
    seconds = [resources.training_seconds(count) for count in range(1, 61)]
    assert seconds == sorted(seconds)
    assert seconds[0] == 0.5
    assert max(count / each for count, each in enumerate(seconds, start=1)) <= 16


def test_who_has_left_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = resources.Viewers()
    watching.count("a run", "gone")
    now = time.monotonic()
    monkeypatch.setattr(resources.time, "monotonic", lambda: now + 2 * resources.PRESENT_SECONDS)
    assert watching.count("a run", "there") == 1


def test_a_run_without_kernels_says_what_its_seconds_mean(engine: Recorder) -> None:
    note = "compare updates, not seconds"
    assert note in Page(run=trained(engine.store, backend="torch")).text
    assert note not in Page(run=trained(engine.store)).text
    asked = SINE.with_lanes(backend="torch")
    assert note not in Page(run=trained(engine.store, asked, backend="torch")).text, "it was asked for"


def test_while_kernels_are_compiled_the_page_says_how_long(engine: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "being compiled" not in Page().text
    monkeypatch.setattr(lane_choice, "is_compiling", lambda: True)
    monkeypatch.setattr(lane_choice, "seconds_left", lambda *_: 7.2)
    assert "about 7 s more" in Page().text


def test_a_learning_rate_is_changed_for_one_lane(engine: Recorder) -> None:
    key = trained(engine.store, status="running")
    page = Page(run=key)
    page.press(**{f"rate_now_{key}_LSTM": 0.25})
    assert engine.calls == [("change_rate", key, "LSTM", 0.25)]
    engine.store.write(key, "LSTM", [RateChange(4, 0.25)])
    assert "rate 0.25" in json.dumps(page.run().sent()[0])
    engine.refusal = "another server at work on it"
    assert "another server" in page.press("pause").errors[0]


def test_a_run_that_diverged_says_so_and_how(engine: Recorder) -> None:
    lanes = tuple(Lane(lane.name, cell=lane.cell, hidden=3, optimiser="sgd", learning_rate=10, clip=0) for lane in SINE.lanes)  # fmt: skip  # noqa: E501
    key = engine.store.create(Settings("sine", {}, lanes, updates=400, seeds=1))
    points = [Point(name, update, float(update), (1.0,)) for name in ("train", "held_out") for update in (1, 2)]
    for lane in ("GRU", "LSTM"):
        message = "The loss was no longer a finite number at update 3 (seed 0). A lower learning rate usually helps."
        engine.store.write(key, lane, points, status="diverged", update=2, message=message)
    page = Page(run=key)
    assert "Diverged" in page.text
    assert all("lower learning rate" in lane["message"] for lane in page.lanes)
    assert not CONTROLS & page.buttons.keys()


@pytest.mark.parametrize("axis", ["updates", "tokens", "seconds"])
def test_curves_are_read_along_what_is_chosen(engine: Recorder, axis: str) -> None:
    page = Page(run=trained(engine.store)).press(axis=axis, log=False, smoothing=0.0)
    layout = page.sent()[0]["figures"][0]["layout"]
    assert layout["xaxis"]["title"]["text"] == {"updates": "updates", "tokens": "time steps", "seconds": "training time (s)"}[axis]  # fmt: skip  # noqa: E501
    assert layout["yaxis"].get("type") != "log"


def test_a_missing_run_is_reported_and_another_can_be_started(engine: Recorder) -> None:
    page = Page(run="nothing")
    assert "nothing" in page.errors[0]
    page.press("start")
    assert page.errors == []
    assert engine.calls == [("start", page.open_run)]


def test_what_is_written_is_continued(engine: Recorder) -> None:
    lanes = (Lane("GRU", hidden=4), Lane("LSTM", cell="torch_lstm", hidden=4))
    page = Page(run=trained(engine.store, Settings("text", {}, lanes, updates=3)), prefix="<b>The fox</b> ")
    written = [each.proto.body for each in page.app.get("html") if "gv-prose" in each.proto.body]
    assert any("&lt;b&gt;The fox" in body for body in written)
    assert not any("<b>The fox" in body for body in written)


# --- one's own data -------------------------------------------------------------------------------------------------


def upload(page: Page, key: str, name: str, data: bytes) -> Page:
    page.widgets[key].set_value((name, data, "text/csv"))
    return page.run()


def test_ones_own_table_is_trained_on_and_kept_with_the_run(engine: Recorder) -> None:
    page = upload(Page(lesson=LESSONS["own_data"].title, source="File"), "file", "load.csv", SERIES.encode())
    assert page.errors == []
    page.press("start")
    assert engine.store.data(page.open_run).features == ("load", "heat")


def test_one_s_own_classes_need_an_id_and_a_label(engine: Recorder) -> None:
    rows = "who,kind,x\n" + "".join(f"{who},{'ab'[who % 2]},{who * t % 7}\n" for who in range(30) for t in range(5))
    page = Page(lesson=LESSONS["own_classes"].title)
    assert "no file yet" in page.errors[0]
    assert not page.buttons["start"]
    upload(page, "labelled_file", "kinds.csv", rows.encode())
    identity = next(key for key in page.values() if key.startswith("id_"))
    page.press(**{identity: "who"})
    label = next(key for key in page.values() if key.startswith("label_"))
    page.press(**{label: "kind"})
    assert page.errors == []
    page.press("start")
    assert set(engine.store.data(page.open_run).labels) == {"a", "b"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"ab", "longer"), ("Die Füße 😀 laufen. ".encode() * 60, ""), ("Füße ".encode("cp1252") * 300, "")],
)
def test_a_text_of_one_s_own(engine: Recorder, data: bytes, reason: str) -> None:
    page = upload(Page(lesson=LESSONS["text"].title), "text_file", "a.txt", data)
    assert (reason in page.errors[0]) if reason else page.errors == []
    assert page.buttons["start"] == (not reason)


# --- all runs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that are marked in the list of runs, which AppTest cannot click."""
    import streamlit  # noqa: TID251

    rows: list[int] = []

    def dataframe(data: Any, **_: Any) -> Any:
        draw(data, hide_index=True)
        return type("Event", (), {"selection": type("Selection", (), {"rows": [r for r in rows if r < len(data)]})})

    draw = streamlit.dataframe
    monkeypatch.setattr("gru_viz.ui.training.run_list.st.dataframe", dataframe)
    return rows


def test_a_run_of_the_list_is_opened_renamed_saved_and_deleted(engine: Recorder, marked: list[int]) -> None:
    old, new = trained(engine.store, name="the first"), trained(engine.store, name="the second")
    marked[:] = [1]
    page = Page(run=new)
    assert [row["name"] for row in page.app.dataframe[0].value.to_dict("records")] == ["the second (on screen)", "the first"]  # fmt: skip  # noqa: E501
    assert {"CSV", "TensorBoard"} <= {each.proto.label for each in page.app.get("download_button")}
    page.press(**{f"name_{old}": "renamed"})
    assert engine.store.run(old).name == "renamed"
    page.press("open_run")
    assert page.open_run == old
    page.press("delete_run")
    assert [run.run_id for run in engine.store.runs()] == [new]
    assert page.open_run == ""
    assert page.errors == []


def test_marked_runs_are_compared_even_if_they_share_a_name(engine: Recorder, marked: list[int]) -> None:
    for name in ("the same", "the same", "another"):
        trained(engine.store, name=name)
    marked[:] = [0, 1, 2]
    page = Page()
    (figure,) = [each for header in page.sent() for each in header.get("figures", [])]
    drawn = {trace["name"] for trace in figure["data"] if trace["name"].endswith("held-out")}
    assert len(drawn) == 6
    assert "another" in page.text


def test_a_run_under_way_is_not_deleted(engine: Recorder, marked: list[int]) -> None:
    key = trained(engine.store, status="running")
    marked[:] = [0]
    page = Page(run=key)
    if page.buttons.get("delete_run"):
        page.press("delete_run")
        assert "Stop it first" in page.text.replace("\\", "")
    assert [run.run_id for run in engine.store.runs()] == [key]


# --- sweeps ---------------------------------------------------------------------------------------------------------


def test_a_sweep_is_started_as_it_is_chosen(engine: Recorder) -> None:
    page = Page("Sweep")
    page.press(cells=["torch", "torch_rnn"], sizes=[4, 16], rates=[0.01], sweep_seeds=3, sweep_updates=40)
    assert "12 runs" in page.text
    start = next(each for each in page.app.button if each.label == "Start")
    start.click()
    page.run()
    (sweep,) = engine.store.sweeps()
    runs = engine.store.runs(sweep[0])
    assert len(runs) == len(engine.calls) == 12
    crossed = {(r.settings.lanes[0].cell, r.settings.lanes[0].hidden, r.settings.first_seed) for r in runs}
    assert crossed == {(cell, size, seed) for cell in ("torch", "torch_rnn") for size in (4, 16) for seed in range(3)}
    assert {(r.settings.updates, r.settings.lanes[0].learning_rate) for r in runs} == {(40, 0.01)}
    page.press("cancel_sweep")
    assert engine.calls[-1] == ("cancel_sweep", sweep[0])


def test_nothing_crossed_is_said(engine: Recorder) -> None:
    page = Page("Sweep").press(cells=[])
    assert len(page.errors) == 1
    assert next(each for each in page.app.button if each.label == "Start").disabled
    page.press(cells=["torch"], sizes=[4, 8, 16, 32, 64, 128, 256], rates=[0.0001, 0.001, 0.01, 0.1], sweep_seeds=20)
    assert "trainings" in page.errors[0]


def test_a_sweep_at_rest_shows_its_fields_and_goes_on(engine: Recorder) -> None:
    from gru_viz.training.sweep import Sweep

    one = Settings("sine", updates=4, seeds=2)
    key = start_sweep(engine.store, engine, Sweep(("torch", "torch_lstm"), (3,), (0.01, 0.1), one))  # type: ignore[arg-type]
    for k, run in enumerate(engine.store.runs(key)):
        lane = run.lanes[0].name
        if k == 0:
            engine.store.set_lane(run.run_id, lane, status="stopped")
        else:
            engine.store.write(run.run_id, lane, [Point("held_out", 4, 1.0, (0.1 * k,))], status="finished", update=4)
    page = Page("Sweep", sweep=key)
    assert page.figures() == ["sweep"]
    assert page.buttons["resume_sweep"]
    engine.calls.clear()
    page.press("resume_sweep")
    assert [call[0] for call in engine.calls] == ["start"]
    engine.refusal = "200 queued runs"
    assert "200 queued runs" in page.press("cancel_sweep").errors[0]


def test_a_sweep_s_link_brings_its_choices_back(engine: Recorder) -> None:
    pressed = Page("Sweep").press(cells=["torch_rnn"], sizes=[64, 4], rates=[0.0003], sweep_seeds=5, lesson="parity")
    link = {"cells": ["tanh RNN"], "sizes": ["64", "4"], "rates": ["0.0003"], "sweep_seeds": "5"}
    linked = Page("Sweep", lesson=LESSONS["parity"].title, **link)
    assert linked.values() == pressed.values()


# --- a training's moments on page 1 -----------------------------------------------------------------------------------


def test_a_snapshot_is_opened_with_its_own_weights_and_data(engine: Recorder) -> None:
    lanes = (Lane("GRU", hidden=3, layers=2), Lane("LSTM", cell="torch_lstm", hidden=3, layers=2))
    key = trained(engine.store, Settings("sine", {}, lanes, updates=8))
    page = Page("", source="Training", run=key, lane="LSTM", snapshot="4")
    assert page.errors == []
    assert "LSTM after 4 training updates" in page.text
    assert "✓ matches PyTorch (max difference " in page.text
    saved = engine.store.snapshots(key, "LSTM")
    run, lane, moment = (
        next(k for k in page.values() if k.startswith(name)) for name in ("run_", "lane_", "snapshot_")
    )
    assert (page.values()[run], page.values()[lane], page.values()[moment]) == (key, "LSTM", "4")
    first = page.sent()
    page.press(**{moment: str(saved[0])})
    assert page.sent() != first
    assert page.press(layer=1).errors == []
    assert "✓ matches PyTorch (max difference " in page.text


@pytest.mark.parametrize("others", [False, True])
def test_a_training_that_is_missing_leaves_page_one_usable(engine: Recorder, others: bool) -> None:
    key = trained(engine.store) if others else ""
    page = Page("", source="Training", run="nothing")
    assert len(page.errors) == 1
    assert "✓ matches PyTorch (max difference " in page.text, "the page shows something else meanwhile"
    if others:
        run = next(k for k in page.values() if k.startswith("run_"))
        page.press(**{run: key})
        assert page.errors == []
        assert "GRU after 8 training updates" in page.text
    assert page.press(source="example").errors == []


def test_a_training_without_a_snapshot_yet_says_so(engine: Recorder) -> None:
    key = engine.store.create(SINE)
    page = Page("", source="Training", run=key)
    assert "no snapshot yet" in page.errors[0]
    assert "✓ matches PyTorch (max difference " in page.text


def test_ones_own_series_are_the_probe_on_page_one(engine: Recorder) -> None:
    import gru_viz

    data = gru_viz.read_table(SERIES.encode())
    lanes = (Lane("GRU", hidden=3), Lane("LSTM", cell="torch_lstm", hidden=3))
    key = trained(engine.store, Settings("forecast", {}, lanes, updates=4), data)
    page = Page("", source="Training", run=key)
    assert page.errors == []
    names = [each["name"] for each in page.sent()[0]["figure"]["data"] if each["type"] == "scatter"]
    assert names == ["load", "heat"]
    assert np.isfinite(page.sent()[0]["total"])
