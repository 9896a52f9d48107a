"""How time and memory grow with steps, units and sequences, and how steeply: ``python -m benchmarks.scale``."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.child import in_a_child
from benchmarks.machine import describe_machine, table, write
from benchmarks.plot import keep, lines

FEATURES = 8
STEPS = tuple(10**k for k in range(2, 7))
UNITS = (16, 32, 64, 128, 256, 512, 1024)
SEQUENCES = (1, 3, 10, 30, 100, 300, 1000)

TRACE, STREAM = "float(gru_viz.trace(weights, x).proof)", "float(gru_viz.stream(weights, x[0]).proof)"
SERIES: dict[str, tuple[str, list[tuple[int, int, int, int]]]] = {
    "steps, all stored": (TRACE, [(n, 1, n, 64) for n in STEPS]),
    "steps, streamed": (STREAM, [(n, 1, n, 64) for n in STEPS]),
    "units": (TRACE, [(n, 1, 2000, n) for n in UNITS]),
    "sequences": (TRACE, [(n, n, 200, 64) for n in SEQUENCES]),
}
"""What grows → how it runs, and (what it grows to, sequences, steps, units)."""

LEAST = 4.0
"""MiB from which on a peak says more of the work than of the allocator."""


def measure(way: str, batch: int, steps: int, units: int) -> dict[str, Any]:
    """The peak of the first run, kernels loaded; and the median seconds of several runs, each proven."""
    return in_a_child(f"""
weights = gru_viz.random_weights("torch", {FEATURES}, {units})
x = np.random.default_rng(0).standard_normal((1, 50, {FEATURES}), np.float32)
{way}
x = np.random.default_rng(0).standard_normal(({batch}, {steps}, {FEATURES}), np.float32)
found = measured(lambda: {way})
seconds = [found["seconds"]]
while len(seconds) < 3 or (sum(seconds) < 1 and len(seconds) < 30):
    if sum(seconds) > 8:
        break
    seconds.append(measured(lambda: {way})["seconds"])
print(json.dumps(dict(seconds=float(np.median(seconds)), peak=found["peak"])))
""")


def slope(points: list[tuple[float, float]]) -> float:
    """The exponent of growth: least squares on both logarithms."""
    x, y = np.log10(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])


def describe(points: list[tuple[float, float]]) -> str:
    """The slope over all points, and over the upper half of them, where what is fixed no longer counts."""
    if len(points) < 3:
        return "too few points"
    return f"{slope(points):.2f}; upper half {slope(points[len(points) // 2 :]):.2f}"


def main() -> None:
    """Measure all series, and write and draw them."""
    machine = describe_machine(("torch", "numpy", "numba"))
    rows, slopes = [], []
    times: dict[str, list[tuple[float, float]]] = {}
    peaks: dict[str, list[tuple[float, float]]] = {}
    for name, (way, points) in SERIES.items():
        found = [(n, measure(way, *shape)) for n, *shape in points]
        times[name] = [(float(n), one["seconds"]) for n, one in found]
        peaks[name] = [(float(n), one["peak"]) for n, one in found if one["peak"] >= LEAST]
        slopes.append([name, describe(times[name]), describe(peaks[name])])
        for (n, batch, steps, units), (_, one) in zip(points, found, strict=True):
            shape = f"{batch:,} × {steps:,} × {units:,}"
            rows.append([name, f"{n:,}", shape, f"{one['seconds']:.4g}", f"{one['peak']:.1f}"])
    keep("scale_time.svg", lines("Time, proof included", "steps, units, or sequences", "seconds", times))
    drawn = {name: points for name, points in peaks.items() if points}
    keep("scale_memory.svg", lines("Peak of memory", "steps, units, or sequences", "MiB", drawn))
    write(
        "scale.md",
        f"""# How cost grows

`python -m benchmarks.scale`

{machine}

A GRU of one layer over {FEATURES} features, float32, one thread, proof included. Each point is a process of its own
that has loaded its kernels; seconds are the median of its runs, and the peak is the operating system's (VmHWM) in the
first of them, above the process's memory before. A slope is the exponent of growth, by least squares on the
logarithms: 1 means that twice the work costs twice as much; that of the memory is over the points of {LEAST:.0f} MiB
and more. With its units, a layer's weights grow to the power of 2.

{table(("what grows", "slope of the time", "slope of the memory"), slopes)}

![time](scale_time.svg)

![memory](scale_memory.svg)

{table(("what grows", "to", "sequences × steps × units", "s", "peak, MiB"), rows)}""",
    )


if __name__ == "__main__":
    main()
