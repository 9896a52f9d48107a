"""Orders of units: always a permutation, and each does what its name says; time-scales against known answers."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st
from lopsided import ALL, GRUS, RESET_AFTER, RESET_BEFORE, TAKES, inputs, matrices, stack

import gru_viz
from gru_viz import Trace, TraceError, Weights
from gru_viz.analysis import ORDERS, order_units, time_scales

pytestmark = pytest.mark.usefixtures("unchecked")


def traced(name: str, steps: int = 30, hidden: int = 7, directions: int = 1, dtype: str = "float64") -> Trace:
    arrays = stack(name, 3, hidden, 1, directions, dtype=dtype)
    return gru_viz.trace(Weights.from_matrices(name, arrays), inputs(steps, 3, dtype=dtype))


@given(steps=st.integers(0, 9), hidden=st.integers(1, 8), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", ["torch", "chung_2014", "torch_lstm", "torch_rnn"])
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_is_a_permutation(name: str, order: str, steps: int, hidden: int, seed: int) -> None:
    w = Weights.from_matrices(name, matrices(name, 2, hidden, seed))
    lengths = [steps, 9]
    trace = gru_viz.trace(w, inputs(2, 9, 2, seed=seed), lengths=lengths)
    for sequence in (0, 1):
        found = order_units(trace.layers[0].forward, order, sequence)
        assert sorted(found.tolist()) == list(range(hidden))


@pytest.mark.parametrize("name", ALL)
def test_the_shortest_sequences_are_ordered_too(name: str) -> None:
    w = Weights.from_matrices(name, stack(name, 3, 4, 1, 2))
    trace = gru_viz.trace(w, inputs(3, 2, 3), lengths=[0, 1, 2])
    for run in trace.layers[0].directions:
        for sequence in range(3):
            assert np.isfinite(time_scales(run, sequence)).all()
            for order in ORDERS:
                assert sorted(order_units(run, order, sequence).tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["torch", "torch_lstm", "torch_rnn"])
def test_peaks_come_from_left_to_right(name: str) -> None:
    trace = traced(name)
    units = order_units(trace.layers[0].forward, "peak")
    peaks = np.abs(trace.hidden[0]).argmax(0)[units]
    assert (np.diff(peaks) >= 0).all()
    assert len(set(peaks.tolist())) > 1


def test_index_is_the_order_of_the_weights() -> None:
    assert order_units(traced("torch").layers[0].forward, "index").tolist() == list(range(7))


@pytest.mark.parametrize("name", ["torch", "gru_simple", "torch_lstm", "torch_rnn"])
def test_time_scale_sorts_fast_to_slow(name: str) -> None:
    run = traced(name).layers[0].forward
    scales = time_scales(run)[order_units(run, "time_scale")]
    assert (np.diff(scales) >= 0).all()
    assert scales[0] < scales[-1]


@pytest.mark.parametrize(("a", "b"), [(0, 6), (2, 5), (1, 3)])
def test_similarity_puts_twins_next_to_each_other(a: int, b: int) -> None:
    arrays = {name: array.copy() for name, array in matrices("torch", 3, 7).items()}
    for name, array in arrays.items():
        for gate in range(3):
            array[7 * gate + b] = array[7 * gate + a]
        arrays[name] = array
    trace = gru_viz.trace(Weights.from_matrices("torch", arrays), inputs(40, 3))
    assert np.allclose(trace.hidden[..., a], trace.hidden[..., b], atol=1e-12)
    places = order_units(trace.layers[0].forward, "similarity").tolist()
    assert abs(places.index(a) - places.index(b)) == 1


@given(seed=st.integers(0, 999), flip=st.sampled_from([-1, 1]))
def test_units_that_move_alike_stay_together_wherever_the_circle_is_cut(seed: int, flip: int) -> None:
    """Two groups that move against each other: one of them lies where angles jump from π to −π."""
    rng = np.random.default_rng(seed)
    angles = np.concatenate([rng.uniform(-0.4, 0.4, 6), np.pi + rng.uniform(-0.4, 0.4, 5)])
    shuffled = rng.permutation(11)
    moves = rng.standard_normal((40, 2))
    moves = np.linalg.qr(moves - moves.mean(0))[0]
    h = flip * moves @ np.stack([np.cos(angles), np.sin(angles)])[:, shuffled]
    run = dataclasses.replace(traced("torch", 40, 11).layers[0].forward, quantities={"hidden": h[None]})
    groups = (shuffled[order_units(run, "similarity")] < 6).tolist()
    assert sum(a != b for a, b in itertools.pairwise(groups)) == 1, groups


def test_order_follows_the_sequence_asked_for() -> None:
    w = Weights.from_matrices("torch", matrices("torch", 3, 9))
    one, two = inputs(20, 3, seed=1), inputs(20, 3, seed=2)
    both, alone = gru_viz.trace(w, np.stack([one, two])), gru_viz.trace(w, two)
    for order in ORDERS:
        found = order_units(both.layers[0].forward, order, 1)
        assert found.tolist() == order_units(alone.layers[0].forward, order).tolist()


def test_an_unknown_order_names_the_known_ones() -> None:
    with pytest.raises(TraceError, match="peak"):
        order_units(traced("torch").layers[0].forward, "magic")


def test_states_that_are_not_finite_are_ordered_all_the_same() -> None:
    x = inputs(6, 3)
    x[3, 1] = np.nan
    trace = gru_viz.trace(Weights.from_matrices("torch", matrices("torch", 3, 5)), x)
    assert np.isnan(trace.hidden).any()
    for order in ORDERS:
        assert sorted(order_units(trace.layers[0].forward, order).tolist()) == list(range(5))


# --- time-scales --------------------------------------------------------------------------------------------------

KEPT = np.array([0.05, 0.5, 0.9, 0.99])


def constant_gates(name: str) -> dict[str, np.ndarray]:
    """Weights of 0, so that a gate's bias alone says how much it keeps: KEPT, unit by unit."""
    units, logit = len(KEPT), np.log(KEPT / (1 - KEPT))
    arrays = {key: np.zeros_like(array) for key, array in matrices(name, 2, units).items()}
    if name == "torch":
        arrays["bias_ih"][units : 2 * units] = logit
    if name == "torch_lstm":
        arrays["bias_ih"][units : 2 * units] = logit
    if name == "d2l_equation":
        arrays["b_z"][:] = logit
    return arrays


@pytest.mark.parametrize("name", ["torch", "torch_lstm", "d2l_equation"])
def test_a_constant_gate_has_the_time_scale_of_its_exponential(name: str) -> None:
    trace = gru_viz.trace(Weights.from_matrices(name, constant_gates(name)), inputs(25, 2))
    scales = time_scales(trace.layers[0].forward)
    assert scales == pytest.approx(-1 / np.log(KEPT), rel=1e-9)
    assert KEPT**scales == pytest.approx(np.full(4, np.exp(-1)), rel=1e-9)  # what is left after so many steps


@pytest.mark.parametrize(("keeps", "takes"), [("cho_2014_v3", "chung_2014"), ("cho_2014_v3", "gru_simple")])
def test_the_same_model_has_the_same_time_scales_whatever_z_means(keeps: str, takes: str) -> None:
    w = Weights.from_matrices(keeps, matrices(keeps))
    x = inputs(25, 3)
    a, b = (gru_viz.trace(each, x).layers[0].forward for each in (w, gru_viz.convert(w, to=takes)))
    assert np.allclose(a.update + b.update, 1, atol=1e-12)
    assert time_scales(a) == pytest.approx(time_scales(b), rel=1e-9)
    assert order_units(a, "time_scale").tolist() == order_units(b, "time_scale").tolist()


@pytest.mark.parametrize("name", ALL)
def test_time_scales_are_never_negative(name: str) -> None:
    for run in traced(name, directions=2).layers[0].directions:
        assert time_scales(run).shape == (7,)
        assert (time_scales(run) >= 0).all()


def test_a_gate_stuck_open_is_long_but_finite_and_one_stuck_shut_is_zero() -> None:
    for bias, check in ((1e4, lambda s: s > 1e6), (-1e4, lambda s: s == 0)):
        arrays = constant_gates("torch")
        arrays["bias_ih"][4:8] = bias
        scales = time_scales(gru_viz.trace(Weights.from_matrices("torch", arrays), inputs(5, 2)).layers[0].forward)
        assert np.isfinite(scales).all()
        assert check(scales).all()


def test_an_rnn_that_never_moves_keeps_nothing() -> None:
    arrays = {name: np.zeros_like(array) for name, array in matrices("torch_rnn", 2, 3).items()}
    trace = gru_viz.trace(Weights.from_matrices("torch_rnn", arrays), inputs(8, 2))
    assert time_scales(trace.layers[0].forward).tolist() == [0.0, 0.0, 0.0]


def test_every_gru_is_covered() -> None:
    assert set(GRUS) == {*RESET_AFTER, *RESET_BEFORE}
    assert set(TAKES) <= set(GRUS)
    assert {name for name, c in gru_viz.CONVENTIONS.items() if c.cell == "gru"} == set(GRUS)
