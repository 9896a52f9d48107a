"""What is painted: a spike of one step in a million at any zoom, and of noise its mean."""

from __future__ import annotations

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gru_viz.bins import Bins, reduce


def bins_of(values: np.ndarray, width: int) -> Bins:
    low, high, mean = reduce(values, width).transpose(1, 2, 0)
    return Bins(low, high, mean, np.arange(len(mean[0]) + 1) * width)


def noise(kind: str, steps: int, units: int = 4) -> np.ndarray:
    white = np.random.default_rng(5).standard_normal((steps, units))
    if kind == "slow":  # as a state that forgets over a hundred steps
        kernel = 0.99 ** np.arange(1000) * np.sqrt(1 - 0.99**2)
        return np.stack([np.convolve(row, kernel)[:steps] for row in white.T], 1)
    return {
        "normal": white,
        "gate": 1 / (1 + np.exp(-2 * white)),
        "saturated": 1 / (1 + np.exp(-8 * white)),
        "skewed": np.exp(white / 2),
    }[kind]


@settings(max_examples=25)
@given(st.integers(0, 999_999), st.sampled_from([-1.0, 1.0]), st.sampled_from([1000, 997, 64]))
def test_a_spike_of_one_step_in_a_million_is_painted(step: int, sign: float, width: int) -> None:
    values = np.tile(0.05 * noise("normal", 10_000, 1), (100, 1))  # five times as far as the noise goes
    values[step] = sign
    shown = bins_of(values, width).with_spikes()[0]
    assert shown[step // width] == sign
    assert np.abs(np.delete(shown, step // width)).max() < 0.3


def test_a_spike_among_constant_rows_is_painted() -> None:
    values = np.full((10_000, 3), 0.5)
    values[1234, 1] = 0.9
    bins = bins_of(values, 100)
    assert (bins.with_spikes() != 0.5).sum() == 1
    assert bins.with_spikes()[1, 12] == 0.9


@pytest.mark.parametrize("kind", ["normal", "gate", "saturated", "skewed", "slow"])
@pytest.mark.parametrize("width", [1, 2, 5, 64, 500])
def test_noise_is_painted_as_its_mean(kind: str, width: int) -> None:
    bins = bins_of(noise(kind, 400 * width), width)
    assert (bins.with_spikes() != bins.mean).mean() < 0.002


def test_a_spike_against_the_way_a_row_departs_is_painted() -> None:
    """A unit that often jumps up but never dips: one dip is news, though it goes no further than the jumps."""
    values = np.full((20_000, 1), 0.5)
    values[::10] = 0.9
    values[7777] = 0.1
    assert bins_of(values, 50).with_spikes()[0, 155] == 0.1
    assert (bins_of(values, 50).with_spikes() < 0.5).sum() == 1


def test_what_no_colour_would_show_is_left_alone() -> None:
    values = np.zeros((1000, 2))
    values[:, 1] = np.linspace(0, 1, 1000)
    values[500, 0] = 0.001
    assert (bins_of(values, 10).with_spikes()[0] == bins_of(values, 10).mean[0]).all()


def test_of_two_spikes_the_further_is_painted_and_of_equals_the_high() -> None:
    low, high = np.zeros((1, 9)), np.zeros((1, 9))
    high[0, 2], low[0, 2] = 1, -2
    high[0, 5], low[0, 5] = 2, -2
    assert Bins(low, high, np.zeros((1, 9)), np.arange(10)).with_spikes()[0].tolist() == [0, 0, -2, 0, 0, 2, 0, 0, 0]


def test_a_bin_without_a_number_is_painted_as_none_and_disturbs_no_other() -> None:
    values = np.full((100, 2), 0.5)
    values[33, 0], values[71, 0], values[55, 1] = np.nan, 0.9, np.inf
    shown = bins_of(values, 10).with_spikes()
    assert np.isnan(shown[0, 3])
    assert shown[0, 7] == 0.9
    assert shown[1, 5] == np.inf
    assert np.isnan(shown).sum() == 1


def test_all_nan_and_nothing_at_all_are_painted_too() -> None:
    assert np.isnan(bins_of(np.full((10, 2), np.nan), 5).with_spikes()).all()
    empty = np.empty((3, 0))
    assert Bins(empty, empty, empty, np.arange(1)).with_spikes().shape == (3, 0)


def test_bins_cannot_be_changed() -> None:
    bins = bins_of(np.zeros((10, 1)), 5)
    with pytest.raises(ValueError, match="read-only"):
        bins.low[0] = 1


def test_the_shapes_of_bins_are_checked() -> None:
    low, wrong = np.zeros((2, 3)), np.zeros((2, 4))
    Bins(low, low.copy(), low.copy(), np.arange(4))
    for shapes in ((low, wrong, low), (low, low, wrong)):
        with pytest.raises(jaxtyping.TypeCheckError):
            Bins(*shapes, np.arange(4))
