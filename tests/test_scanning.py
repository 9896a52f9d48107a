"""A scan by doubling is the loop, for any number of steps."""

from __future__ import annotations

import pytest
import torch

from gru_viz import recovery
from gru_viz.scanning import scan

SHAPE = 3, 4


def by_a_loop(a: torch.Tensor, b: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    told, c = [], start
    for kept, added in zip(a.unbind(1), b.unbind(1), strict=True):
        c = kept * c + added
        told.append(c)
    return torch.stack(told, 1)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 9, 100, 1000])
def test_it_is_the_loop(steps: int) -> None:
    rng = torch.Generator().manual_seed(steps)
    a = torch.rand(SHAPE[0], steps, SHAPE[1], generator=rng, dtype=torch.float64)
    a[:, steps // 2] = 0  # forgets all
    a[0] = 1 - 1e-3 * a[0]  # forgets next to nothing
    b = torch.randn(SHAPE[0], steps, SHAPE[1], generator=rng, dtype=torch.float64)
    start = torch.randn(SHAPE, generator=rng, dtype=torch.float64)
    kept = a.clone(), b.clone()
    wanted = by_a_loop(a, b, start)
    assert (scan(a, b, start) - wanted).abs().max() < 1e-12 * max(1, float(wanted.abs().max()))
    assert torch.equal(a, kept[0])
    assert torch.equal(b, kept[1])
    there = scan(a.float(), b.float(), start.float())
    assert (there - wanted).abs().max() < 1e-5 * max(1, float(wanted.abs().max()))


def test_no_step_gives_none() -> None:
    assert scan(torch.ones(2, 0, 3), torch.ones(2, 0, 3), torch.ones(2, 3)).shape == (2, 0, 3)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("lengths", [(6, 6), (6, 2), (0, 3)])
def test_cell_states_of_an_lstm_are_the_same_by_either_way(
    lengths: tuple[int, int], backward: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of a GPU, made to run here."""
    rng = torch.Generator().manual_seed(0)
    gates = {g: torch.rand(2, 6, 3, generator=rng, dtype=torch.float64) for g in ("input", "forget", "cell_candidate")}
    start, within = torch.randn(2, 3, generator=rng, dtype=torch.float64), torch.zeros(2, 6, dtype=torch.bool)
    for row, n in zip(within, lengths, strict=True):
        row[:n] = True
    wanted = recovery._scan(gates, start, lengths, backward)
    monkeypatch.setattr(recovery, "_in_few_operations", lambda _: True)
    found = recovery._scan(gates, start, lengths, backward)
    assert (found - wanted)[within].abs().max() < 1e-14
