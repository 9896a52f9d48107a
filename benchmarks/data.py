"""The sequence that the browser's benchmarks read: 1,000 steps of three features, the same every time."""

from __future__ import annotations

import numpy as np

__all__ = ["STEPS", "UNITS", "csv"]

STEPS, UNITS = 1000, 64


def csv() -> bytes:
    """Give a CSV with a wave, a slower wave with noise, and a level that jumps."""
    rng = np.random.default_rng(0)
    t = np.arange(STEPS)
    columns = (
        np.sin(t / 9) + 0.1 * rng.standard_normal(STEPS),
        np.sin(t / 53) + 0.3 * rng.standard_normal(STEPS),
        np.repeat(rng.uniform(-1, 1, STEPS // 40), 40),
    )
    rows = "".join(f"{a:.4f},{b:.4f},{c:.4f}\n" for a, b, c in zip(*columns, strict=True))
    return f"wave,slow_wave,level\n{rows}".encode()
