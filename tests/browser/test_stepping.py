"""Stepping happens in the browser: the cursor crosses all maps, and the server hears of it only at rest."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from gru_viz import random_weights, trace
from gru_viz.sequences import EXAMPLES

RANDOM = SHARED = "?weights=Random"


def test_first_visit_shows_four_gates_at_work(inspector):
    inspector.open()
    titles = inspector.page.locator(".gv-plot .annotation-text").all_text_contents()
    words = " ".join(titles)
    for title in ("input x", "reset gate r", "update gate z", "candidate n", "hidden state h"):
        assert title in words
    assert "1 keeps the old" in words
    expect(inspector.page.get_by_text("✓ matches").first).to_be_visible()
    assert inspector.page.locator(".gv-plot .heatmaplayer .hm").count() == 4


def test_keys_move_the_cursor_in_the_browser(shared):
    shared.page.locator(".gv-slider").focus()
    shared.press("Home")
    assert shared.step == 1
    left = shared.cursor_x
    shared.press("ArrowRight", "ArrowRight", "ArrowRight")
    assert shared.step == 4
    assert shared.cursor_x > left
    shared.press("PageUp")
    assert shared.step == 16
    shared.press("PageDown", "ArrowLeft")
    assert shared.step == 3
    shared.press("End")
    assert shared.step == 120
    shared.press("ArrowRight")
    assert shared.step == 120


NOTES = """
window.pressed = []; window.sent = [];
addEventListener("keydown", () => pressed.push(performance.now()), true);
const { send } = WebSocket.prototype;
WebSocket.prototype.send = function (data) { sent.push(performance.now()); return send.call(this, data); };
"""
STILL_MS = 200
"""Nothing is sent so soon after a key, by the browser's own clock; somewhat less than the page waits."""


def test_nothing_is_sent_while_the_cursor_moves(inspector):
    inspector.page.add_init_script(NOTES)
    inspector.open()
    inspector.page.wait_for_timeout(600)  # what it reports has arrived
    inspector.page.locator(".gv-slider").focus()
    for _ in range(30):
        inspector.press("ArrowRight")
    inspector.page.wait_for_url(re.compile(rf"\bstep={inspector.step}\b"))
    pressed, sent = inspector.page.evaluate("() => [pressed, sent]")
    assert len(pressed) == 30
    later = [at for at in sent if at > pressed[0]]
    assert later
    assert [at for at in later if any(0 <= at - key < STILL_MS for key in pressed)] == []


def test_cursor_stands_on_the_step_it_names(shared):
    """Guards the axis internals that place the cursor."""
    shared.page.locator(".gv-slider").focus()
    plot = shared.page.locator(".gv-plot .heatmaplayer .hm").first.bounding_box()
    for key, step in (("Home", 1), ("End", 120)):
        shared.press(key)
        wanted = plot["x"] + plot["width"] * (step - 0.5) / 120
        assert shared.cursor_x == pytest.approx(wanted, abs=1.5)


def test_worked_formula_shows_the_numbers_of_the_trace(shared):
    sequences = EXAMPLES["impulse"].load()
    t = trace(random_weights("torch", features=3, hidden=16, seed=0), sequences)
    shared.page.locator(".gv-slider").focus()
    shared.press("Home", *["ArrowRight"] * 8)
    shared.page.locator(".gv-unit").select_option("4")
    for quantity in ("reset", "update", "candidate", "hidden"):
        assert shared.result(quantity) == pytest.approx(getattr(t, quantity)[0, 8, 4], abs=5.1e-4)
    numbers = shared.line("update")
    inside = numbers[numbers.index("(") + 1 : numbers.index(")")].replace(" ", "").replace("−", "-").replace("+", " ")
    terms = [float(term) for term in inside.replace("-", " -").split()]
    assert 1 / (1 + np.exp(-sum(terms))) == pytest.approx(shared.result("update"), abs=1.5e-3)


def test_arrows_up_and_down_choose_the_unit(shared):
    shared.page.locator(".gv-unit").select_option("0")
    shared.page.locator(".gv-slider").focus()
    before = shared.line("hidden")
    shared.press("ArrowDown", "ArrowDown")
    assert shared.page.locator(".gv-unit").input_value() == "2"
    assert shared.line("hidden") != before


def test_play_advances_and_pauses(shared):
    shared.page.locator(".gv-speed").select_option("25")
    shared.page.locator(".gv-slider").focus()
    shared.press("Home")
    begun, now = shared.page.evaluate("() => performance.now()"), "() => performance.now()"
    shared.page.locator(".gv-play").click()
    shared.page.wait_for_function("() => Number(document.querySelector('.gv-inspector').dataset.step) > 5")
    shared.page.locator(".gv-play").click()
    reached = shared.step
    assert 5 < reached <= 1 + 25 * (shared.page.evaluate(now) - begun) / 1000
    shared.page.wait_for_timeout(300)
    assert shared.step == reached


def test_click_on_a_map_moves_cursor_and_chooses_the_unit(shared):
    box = shared.page.locator(".gv-plot .heatmaplayer .hm").nth(1).bounding_box()
    shared.page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * (10.5 / 16))
    expect(shared.page.locator(".gv-unit")).to_have_value("10")
    assert abs(shared.step - 30) <= 1


def test_zoom_is_shared_and_survives_another_seed(inspector):
    inspector.open(RANDOM)
    box = inspector.page.locator(".gv-plot .heatmaplayer .hm").nth(2).bounding_box()
    inspector.page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    inspector.page.mouse.down()
    inspector.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 22, steps=8)
    inspector.page.mouse.up()
    zoomed = "() => document.querySelector('.gv-plot').layout.xaxis.range.map(Math.round)"
    inspector.page.wait_for_function(f"() => ({zoomed})()[0] > 1")
    first = inspector.page.evaluate(zoomed)
    assert 25 <= first[0] <= 35
    assert 55 <= first[1] <= 65
    old = inspector.picture
    inspector.page.get_by_role("spinbutton", name="Seed").fill("7")
    inspector.press("Enter")
    inspector.wait_for_new_picture(old)
    assert inspector.page.evaluate(zoomed) == first
    old = inspector.picture
    inspector.choose("Example", "Share prices of 2018 and 2019")
    inspector.wait_for_new_picture(old)
    inspector.page.mouse.dblclick(box["x"] + 300, box["y"] + 20)
    whole = "() => document.querySelector('.gv-plot').layout.xaxis.range.join() === '0.5,105.5'"
    inspector.page.wait_for_function(whole)


def test_cursor_stays_where_it_was_when_a_control_moves(inspector):
    """Also when the trace takes long enough for the page to say so."""
    inspector.open("?weights=Random&units=400&layers=3&variant=ONNX%2C+default")
    inspector.page.locator(".gv-slider").focus()
    inspector.press("Home", "PageUp", "PageUp")
    before, old = inspector.step, inspector.picture
    inspector.page.get_by_role("spinbutton", name="Seed").fill("3")
    inspector.press("Enter")
    inspector.wait_for_new_picture(old)
    assert inspector.step == before
