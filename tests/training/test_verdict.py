"""A verdict errs as rarely as it says, hears nothing of scale and order, and is silent where it knows nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from loops import Small

from gru_viz.training import Curve, Diverged
from gru_viz.training.lane_comparison import LaneComparison, holm, paired_test, pairs_needed
from gru_viz.training.tasks import Baseline, Measure
from gru_viz.training.verdict import Verdict, verdict

UPDATES = np.array([0, 1, 50, 91, 95, 100])
RUNS = 1000


def curve(lane: str, finals: Any, measure: str = "held_out") -> Curve:
    """Far off until the last tenth, in which the mean of three evaluations is the final value."""
    shape = np.array([7.0, 7.0, 7.0, 0.9, 1.0, 1.1])
    return Curve(lane, measure, UPDATES, UPDATES / 10, shape[:, None] * np.asarray(finals, float))


def judged(**finals: Any) -> Verdict:
    return verdict([curve(lane, values) for lane, values in finals.items()])


class Measured(Small):
    def __init__(self, *baselines: Baseline, better: Any = "higher") -> None:
        super().__init__()
        self.measure = Measure("accuracy", "accuracy", better)
        self.baselines = baselines


# --- it errs as rarely as it says ----------------------------------------------------------------------------------


def simulated(lanes: int, seeds: int, effect: float = 0.0, rng_seed: int = 0) -> list[Verdict]:
    """Losses that share the luck of a seed, and have some of their own; the first lane is better by a factor."""
    rng = np.random.default_rng(rng_seed)
    found = []
    for _ in range(RUNS):
        shared = rng.normal(0, 1.0, seeds)
        each = np.exp(shared + rng.normal(0, 0.3, (lanes, seeds)))
        each[0] *= math.exp(effect)
        found.append(verdict([curve(f"lane {k}", each[k]) for k in range(lanes)]))
    return found


def at_most(share: float, runs: int = RUNS) -> float:
    """What a share of so many runs exceeds once in a thousand."""
    from scipy import stats  # which takes seconds to import

    return float(stats.binom.ppf(0.999, runs, share)) / runs


def covered(pair: LaneComparison, ratio: float) -> bool:
    return pair.low <= ratio <= pair.high


@pytest.mark.parametrize("effect", [0.0, -0.4])
@pytest.mark.parametrize("seeds", [2, 5])
def test_the_interval_of_two_lanes_holds_the_truth_as_often_as_it_says(seeds: int, effect: float) -> None:
    found = [t.comparisons[0] for t in simulated(2, seeds, effect)]
    missed = 1 - np.mean([covered(pair, math.exp(effect)) for pair in found])
    assert 0.05 - (at_most(0.05) - 0.05) <= missed <= at_most(0.05)


@pytest.mark.parametrize(("lanes", "seeds"), [(2, 2), (2, 5), (3, 3), (3, 8)])
def test_equal_lanes_are_distinguished_at_most_once_in_twenty(lanes: int, seeds: int) -> None:
    found = simulated(lanes, seeds)
    wrong = np.mean([any(pair.ahead for pair in t.comparisons) for t in found])
    missed = np.mean([not all(covered(pair, 1.0) for pair in t.comparisons) for t in found])
    assert wrong <= at_most(0.05)
    assert missed <= at_most(0.05)
    assert wrong > 0.015  # and it does speak


def test_that_it_errs_rarely_can_fail() -> None:
    """Without a correction, three lanes are found apart far too often; without pairs, hardly a difference is seen."""
    from scipy import stats

    found = simulated(3, 5)
    uncorrected = np.mean([any(pair.p < 0.05 for pair in t.comparisons) for t in found])
    assert uncorrected > at_most(0.05)
    seen = [t.comparisons[0] for t in simulated(2, 5, -0.6)]
    unpaired = [stats.ttest_ind(*np.log(pair.finals)).pvalue < 0.05 for pair in seen[:300]]
    assert np.mean([pair.ahead == "lane 0" for pair in seen]) > 0.6 > 0.2 > np.mean(unpaired)


def test_as_many_seeds_as_it_asks_for_would_do() -> None:
    effect, needed = 0.8, pairs_needed(0.8, 0.95)
    assert needed is not None
    rng = np.random.default_rng(0)

    def power(pairs: int) -> float:
        return float(np.mean([paired_test(rng.normal(effect, 1, pairs), 0.95).low > 0 for _ in range(2000)]))

    assert power(needed) > 0.77
    assert power(needed - 3) < 0.77
    assert pairs_needed(0.0, 0.95) is pairs_needed(math.nan, 0.95) is None
    sizes = [pairs_needed(effect, level) for level in (0.95, 0.983) for effect in np.geomspace(0.15, 20, 100)]
    assert sizes == [*sorted(sizes[:100], reverse=True), *sorted(sizes[100:], reverse=True)]
    assert sizes[99] == sizes[199] - 1 == 2


# --- against scipy -------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
def test_paired_t_is_scipy_s(values: list[float]) -> None:
    from scipy import stats

    array = np.array(values)
    found = paired_test(array, 0.9)
    if np.ptp(array) < 1e-6:
        return
    theirs = stats.ttest_1samp(array, 0.0)
    low, high = theirs.confidence_interval(0.9)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_as_it_was_published(p: list[float]) -> None:
    """Step down: reject while p(k) ≤ α / (m − k + 1); the corrected p is the least α at which one is rejected."""
    corrected = holm(p)
    for alpha in (0.01, 0.05, 0.2):
        rejected, order = set(), sorted(range(len(p)), key=lambda k: p[k])
        for done, at in enumerate(order):
            if p[at] > alpha / (len(p) - done):
                break
            rejected.add(at)
        unclear = {k for k in range(len(p)) if corrected[k] == pytest.approx(alpha, rel=1e-9)}
        assert rejected - unclear == {k for k in range(len(p)) if corrected[k] <= alpha} - unclear


# --- symmetry ------------------------------------------------------------------------------------------------------

LOSSES = st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)), min_size=3, max_size=7)


@given(LOSSES, st.sampled_from([1e-6, 0.3, 1e4]))
def test_the_unit_of_a_loss_does_not_matter(pairs: list[tuple[float, float]], factor: float) -> None:
    one, other = np.array(pairs).T
    plain, scaled = (judged(a=one * f, b=other * f).comparisons[0] for f in (1.0, factor))
    assert plain.trouble == scaled.trouble
    for what in ("estimate", "low", "high", "p", "p_corrected"):
        assert getattr(plain, what) == pytest.approx(getattr(scaled, what), rel=1e-6, abs=1e-9)
    if abs(plain.p - 0.05) > 1e-6:
        assert plain.ahead == scaled.ahead


@given(LOSSES)
def test_the_order_of_lanes_does_not_matter(pairs: list[tuple[float, float]]) -> None:
    one, other = np.array(pairs).T
    ab, ba = judged(a=one, b=other).comparisons[0], judged(b=other, a=one).comparisons[0]
    assert ab.lanes == ba.lanes[::-1]
    assert (ab.ahead, ab.needed, ab.trouble) == (ba.ahead, ba.needed, ba.trouble)
    assert ab.estimate == pytest.approx(1 / ba.estimate)
    if not ab.trouble:
        assert (ab.low, ab.high) == (pytest.approx(1 / ba.high), pytest.approx(1 / ba.low))
    if ab.ahead:
        assert judged(a=one, b=other).sentences[0] == judged(b=other, a=one).sentences[0]


@given(LOSSES)
def test_who_is_ahead_is_who_is_better_and_its_interval_holds_no_zero(pairs: list[tuple[float, float]]) -> None:
    one, other = np.array(pairs).T
    found = judged(a=one, b=other).comparisons[0]
    assert (found.ahead is None) == (bool(found.trouble) or found.low <= 1 <= found.high)
    if found.ahead:
        assert (found.ahead == "a") == (np.log(one).mean() < np.log(other).mean())
    assert found.wins == (one < other).sum()


# --- what it says --------------------------------------------------------------------------------------------------


def test_the_last_tenth_counts() -> None:
    found = judged(GRU=[1.0, 1.2, 0.9], LSTM=[2.0, 2.3, 1.9])
    assert found.update == 100
    assert found.evaluations == 3
    assert found.comparisons[0].finals[0] == pytest.approx((1.0, 1.2, 0.9))


def test_a_lane_that_is_ahead_is_reported_with_by_how_much() -> None:
    found = judged(LSTM=[1.0, 1.1, 0.9, 1.15], GRU=[0.7, 0.8, 0.75, 0.85])
    assert found.sentences[0] == (
        "GRU is ahead: its held-out loss is 25 % lower than LSTM's (95 % CI 16 to 34 %, 4 seeds, paired t-test)."
    )
    assert found.comparisons[0].ahead == "GRU"
    far = judged(GRU=[0.010, 0.012, 0.009], RNN=[1.0, 1.1, 1.0])
    assert "its held-out loss is 101 times smaller than RNN's" in far.sentence


def test_lanes_that_cannot_be_distinguished_and_how_many_seeds_would_do() -> None:
    found = judged(GRU=[1.0, 1.2, 0.9], LSTM=[1.1, 1.0, 1.3])
    pair = found.comparisons[0]
    assert pair.ahead is None
    differences = np.log([1.0 / 1.1, 1.2 / 1.0, 0.9 / 1.3])
    assert pair.needed == pairs_needed(differences.mean() / differences.std(ddof=1), 0.95)
    assert found.sentences[0] == (
        "GRU and LSTM are not distinguishable by held-out loss: GRU's is 8.9 % lower than LSTM's (95 % CI from "
        "54 % lower to 80 % higher, 3 seeds, paired t-test). To detect this difference you would need about "
        f"{pair.needed} seeds."
    )


def test_one_seed_is_no_verdict() -> None:
    found = judged(GRU=[0.5], LSTM=[1.0])
    assert found.sentences[0].startswith("One seed is too few for a verdict: choose 3 or more seeds.")
    assert found.comparisons[0].ahead is None
    assert found.comparisons[0].trouble == "one seed"
    assert "0.5 for GRU and 1 for LSTM" in found.sentence


def test_two_seeds_are_called_few() -> None:
    assert "Two seeds make a wide interval" in judged(GRU=[1.0, 1.2], LSTM=[1.1, 1.5]).sentence


def test_three_lanes_are_compared_pair_by_pair() -> None:
    found = judged(GRU=[1.0, 1.2, 0.9, 1.1], LSTM=[1.1, 1.15, 0.95, 1.0], RNN=[4.0, 4.4, 4.1, 3.9])
    assert [pair.lanes for pair in found.comparisons] == [("GRU", "LSTM"), ("GRU", "RNN"), ("LSTM", "RNN")]
    assert [pair.ahead for pair in found.comparisons] == [None, "GRU", "LSTM"]
    for pair in found.comparisons:
        assert pair.p <= pair.p_corrected <= min(1.0, 3 * pair.p)
        exact = paired_test(np.log(pair.finals[0]) - np.log(pair.finals[1]), 1 - 0.05 / 3)
        assert (pair.low, pair.high) == (pytest.approx(math.exp(exact.low)), pytest.approx(math.exp(exact.high)))
    assert found.sentences[1].startswith("GRU is ahead of RNN: its held-out loss is 75 % lower than RNN's (95 % simult")
    assert "Holm's p below 0.001" in found.sentences[1]
    assert "No model was tuned" in found.sentence


def test_three_lanes_by_the_task_s_own_measure_are_one_sentence() -> None:
    ends = {"GRU": [0.9, 0.92, 0.91], "LSTM": [0.8, 0.81, 0.83], "RNN": [0.8, 0.82, 0.82]}
    curves = [curve(lane, values, measure) for lane, values in ends.items() for measure in ("accuracy", "held_out")]
    found = verdict(curves, Measured())
    assert (
        "By accuracy, GRU is ahead of LSTM, GRU is ahead of RNN and LSTM and RNN are not distinguishable."
        in found.sentences
    )
    assert len(found.comparisons) == 6


def test_what_holm_sees_and_intervals_for_all_pairs_do_not_is_reported_as_it_is() -> None:
    found = judged(GRU=[0.010, 0.012, 0.011], LSTM=[0.02, 0.028, 0.018], RNN=[0.16, 0.17, 0.165])
    assert found.comparisons[0].ahead == "GRU"
    assert found.comparisons[0].low < 1 < found.comparisons[0].high
    assert found.sentences[0] == (
        "GRU is ahead of LSTM (Holm's p 0.022, 3 seeds, paired t-test): its held-out loss is 49 % lower; the 95 % "
        "simultaneous CI goes from 11 % higher to 77 % lower."
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_lane_that_is_not_finite_is_not_judged_and_the_others_are(bad: float) -> None:
    found = judged(GRU=[1.0, 1.2, 0.9], LSTM=[2.0, 2.3, 1.9], RNN=[1.0, bad, 1.0])
    assert [pair.trouble for pair in found.comparisons] == ["", "not finite", "not finite"]
    assert found.comparisons[0].ahead == "GRU"
    assert found.comparisons[0].p_corrected == found.comparisons[0].p
    assert "the held-out loss is not finite, RNN's in 1 of 3 seeds" in found.sentence


def test_lanes_without_a_spread_are_not_judged() -> None:
    same = judged(GRU=[1.0, 1.2], LSTM=[1.0, 1.2])
    assert same.sentences[0] == "GRU and LSTM have the same held-out loss in every seed."
    alike = judged(GRU=[1.0, 1.2, 0.9], LSTM=[2.0, 2.4, 1.8])
    assert alike.comparisons[0].ahead is None
    assert "50 % lower than LSTM's in every seed, so there is no spread to test" in alike.sentence


def test_lanes_of_unequal_length_are_compared_where_both_were() -> None:
    values = np.tile([[9.0, 8.0, 7.0]], (6, 1))
    values[2:4] = [1.0, 1.2, 0.9]
    long = Curve("GRU", "held_out", np.array([0, 50, 95, 100, 190, 200]), np.arange(6.0), values)
    found = verdict([long, curve("LSTM", [2.0, 2.3, 1.9])], diverged={"LSTM": Diverged(101, (0,), "loss")})
    assert found.update == 100
    assert found.comparisons[0].finals[0] == pytest.approx((1.0, 1.2, 0.9))
    assert "LSTM diverged at update 101." in found.sentences
    assert "(GRU 200 and LSTM 100): they are compared after 100" in found.sentence


@pytest.mark.parametrize(("better", "ahead"), [("higher", "GRU"), ("lower", "LSTM")])
def test_the_task_s_own_measure_is_judged_in_its_own_way(better: str, ahead: str) -> None:
    losses = [curve("GRU", [1.0, 1.2, 0.9]), curve("LSTM", [1.1, 1.0, 1.3])]
    own = [curve("GRU", [0.9, 0.92, 0.91], "accuracy"), curve("LSTM", [0.8, 0.81, 0.83], "accuracy")]
    found = verdict([*losses, *own], Measured(better=better))
    pair = found.comparisons[1]
    assert pair.ahead == ahead
    assert pair.scale == {"higher": "share", "lower": "ratio"}[better]
    if better == "higher":
        assert pair.estimate == pytest.approx(np.mean([0.1, 0.11, 0.08]))
        assert "its accuracy is 9.7 points higher than LSTM's (95 % CI 5.9 to 13 points" in found.sentence


def test_a_loss_of_zero_is_compared_by_difference() -> None:
    pair = judged(GRU=[0.0, 0.1, 0.05], LSTM=[1.0, 1.2, 1.1]).comparisons[0]
    assert pair.scale == "difference"
    assert pair.estimate == pytest.approx(-1.05)
    assert pair.ahead == "GRU"


@pytest.mark.parametrize(
    ("rnn", "wanted"),
    [
        ([0.5, 0.5, 0.52], None),
        (
            [1.1, 1.2, 1.0],
            "RNN does not clearly beat the best baseline: chance level, held-out loss 1.",
        ),
    ],
)
def test_who_loses_to_a_guess_is_reported(rnn: list[float], wanted: str | None) -> None:
    task = Measured(Baseline("majority class (1)", 3.0, 0.0), Baseline("chance level", 1.0, 0.0))
    found = verdict([curve("GRU", [0.4, 0.5, 0.6]), curve("RNN", rnn)], task)
    assert [s for s in found.sentences if "baseline" in s] == ([wanted] if wanted else [])
    both = verdict([curve("GRU", [1.4, 1.5, 1.6]), curve("RNN", [1.1, 0.9, 1.0])], task)
    assert both.unbeaten == ("GRU", "RNN")
    assert "Neither model clearly beats the best baseline: chance level, held-out loss 1." in both.sentence
    alone = verdict([curve("GRU", [1.4, 1.5, 1.6])], task)
    assert "GRU does not clearly beat the best baseline" in alone.sentence


def test_who_was_first_where_the_other_ended_is_a_plain_fact() -> None:
    found = judged(GRU=[0.1, 0.12, 0.11], LSTM=[1.0, 1.1, 1.2])
    (crossing,) = found.crossings
    assert (crossing.lane, crossing.other, crossing.update, crossing.seconds) == ("GRU", "LSTM", 0, 0.0)
    assert crossing.others_seconds == 10.0
    assert (
        "GRU reached LSTM's final loss after 0 of 100 updates (0 s of training; LSTM trained 10 s)." in found.sentence
    )


def test_nothing_and_one_lane_are_no_comparison() -> None:
    assert verdict([]).sentence == "Nothing has been measured yet."
    start = Curve("GRU", "held_out", np.array([0]), np.array([0.0]), np.array([[1.0, 2.0]]))
    assert verdict([start, replace(start, lane="LSTM")]).comparisons == ()
    alone = judged(GRU=[1.0, 2.0, 3.0])
    assert "nothing to compare" in alone.sentence
    assert alone.comparisons == ()


def test_the_lanes_asked_for_are_compared_in_that_order() -> None:
    curves = [curve(lane, values) for lane, values in {"a": [1.0, 2.0], "b": [1.5, 2.1], "c": [1.0, 9.0]}.items()]
    assert [pair.lanes for pair in verdict(curves, lanes=["c", "a"]).comparisons] == [("c", "a")]


def test_it_says_what_is_not_shown() -> None:
    assert "Neither model was tuned" in judged(GRU=[1.0, 2.0], LSTM=[1.5, 2.1]).sentences[-1]
