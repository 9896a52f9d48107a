"""Draws depend on what is asked alone, differ in all that is asked, and leave no row out."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, strategies as st

from gru_viz.training.randomness import draw_rows, generator, torch_seed


def test_every_draw_is_its_own() -> None:
    asked = [(s, p, u) for s in (0, 1, 2**31 - 1) for p in ("batch", "dropout", "epoch") for u in (0, 1, 199_999)]
    drawn = {generator(*each).random(4).tobytes() for each in asked}
    assert len(drawn) == len({torch_seed(*each) for each in asked}) == len(asked)
    assert drawn == {generator(*each).random(4).tobytes() for each in asked}


def test_consecutive_updates_do_not_share_a_stream() -> None:
    """The counter counts on within a draw; the next update begins beyond all that one could take."""
    long, following = generator(0, "batch", 5).integers(2**63, size=100_000), generator(0, "batch", 6).integers(2**63)
    assert following not in long


def test_neither_numpy_s_nor_torch_s_own_state_is_read_or_changed() -> None:
    np.random.seed(0)
    before, first = torch.initial_seed(), generator(3, "batch").random()
    state = np.random.get_state()[1].copy()
    draw_rows(1, 2, 3, 4)
    torch_seed(1, "head")
    assert torch.initial_seed() == before
    assert (np.random.get_state()[1] == state).all()
    np.random.seed(1)
    assert generator(3, "batch").random() == first


@given(st.integers(0, 100), st.integers(1, 12), st.integers(1, 30), st.integers(1, 4))
def test_every_row_comes_once_an_epoch(seed: int, batch: int, rows: int, epochs: int) -> None:
    updates = -(-epochs * rows // batch)
    drawn = np.concatenate([draw_rows(seed, update, batch, rows) for update in range(updates)])
    for epoch in range(epochs):
        assert sorted(drawn[epoch * rows : (epoch + 1) * rows]) == list(range(rows))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [tuple(draw_rows(seed, epoch, 50, 50)) for seed in range(3) for epoch in range(3)]
    assert len(set(orders)) == 9
