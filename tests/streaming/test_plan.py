"""What is stored of a long run: enough for a screen at any zoom, in a file of a known size."""

from __future__ import annotations

import pytest

import gru_viz
from gru_viz.streaming.plan import COLUMNS, IN_FILE, Plan, make_plan


def stored_bytes(plan: Plan, units: int) -> int:
    """Bytes of all bins and checkpoints of a GRU of 8 features in float32."""
    bins = sum(3 * 4 * (8 + 4 * units) * -(-plan.length // width) for width in plan.widths)
    return bins + 4 * units * (plan.segments + 1)


@pytest.mark.parametrize("units", [16, 64, 256, 512])
def test_where_nothing_runs_again_the_bins_kept_fill_a_screen(units: int) -> None:
    plan = make_plan(gru_viz.random_weights("torch", 8, units), 100_000)
    assert plan.recomputed // plan.base >= COLUMNS
    assert plan.chunk % plan.base == plan.chunk % plan.stride == plan.piece % plan.chunk == 0


@pytest.mark.parametrize(("units", "length"), [(16, 1_000_000), (64, 20_000_000), (512, 1_000_000), (512, 20_000_000)])
def test_the_file_has_its_limit(units: int, length: int) -> None:
    plan = make_plan(gru_viz.random_weights("torch", 8, units), length)
    assert stored_bytes(plan, units) <= IN_FILE


def test_less_disk_makes_the_narrowest_bins_wider() -> None:
    weights = gru_viz.random_weights("torch", 8, 512)
    plan, tight = make_plan(weights, 100_000), make_plan(weights, 100_000, 300 << 20)
    assert tight.base > plan.base
    assert stored_bytes(tight, 512) <= 300 << 20 < stored_bytes(plan, 512)
