"""Many sequences: one is found in the list by its name, or by sorting, and shown; the address keeps it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, expect

MANY, ROW = 60, 35  # sequences; pixels of a row of the list


def steps(k: int) -> int:
    return 4 + (7 * k + 11) % MANY


def choose(dialog: Locator, row: int) -> None:
    """Tick a row of the list, counted from the top of all of them."""
    box = dialog.get_by_test_id("stDataFrame").bounding_box()
    scrolled = dialog.locator(".dvn-scroller").evaluate("list => list.scrollTop")
    dialog.page.mouse.click(box["x"] + ROW / 2, box["y"] + ROW * (row + 1.5) - scrolled)


def test_a_sequence_is_searched_sorted_and_chosen(inspector):
    rows = (b"run %02d,%d,%d\n" % (k, j, (7 * k + j) % 13) for k in range(MANY) for j in range(steps(k)))
    inspector.open("?source=File&weights=Random&units=8")
    page, old = inspector.page, inspector.picture
    data = b"who,minute,x\n" + b"".join(rows)
    page.locator("input[type=file]").set_input_files({"name": "many.csv", "mimeType": "", "buffer": data})
    inspector.wait_for_new_picture(old)

    page.get_by_role("button", name="who run 00 (1 of 60)").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_test_id("glide-cell-1-0")).to_have_text("who run 00")
    old = inspector.picture
    dialog.get_by_test_id("stDataFrame").hover()
    dialog.get_by_role("button", name="Search").click()
    page.keyboard.type("run 47")
    expect(dialog.get_by_text("1 result")).to_be_visible()
    page.keyboard.press("Enter")
    expect(dialog.get_by_test_id("glide-cell-1-47")).to_have_text("who run 47")
    choose(dialog, 47)
    expect(dialog).to_have_count(0)
    inspector.wait_for_new_picture(old)
    expect(page.locator(".gv-position")).to_contain_text(f"of {steps(47)}")
    assert parse_qs(urlsplit(page.url).query)["listed"] == ["who run 47"]

    page.get_by_role("button", name="who run 47 (48 of 60)").click()
    expect(dialog.get_by_test_id("glide-cell-1-0")).to_have_text("who run 00")
    old, shortest = inspector.picture, min(range(MANY), key=steps)
    box = dialog.get_by_test_id("stDataFrame").bounding_box()
    page.mouse.click(box["x"] + 240, box["y"] + ROW / 2)
    expect(dialog.get_by_test_id("glide-cell-1-0")).to_have_text(f"who run {shortest:02}")
    choose(dialog, 0)
    expect(dialog).to_have_count(0)
    inspector.wait_for_new_picture(old)
    expect(page.locator(".gv-position")).to_contain_text(f"of {steps(shortest)}")
    assert parse_qs(urlsplit(page.url).query)["listed"] == [f"who run {shortest:02}"]
