"""Settings come back from JSON as they were, and what cannot be is refused in words."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import TrainingError
from gru_viz.training import Curve, Lane, Point, Settings
from gru_viz.training.settings import BACKENDS, LIMITS, OPTIMISERS, SCHEDULES

LANES = st.builds(
    Lane,
    name=st.text(min_size=1),
    cell=st.sampled_from(sorted(CONVENTIONS)),
    hidden=st.integers(1, LIMITS.hidden),
    layers=st.integers(1, LIMITS.layers),
    dropout=st.floats(0, 0.95),
    initialisation=st.sampled_from(["torch", "keras", "tf1", "chrono"]),
    optimiser=st.sampled_from(sorted(OPTIMISERS)),
    learning_rate=st.floats(1e-9, 100),
    schedule=st.sampled_from(sorted(SCHEDULES)),
    clip=st.floats(0, 1e9),
    backend=st.sampled_from(sorted(BACKENDS)),
    onednn=st.booleans(),
)
OPTIONS = st.dictionaries(st.text(), st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text())


@given(st.builds(
    Settings,
    task=st.text(),
    options=OPTIONS,
    lanes=st.lists(LANES, min_size=1, max_size=3, unique_by=lambda lane: lane.name).map(tuple),
    updates=st.integers(1, LIMITS.updates),
    batch=st.integers(1, LIMITS.batch),
    seeds=st.integers(1, LIMITS.seeds),
    first_seed=st.integers(0, 2**30),
))  # fmt: skip
def test_settings_come_back_as_they_were(made: Settings) -> None:
    assert Settings.from_json(made.to_json()) == made


def test_options_that_must_not_be_written_and_lanes_in_a_list_are_read() -> None:
    made = Settings("copy", MappingProxyType({"distance": 5}), [Lane()])  # type: ignore[arg-type]
    assert Settings.from_json(made.to_json()) == made == Settings("copy", {"distance": 5}, (Lane(),))


def test_options_are_the_settings_own() -> None:
    mine = {"distance": 5}
    made = Settings("copy", mine)
    mine["distance"] = 6
    assert made.options == {"distance": 5}


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"task": "sine", "lanes": 3}', '{"task": "a", "lanes": [{}],'
                                  '"more": 1}', '{"task": "a", "lanes": [{"units": 3}]}'])  # fmt: skip
def test_what_is_no_settings_is_refused(text: str) -> None:
    with pytest.raises(TrainingError, match=r"what Settings\.to_json writes"):
        Settings.from_json(text)


@pytest.mark.parametrize(("name", "earlier"), [("backend", "computed_by"), ("predict", "says")])
def test_settings_saved_with_earlier_names_still_open(name: str, earlier: str) -> None:
    saved = Settings("forecast", {"predict": "change"}, lanes=(Lane("one", backend="scratch"),)).to_json()
    older = saved.replace(f'"{name}"', f'"{earlier}"')
    assert older != saved
    assert Settings.from_json(older) == Settings.from_json(saved)


@pytest.mark.parametrize(
    ("what", "value", "wanted"),
    [
        ("cell", "gru", "one of torch, cudnn"),
        ("optimiser", "lion", "one of adam, adamw, rmsprop, sgd"),
        ("schedule", "", "one of constant"),
        ("backend", "magic", "one of auto"),
        ("initialisation", "zeros", "one of torch"),
        ("hidden", 0, "a whole number from 1 to 512"),
        ("hidden", 513, "a whole number from 1 to 512"),
        ("hidden", 3.5, "a whole number"),
        ("hidden", True, "a whole number"),
        ("hidden", np.int64(3), "a whole number"),
        ("layers", 5, "a whole number from 1 to 4"),
        ("dropout", 1.0, "0 to 0.95"),
        ("dropout", float("nan"), "0 to 0.95"),
        ("learning_rate", 0.0, "1e-09 to 100"),
        ("learning_rate", "fast", "1e-09 to 100"),
        ("clip", -1.0, "0 to 1,000,000,000"),
    ],
)
def test_a_lane_that_cannot_be_is_refused_by_name(what: str, value: Any, wanted: str) -> None:
    with pytest.raises(TrainingError) as refusal:
        replace(Lane("mine"), **{what: value})
    assert refusal.value.where == f"lane mine, {what}"
    assert wanted in refusal.value.wanted


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"lanes": ()}, "lanes"),
        ({"lanes": (Lane("a"), Lane("a"))}, "lanes"),
        ({"updates": 0}, "training, updates"),
        ({"updates": 10.5}, "training, updates"),
        ({"batch": 513}, "training, batch"),
        ({"seeds": 21}, "training, seeds"),
        ({"first_seed": -1}, "training, first_seed"),
        ({"first_seed": 2**31}, "training, first_seed"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(TrainingError) as refusal:
        replace(Settings("sine"), **changes)
    assert refusal.value.where == where


def test_a_lane_is_found_by_its_name_alone() -> None:
    made = Settings("sine")
    assert made.lane("LSTM").cell == "torch_lstm"
    with pytest.raises(TrainingError, match="one of GRU, LSTM"):
        made.lane("lstm")
    assert [lane.clip for lane in made.with_lanes(clip=3.0).lanes] == [3.0, 3.0]
    assert replace(made, seeds=3, first_seed=4).all_seeds == (4, 5, 6)


# --- curves --------------------------------------------------------------------------------------------------------


def test_points_become_a_curve_in_order_and_the_later_of_two_counts() -> None:
    measured = [(5, 1.0), (0, 3.0), (2, 9.0), (2, 2.0)]
    points = [Point("train", u, u / 10, (v, -v)) for u, v in measured] + [Point("held_out", 1, 0.1, (7.0, 7.0))]
    curve = Curve.gather("GRU", "train", points)
    assert curve.updates.tolist() == [0, 2, 5]
    assert curve.seconds.tolist() == [0.0, 0.2, 0.5]
    assert curve.values.tolist() == [[3.0, -3.0], [2.0, -2.0], [1.0, -1.0]]
    assert curve.seeds == 2
    assert curve.median.tolist() == [0.0, 0.0, 0.0]


def test_a_curve_without_points_and_one_that_is_not_finite_can_be_drawn() -> None:
    empty = Curve.gather("GRU", "train", [])
    assert len(empty.median) == len(empty.band()[0]) == 0
    odd = Curve.gather("GRU", "train", [Point("train", 1, 0.0, (np.inf, np.inf, 1.0, np.nan))])
    assert np.isnan(odd.median).all()
    assert len(odd.band()[1]) == 1


def test_a_band_holds_its_share_of_the_seeds() -> None:
    curve = Curve.gather("GRU", "train", [Point("train", 1, 0.0, tuple(map(float, range(101))))])
    assert [float(edge[0]) for edge in curve.band()] == pytest.approx([10, 90])
    assert [float(edge[0]) for edge in curve.band(1.0)] == [0.0, 100.0]
