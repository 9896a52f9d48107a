"""Fewer points: never a lost extreme, and never a moved one while a line grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from gru_viz.training.figures.thinning import MOST_DRAWN, bin_ends, extremes, smooth, stride

lines = arrays(np.float64, st.integers(1, 3000), elements=st.floats(-1e6, 1e6))


@given(st.integers(0, 10**6), st.integers(1, 1000))
def test_the_stride_is_the_smallest_power_of_two_that_fits(points: int, most: int) -> None:
    step = stride(points, most)
    assert step & (step - 1) == 0
    assert step * most >= points
    assert step == 1 or step // 2 * most < points


@given(lines)
def test_lowest_and_highest_are_always_drawn_and_points_are_points_of_the_line(y: np.ndarray) -> None:
    x = np.arange(len(y))
    thin_x, thin_y = extremes(x, y)
    assert len(thin_x) == len(thin_y) <= MOST_DRAWN
    assert (thin_y.min(), thin_y.max()) == (y.min(), y.max())
    assert np.array_equal(y[thin_x], thin_y)
    assert (np.diff(thin_x) >= 0).all()


@pytest.mark.parametrize("points", [1, 2, 599, 600])
def test_few_points_are_drawn_exactly(points: int) -> None:
    y = np.random.default_rng(0).normal(size=points)
    assert np.array_equal(extremes(np.arange(points), y)[1], y)
    assert bin_ends(points).tolist() == list(range(points))


@pytest.mark.parametrize("points", [700, 1000, 1199, 4801, 9000])
def test_a_growing_line_leaves_its_full_bins_where_they_were(points: int) -> None:
    y = np.random.default_rng(1).normal(size=points + 500)
    before = extremes(np.arange(points), y[:points])
    for added in range(1, 500):
        now = points + added
        if stride(now, MOST_DRAWN // 2) != stride(points, MOST_DRAWN // 2):
            return
        after = extremes(np.arange(now), y[:now])
        full = 2 * (points // stride(points, MOST_DRAWN // 2))
        assert np.array_equal(before[0][:full], after[0][:full])
        assert np.array_equal(before[1][:full], after[1][:full])


@pytest.mark.parametrize("points", [601, 2000, 2001, 123_457])
def test_ends_of_bins_hold_the_first_and_the_newest(points: int) -> None:
    chosen, more = bin_ends(points), bin_ends(points + 1)
    assert (chosen[0], chosen[-1]) == (0, points - 1)
    assert len(chosen) <= MOST_DRAWN
    if stride(points, MOST_DRAWN - 2) == stride(points + 1, MOST_DRAWN - 2):
        assert set(chosen[:-1].tolist()) <= set(more.tolist())


def test_what_is_not_a_number_leaves_a_gap_between_the_bins() -> None:
    y = np.arange(2000.0)
    y[800:820] = np.nan
    x, thin = extremes(np.arange(2000), y)
    assert np.isnan(thin).any()
    assert x[np.isnan(thin)].min() >= 792
    assert x[np.isnan(thin)].max() <= 824
    assert np.nanmax(thin) == 1999


@given(
    arrays(np.float64, st.tuples(st.integers(1, 60), st.integers(1, 3)), elements=st.floats(-9, 9)), st.floats(0, 0.99)
)
def test_smoothing_is_the_corrected_average_that_a_loop_computes(values: np.ndarray, memory: float) -> None:
    sums, weights, wanted = np.zeros(values.shape[1]), 0.0, []
    for row in values:
        sums, weights = memory * sums + row, memory * weights + 1
        wanted.append(sums / weights)
    assert np.allclose(smooth(values, memory), wanted, atol=1e-9)


def test_smoothing_keeps_a_gap_and_goes_on_after_it() -> None:
    y = np.array([[1.0], [np.nan], [1.0], [np.inf], [1.0]])
    assert smooth(y, 0.9)[:, 0].round(9).tolist()[::2] == [1, 1, 1]
    assert np.isnan(smooth(y, 0.9)[[1, 3]]).all()
