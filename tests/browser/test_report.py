"""A report in a real browser: from the disk, without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

import gru_viz
from gru_viz.formats import Head


def written(folder: Path) -> str:
    x = np.random.default_rng(0).standard_normal((2, 12, 2)).astype(np.float32)
    weights = gru_viz.random_weights("torch", features=2, hidden=3, layers=2, bidirectional=True)
    head = Head("fc", np.ones((2, 6), np.float32), np.zeros(2, np.float32), "softmax")
    gru_viz.report(gru_viz.trace(weights, x), folder / "report.html", title="A <report>", head=head)
    return (folder / "report.html").as_uri()


def test_a_report_opens_from_the_disk_and_steps(page: Page, tmp_path: Path, unchecked: None) -> None:
    asked, complaints = [], []
    page.context.set_offline(True)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    address = written(tmp_path)
    page.goto(address)
    ready = page.locator(".gv-inspector[data-ready]")
    expect(ready).to_be_visible()
    expect(page.locator("h1")).to_have_text("A <report>")
    expect(page.locator(".gv-plot .annotation-text").filter(has_text="output of fc")).to_have_count(1)
    position = page.locator(".gv-position")
    expect(position).to_contain_text("step 5 of 12")
    page.locator(".gv-slider").focus()
    page.keyboard.press("ArrowRight")
    expect(position).to_contain_text("step 6 of 12")
    before = ready.get_attribute("data-ready")
    page.get_by_label("Layer").select_option("layer 2, reading backward")
    expect(page.locator(f".gv-inspector[data-ready]:not([data-ready='{before}'])")).to_be_visible()
    expect(position).to_contain_text("step 6 of 12")
    page.get_by_label("Sequence").select_option("sequence 2")
    expect(page.locator(".gv-line").first).to_be_visible()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [address]
