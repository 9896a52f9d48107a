"""What goes to the browser, and what it does there: changed in place, a zoom stays, nothing drawn twice."""

from __future__ import annotations

import base64
import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accessibility import OPTIONS
from axe_core_python.sync_playwright import Axe
from fake_runs import BASELINES, MEASURE, run, snapshots
from playwright.sync_api import Browser, Page, expect

from gru_viz.browser import CHARTS, SNAPSHOTS, Component
from gru_viz.figures.picture import Picture
from gru_viz.training.figures import (
    LaneStatus,
    PlotOptions,
    gradient_picture,
    loss_picture,
    measure_picture,
    pack_charts,
    pack_snapshots,
    sweep_picture,
)
from gru_viz.training.figures.snapshot_maps import coded
from gru_viz.training.sweep import SweepPoint
from gru_viz.training.tasks import Measure

KINDS = {"u1": np.uint8, "u2": np.dtype("<u2"), "f4": np.dtype("<f4"), "f8": np.dtype("<f8")}


def pictures(points: int = 2000, seeds: int = 1, **reading: Any) -> list[Picture]:
    curves, read = run(points=points, seeds=seeds), PlotOptions(**reading)
    return [
        loss_picture(curves, BASELINES, read),
        measure_picture(curves, MEASURE, BASELINES, read),
        gradient_picture(curves, 1.0, read),
    ]


def status(name: str = "GRU", update: int = 412, **more: Any) -> LaneStatus:
    return LaneStatus(name, f"{name}, 32 units", 3393, "compiled kernel", update, 1000, 812.3, 71.6, 0.0123, **more)


def block(points: int = 2000, **more: Any) -> bytes:
    return pack_charts(pictures(points), [status(update=points, **more), status("LSTM", points)], MEASURE.title)


def header_of(packed: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack_from("<I", packed)
    return json.loads(packed[4 : 4 + size]), packed[4 + size :]


def array(about: dict[str, Any], blobs: bytes) -> np.ndarray:
    place = about["array"]
    return np.frombuffer(blobs, KINDS[place["kind"]], place["count"], place["at"])


# --- the block ----------------------------------------------------------------------------------------------------


def test_every_number_comes_back_as_finely_as_a_screen_shows_it() -> None:
    header, blobs = header_of(pack_charts(pictures(axis="tokens", tokens=123_457)))
    for sent, picture in zip(header["figures"], pictures(axis="tokens", tokens=123_457), strict=True):
        for trace, drawn in zip(sent["data"], picture.data, strict=True):
            assert np.array_equal(array(trace["x"], blobs), drawn["x"]), drawn["name"]
            assert np.allclose(array(trace["y"], blobs), drawn["y"], rtol=1e-6, equal_nan=True)


def test_two_lanes_of_2000_points_are_small() -> None:
    assert len(block()) < 40_000
    assert len(pack_charts(pictures(seeds=5))) < 60_000


def test_the_same_is_the_same_and_what_changed_is_drawn_anew() -> None:
    assert block() == block()
    one, two = (header_of(block(points))[0] for points in (2000, 1999))
    assert [a["drawn"] == b["drawn"] for a, b in zip(one["figures"], two["figures"], strict=True)] == [
        False,
        True,
        False,
    ]
    paused = header_of(block(message="Paused."))[0]
    assert [figure["drawn"] for figure in paused["figures"]] == [figure["drawn"] for figure in one["figures"]]


def test_a_matrix_and_a_gap_survive() -> None:
    points = [SweepPoint("GRU", 8, 0.01, 0, 0.1, "a"), SweepPoint("GRU", 16, 0.02, 0, 0.2, "b")]
    header, blobs = header_of(pack_charts([sweep_picture(points)]))
    z = header["figures"][0]["data"][0]["z"]
    assert z["array"]["columns"] == 2
    assert np.isnan(array(z, blobs)).sum() == 2


def test_the_strip_says_what_is_known_and_dashes_what_is_not() -> None:
    lanes = header_of(pack_charts([], [status(), LaneStatus("LSTM", "LSTM", 1, "", 0, 0)], "x"))[0]["lanes"]
    assert lanes[0]["cells"] == ["812", "1:12", "0.0123", "–", "–"]
    assert lanes[0]["progress"] == "412 of 1,000"
    assert lanes[1]["cells"] == ["–"] * 5


@pytest.mark.parametrize(
    ("value", "text"), [(0.12, "0.1200"), (1234.5, "1,234"), (0.00001, "1.000e-5"), (np.nan, "not finite")]
)
def test_a_number_has_a_fixed_count_of_digits(value: float, text: str) -> None:
    lane = LaneStatus("GRU", "GRU", 1, "", 0, 9, loss=value, seconds_left=7500)
    assert header_of(pack_charts([], [lane]))[0]["lanes"][0]["cells"][1:3] == ["2 h 05", text]


def test_the_snapshots_codes_are_within_half_a_step_of_the_trace() -> None:
    taken = {"GRU": snapshots(torch.nn.GRU, (0, 10)), "LSTM": snapshots(torch.nn.LSTM, (0, 10))}
    header, blobs = header_of(pack_snapshots(taken))
    update = header["lanes"][0]["maps"][1]
    assert update["title"] == "update gate z"
    codes = array(update["codes"], blobs).reshape(2, 4, 9)
    for frame, (_, trace) in zip(codes, taken["GRU"], strict=True):
        assert np.abs(frame / 254 - trace.update[0].T).max() <= 0.5 / 254 + 1e-9
    assert header["updates"] == [0, 10]


def test_codes_keep_the_middle_and_have_one_for_nothing() -> None:
    assert coded(np.array([-2.0, -1, 0, 1, 2, np.nan]), -1, 1).tolist() == [0, 0, 127, 254, 254, 255]


def test_the_payload_of_12_snapshots_and_2_lanes_is_small() -> None:
    updates = tuple(range(12))
    taken = {
        "GRU": snapshots(torch.nn.GRU, updates, 32, 100),
        "LSTM": snapshots(torch.nn.LSTM, updates, 32, 100),
    }
    assert len(pack_snapshots(taken)) < 400_000


@pytest.mark.parametrize("component", [CHARTS, SNAPSHOTS])
def test_the_components_take_no_text_for_markup(component: Component) -> None:
    assert "innerHTML" not in component.js
    assert "insertAdjacentHTML" not in component.js
    assert component.js.count("\nexport default function mount(") == 1
    assert "</" not in component.js


# --- in the browser -----------------------------------------------------------------------------------------------

RANGES = """key => { const { xaxis, yaxis } = document.querySelector(`[data-figure=${key}] .gv-chart`)._fullLayout;
  return [...xaxis.range, ...yaxis.range] }"""


MOUNT = 'mount({ data: block, parentElement: document.getElementById("mount") });'
MOUNT_AND_RECORD = """window.reported = [];
const setStateValue = (name, value) => reported.push(value);
const decoded = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const { innerHTML } = document.getElementById("mount");
let leave = () => {};
window.show = (text) => {
  const parentElement = document.getElementById("mount");
  leave = mount({ data: decoded(text), parentElement, setStateValue, setTriggerValue: setStateValue });
};
window.begin = (text) => {
  const empty = document.getElementById("mount").cloneNode(false);
  document.getElementById("mount").replaceWith(empty);
  leave();
  empty.innerHTML = innerHTML;
  reported.length = 0;
  show(text);
};"""
"""A component that another can take the place of: a page takes seconds to read plotly."""


class Harness:
    """A page with a component, and blocks to show on it."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder, self.problems = page, folder, []
        self.component: Component | None = None
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, first: bytes, ready: str, component: Component = CHARTS) -> None:
        if self.component is not component:
            html = component.page(b"", "A training", "About it.")
            assert MOUNT in html
            path = self.folder / "page.html"
            path.write_text(html.replace(MOUNT, MOUNT_AND_RECORD), encoding="utf-8")
            self.page.goto(path.as_uri())
            self.component = component
        self.page.mouse.move(0, 0)
        self.page.evaluate("text => window.begin(text)", base64.b64encode(first).decode())
        expect(self.page.locator(ready)).to_be_visible()

    def show(self, packed: bytes) -> None:
        self.page.evaluate("text => window.show(text)", base64.b64encode(packed).decode())
        self.page.wait_for_timeout(100)

    def box(self, figure: str) -> Any:
        return self.page.locator(f"[data-figure={figure}] .nsewdrag").first.bounding_box()

    def ranges(self, figure: str) -> list[float]:
        return self.page.evaluate(RANGES, figure)

    def drag(self, box: Any, meanwhile: Any = None) -> None:
        self.page.mouse.move(box["x"] + 60, box["y"] + 30)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + 200, box["y"] + 90, steps=4)
        if meanwhile:
            meanwhile()
        self.page.mouse.move(box["x"] + 300, box["y"] + 150, steps=4)
        self.page.mouse.up()

    def until(self, condition: Any) -> None:
        """Wait for what the page does in its own time."""
        begun = time.monotonic()
        while not condition():
            assert time.monotonic() - begun < 60
            self.page.wait_for_timeout(30)

    def violations(self) -> list[str]:
        return [each["id"] for each in Axe().run(self.page, options=OPTIONS)["violations"]]


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with browser.new_context() as context:
        yield Harness(context.new_page(), tmp_path_factory.mktemp("page"))


@pytest.fixture
def harness(opened: Harness) -> Iterator[Harness]:
    opened.page.set_viewport_size({"width": 1440, "height": 900})
    opened.page.emulate_media(color_scheme="light")
    yield opened
    problems, opened.problems = opened.problems, []
    assert problems == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1024)])
def test_it_shows_three_figures_and_two_lanes_that_everyone_can_read(harness: Any, scheme: Any, width: int) -> None:
    harness.page.emulate_media(color_scheme=scheme)
    harness.page.set_viewport_size({"width": width, "height": 900})
    harness.open(block(), ".gv-charts[data-drawn]")
    titles = harness.page.locator(".gv-figure-title").all_inner_texts()
    assert titles == ["Loss", "Mean absolute error", "Gradient norm"]
    assert harness.page.locator(".gv-row").count() == 2
    assert "GRU" in harness.page.locator(".gv-chart").first.get_attribute("aria-label")
    columns = harness.page.evaluate(
        "() => new Set([...document.querySelectorAll('.gv-figure')].map((f) => f.offsetLeft)).size"
    )
    assert columns == (2 if width == 1440 else 1)
    assert harness.violations() == []


def test_growing_curves_change_in_place_and_a_zoom_and_the_hover_stay(harness: Any) -> None:
    blocks = [block(200 + 90 * k) for k in range(21)]
    harness.open(blocks[0], ".gv-charts[data-drawn]")
    harness.page.evaluate(
        "() => window.marks = [...document.querySelectorAll('.gv-chart, .main-svg, .gv-figure, .gv-strip td')]"
    )
    whole = harness.ranges("loss")
    harness.drag(harness.box("loss"))
    harness.until(lambda: harness.ranges("loss") != whole)
    zoomed, followed = harness.ranges("loss"), harness.ranges("gradient")
    over = harness.box("measure")
    harness.page.mouse.move(over["x"] + 200, over["y"] + 90)
    read = harness.page.locator("[data-figure=measure] .hoverlayer .legend")
    expect(read).to_be_visible()
    for each in blocks[1:]:
        harness.show(each)
        expect(read).to_be_visible()
    assert harness.page.evaluate("() => window.marks.every((node) => node.isConnected)")
    assert harness.ranges("loss") == pytest.approx(zoomed)
    harness.until(lambda: harness.ranges("gradient")[1] > 5 * followed[1])
    box = harness.box("loss")
    harness.page.mouse.dblclick(box["x"] + 200, box["y"] + 90)
    harness.until(lambda: harness.ranges("loss")[1] > 2000)
    harness.show(blocks[5])
    harness.until(lambda: 650 < harness.ranges("loss")[1] < 1000)


def test_a_block_that_comes_while_a_zoom_is_drawn_waits_for_its_end(harness: Any) -> None:
    harness.open(block(500), ".gv-charts[data-drawn]")
    drawn = harness.page.locator(".gv-charts").get_attribute("data-drawn")

    def meanwhile() -> None:
        harness.show(block(900))
        assert harness.page.locator(".gv-charts").get_attribute("data-drawn") == drawn

    harness.drag(harness.box("loss"), meanwhile)
    expect(harness.page.locator(".gv-charts")).not_to_have_attribute("data-drawn", drawn)
    harness.until(lambda: harness.ranges("loss")[1] < 500)


def test_the_same_bytes_draw_nothing(harness: Any) -> None:
    harness.open(block(), ".gv-charts[data-drawn]")
    harness.page.evaluate(
        "() => { window.drawn = 0; const { react } = Plotly;"
        " Plotly.react = (...all) => { drawn += 1; return react(...all) } }"
    )
    harness.show(block())
    harness.show(block(message="Paused."))  # the strip alone
    assert harness.page.evaluate("() => drawn") == 0
    expect(harness.page.get_by_text("Paused.")).to_be_visible()
    harness.show(block(1990))
    assert harness.page.evaluate("() => drawn") == 2


def test_a_name_from_a_user_stays_a_name(harness: Any) -> None:
    naughty = "<img src=x onerror=alert(1)>"
    picture = measure_picture(run((naughty,)), Measure("error", naughty, "lower"))
    harness.open(pack_charts([picture], [status(naughty, message=naughty)], naughty), ".gv-charts[data-drawn]")
    assert harness.page.locator("#mount img").count() == 0
    assert harness.page.locator(".gv-lane-name").inner_text() == naughty
    harness.show(pack_charts([measure_picture(run(), MEASURE)]))  # plotly looks for what it removes
    expect(harness.page.get_by_role("img", name="GRU")).to_be_visible()


def test_a_click_on_a_field_of_the_sweep_reports_its_runs(harness: Any) -> None:
    points = [SweepPoint("GRU", h, r, s, h * r, f"{h}-{r}-{s}") for h in (8, 16) for r in (0.1, 0.2) for s in (0, 1)]
    harness.open(pack_charts([sweep_picture(points)]), ".gv-charts[data-drawn]")
    box = harness.box("sweep")
    harness.page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75)
    expect(harness.page.locator(".hoverlayer .hovertext")).to_be_visible()
    harness.page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75)
    harness.until(lambda: harness.page.evaluate("() => reported.length"))
    assert harness.page.evaluate("() => reported") == [["16-0.1-0", "16-0.1-1"]]
    assert harness.violations() == []


def test_the_snapshots_slider_follows_at_the_end_and_stays_elsewhere(harness: Any) -> None:
    every = {
        "GRU": snapshots(torch.nn.GRU, (0, 1, 10, 100, 1000)),
        "LSTM": snapshots(torch.nn.LSTM, (0, 1, 10, 100, 1000)),
    }
    fewer = {name: each[:4] for name, each in every.items()}
    harness.open(pack_snapshots(fewer), ".gv-snapshots[data-ready]", SNAPSHOTS)
    player = harness.page.locator(".gv-snapshots")
    expect(player).to_have_attribute("data-update", "100")
    harness.show(pack_snapshots(every))
    expect(player).to_have_attribute("data-update", "1000")
    harness.page.locator(".gv-snapshots-slider").focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        harness.page.keyboard.press(key)
    expect(player).to_have_attribute("data-update", "10")
    harness.show(pack_snapshots(fewer))
    expect(player).to_have_attribute("data-update", "10")
    harness.until(lambda: harness.page.evaluate("() => reported.at(-1)") == {"updates": {"GRU": 10, "LSTM": 10}})
    assert harness.violations() == []


def test_the_snapshots_are_painted_with_the_values_of_the_trace(harness: Any) -> None:
    taken = {"GRU": snapshots(torch.nn.GRU, (0, 5))}
    harness.open(pack_snapshots(taken), ".gv-snapshots[data-ready]", SNAPSHOTS)
    canvas = harness.page.locator("canvas").nth(1)
    assert canvas.get_attribute("aria-label") == "update gate z of GRU after 5 updates"
    box = canvas.bounding_box()
    harness.page.mouse.move(box["x"] + box["width"] * (6.5 / 9), box["y"] + box["height"] * (2.5 / 4))
    reading = harness.page.locator(".gv-snapshots-reading").inner_text()
    assert reading == f"GRU, update gate z: unit 3, step 7 is {taken['GRU'][1][1].update[0, 6, 2]:.2f}"
    pixel = canvas.evaluate("(c) => [...c.getContext('2d').getImageData(6, 2, 1, 1).data]")
    from gru_viz.training.figures.snapshot_maps import TABLES

    code = coded(np.array([taken["GRU"][1][1].update[0, 6, 2]]), 0, 1)[0]
    assert pixel == [*TABLES["sequential"][code].tolist(), 255]
