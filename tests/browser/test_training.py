"""Two cells learn in a real browser: started, watched, paused, reloaded, resumed, stopped, and opened on page 1."""

from __future__ import annotations

import contextlib
import math
import re
import time

import pytest
from accessibility import barriers_in_both_schemes
from playwright.sync_api import Locator, Page, TimeoutError as PlaywrightTimeout, expect

ENDLESS = 200_000
"""Updates that no test sees the end of."""

FORECAST = "Forecast your own data"
TEXT = "Generate text, character by character"
SERIES = "day,load\n" + "".join(
    f"{day},{3 + math.sin(day / 4) + 0.1 * math.cos(day * 7):.4f}\n" for day in range(1, 401)
)


class Training:
    """What a person does with the page, and sees."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, query: str = "") -> Training:
        self.page.goto(f"{self.address}/GRU_against_LSTM{query}")
        expect(self.button("Start")).to_be_enabled()
        return self

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_role("combobox", name=label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def set_number(self, label: str, value: int) -> None:
        field = self.page.get_by_label(label, exact=True).first
        field.fill(str(value))
        field.press("Enter")
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def progress(self, lane: int = 0) -> int:
        """How many updates a lane has made."""
        words = self.page.locator(".gv-progress-words")
        if words.count() <= lane:
            return 0
        return int(words.nth(lane).inner_text().split(" of ")[0].replace(",", ""))

    def drawn(self, figure: str = "loss") -> float:
        """To which update the lines of a chart reach; 0 before there are any."""
        return self.page.evaluate(
            """(figure) => {
                const plot = document.querySelector(`[data-figure="${figure}"] .js-plotly-plot`);
                return Math.max(0, ...(plot?.data ?? []).map(({ x }) => x?.at(-1) ?? 0));
            }""",
            figure,
        )

    def wait_until(self, condition) -> None:
        """Wait for something to become true, and to stay so."""
        begun = time.monotonic()
        while not condition():
            assert time.monotonic() - begun < 120, self.page.locator("body").inner_text()[:3000]
            self.page.wait_for_timeout(30)

    def leave_nothing_running(self) -> None:
        """The other tests share the server, and its cores; a run may end by itself while its button is reached for."""
        if not self.page.url.startswith(self.address):
            return
        self.page.keyboard.press("Escape")

        def rests() -> bool:
            if not self.button("Stop").count():
                return True
            with contextlib.suppress(PlaywrightTimeout):
                self.button("Stop").click(timeout=500)
            return False

        self.wait_until(rests)

    def expect_status(self, word: str) -> None:
        expect(self.page.locator(".st-key-controls")).to_contain_text(word, timeout=120_000)


@pytest.fixture
def training(page: Page, dashboard: str) -> Training:
    page.set_viewport_size({"width": 1440, "height": 900})
    seen = Training(page, dashboard)
    yield seen
    text = page.inner_text("body")
    seen.leave_nothing_running()
    assert not seen.problems
    assert "Traceback" not in text


def test_both_curves_move_soon_and_a_run_outlives_its_page(training, page, dashboard):
    training.open()
    training.set_number("Updates", ENDLESS)
    training.button("Start").click()
    training.wait_until(lambda: training.progress(0) > 5 and training.progress(1) > 5)
    training.wait_until(lambda: training.drawn() > 0)
    seen = training.drawn()
    training.wait_until(lambda: training.drawn() > seen)
    address = page.url
    assert "run=" in address

    training.button("Pause").click()
    training.expect_status("Paused")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    rest = training.progress(0)
    page.wait_for_timeout(1000)
    assert training.progress(0) == rest

    training.button("Resume").click()
    training.expect_status("Training")
    training.wait_until(lambda: training.progress(0) > rest)

    page.reload()
    training.expect_status("Training")
    training.wait_until(lambda: training.progress(0) > rest)

    elsewhere = page.context.new_page()
    there = Training(elsewhere, dashboard)
    elsewhere.goto(address)
    there.expect_status("Training")
    page.goto("about:blank")
    there.wait_until(lambda: there.progress(1) > rest)
    there.button("Stop").click()
    there.expect_status("Stopped")
    assert not there.problems


def test_ones_own_csv(training, page):
    training.open()
    training.choose("Lesson", FORECAST)
    page.get_by_role("radio", name="File", exact=True).or_(page.get_by_role("button", name="File", exact=True)).click()
    page.locator("input[type=file]").set_input_files({"name": "load.csv", "mimeType": "", "buffer": SERIES.encode()})
    expect(page.locator("body")).to_contain_text("load")
    training.set_number("Updates", 20)
    training.button("Start").click()
    training.expect_status("Finished")
    assert {"loss", "predictions"} <= set(
        page.locator("[data-figure]").evaluate_all("all => all.map((one) => one.dataset.figure)")
    )
    loss = page.locator('[data-figure="loss"]').inner_text()
    assert "naive baseline" in loss


def test_a_text_is_continued_as_it_is_learnt(training, page):
    training.open()
    training.choose("Lesson", TEXT)
    training.set_number("Updates", ENDLESS)
    training.button("Start").click()
    training.wait_until(lambda: page.locator(".gv-prose").count() == 2)
    first = page.locator(".gv-prose").first.inner_text()
    training.wait_until(lambda: page.locator(".gv-prose").first.inner_text() != first)
    training.button("Stop").click()
    training.expect_status("Stopped")
    page.get_by_label("Prompt").fill("The wolf ")
    page.get_by_label("Prompt").press("Enter")
    expect(page.locator(".gv-prose").first).to_contain_text("The wolf ")


def test_a_bad_file_says_so_and_starts_nothing(training, page):
    training.open()
    training.choose("Lesson", FORECAST)
    page.get_by_role("radio", name="File", exact=True).or_(page.get_by_role("button", name="File", exact=True)).click()
    for name, data, phrase in (
        ("empty.csv", b"", "empty"),
        ("short.csv", b"a\n1\n2\n3\n", "longer sequences"),
        ("words.csv", b"a\nx\ny\n", "at least one"),
    ):
        file = {"name": name, "mimeType": "", "buffer": data}
        page.locator("input[type=file]").set_input_files(file)
        alert = page.get_by_test_id("stAlert").first
        expect(alert).to_contain_text(phrase)
        expect(alert).to_contain_text("Training cannot start until this is fixed.")
        expect(training.button("Start")).to_be_disabled()


def test_a_missing_run_is_reported(training, page):
    training.open("?run=nothing")
    expect(page.get_by_test_id("stAlert").first).to_contain_text("nothing")
    expect(training.button("Start")).to_be_enabled()


def test_nothing_flickers_closes_or_jumps_while_it_refreshes(training, page):
    """The chart stays the same element, a zoom stays while it grows, a menu stays open, and the page does not move."""
    training.open(f"?updates_sine={ENDLESS}")
    training.button("Start").click()
    training.wait_until(lambda: training.progress(0) > 50 and training.drawn())
    charts = "[...document.querySelectorAll('[data-figure=loss] .js-plotly-plot, [data-figure=predictions] .main-svg')]"
    page.evaluate(f"() => window.before = {charts}")
    plot = "document.querySelector('[data-figure=loss] .js-plotly-plot')"
    page.evaluate(f"() => Plotly.relayout({plot}, {{'xaxis.range': [5, 40]}})")
    page.get_by_role("button", name="Chart options").click()
    slider = page.get_by_role("slider", name="Training-loss smoothing")
    expect(slider).to_be_visible()
    main = page.get_by_test_id("stMain")
    training.wait_until(lambda: main.evaluate("main => main.scrollHeight - main.clientHeight") > 240)  # all is there
    main.evaluate("main => main.scrollTo(0, 120)")
    place = page.locator('[data-figure="loss"]').bounding_box()
    for _ in range(2):
        seen = training.drawn()
        training.wait_until(lambda seen=seen: training.drawn() > seen)
    assert page.evaluate(f"() => {charts}.every((each, i) => each === window.before[i]) && window.before.length")
    assert page.evaluate(f"() => {plot}.layout.xaxis.range") == [5, 40]
    expect(slider).to_be_visible()
    assert main.evaluate("main => main.scrollTop") == 120
    assert page.locator('[data-figure="loss"]').bounding_box() == place

    page.keyboard.press("Escape")
    page.get_by_role("button", name="Learning rate").click()
    field = page.get_by_label("GRU", exact=True).first
    field.fill("")
    field.press_sequentially("0.002", delay=400)
    assert field.input_value() == "0.002", "it can be typed while the page refreshes"
    field.press("Enter")
    marks = f"() => {plot}.layout.shapes.map((each) => each.name)"
    training.wait_until(lambda: "rate 0.002" in page.evaluate(marks))
    page.keyboard.press("Escape")
    training.button("Stop").click()
    training.expect_status("Stopped")


HOLD_MODULES = """() => {
  const make = URL.createObjectURL.bind(URL);
  window.released = new Promise((release) => (window.release = release));
  URL.createObjectURL = (blob) =>
    make(blob.type === "text/javascript" ? new Blob(["await window.released;\\n", blob], { type: blob.type }) : blob);
}"""


def test_charts_are_there_once_when_their_code_arrives_after_newer_data(training, page):
    """Streamlit ends a component's earlier calls once it has made a later one, which must go on."""
    page.add_init_script(f"({HOLD_MODULES})()")
    states = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: states.append(frame)))
    training.open(f"?updates_sine={ENDLESS}")
    training.button("Start").click()
    training.expect_status("Training")
    training.wait_until(lambda: len({frame for frame in states if b'"drawn":"' in frame}) > 3)
    assert page.locator("[data-figure]").count() == 0, "nothing is drawn before the code is there"
    page.evaluate("() => window.release()")
    training.wait_until(lambda: training.drawn() > 0)
    seen = training.drawn()
    training.wait_until(lambda: training.drawn() > seen)
    figures = page.locator("[data-figure]").evaluate_all("all => all.map((one) => one.dataset.figure)")
    assert sorted(figures) == ["gradient", "loss", "measure", "predictions"]
    expect(page.locator(".gv-snapshots[data-ready]")).to_have_count(1)
    expect(page.locator(".gv-snapshots-lane")).to_have_count(2)


def fits_the_screen(page: Page, width: int, height: int) -> None:
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth - main.clientWidth") <= 0
    clipped = "all => all.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"
    assert page.locator(".gv-strip th, .gv-strip td, .gv-lane-name, .gv-progress-words").evaluate_all(clipped) == []
    charts = page.locator(".gv-chart").evaluate_all("all => all.map((one) => one.getBoundingClientRect().toJSON())")
    assert min(chart["height"] for chart in charts) > 200
    if width == 1440:
        assert charts[1]["bottom"] < height
        assert charts[-1]["top"] < 0.8 * height


def test_a_finished_run_fits_every_screen_for_everyone_and_its_snapshots_open(training, page, screen, subtests):
    training.open("?third_sine=true&updates_sine=50&seeds_sine=3")
    training.button("Start").click()
    training.expect_status("Finished")
    for width, height, scale in ((1440, 900, 1), (1024, 768, 1), (960, 540, 2)):
        with subtests.test(width=width):
            screen(width, height, scale)
            page.reload()
            expect(page.locator(".gv-charts[data-drawn]")).to_be_visible()
            expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
            assert page.evaluate("() => devicePixelRatio") == scale
            fits_the_screen(page, width, height)
    expect(page.locator(".gv-snapshots[data-ready]")).to_be_visible()
    assert barriers_in_both_schemes(page) == {}

    page.get_by_role("link", name=re.compile("Open LSTM after .* updates in the inspector")).click()
    expect(page.locator(".gv-inspector[data-ready]")).to_be_visible()
    expect(page.locator(".gv-inspector")).to_contain_text("forget")
    assert "source=Training" in page.url
    assert "lane=LSTM" in page.url
    expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value("LSTM")
    expect(page.get_by_text("✓ matches PyTorch").first).to_be_visible()


def test_a_field_of_a_sweep_opens_its_trainings(training, page, dashboard):
    page.goto(f"{dashboard}/Sweep?sweep_updates=5&sweep_seeds=1&sizes=4&rates=0.001&rates=0.01")
    expect(training.button("Start")).to_be_enabled()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    assert barriers_in_both_schemes(page) == {}
    training.button("Start").click()
    expect(page.get_by_text("4 of 4 runs done")).to_be_visible(timeout=120_000)
    box = page.locator('[data-figure="sweep"] .heatmaplayer .hm').first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    link = page.get_by_role("link", name="GRU, 4 units, rate 0.01, seed 0")
    link.click()
    training.expect_status("Finished")
    expect(page.locator(".gv-progress-words").first).to_have_text("5 of 5")
