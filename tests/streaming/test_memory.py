"""What a long run takes of memory, by the operating system's own count, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MiB = 1 << 20

CHILD = """
import ctypes, json, sys
import numpy as np, torch, gru_viz
from pathlib import Path

torch.set_num_threads(1)
status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")

trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)  # what the allocator keeps for the next time is no leak

def kilobytes(name):
    return int(next(line for line in status.read_text().splitlines() if line.startswith(name)).split()[1])

weights = gru_viz.random_weights("torch", 4, {hidden})
x = np.random.default_rng(0).standard_normal(({length}, 4)).astype(np.float32)

class EnoughError(Exception): ...

def stop(done, total):
    if done > total // 2:
        raise EnoughError

gru_viz.stream(weights, x[:9000]).bins("update", 0, 9000, 100)  # kernels and libraries are loaded and warm
told = []
for progress in (None, stop, None, stop):
    trim(0)
    clear.write_text("5")  # the peak counts from here
    before = kilobytes("VmRSS")
    try:
        long = gru_viz.stream(weights, x, progress=progress)
        long.bins("hidden", 0, {length}, 1000), long.window(100, 1100)
        del long
    except EnoughError:
        pass
    peak = kilobytes("VmHWM")
    trim(0)
    told.append(((peak - before) * 1024, (kilobytes("VmRSS") - before) * 1024))
print(json.dumps(told))
"""


def measure(length: int, hidden: int, **environment: str) -> list[tuple[int, int]]:
    """The peak above what was there before, and what stayed: of a run, one that was cancelled, and two more."""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("needs /proc/self/clear_refs, by which Linux forgets a peak")
    code = CHILD.format(length=length, hidden=hidden)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return [(peak, stayed) for peak, stayed in json.loads(run.stdout)]


@pytest.mark.parametrize("length", [40_000, 200_000])
def test_a_run_of_any_length_takes_64_mib_at_most_and_leaves_nothing(length: int) -> None:
    found = measure(length, 64)
    assert max(peak for peak, _ in found) < 64 * MiB
    assert sum(stayed for _, stayed in found[2:]) < 8 * MiB


def test_the_measure_sees_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """All bins in memory are more than that."""
    monkeypatch.setitem(globals(), "CHILD", CHILD.replace(
        "weights =", "gru_viz.streaming.plan.IN_MEMORY = gru_viz.streaming.plan.IN_FILE = 1 << 40\n"
        "gru_viz.streaming.plan.FINEST = 2\ngru_viz.streaming.plan.COLUMNS = 1 << 30\nweights =",
    ))  # fmt: skip
    assert measure(60_000, 64)[0][0] > 64 * MiB
