"""Whether the page stays alive while a long trace runs: a heartbeat in the same process, and a visitor's clicks.

``python -m benchmarks.alive``
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlencode

import numpy as np
import torch

import gru_viz
from benchmarks.browser import serve
from benchmarks.machine import describe_machine, table, write
from benchmarks.session import Visitor
from gru_viz.ui.server import SWITCH_SECONDS

BEAT, SECONDS, ROUNDS = 0.001, 6.0, 3
CLICKS, ANSWERED, LATE = 60, 0.3, 0.001
WORKS = {"stream, 1,000,000 × 16": (1_000_000, 16), "stream, 1,000,000 × 64": (1_000_000, 64)}
BUSY = {"source": "Text", "units": "256", "layers": "4", "both_ways": "bidirectional"}
"""What the other visitor asks for: 5,000 characters read by four bidirectional layers."""


class Work(threading.Thread):
    """Does something over and over, beside what is measured, until it is stopped."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.work, self.stopped = work, threading.Event()
        self.times = 0

    def run(self) -> None:
        """Do it."""
        while not self.stopped.is_set():
            self.work()
            self.times += 1

    def __enter__(self) -> Work:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.join()


def heartbeat(seconds: float) -> np.ndarray:
    """How late each beat is, in seconds: a thread that sleeps a millisecond at a time."""
    late, end = [], time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        time.sleep(BEAT)
        late.append(time.perf_counter() - now - BEAT)
    return np.array(late)


def beside(work: Callable[[], object] | None) -> np.ndarray:
    if work is None:
        return heartbeat(SECONDS)
    with Work(work):
        return heartbeat(SECONDS)


def works() -> dict[str, Callable[[], object] | None]:
    found: dict[str, Callable[[], object] | None] = {"nothing (the baseline)": None}
    rng = np.random.default_rng(0)
    for name, (steps, units) in WORKS.items():
        weights, x = gru_viz.random_weights("torch", 8, units), rng.standard_normal((steps, 8), np.float32)
        found[name] = lambda weights=weights, x=x: gru_viz.stream(weights, x)  # type: ignore[misc]
    weights, x = gru_viz.random_weights("torch", 4, 64), rng.standard_normal((20_000, 4), np.float32)
    found["trace and proof, 20,000 × 64"] = lambda: gru_viz.trace(weights, x).proof
    rows = b"".join(b"%.6f,%.6f,%.6f\n" % tuple(row) for row in rng.standard_normal((1_000_000, 3)))
    found["reading 1,000,000 × 3"] = lambda: gru_viz.sequences.open_table(b"a,b,c\n" + rows).sequences()
    return found


def pulse() -> str:
    found = works()
    for work in found.values():  # loads what is compiled
        if work:
            work()
    late: dict[str, list[np.ndarray]] = {name: [] for name in found}
    for _ in range(ROUNDS):
        for name, work in found.items():
            late[name].append(beside(work))
    rest = float(np.median([np.percentile(each, 99) for each in late["nothing (the baseline)"]]))
    rows = []
    for name, each in late.items():
        half, most = (np.median([np.percentile(one, share) for one in each]) * 1e3 for share in (50, 99))
        over = most - rest * 1e3
        rows.append([name, f"{half:.2f}", f"{most:.2f}", f"{over:.2f}", f"{max(map(np.max, each)) * 1e3:.1f}"])
    return table(("beside it runs", "median, ms", "99th, ms", "over the baseline, ms", "largest, ms"), rows)


def clicks(server: str, busy: bool) -> np.ndarray:
    """Seconds until a visitor's whole page is answered, while another's long trace runs or not."""
    pasted = "step,x\n" + "\n".join(f"{k},{np.sin(k / 9):.3f}" for k in range(40))
    link = urlencode({"source": "Table", "table": pasted, "own_weights": "Random"})
    found = []
    with Visitor(server, query=link) as visitor:
        until = time.monotonic() + 60
        while not visitor.runs and time.monotonic() < until:
            time.sleep(0.05)
        for at in range(CLICKS):
            if busy and at % 10 == 0:
                text = "".join(chr(97 + (k * k + at) % 26) for k in range(5000))
                other = Visitor(server, query=urlencode(BUSY | {"text": text, "seed": at}))
            before, start = visitor.runs, time.monotonic()
            visitor.rerun()
            while visitor.runs == before and time.monotonic() < start + 60:
                time.sleep(0.001)
            found.append(time.monotonic() - start)
            if busy and at % 10 == 9:
                other.close()
        if visitor.exceptions:
            raise SystemExit(visitor.exceptions[0])
    return np.array(found)


def main() -> None:
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_SECONDS)  # as the page's server does
    machine = describe_machine(["torch", "numba", "streamlit"])
    beats = pulse()
    rows = []
    with serve("dashboard.py") as address:
        server = address.removeprefix("http://")
        for name, busy in (
            ("nothing", False),
            ("others' traces of 5,000 steps, 4 layers of 256 units both ways", True),
        ):
            half, most, worst = np.percentile(clicks(server, busy), (50, 95, 100)) * 1e3
            rows.append([name, f"{half:.0f}", f"{most:.0f}", f"{worst:.0f}"])
    text = [
        f"# Whether the page stays alive\n\n`python -m benchmarks.alive`\n\n{machine}\n",
        f"A heartbeat sleeps {BEAT * 1e3:.0f} ms at a time; how late it wakes, {ROUNDS} × {SECONDS:.0f} s. "
        f"The aim is at most {LATE * 1e3:.0f} ms over the baseline at the 99th percentile.\n",
        beats,
        f"\nA visitor asks a server for the whole page again, {CLICKS} times; the aim is {ANSWERED * 1e3:.0f} ms.\n",
        table(("meanwhile the server runs", "median, ms", "95th, ms", "largest, ms"), rows),
    ]
    write("alive.md", "\n".join(text))


if __name__ == "__main__":
    main()
