"""Bins hold the smallest, the largest and the mean of their steps, compiled or not, in one piece or in many."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as nps

from gru_viz.bins import combine, reduce

ANY = st.floats(width=32, allow_nan=True, allow_infinity=True)
VALUES = nps.arrays(np.float32, nps.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40), elements=ANY)


def by_hand(values: np.ndarray, width: int) -> np.ndarray:
    """A bin at a time, as one would say it."""
    bins = [values[k : k + width] for k in range(0, len(values), width)]
    with np.errstate(all="ignore"):
        return np.stack([[b.min(0), b.max(0), b.astype(np.float64).mean(0).astype(b.dtype)] for b in bins])


@pytest.fixture(params=["compiled", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "plain":
        monkeypatch.setitem(sys.modules, "numba", None)
    return str(request.param)


@given(VALUES, st.integers(1, 45))
def test_every_bin_is_as_by_hand(way: str, values: np.ndarray, width: int) -> None:
    size = np.abs(np.nan_to_num(values, nan=0, posinf=0, neginf=0)).max()
    np.testing.assert_allclose(reduce(values, width), by_hand(values, width), rtol=1e-6, atol=1e-6 * size)
    assert np.array_equal(reduce(values, width)[:, :2], by_hand(values, width)[:, :2], equal_nan=True)


def test_both_types_are_kept(way: str) -> None:
    for dtype in (np.float32, np.float64):
        values = np.random.default_rng(0).standard_normal((50, 7)).astype(dtype)
        assert reduce(values, 8).dtype == dtype
        np.testing.assert_allclose(reduce(values, 8), by_hand(values, 8), atol=16 * np.finfo(dtype).eps, rtol=0)


def test_the_mean_of_a_wide_bin_does_not_drift(way: str) -> None:
    values = np.full((1 << 20, 1), 0.1, np.float32)  # summed in float32 this mean would be 0.0958
    np.testing.assert_allclose(reduce(values, 1 << 20)[0, 2, 0], 0.1, rtol=1e-6)


def test_steps_need_not_lie_one_after_another(way: str) -> None:
    values = np.random.default_rng(1).standard_normal((40, 6))
    for view in (values[::-1], values[:, ::2], np.asfortranarray(values)):
        assert np.array_equal(reduce(view, 7), reduce(view.copy(), 7))


def test_a_nan_shows_in_its_bin_and_nowhere_else(way: str) -> None:
    values = np.zeros((64, 5))
    values[17, 3] = np.nan
    bins = reduce(values, 8)
    assert np.isnan(bins[2, :, 3]).all()
    assert np.isnan(bins).sum() == 3
    assert np.isnan(combine(bins, 4)[0, :, 3]).all()


def test_infinities_pass(way: str) -> None:
    values = np.array([[0.0, 0.0, np.inf], [np.inf, -np.inf, -np.inf]])
    assert reduce(values, 2)[0, 0].tolist() == [0.0, -np.inf, -np.inf]
    assert reduce(values, 2)[0, 1].tolist() == [np.inf, 0.0, np.inf]
    assert np.isnan(reduce(values, 2)[0, 2]).tolist() == [False, False, True]


@given(VALUES, st.integers(1, 9), st.integers(1, 9))
def test_bins_of_bins_are_wider_bins(values: np.ndarray, width: int, factor: int) -> None:
    finite = np.nan_to_num(values, nan=0, posinf=1, neginf=-1) % 1
    share = (len(values) % width or width) / width
    bins, wide = combine(reduce(finite, width), factor, share), reduce(finite, width * factor)
    assert np.array_equal(bins[:, :2], wide[:, :2])
    np.testing.assert_allclose(bins[:, 2], wide[:, 2], atol=1e-6)
