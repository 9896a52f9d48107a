"""A sequence longer than any screen is wide: a spike of one step is seen from afar, and found step by step."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

STEPS, SPIKE = 200_000, 130_860  # the spike's step, counted from 1

PLACE = """() => {
  const plot = document.querySelector('.gv-plot'), area = plot.querySelector('.nsewdrag').getBoundingClientRect();
  return [area.left, area.width, ...plot.layout.xaxis.range];
}"""

COUNT_PAINTINGS = """() => {
  window.painted = 0;
  const own = HTMLCanvasElement.prototype.toDataURL;
  HTMLCanvasElement.prototype.toDataURL = function (...all) { window.painted++; return own.apply(this, all); };
}"""


@pytest.fixture(scope="module")
def data() -> bytes:
    values = np.sin(np.arange(STEPS) / 9000) + 0.1 * np.random.default_rng(0).standard_normal(STEPS)
    values[SPIKE - 1] = 30
    return b"load\n" + b"".join(b"%.3f\n" % value for value in values)


def opened(inspector, data: bytes, query: str = ""):
    inspector.open(f"?source=File&weights=Random{query}")
    old = inspector.picture
    inspector.page.locator("input[type=file]").set_input_files({"name": "long.csv", "mimeType": "", "buffer": data})
    return inspector.wait_for_new_picture(old)


def at(inspector, step: float) -> float:
    """Where a step stands on the screen, from left to right."""
    left, width, first, last = inspector.page.evaluate(PLACE)
    return left + width * (step - first) / (last - first)


def drag(inspector, first: int, last: int) -> None:
    old = inspector.picture
    box = inspector.page.locator(".gv-plot .heatmaplayer").nth(1).bounding_box()
    height = box["y"] + box["height"] / 2
    inspector.page.mouse.move(at(inspector, first), height)
    inspector.page.mouse.down()
    inspector.page.mouse.move(at(inspector, last), height + 2, steps=6)
    inspector.page.mouse.up()
    inspector.wait_for_new_picture(old)


def spike_on_screen(inspector) -> float:
    """The step whose column of pixels in the update gate's map departs most from the others."""
    clip = inspector.page.locator(".gv-plot .heatmaplayer").nth(1).bounding_box()
    left, width, first, last = inspector.page.evaluate(PLACE)
    clip |= {"x": left + 6, "width": width - 12}
    picture = Image.open(io.BytesIO(inspector.page.screenshot(clip=clip))).convert("RGB")
    pixels = np.asarray(picture, np.float64)
    unlike = np.abs(pixels - np.median(pixels, 1, keepdims=True)).sum((0, 2))
    return first + (last - first) * (6 + int(unlike.argmax()) + 0.5) / width


def test_one_step_of_many_is_seen_zoomed_into_and_read(inspector, data):
    opened(inspector, data)
    page = inspector.page
    page.locator(".gv-slider").focus()
    inspector.press("Home")
    expect(page.locator(".gv-position")).to_contain_text(f"of {STEPS:,}")
    expect(page.locator(".gv-reduced")).to_contain_text("Each column shows the mean of")
    assert page.locator(".gv-formula").count() == 0
    assert spike_on_screen(inspector) == pytest.approx(SPIKE, abs=STEPS / 400), "a pixel or two"

    page.evaluate(COUNT_PAINTINGS)
    drag(inspector, SPIKE - 6000, SPIKE + 6000)
    assert page.evaluate("painted") == 4, "each map once, when its finer columns have come"
    assert "from=" in page.url
    assert spike_on_screen(inspector) == pytest.approx(SPIKE, abs=40)
    drag(inspector, SPIKE - 100, SPIKE + 100)
    expect(page.locator(".gv-formula")).to_have_count(1)

    page.mouse.click(at(inspector, SPIKE), page.locator(".gv-plot .heatmaplayer").nth(1).bounding_box()["y"] + 30)
    assert inspector.step == SPIKE
    hovered = page.locator(".gv-plot .hovertext")
    expect(hovered).to_contain_text(f"step {SPIKE:,}")
    expect(page.locator(".gv-formulas")).not_to_have_class(re.compile("gv-waiting"))
    assert float(re.search(r"z: ([\d.]+)", hovered.text_content())[1]) == pytest.approx(
        inspector.result("update"), abs=2e-3
    )
    reading = page.locator(".gv-reading").first.inner_text()
    assert "(30.000)" in reading
    page.locator(".gv-slider").focus()
    inspector.press("ArrowRight")
    assert inspector.step == SPIKE + 1

    link, old = page.url, inspector.picture
    page.locator(".gv-all").click()
    inspector.wait_for_new_picture(old)
    assert page.evaluate(PLACE)[2:] == [0.5, STEPS + 0.5]
    assert "from=" not in page.url
    page.goto(link)
    inspector.settle()
    opened_again = page.locator("input[type=file]")
    old = inspector.picture
    opened_again.set_input_files({"name": "long.csv", "mimeType": "", "buffer": data})
    inspector.wait_for_new_picture(old)
    first, last = page.evaluate(PLACE)[2:]
    assert SPIKE - 130 < first < last < SPIKE + 130


def test_keys_zoom_and_turn_the_page_and_nothing_large_is_sent(inspector, data):
    sizes: list[int] = []
    inspector.page.on("websocket", lambda ws: ws.on("framereceived", lambda frame: sizes.append(len(frame))))
    opened(inspector, data, "&units=160&layers=2")
    page = inspector.page
    assert page.locator(".gv-unit option").count() == 160
    page.locator(".gv-slider").focus()
    inspector.press("Home")
    first = inspector.step
    inspector.press("ArrowRight")
    column = inspector.step - first
    assert column > 50, "by columns"
    old = inspector.picture
    inspector.press("Enter")
    inspector.wait_for_new_picture(old)
    expect(page.locator(".gv-formula")).to_have_count(1)
    inspector.press("End")
    edge = inspector.step
    inspector.press("ArrowRight")
    assert inspector.step == edge + 1, "by steps, over the edge of what was in sight"
    first, last = page.evaluate(PLACE)[2:]
    assert first < edge + 1 < last
    inspector.settle()
    zoomed = page.evaluate(PLACE)[2:]
    old = inspector.picture
    inspector.choose("Layer", "layer 2")
    inspector.wait_for_new_picture(old)
    assert page.evaluate(PLACE)[2:] == zoomed
    assert inspector.step == edge + 1
    old = inspector.picture
    page.locator(".gv-slider").focus()
    inspector.press("0")
    inspector.wait_for_new_picture(old)
    assert page.evaluate(PLACE)[2:] == [0.5, STEPS + 0.5]
    drag(inspector, 50_000, 90_000)
    drag(inspector, 60_000, 62_000)
    drag(inspector, 60_500, 60_800)
    expect(page.locator(".gv-formula")).to_have_count(1)
    assert 10_000 < max(sizes) < 1_000_000
