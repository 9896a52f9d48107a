"""What watching costs against a model's bare forward pass: ``python -m benchmarks.watch``, ``--quick`` for a look."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

import gru_viz
from benchmarks.machine import describe_machine, table, write

SHAPES = ((32, 200, 16, 128), (64, 100, 64, 256), (16, 50, 8, 32))
"""batch × time × features × hidden"""

KINDS = {"GRU": torch.nn.GRU, "LSTM": torch.nn.LSTM}
MODES = {"training": torch.enable_grad, "inference": torch.inference_mode}
SECONDS, FEWEST, MOST = 6.0, 5, 200

Ways = dict[str, Callable[[], object]]


def ways(kind: str, mode: str, shape: tuple[int, int, int, int], device: str) -> Ways:
    """The ways to run one module over one batch; the first is the rival, which gives hidden states only."""
    batch, steps, features, hidden = shape
    torch.manual_seed(0)
    model = KINDS[kind](features, hidden, batch_first=True, device=device)
    x = torch.randn(batch, steps, features, device=device)

    def bare() -> object:
        with MODES[mode]():
            return model(x)

    def watched() -> gru_viz.watching.Seen:
        with gru_viz.watch(model) as seen:
            bare()
        return seen

    def read() -> object:
        trace = watched()[""]
        assert trace.proof.holds
        return trace

    return {"bare": bare, "watched": watched, "every gate": read}


def interleave(runs: Ways, seconds: float, device: str) -> dict[str, np.ndarray]:
    """Time all ways in turn, round after round, so that a busy moment of the machine meets each of them."""
    settle = torch.cuda.synchronize if device == "cuda" else lambda: None
    for run in runs.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    began = time.perf_counter()
    for n in range(MOST):
        if n >= FEWEST and time.perf_counter() - began > seconds:
            break
        for name, run in runs.items():
            settle()
            start = time.perf_counter()
            run()
            settle()
            taken[name].append(time.perf_counter() - start)
    return {name: np.array(each) for name, each in taken.items()}


def measure(device: str, seconds: float) -> list[list[str]]:
    """A row for each cell, mode and shape."""
    rows = []
    for kind in KINDS:
        for mode in MODES:
            for shape in SHAPES:
                taken = interleave(ways(kind, mode, shape, device), seconds, device)
                bare = taken.pop("bare")
                row = [kind, mode, "×".join(map(str, shape)), str(len(bare)), f"{1e3 * np.median(bare):.2f}"]
                for each in taken.values():
                    low, middle, high = np.percentile(each / bare, (25, 50, 75))
                    row.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
                rows.append(row)
    return rows


def main() -> None:
    """Measure, print, and unless it was a quick look write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a second for each row, printed and not written down")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    seconds = 1.0 if quick else SECONDS
    header = (
        "module",
        "mode",
        "batch×time×features×hidden",
        "rounds",
        "bare, ms",
        "watched",
        "watched, every gate read",
    )
    on_cpu = table(header, measure("cpu", seconds))
    on_cuda = "No GPU was at hand."
    if torch.cuda.is_available():
        on_cuda = f"On {torch.cuda.get_device_name()}:\n\n" + table(header, measure("cuda", seconds))
    text = f"""# What watching costs

{describe_machine(("torch", "numpy"))}

A forward pass inside `gru_viz.watch`, without and with reading every gate of every step, proof included, as a ratio to
the bare forward pass of the same module, which gives hidden states only. In training the forward pass records what a
backward pass needs, in inference it does not. One thread, float32. The ways take turns, round after round; a ratio is
of one round, and given as its median and its quartiles. A lower figure is better.

{on_cpu}

{on_cuda}"""
    if quick:
        print(text)
    else:
        write("watch.md", text)


if __name__ == "__main__":
    main()
