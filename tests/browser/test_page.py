"""The page as a whole: links, comparison, files out, sizes, themes, and anyone being able to use it."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pyarrow.parquet as pq
from accessibility import barriers_in_both_schemes
from playwright.sync_api import expect

SHARED = ""
NAMES = ("reset gate", "update gate", "candidate n", "hidden state")
CHOICES = "?weights=Random&variant=Chung+et+al.+2014&units=9&seed=5&example=Share+prices+of+2018+and+2019"


def test_link_reproduces_the_view(inspector):
    inspector.open(CHOICES)
    first = inspector.picture
    inspector.page.locator(".gv-slider").focus()
    inspector.press("Home", "PageUp", "ArrowDown")
    step, unit = inspector.step, inspector.page.locator(".gv-unit").input_value()
    inspector.page.wait_for_url(lambda url: {f"step={step}", f"unit={int(unit) + 1}"} <= set(re.split("[?&]", url)))
    elsewhere = inspector.page.context.new_page()
    elsewhere.goto(inspector.page.url)
    expect(elsewhere.locator(f".gv-inspector[data-ready='{first}']")).to_be_visible()
    expect(elsewhere.locator(".gv-inspector")).to_have_attribute("data-step", str(step))
    expect(elsewhere.locator(".gv-unit")).to_have_value(unit)


def test_two_variants_side_by_side(inspector):
    inspector.open("?weights=Random")
    old = inspector.picture
    inspector.choose("Compare with", "Another variant")
    inspector.wait_for_new_picture(old)
    words = " ".join(inspector.page.locator(".gv-plot .annotation-text").all_text_contents())
    assert "torch.nn.GRU" in words
    assert "difference" in words
    assert inspector.page.locator(".gv-formula").count() == 2
    badge = "✓ matches PyTorch and an independent float64 evaluation (max difference "
    expect(inspector.page.get_by_text(badge).first).to_be_visible()


def test_every_file_out_opens_again(inspector, tmp_path):
    inspector.open("?weights=Random")
    inspector.page.get_by_test_id("stPopover").get_by_role("button", name="Save").click()
    files = {}
    for label in ("CSV", "Parquet", "NPZ", "HTML", "Report"):
        with inspector.page.expect_download() as download:
            inspector.page.get_by_role("button", name=label, exact=True).click()
        files[label] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[label])
    assert files["CSV"].read_text().startswith("# variant: torch\n")
    assert pq.read_table(files["Parquet"]).num_rows == 240
    arrays = np.load(io.BytesIO(files["NPZ"].read_bytes()))
    assert arrays["layer1.forward.update"].shape == (2, 120, 16)
    assert json.loads(str(arrays["facts"]))["weights"] == "random, seed 0, initialisation torch"
    requests: list[str] = []
    inspector.page.on("request", lambda request: requests.append(request.url))
    assert "torch.nn.GRU" in files["Report"].read_text(encoding="utf-8")
    inspector.page.goto(files["HTML"].as_uri())
    expect(inspector.page.locator(".gv-inspector[data-ready]")).to_be_visible()
    inspector.page.locator(".gv-slider").focus()
    inspector.press("Home", "ArrowRight", "ArrowDown")
    assert inspector.step == 2
    assert inspector.page.locator(".gv-unit").input_value() == "1"
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_picture_from_the_plots_own_button(shared):
    for kind in ("PNG", "SVG"):
        shared.page.locator(".gv-maps").hover()
        with shared.page.expect_download() as download:
            shared.page.locator(f".modebar-btn[data-title='Save as {kind}']").click()
        assert download.value.suggested_filename == f"gru_viz.{kind.lower()}"


def test_fits_every_screen_without_sideways_scrolling(inspector, screen, subtests):
    inspector.open()
    page, maps = inspector.page, inspector.page.locator(".gv-plot .heatmaplayer .hm")
    for width, height, scale in ((1440, 900, 1), (1024, 768, 1), (960, 540, 2)):
        with subtests.test(width=width):
            screen(width, height, scale)
            page.reload()
            inspector.settle()
            assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth - main.clientWidth") <= 0
            assert min(each.bounding_box()["height"] for each in maps.all()) > 70
            assert page.evaluate("() => devicePixelRatio") == scale


def test_no_serious_barrier_to_access(shared):
    assert barriers_in_both_schemes(shared.page) == {}


def test_no_serious_barrier_to_access_where_variants_are_compared(inspector):
    inspector.open("?source=Table&compare=Another+variant")
    assert barriers_in_both_schemes(inspector.page) == {}


def test_every_control_is_reached_by_keyboard(shared):
    reached = set()
    for _ in range(60):
        shared.press("Tab")
        reached.add(
            shared.page.evaluate(
                "document.activeElement.className.toString().split(' ').find(c => c.startsWith('gv-'))"
            )
        )
    assert {"gv-back", "gv-play", "gv-forward", "gv-slider", "gv-speed", "gv-unit"} <= reached


def test_the_maps_are_there_before_plotly_and_where_it_draws_them(context, dashboard):
    """Plotly's script is held back until the maps have been looked at."""
    page, held_back = context.new_page(), []
    page.route("**/plotly.min.js", lambda route: held_back.append(route))
    page.goto(dashboard)
    previews = page.locator(".gv-preview img")
    expect(previews).to_have_count(4)
    before = [preview.bounding_box() for preview in previews.all()]
    pictures = previews.evaluate_all("(images) => images.map((image) => image.src)")
    expect(page.locator(".gv-inspector[data-ready]")).to_have_count(0)
    for route in held_back:
        route.continue_()
    page.unroute("**/plotly.min.js")
    expect(page.locator(".gv-inspector[data-ready]")).to_be_visible()
    expect(page.locator(".gv-preview")).to_have_count(0)
    titles = [page.locator(".gv-plot .annotation-text", has_text=name).bounding_box()["x"] for name in NAMES]
    assert max(titles) - min(titles) < 3, titles  # placed by the width of a font that had come
    drawn = page.locator(".gv-plot .hm image")
    assert drawn.evaluate_all("(images) => images.map((image) => image.getAttribute('href'))") == pictures
    for preview, image in zip(before, drawn.all(), strict=True):  # the legend takes a few pixels
        box = image.bounding_box()
        assert all(abs(box[side] - preview[side]) < 6 for side in ("x", "y", "width", "height")), (preview, box)
