"""Short sequences in many chunks: what is cut at a million steps is cut at a hundred here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gru_viz.streaming import plan


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 32 steps, checkpoints every 8, bins of 4, and a file for all but the widest."""
    monkeypatch.setattr(plan, "LONGEST_CHUNK", 32)
    monkeypatch.setattr(plan, "FINEST", 4)
    monkeypatch.setattr(plan, "SECONDS", 0.0)
    monkeypatch.setattr(plan, "SHORTEST_AGAIN", 16)
    monkeypatch.setattr(plan, "IN_MEMORY", 2000)


@pytest.fixture
def open_files() -> Callable[[], int]:
    """How many files this process holds open."""
    there = Path("/proc/self/fd")
    if not there.exists():
        pytest.skip("needs /proc")
    return lambda: sum(1 for _ in there.iterdir())
