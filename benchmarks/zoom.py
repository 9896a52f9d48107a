"""Zooming in a sequence of a million steps, measured in a real browser: ``python -m benchmarks.zoom``.

From the moment the mouse button is let go after a box was drawn over the maps, to the refined picture: the component
says that it is drawn. The page takes the times itself. Bytes are the payloads of the websocket for that picture. The
rival shows what a plain page does: all maps drawn again by ``st.plotly_chart`` on every change, at a thousandth of the
length, since it cannot show more.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect

from benchmarks.browser import chromium, serve, settle
from benchmarks.inspector import MAPS, PLAIN, REST_MS, Wire, change_seeds
from benchmarks.machine import describe_machine, table, write

STEPS, ROUNDS, RIVAL_SEEDS = 1_000_000, 5, 6
SIZES = (16, 64)
ZOOMS = ((0.60, 0.75), (0.20, 0.50), (0.40, 0.90), (0.30, 0.60), (0.40, 0.50), (0.45, 0.55))
"""Boxes one within the other, as shares of the width: from all steps to about seventy."""

LET_GO = """() => {
  window.zooms = [];
  let open = null;
  addEventListener("mouseup", (event) => {
    open = { up: event.timeStamp, before: document.querySelector(".gv-inspector").dataset.ready };
    zooms.push(open);
  }, true);
  new MutationObserver(() => {
    const now = document.querySelector(".gv-inspector")?.dataset.ready;
    if (!open || !now || now === open.before) return;
    open.ready = performance.now();
    open = null;
  }).observe(document.body, { subtree: true, attributes: true });
}"""


def csv() -> bytes:
    """A wave with noise and a spike of one step, and a level that jumps."""
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(STEPS) / 9000) + 0.2 * rng.standard_normal(STEPS)
    wave[int(0.6543 * STEPS)] = 20
    level = np.repeat(rng.uniform(-1, 1, STEPS // 1000), 1000)
    text = io.StringIO("wave,level\n")
    text.seek(0, io.SEEK_END)
    np.savetxt(text, np.stack([wave, level], 1), "%.4f", ",")
    return text.getvalue().encode()


def drag(page: Page, first: float, last: float) -> None:
    """Draw a box over the maps."""
    left, width = page.evaluate(
        "(() => { const plot = document.querySelector('.gv-plot'), axis = plot._fullLayout.xaxis;"
        " return [plot.getBoundingClientRect().left + axis._offset, axis._length]; })()"
    )
    box = page.locator(".gv-plot .heatmaplayer").nth(1).bounding_box()
    assert box
    page.mouse.move(left + first * width, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(left + last * width, box["y"] + 32, steps=6)
    page.mouse.up()


def ours(page: Page, address: str, data: bytes, units: int) -> dict[str, Any]:
    """Zoom in by boxes and out again, a few times."""
    wire, received = Wire().listen(page), []
    page.goto(f"{address}/?source=File&weights=Random&units={units}")
    settle(page)
    page.locator("input[type=file]").set_input_files({"name": "long.csv", "mimeType": "text/csv", "buffer": data})
    expect(page.locator(".gv-position")).to_contain_text(f"of {STEPS:,}", timeout=120_000)
    settle(page)
    page.evaluate(LET_GO)
    count = 0
    for _ in range(ROUNDS):
        for zoom in ZOOMS:
            wire.reset()
            drag(page, *zoom)
            count += 1
            page.wait_for_function(f"zooms.length === {count} && zooms[{count - 1}].ready")
            page.wait_for_timeout(400)
            received.append(wire.received)
        before = page.evaluate(MAPS)
        page.locator(".gv-slider").focus()
        page.keyboard.press("0")
        page.wait_for_function(f"({MAPS}) !== '{before}'")
        page.wait_for_timeout(400)
    return {"times": [z["ready"] - z["up"] for z in page.evaluate("zooms")], "bytes": received}


def rival(page: Page, address: str) -> list[float]:
    """Another picture in the plain page: milliseconds from the key to the maps."""
    wire = Wire().listen(page)
    page.goto(address)
    expect(page.locator(".gtitle")).to_have_count(4)
    page.wait_for_timeout(REST_MS)
    found = change_seeds(page, wire, PLAIN, RIVAL_SEEDS)
    return [t["dom"] - t["pressed"] for t in found["seeds"]]


def report(found: dict[int, dict[str, Any]], plain: list[float], machine: str) -> str:
    """The result as a Markdown page."""

    def quartiles(times: list[float]) -> str:
        low, middle, high = np.percentile(times, (25, 50, 75))
        return f"{middle:,.0f} ({low:,.0f} … {high:,.0f})"

    rows = []
    for units, each in found.items():
        for k, label in enumerate(
            ("all steps → 15 %", "→ 4.5 %", "→ 2.3 %", "→ 0.7 %", "→ 700 single steps", "→ 70 single steps")
        ):
            times, sizes = each["times"][k :: len(ZOOMS)], each["bytes"][k :: len(ZOOMS)]
            rows.append([f"{STEPS:,} × {units}", label, quartiles(times), f"{max(sizes):,}"])
        rows.append([f"{STEPS:,} × {units}", "all of these", quartiles(each["times"]), f"{max(each['bytes']):,}"])
    rows.append(["1,000 × 64, plain Streamlit", "another picture", quartiles(plain), ""])
    header = ["steps × units", "zoom", "mouse up → refined picture, ms: median (quartiles)", "most bytes of one"]
    return f"""# Zooming in a long sequence, in a browser

{machine}

Four heatmaps and the input's curves, 1440 × 900; {ROUNDS} rounds. What is there already is drawn larger at once; the
times are until the finer columns are drawn. The aim is a median of at most 300 ms, and 1,000,000 bytes a view.

{table(header, rows)}"""


def main() -> None:
    """Measure both pages in the same browser."""
    data = csv()
    with chromium() as browser:
        machine = describe_machine(("torch", "streamlit", "plotly"), chromium=browser.version)
        found = {}
        with serve("dashboard.py") as address:
            for units in SIZES:
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                found[units] = ours(page, address, data, units)
                page.close()
        with serve("benchmarks/rivals/plain_streamlit.py") as address:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            plain = rival(page, address)
            page.close()
    write("zoom.md", report(found, plain, machine))


if __name__ == "__main__":
    main()
