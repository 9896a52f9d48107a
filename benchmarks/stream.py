"""A sequence too long to keep: time, memory, and how fast a picture of any part of it is there.

``python -m benchmarks.stream``; with ``--longest`` a million steps of 512 units instead, which takes minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

import gru_viz
from benchmarks.child import in_a_child
from benchmarks.machine import describe_machine, table, write
from gru_viz.bins import reduce

FEATURES, COLUMNS, ROUNDS = 8, 1200, 9
REDUCED = ((1_000_000, 16, 1000), (1_000_000, 64, 1000), (200_000, 512, 100))
"""steps × units, and the steps of a bin"""

RUNS = ((1_000_000, 16, 5), (1_000_000, 64, 3), (50_000, 512, 2))
"""steps × units, and rounds"""

SEEN = ((1_000_000, 16), (1_000_000, 64), (50_000, 512), (200_000, 512))
LONGEST = (1_000_000, 512)
MEMORY = ("steps × units", "s", "peak, MiB", "peak with pictures, MiB")

WARM = 9000
"""Steps of the run that loads the kernels."""

VIEWED = ((1_000_000, 16), (1_000_000, 64), (100_000, 512))

WAYS = {
    "stream, every chunk proven": "lambda: float(gru_viz.stream(weights, x).proof)",
    "everything stored": "lambda: gru_viz.trace(weights, x).layers and 0.0",
    "everything stored and proven": "lambda: float(gru_viz.trace(weights, x).proof)",
}


LOOK = """
def look(long):
    for span in (long.length, int(1.6 * long.recomputed), long.recomputed, {columns}):
        for start in (0, long.length - min(span, long.length)):
            for name in ("inputs", *(q.name for q in long.convention.quantities)):
                long.bins(name, start, start + min(span, long.length), {columns}).with_spikes()
"""


def streamed_and_seen(steps: int, units: int) -> dict[str, float]:
    """Seconds and the peak of a stream, and the peak with pictures of all widths drawn of it, from both its ends."""
    return in_a_child(f"""
{LOOK.format(columns=COLUMNS)}
weights = gru_viz.random_weights("torch", {FEATURES}, {units})
x = np.random.default_rng(0).standard_normal(({steps}, {FEATURES}), np.float32)
look(gru_viz.stream(weights, x[:{WARM}]))

def work():
    start = time.perf_counter()
    long = gru_viz.stream(weights, x)
    seconds, peak = time.perf_counter() - start, kilobytes("VmHWM")
    look(long)
    return seconds, kilobytes("VmHWM") - peak

found = measured(work)
seconds, more = found["result"]
print(json.dumps(dict(seconds=seconds, peak=found["peak"] - more / 1024, seen=found["peak"])))
""")


def run_in_a_child(way: str, steps: int, units: int) -> dict[str, float]:
    """Seconds and the peak of one way to run one network, its kernels loaded before."""
    return in_a_child(f"""
weights = gru_viz.random_weights("torch", {FEATURES}, {units})
x = np.random.default_rng(0).standard_normal(({steps}, {FEATURES}), np.float32)
work = {WAYS[way]}
everything, x = x, x[:{WARM}]
work()
x = everything
print(json.dumps(measured(work)))
""")


def quartiles(values: np.ndarray, digits: int = 2) -> str:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def memory(steps: int, units: int) -> list[str]:
    found = streamed_and_seen(steps, units)
    return [f"{steps:,} × {units}", f"{found['seconds']:.2f}", f"{found['peak']:.0f}", f"{found['seen']:.0f}"]


def running() -> str:
    rows = []
    for steps, units, rounds in RUNS:
        found = {way: list[dict[str, float]]() for way in WAYS}
        for _ in range(rounds):
            for way, each in found.items():
                each.append(run_in_a_child(way, steps, units))
        seconds = {way: np.array([one["seconds"] for one in each]) for way, each in found.items()}
        for way, each in found.items():
            ratio = np.median(seconds[way] / seconds["everything stored and proven"])
            peak = max(one["peak"] for one in each)
            rows.append([f"{steps:,} × {units}", way, f"{np.median(seconds[way]):.2f}", f"{ratio:.2f}", f"{peak:.0f}"])
    return table(("steps × units", "way", "s", "ratio to stored and proven", "peak, MiB"), rows)


def ways_to_reduce(x: np.ndarray, width: int) -> dict[str, Callable[[], object]]:
    groups, tensor = x.reshape(-1, width, x.shape[1]), torch.from_numpy(x).view(-1, width, x.shape[1])
    edges = np.arange(0, len(x), width)
    return {
        "one read, x.max()": lambda: x.max(),
        "gru_viz": lambda: reduce(x, width),
        "numpy, reshaped": lambda: (groups.min(1), groups.max(1), groups.mean(1)),
        "torch, reshaped": lambda: (torch.aminmax(tensor, dim=1), tensor.mean(1)),
        "numpy, reduceat": lambda: [each.reduceat(x, edges) for each in (np.minimum, np.maximum, np.add)],
    }


def reducing() -> str:
    rows = []
    for steps, units, width in REDUCED:
        x = np.random.default_rng(0).standard_normal((steps, units), np.float32)
        ways = ways_to_reduce(x, width)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for n in range(ROUNDS + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                if n:
                    seconds[name].append(time.perf_counter() - start)
        one = np.array(seconds["one read, x.max()"])
        cells = [quartiles(np.array(each) / one) for name, each in seconds.items() if not name.startswith("one")]
        rows.append([f"{steps:,} × {units}, bins of {width}", f"{1e3 * np.median(one):.1f}", *cells])
    header = ["steps × units", "one read, ms", *(name for name in ways if not name.startswith("one"))]
    return table(header, rows)


def viewing() -> str:
    rows = []
    for steps, units in VIEWED:
        weights = gru_viz.random_weights("torch", FEATURES, units)
        long = gru_viz.stream(weights, np.random.default_rng(0).standard_normal((steps, FEATURES), np.float32))
        names = ("inputs", *(q.name for q in weights.convention.quantities))
        plan = long._sweep.plan
        spans = {steps, COLUMNS * plan.base, int(1.6 * long.recomputed), 10_000, COLUMNS}
        spans |= {int(1.01 * long.recomputed), int(0.98 * long.recomputed)}
        for span in sorted((each for each in spans if each <= steps), reverse=True):
            how = "run again" if span <= long.recomputed else f"from bins of {plan.base} and wider"
            taken, bins = [], 0
            for n in range(ROUNDS):
                start = (steps - span) * n // ROUNDS
                began = time.perf_counter()
                for name in names:
                    shown = long.bins(name, start, start + span, COLUMNS).with_spikes()
                taken.append(1e3 * (time.perf_counter() - began))
                bins = shown.shape[1]
            worst = f"{max(taken):.0f}"
            rows.append([f"{steps:,} × {units}", f"{span:,}", how, str(bins), quartiles(np.array(taken), 0), worst])
        start = steps // 3
        began = time.perf_counter()
        long.window(start, start + COLUMNS)
        took = f"{1e3 * (time.perf_counter() - began):.0f}"
        rows.append([f"{steps:,} × {units}", f"{COLUMNS:,}", "the exact trace, `window`", "", took, took])
    return table(("steps × units", "steps shown", "how", "bins", "ms for the whole picture", "slowest"), rows)


def main() -> None:
    """Measure everything and write it down."""
    torch.set_num_threads(1)
    machine = describe_machine(("torch", "numpy", "numba"))
    if "--longest" in sys.argv:
        found = table(MEMORY, [memory(*LONGEST)])
        write(
            "stream_longest.md",
            f"# A million steps of 512 units\n\n`python -m benchmarks.stream --longest`\n\n{machine}\n\n{found}",
        )
        return
    write(
        "stream.md",
        f"""# A sequence too long to keep

`python -m benchmarks.stream`

{machine}

## Running

A GRU of one layer over one sequence of {FEATURES} features, float32, one thread, each run in a process of its own that
has loaded its kernels. The peak is the operating system's (VmHWM), above the process's memory before: it does not
count the sequence itself. The rounds take turns; median seconds. What is streamed is reduced to bins of many widths,
and states are stored from which any window runs again; the rival stores four arrays of steps × units.

{running()}

## Memory, pictures included

A stream in a process of its own, its peak, and the peak when pictures of its whole, of windows that run again and of
single steps are drawn of it afterwards, from both its ends, {COLUMNS} columns at most; from the same beginning.

{table(MEMORY, [memory(*each) for each in SEEN])}

## Reducing to bins: low, high and mean

Ratios to one read of the same numbers, numpy's `x.max()` over all of them, in the same round; medians and quartiles of
{ROUNDS} rounds.

{reducing()}

## Looking

From the steps to be shown to what is painted: the bins of the input and of all four quantities, {COLUMNS} columns at
most, at {ROUNDS} places of the sequence; medians and quartiles. Wide views come from the stored bins, narrow
ones are run again from the nearest checkpoint, once for all quantities.

{viewing()}""",
    )


if __name__ == "__main__":
    main()
