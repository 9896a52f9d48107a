"""Stepping and changing the seed, measured in a real browser: ``python -m benchmarks.inspector``.

The page itself takes the times. A key press begins at the time stamp that the browser gave the event; the cursor is in
the DOM when a mutation observer hears of it; it is painted when a message posted from the next animation frame
arrives. Bytes are the payloads of the websocket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from playwright.sync_api import Page, WebSocket, expect

from benchmarks.browser import chromium, serve, settle
from benchmarks.data import STEPS, UNITS, csv
from benchmarks.machine import describe_machine, table, write

PRESSES, APART_MS, RIVAL_PRESSES = 250, 50, 30
SEEDS, RIVAL_SEEDS = 12, 6
REST_MS = 1500

# `seen()` says what a change is; the time of a change is that of the observer, which runs as the key's listeners end.
STOPWATCH = """(seen) => {
  const look = new Function("return " + seen);
  const taken = (window.taken = []);
  let open = null;
  addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") && event.key !== "Enter") return;
    open = { pressed: event.timeStamp, heard: performance.now(), before: look() };
    taken.push(open);
  }, true);
  new MutationObserver(() => {
    const mine = open;
    if (!mine) return;
    const now = look();
    if (now === null || now === mine.before) return;
    open = null;
    mine.dom = performance.now();
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => (mine.painted = performance.now());
      channel.port2.postMessage(0);
    });
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""

CURSOR = "document.querySelector('.gv-cursor').style.transform"
MAPS = "document.querySelector('.gv-inspector')?.dataset.ready ?? null"
# Four titles with one number: each is drawn together with its map.
PLAIN = """(() => {
  const numbers = [...document.querySelectorAll('.gtitle')].map((t) => t.textContent.replace(/^\\w+ /, ''));
  return numbers.length === 4 && new Set(numbers).size === 1 ? numbers[0] : null;
})()"""


@dataclass
class Wire:
    """What went over the page's websocket, in bytes."""

    sent: int = 0
    received: int = 0

    def listen(self, page: Page) -> Wire:
        """Count from the page's next connection on."""
        page.on("websocket", self._open)
        return self

    def _open(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: self._count("sent", payload))
        socket.on("framereceived", lambda payload: self._count("received", payload))

    def _count(self, way: str, payload: Any) -> None:
        setattr(self, way, getattr(self, way) + len(payload))

    def reset(self) -> None:
        """Begin again at nothing."""
        self.sent = self.received = 0


def ours(page: Page, address: str) -> dict[str, Any]:
    """Step and change seeds in the dashboard."""
    wire = Wire().listen(page)
    page.goto(f"{address}/?source=File&weights=Random&units={UNITS}")
    upload(page)
    page.locator(".gv-slider").focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(REST_MS)
    page.evaluate(STOPWATCH, CURSOR)
    wire.reset()
    for _ in range(PRESSES):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(APART_MS)
    moving = wire.sent, wire.received
    page.wait_for_timeout(REST_MS)
    resting = wire.sent - moving[0], wire.received - moving[1]
    found = {"steps": page.evaluate("taken.filter((t) => t.painted)"), "moving": moving, "resting": resting}
    page.reload()
    upload(page)
    return found | change_seeds(page, wire, MAPS, SEEDS)


def upload(page: Page) -> None:
    """Hand the dashboard the sequence, as a file."""
    settle(page)
    page.locator("input[type=file]").set_input_files({"name": "steps.csv", "mimeType": "text/csv", "buffer": csv()})
    expect(page.locator(".gv-position")).to_contain_text(f"of {STEPS:,}")
    settle(page)


def rival(page: Page, address: str) -> dict[str, Any]:
    """Step and change seeds in the plain page; a press waits for the one before it, which is kind to it."""
    wire = Wire().listen(page)
    page.goto(address)
    expect(page.locator(".gtitle")).to_have_count(4)
    page.wait_for_timeout(REST_MS)
    page.get_by_role("slider").first.focus()
    page.evaluate(STOPWATCH, PLAIN)
    wire.reset()
    for n in range(1, RIVAL_PRESSES + 1):
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"taken.length === {n} && taken[{n - 1}].painted")
    found = {"steps": page.evaluate("taken"), "moving": (wire.sent, wire.received), "resting": (0, 0)}
    page.reload()
    expect(page.locator(".gtitle")).to_have_count(4)
    page.wait_for_timeout(REST_MS)
    return found | change_seeds(page, wire, PLAIN, RIVAL_SEEDS)


def change_seeds(page: Page, wire: Wire, seen: str, seeds: int) -> dict[str, Any]:
    """Type seeds that were never shown, one after the other, and wait for each one's maps."""
    page.evaluate(STOPWATCH, seen)
    received = []
    for seed in range(1, seeds + 1):
        box = page.get_by_role("spinbutton", name="Seed")
        box.fill(str(seed))
        wire.reset()
        box.press("Enter")
        page.wait_for_function(f"taken.length === {seed} && taken[{seed - 1}].painted")
        page.wait_for_timeout(400)
        received.append(wire.received)
    return {"seeds": page.evaluate("taken"), "seed_bytes": received}


def milliseconds(times: list[dict[str, float]], begin: str, end: str) -> tuple[float, float]:
    """Median and 95th percentile."""
    spans = [t[end] - t[begin] for t in times]
    return float(np.median(spans)), float(np.percentile(spans, 95))


def report(own: dict[str, Any], plain: dict[str, Any], machine: str) -> str:
    """Both pages side by side, as a Markdown page."""

    def row(label: str, what: str, begin: str, end: str, aim: str) -> list[str]:
        mine, theirs = (milliseconds(found[what], begin, end) for found in (own, plain))
        return [label, *(f"{m:,.1f} / {p:,.1f}" for m, p in (mine, theirs)), f"{theirs[0] / mine[0]:,.3g} ×", aim]

    def count(label: str, read: Callable[[dict[str, Any]], float], aim: str) -> list[str]:
        return [label, *(f"{read(found):,.0f}" for found in (own, plain)), "", aim]

    header = ["", "gru_viz", "plain Streamlit", "ratio", "aim"]
    n_own, n_plain = len(own["steps"]), len(plain["steps"])
    scrubbing = [
        row("key press → cursor in the DOM, ms", "steps", "pressed", "dom", "4 / 10"),
        row("the same, from the first listener on, ms", "steps", "heard", "dom", ""),
        row("key press → painted, ms", "steps", "pressed", "painted", "median 40"),
        count("bytes sent while moving, a step", lambda f: f["moving"][0] / len(f["steps"]), "0"),
        count("bytes received while moving, a step", lambda f: f["moving"][1] / len(f["steps"]), "0"),
        count("bytes sent when the cursor rests, once", lambda f: f["resting"][0], ""),
        count("bytes received when the cursor rests, once", lambda f: f["resting"][1], ""),
    ]
    seeds = [
        row("Enter → four new maps painted, ms", "seeds", "pressed", "painted", "median 700"),
        count("bytes received, median", lambda f: float(np.median(f["seed_bytes"])), "500,000"),
    ]
    return f"""# The gate inspector in a browser

{machine}

{UNITS} units, {STEPS:,} steps, 3 features, four heatmaps; 1440 × 900. Times are median / 95th percentile.
The rival, `benchmarks/rivals/plain_streamlit.py`, draws the same maps with one `st.plotly_chart` each and draws them
again on every change; it has this project's settings, its trace is cached, and each of its presses waits for the one
before.

## Stepping

{n_own} presses of the right arrow, {APART_MS} ms apart; {n_plain} in the rival.

{table(header, scrubbing)}

## Changing the seed

{len(own["seeds"])} seeds never shown before, {len(plain["seeds"])} in the rival;
from the Enter in the seed's box, with tracing and proof.

{table(header, seeds)}"""


def main() -> None:
    """Measure both pages, one after the other, in the same browser."""
    with chromium() as browser:
        machine = describe_machine(("torch", "streamlit", "plotly"), chromium=browser.version)
        found = []
        for script, measure in (("dashboard.py", ours), ("benchmarks/rivals/plain_streamlit.py", rival)):
            with serve(script) as address:
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                found.append(measure(page, address))
                page.close()
    write("inspector.md", report(*found, machine))


if __name__ == "__main__":
    main()
