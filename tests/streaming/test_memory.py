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

def look(long):  # at everything, at the widest window that runs again, and at single steps, at both ends
    for span in (long.length, min(long.recomputed, long.length), 1200):
        for start in (0, long.length - span):
            for quantity in ("inputs", *(q.name for q in long.convention.quantities)):
                long.bins(quantity, start, start + span, 1200).with_spikes()
    long.window(100, 1100)

class EnoughError(Exception): ...

def stop(done, total):
    if done > total // 2:
        raise EnoughError

look(gru_viz.stream(weights, x[:{warm}]))  # kernels and libraries are loaded and warm
reported = []
for progress in (None, stop, None, stop)[:{runs}]:
    trim(0)
    clear.write_text("5")  # the peak counts from here
    before = kilobytes("VmRSS")
    try:
        long = gru_viz.stream(weights, x, progress=progress)
        look(long)
        del long
    except EnoughError:
        pass
    peak = kilobytes("VmHWM")
    trim(0)
    reported.append(((peak - before) * 1024, (kilobytes("VmRSS") - before) * 1024))
print(json.dumps(reported))
"""


def measure(length: int, hidden: int, runs: int = 4, warm: int = 9000) -> list[tuple[int, int]]:
    """The peak above what was there before, and what stayed: of a run, one that was cancelled, and two more.

    The pictures drawn of a run are part of it.
    """
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("needs /proc/self/clear_refs, by which Linux forgets a peak")
    code = CHILD.format(length=length, hidden=hidden, runs=runs, warm=warm)
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [(peak, stayed) for peak, stayed in json.loads(run.stdout)]


@pytest.mark.parametrize("length", [40_000, 200_000])
def test_a_run_of_any_length_takes_64_mib_at_most_and_leaves_nothing(length: int) -> None:
    found = measure(length, 64)
    assert max(peak for peak, _ in found) < 64 * MiB
    assert sum(stayed for _, stayed in found[2:]) < 8 * MiB


def test_pictures_of_many_units_take_no_more() -> None:
    """512 units: a picture of 1,200 columns is 28 MiB of bins, and two of them are seen."""
    assert measure(9000, 512, runs=1, warm=1300)[0][0] < 64 * MiB


def test_the_measure_sees_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """All bins in memory are more than that."""
    monkeypatch.setitem(globals(), "CHILD", CHILD.replace(
        "weights =", "gru_viz.streaming.plan.IN_MEMORY = gru_viz.streaming.plan.IN_FILE = 1 << 40\n"
        "gru_viz.streaming.plan.FINEST = 2\ngru_viz.streaming.plan.COLUMNS = 1 << 30\nweights =",
    ))  # fmt: skip
    assert measure(60_000, 64)[0][0] > 64 * MiB
