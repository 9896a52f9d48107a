"""What every gate and the proof cost, against a bare ``nn.GRU`` that gives neither: ``python -m benchmarks.trace``."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

import gru_viz
from benchmarks.machine import describe_machine, table, write

SHAPES = ((1, 100, 3, 16), (1, 1000, 8, 64), (32, 200, 16, 128), (1, 20000, 4, 64), (8, 1000, 64, 512))
"""batch × time × features × hidden"""

SECONDS, FEWEST, MOST = 15.0, 5, 200


def ways(shape: tuple[int, int, int, int]) -> dict[str, Callable[[], object]]:
    """The ways to run one network over one batch; the first is the rival."""
    batch, steps, features, hidden = shape
    torch.manual_seed(0)
    gru = torch.nn.GRU(features, hidden, batch_first=True)
    x = torch.randn(batch, steps, features)
    values, weights = x.numpy(), gru_viz.Weights.from_module(gru)

    def bare() -> object:
        with torch.inference_mode():
            return gru(x)

    return {
        "bare nn.GRU": bare,
        "torch": lambda: gru_viz.trace(weights, values, backend="torch"),
        "scratch": lambda: gru_viz.trace(weights, values, backend="scratch"),
    }


def interleave(runs: dict[str, Callable[[], object]]) -> dict[str, np.ndarray]:
    """Time all ways in turn, round after round, so that a busy moment of the machine meets each of them."""
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    began = time.perf_counter()
    for n in range(MOST):
        if n >= FEWEST and time.perf_counter() - began > SECONDS:
            break
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(taken) for name, taken in seconds.items()}


def main() -> None:
    """Measure all shapes and write them down."""
    torch.set_num_threads(1)
    machine = describe_machine(("torch", "numpy"))
    rows = []
    for shape in SHAPES:
        seconds = interleave(ways(shape))
        bare = seconds["bare nn.GRU"]
        row = ["×".join(map(str, shape)), str(len(bare)), f"{1e3 * np.median(bare):.1f}"]
        for name in ("torch", "scratch"):
            low, middle, high = np.percentile(seconds[name] / bare, (25, 50, 75))
            row.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
        rows.append(row)
    header = ("batch×time×features×hidden", "rounds", "bare nn.GRU, ms", 'backend="torch"', 'backend="scratch"')
    write(
        "trace.md",
        f"""# What a trace costs

{machine}

`gru_viz.trace`, every gate of every step, proof included, as a ratio to a bare `nn.GRU` forward pass of the same
weights, which gives hidden states only. One thread, float32. The ways take turns, round after round; a ratio is of one
round, and given as its median and its quartiles. A lower figure is better; 1 is the cost of the hidden states alone.

{table(header, rows)}""",
    )


if __name__ == "__main__":
    main()
