"""The whole wait of a first visitor, in a real browser: ``python -m benchmarks.cold``.

Each round is a new server and a new browser. The first visit begins when the server answers; a picture is there when
its maps are painted, the proof when the badge says so. ``--screenshots FOLDER`` only takes screenshots of a first visit
and of a first Start. ``--conditions quiet,busy,...`` chooses among ``CONDITIONS``; ``--rounds N`` how often each is
measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, TimeoutError as PlaywrightTimeoutError

from benchmarks.browser import ROOT, chromium, serve
from benchmarks.machine import describe_machine, table, write

TIMEOUT_MS = 300_000
OPEN_SECONDS = 4.0
"""How long page 2 has been open when Start is pressed."""

SHOT_SECONDS = (0.5, 1, 2, 4, 8)
BUSY_LOOPS = 4


@dataclass(frozen=True)
class Condition:
    """What a round finds: kernels on the disk, Python's bytecode, other work."""

    name: str
    kernels: bool = True
    bytecode: bool = True
    busy: bool = False


CONDITIONS = (
    Condition("quiet"),
    Condition("no kernel compiled", kernels=False),
    Condition("no bytecode", bytecode=False),
    Condition("busy", busy=True),
    Condition("busy, no kernel compiled", kernels=False, busy=True),
)


@dataclass
class Waits:
    """Seconds of each wait in one round."""

    torch: float
    first: float
    first_complete: float
    first_proof: float
    later: float
    later_complete: float
    start: float
    later_start: float


@contextmanager
def prepared(condition: Condition) -> Iterator[Mapping[str, str]]:
    """The variables of the environment that make a condition; other work, where it asks for that, while it lasts."""
    with TemporaryDirectory() as empty:
        more = {"PYTHONDONTWRITEBYTECODE": "" if condition.bytecode else "1"}
        if not condition.bytecode:
            more["PYTHONPYCACHEPREFIX"] = f"{empty}/bytecode"
        if not condition.kernels:
            more["NUMBA_CACHE_DIR"] = f"{empty}/kernels"
        loops = [
            subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_LOOPS * condition.busy)
        ]
        try:
            yield more
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()


def import_torch(more: Mapping[str, str]) -> float:
    """Seconds that a new process takes to import torch, the measure of this machine in this moment."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], env=os.environ | dict(more), check=True)
    return time.perf_counter() - began


# The page itself notes the moment: while it loads plotly, right after the maps, nobody outside gets an answer.
PAINTED = """new MutationObserver((_, observer) => {
  if (!document.querySelector(".gv-preview img, .gv-inspector[data-ready]")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => (window.mapsPainted = performance.now())));
}).observe(document, { subtree: true, childList: true, attributes: true })"""


def visit(browser: Browser, address: str) -> tuple[float, float, float]:
    """Seconds from the request of page 1 to its painted maps, to the complete picture, and to the proof."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(TIMEOUT_MS)
    page.add_init_script(PAINTED)
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".gv-inspector[data-ready]")
    complete = time.perf_counter() - began
    maps = page.evaluate("mapsPainted") / 1000
    page.get_by_text("✓ matches").first.wait_for()
    proof = time.perf_counter() - began
    page.close()
    return maps, complete, proof


def start(page: Page) -> float:
    """Seconds from a click on Start to the first point of a curve that was not there."""
    button = page.get_by_role("button", name="Start", exact=True)
    button.wait_for()
    before = page.evaluate(CURVE)
    began = time.perf_counter()
    button.click()
    page.wait_for_function(f"(before) => {{ const now = {CURVE}; return now && now !== before; }}", arg=before)
    return time.perf_counter() - began


CURVE = """(() => {
  const plot = document.querySelector('[data-figure="loss"] .js-plotly-plot, [data-figure="loss"].js-plotly-plot');
  const drawn = (plot?.data ?? []).filter(({ y }) => y?.length && [...y].some(Number.isFinite));
  return drawn.length ? location.search : null;
})()"""
"""What distinguishes one run's drawn curve from another's: the page's address, once there is a curve; else null."""


def starts(browser: Browser, address: str) -> tuple[float, float]:
    """Seconds of the first Start on a page 2 that has been open for a while, and of a later one."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{address}/GRU_against_LSTM", wait_until="commit")
    page.get_by_role("button", name="Start", exact=True).wait_for()
    time.sleep(OPEN_SECONDS)
    first = start(page)
    page.get_by_role("button", name="Stop", exact=True).click()
    later = start(page)
    page.close()
    return first, later


def measure(condition: Condition) -> Waits:
    """One round: two new servers, each with a new browser."""
    with prepared(condition) as more, chromium() as browser, serve("dashboard.py", more=more) as address:
        first = visit(browser, address)
        later = visit(browser, address)
    with prepared(condition) as more, chromium() as browser, serve("dashboard.py", more=more) as address:
        start_, later_start = starts(browser, address)
    with prepared(condition) as more:
        torch = import_torch(more)
    return Waits(torch, *first, *later[:2], start_, later_start)


def report(found: Mapping[Condition, list[Waits]], machine: str) -> str:
    """Medians as a Markdown page."""

    def row(condition: Condition, rounds: list[Waits]) -> list[str]:
        def median(name: str) -> float:
            return statistics.median(getattr(each, name) for each in rounds)

        torch = median("torch")
        names = ("first", "first_complete", "first_proof", "later", "later_complete", "start", "later_start")
        cells = [f"{median(name):.1f} ({median(name) / torch:.2f})" for name in names]
        return [condition.name, f"{torch:.1f}", *cells, f"{median('first') / median('later'):.2f}"]

    header = ["", "import torch", "first maps", "complete", "proof", "later maps", "complete", "first curve"]
    header += ["later curve", "first ÷ later maps"]
    rounds = len(next(iter(found.values())))
    return f"""# The whole wait

{machine}

Seconds, medians of {rounds} rounds; in brackets as a multiple of `import torch` in the same round. A round is a new
server and a new browser. Maps: page 1, from the request to painted maps, the first one asked for as soon as the server
answers; complete: with everything that plotly draws; proof: the badge says that the gates match. Curves: page 2, open
for {OPEN_SECONDS:.0f} s, from the click on Start. Busy: beside {BUSY_LOOPS} busy loops. No bytecode: every process
compiles all of Python's sources.

{table(header, [row(condition, rounds) for condition, rounds in found.items()])}
"""


def take_screenshots(folder: Path) -> None:
    """Screenshots of a first visit and of a first Start, each in a new server and a new browser."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, serve("dashboard.py") as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        began = time.perf_counter()
        page.goto(address, wait_until="commit")
        _shoot(page, began, folder, "visit")
    with chromium() as browser, serve("dashboard.py") as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{address}/GRU_against_LSTM", wait_until="commit")
        button = page.get_by_role("button", name="Start", exact=True)
        button.wait_for(timeout=TIMEOUT_MS)
        time.sleep(OPEN_SECONDS)
        button.click()
        _shoot(page, time.perf_counter(), folder, "start")


def _shoot(page: Page, began: float, folder: Path, name: str) -> None:
    for seconds in SHOT_SECONDS:
        time.sleep(max(0.0, began + seconds - time.perf_counter()))
        with suppress(PlaywrightTimeoutError):
            page.screenshot(path=folder / f"{name}_{seconds}s.png", timeout=10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--conditions", default=",".join(each.name for each in CONDITIONS if "," not in each.name))
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--dry", action="store_true", help="print the table, and store nothing")
    given = parser.parse_args()
    if given.screenshots:
        take_screenshots(given.screenshots)
        return
    machine = describe_machine(("streamlit", "plotly", "torch", "numba"), root=ROOT.name)
    chosen = [each for each in CONDITIONS if each.name in given.conditions.split(",")]
    found = {condition: [measure(condition) for _ in range(given.rounds)] for condition in chosen}
    text = report(found, machine)
    print(text) if given.dry else write("cold.md", text)


if __name__ == "__main__":
    main()
