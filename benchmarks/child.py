"""Code that runs in a process of its own, so that its memory is measured apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["in_a_child"]

ROOT = Path(__file__).parents[1]

MEASURE = '''
import ctypes, json, time
from pathlib import Path
import numpy as np, torch, gru_viz

torch.set_num_threads(1)

def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])

def measured(work):
    """Seconds, and the peak in MiB above what was there before: Linux forgets the peak on request, then counts.

    What earlier work left with the allocator is given back first, or the work would take it unseen.
    """
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before, start = kilobytes("VmRSS"), time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    return dict(seconds=seconds, peak=(kilobytes("VmHWM") - before) / 1024, result=result)
'''


def in_a_child(code: str) -> Any:
    """What the code prints last, as JSON; it may use ``measured(work)``, and has numpy, torch and gru_viz."""
    run = subprocess.run([sys.executable, "-c", MEASURE + code], cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])
