"""Forecasting: nothing leaks from what is held out, and every figure can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from task_laws import alike, hold_laws, hold_losses, trained

from gru_viz.errors import TrainingError
from gru_viz.sequences import EXAMPLES, Scaling, Sequence, Sequences, read_table
from gru_viz.training import Settings, make_task
from gru_viz.training.tasks import Examples
from gru_viz.training.tasks.forecast import Forecast, Sine, find_season

pytestmark = pytest.mark.usefixtures("unchecked")


def sequences(*series: np.ndarray, method: str = "none", time: bool = False) -> Sequences:
    """Series in their own units, read without scaling, however they say they were scaled."""
    features = tuple(f"x{k}" for k in range(series[0].shape[1]))
    items = tuple(
        Sequence(one.astype(np.float32), features, tuple(f"t{k}" for k in range(len(one))) if time else None, f"s{at}")
        for at, one in enumerate(series)
    )
    return Sequences(items, Scaling(method, features, np.zeros(len(features)), np.ones(len(features))))


def counting(*lengths: int, features: int = 1) -> Sequences:
    """Every value of every sequence occurs once."""
    total = sum(lengths)
    whole = np.arange(total * features, dtype=float).reshape(total, features)
    return sequences(*np.split(whole, np.cumsum(lengths)[:-1]), method="standardise")


def own(task: Forecast, x: np.ndarray) -> np.ndarray:
    return np.round(task.scaling.undo(x)).astype(int)


def epoch(task: Forecast, size: int = 64) -> Examples:
    parts = [task.batch(0, update, size) for update in range(-(-task.epoch_size // size))]
    return Examples(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y")))


@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=5),
    length=st.integers(1, 12),
    horizon=st.integers(1, 4),
    validation=st.floats(0.05, 0.5),
)
def test_windows_cross_neither_the_cut_nor_sequences(
    lengths: list[int], length: int, horizon: int, validation: float
) -> None:
    data = counting(*lengths)
    try:
        task = Forecast(data, length, horizon, validation)
    except TrainingError as error:
        assert str(length + horizon) in str(error)  # noqa: PT017
        return
    is_held_out = np.concatenate([np.arange(n) >= n - round(validation * n) for n in lengths])
    of = np.repeat(np.arange(len(lengths)), lengths)
    for examples, wanted in ((epoch(task), False), (task.held_out, True)):
        seen = np.concatenate([own(task, examples.x)[..., 0], own(task, examples.y)], axis=1)
        assert (is_held_out[seen] == wanted).all()
        assert (of[seen] == of[seen[:, :1]]).all()
        assert np.array_equal(seen[:, :length], seen[:, :1] + np.arange(length))
        assert np.array_equal(seen[:, length], seen[:, length - 1] + horizon)


def test_an_epoch_reads_every_window_once() -> None:
    task = Forecast(counting(50), 5, validation=0.2)
    starts = own(task, task.batch(0, 0, 35).x)[:, 0, 0]
    assert sorted(starts.tolist()) == list(range(35))
    assert starts.tolist() != list(range(35))


@pytest.mark.parametrize("method", ["none", "standardise", "minmax", "robust"])
def test_training_knows_nothing_of_the_held_out_values(method: str) -> None:
    rng = np.random.default_rng(0)
    tame = rng.standard_normal((100, 3)).cumsum(0)
    wild = tame.copy()
    wild[80:] = 1e6 * rng.standard_normal((20, 3))
    one, other = (Forecast(sequences(values, method=method), 6, validation=0.2) for values in (tame, wild))
    assert alike(one.batch(0, 3, 16), other.batch(0, 3, 16))
    assert not alike(one.held_out, other.held_out)
    assert [each.title for each in one.baselines] == [each.title for each in other.baselines]
    changed = tame.copy()
    changed[10] += 1
    assert not alike(one.batch(0, 3, 16), Forecast(sequences(changed, method=method), 6).batch(0, 3, 16))


def test_the_readers_own_scaling_is_undone() -> None:
    rng = np.random.default_rng(0)
    tame = rng.standard_normal(100).cumsum()
    wild = np.concatenate([tame[:80], 300 * rng.standard_normal(20)])
    tasks = [
        Forecast(read_table(("x\n" + "\n".join(map(repr, values.tolist()))).encode(), scale="standardise"), 6)
        for values in (tame, wild)
    ]
    one, other = (task.batch(0, 3, 16).x for task in tasks)
    assert np.allclose(one, other, atol=1e-4)
    trained_on = tasks[0].scaling.apply(tame[:80, None])
    assert np.abs(one.reshape(-1, 1) - trained_on.ravel()).min(1).max() < 1e-5
    assert np.allclose([trained_on.mean(), trained_on.std()], [0, 1], atol=1e-5)


def test_one_hot_columns_stay_0_and_1() -> None:
    rows = "".join(f"{k % 11},{'ab'[k % 3 == 0]}\n" for k in range(120))
    task = Forecast(read_table(("x,kind\n" + rows).encode(), one_hot="kind"), 5)
    assert set(np.unique(task.batch(0, 0, 50).x[..., 1:])) == {0.0, 1.0}


def test_the_baselines_are_worked_out_again() -> None:
    season = np.tile([3.0, 1.0, 4.0, 1.0, 5.0, 9.0], 40)
    values = (season + 0.1 * np.random.default_rng(1).standard_normal(240))[:, None]
    task = Forecast(sequences(values, method="standardise"), 9, validation=0.25)
    held_out, errors = values[180:, 0].astype(np.float32).astype(float), {"last": [], "season": []}
    for start in range(60 - 9):
        errors["last"].append(held_out[start + 9] - held_out[start + 8])
        errors["season"].append(held_out[start + 9] - held_out[start + 3])
    wanted = [np.sqrt(np.mean(np.square(errors[name]))) for name in ("last", "season")]
    assert [each.title for each in task.baselines] == ["naive baseline", "seasonal-naive baseline (lag 6)"]
    assert np.allclose([each.measure for each in task.baselines], wanted, rtol=1e-4)
    unit = values[:180].std()
    assert np.allclose([each.loss for each in task.baselines], np.square(np.array(wanted) / unit), rtol=1e-4)


def test_a_season_longer_than_the_window_looks_back_beyond_it() -> None:
    values = np.sin(2 * np.pi * np.arange(300) / 30)[:, None]
    task = Forecast(sequences(values), 4)
    assert task.baselines[1].title == "seasonal-naive baseline (lag 30)"
    assert task.baselines[1].loss < 1e-10
    far = Forecast(sequences(values), 4, horizon=40)
    assert far.baselines[1].loss < 1e-10


def test_a_season_is_found_only_where_there_is_one() -> None:
    rng, time = np.random.default_rng(0), np.arange(400)
    assert find_season([rng.standard_normal(400)]) is None
    assert find_season([np.full(400, 7.0)]) is None
    assert find_season([np.arange(5.0)]) is None
    assert find_season([]) is None
    noisy = np.sin(2 * np.pi * time / 24) + 0.3 * rng.standard_normal(400) + 0.02 * time
    assert find_season([noisy, noisy[50:]]) in (23, 24, 25)


def test_the_season_is_found_on_what_is_trained_on() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.standard_normal(200), np.sin(2 * np.pi * np.arange(200) / 10)])[:, None]
    assert len(Forecast(sequences(values), 5, validation=0.5).baselines) == 1


def test_the_laws_hold() -> None:
    rng = np.random.default_rng(0)
    for task in (
        Sine(),
        Sine(period=7, noise=0, length=1),
        Forecast(sequences(rng.standard_normal((60, 2)), rng.standard_normal((90, 2)), method="robust"), 4),
        Forecast(sequences(rng.standard_normal((60, 3))), 4, target=["x2", "x0"], horizon=2),
    ):
        hold_laws(task)
        hold_losses(task)


def test_a_chosen_target_is_measured_in_its_own_unit() -> None:
    rng = np.random.default_rng(0)
    data = sequences(rng.standard_normal((100, 2)) * [1, 50], method="standardise")
    one, both = Forecast(data, 4, target="x1"), Forecast(data, 4)
    assert (one.outputs, both.outputs, one.features) == (1, 2, 2)
    off = one.held_out.y + np.float32(2 / one.scaling.scale[1])
    loss = float(np.square(off - one.held_out.y).mean())
    assert one.measured(loss, off) == pytest.approx(2, rel=1e-5)
    assert one.measure.title == "RMSE of x1 (original units)"
    assert both.measured(loss, off) == pytest.approx(loss**0.5)
    assert "scaled" in both.measure.title


def test_the_held_out_stretch_is_shown_in_its_own_unit() -> None:
    data = sequences(np.arange(40.0)[:, None], np.arange(100.0, 200.0)[:, None], method="standardise", time=True)
    task = Forecast(data, 5, validation=0.2)
    drawn = task.predictions(lambda examples: examples.x[:, -1])
    assert drawn.kind == "curves"
    assert np.allclose(drawn.truth[:, 0], np.arange(185, 200), atol=1e-3)
    assert np.allclose(drawn.predicted, drawn.truth - 1, atol=1e-3)
    assert drawn.labels == tuple(f"t{k}" for k in range(85, 100))
    assert drawn.names == ("x0",)
    assert task.probe.time == tuple(f"t{k}" for k in range(80, 100))


def test_saying_the_change_changes_neither_errors_nor_what_is_shown() -> None:
    values = np.random.default_rng(0).standard_normal((200, 2)).cumsum(0)
    value, change = (Forecast(sequences(values, method="standardise"), 6, predict=what) for what in ("value", "change"))
    hold_laws(change)
    hold_losses(change)
    last = value.held_out.x[:, -1]
    assert np.allclose(change.held_out.y, value.held_out.y - last, atol=1e-6)
    assert change.baselines == value.baselines
    drawn = value.predictions(lambda examples: examples.x[:, -1]), change.predictions(lambda examples: 0 * examples.y)
    assert np.array_equal(drawn[0].truth, drawn[1].truth)
    assert np.allclose(drawn[0].predicted, drawn[1].predicted, atol=1e-5)


def test_a_series_that_climbs_is_better_forecast_by_its_change() -> None:
    step = np.arange(600)
    climbing = (0.02 * step + np.sin(2 * np.pi * step / 12))[:, None]
    value, change = (Forecast(sequences(climbing, method="standardise"), predict=what) for what in ("value", "change"))
    assert trained(change, 150)["error"] < min(trained(value, 150)["error"], change.baselines[0].measure)


def test_many_held_out_windows_are_thinned_evenly_with_a_notice() -> None:
    task = Forecast(counting(5000), 3, validation=0.5)
    starts = own(task, task.held_out.x)[:, 0, 0]
    assert len(starts) == 512
    assert (starts[0], starts[-1]) == (2500, 4996)
    assert np.ptp(np.diff(starts)) <= 1
    assert any("512 evenly spaced" in notice for notice in task.notices)


def test_short_sequences_are_left_out_and_counted() -> None:
    data = counting(100, 9, 3, 30)
    task = Forecast(data, 8, validation=0.2)
    assert any("2 sequences left out" in notice and "'s1' and 's2'" in notice for notice in task.notices)
    assert any("in one of the two parts: 's3'" in notice for notice in task.notices)


def test_a_window_is_chosen_where_none_is_asked_for() -> None:
    assert Forecast(counting(1000)).length == 32
    assert Forecast(counting(100)).length == 9
    assert Forecast(counting(10)).length == 1
    assert Forecast(counting(100, 100, 20), horizon=2).length == 9


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (None, {}, "found none; wanted sequences"),
        ("text", {}, "found str; wanted sequences"),
        (counting(50), {"length": 20}, r"at most 10 steps held out, of 50.*21: a window of 20.*at most 9, or change"),
        (counting(3), {}, "at most 1 step .*wanted 2.*longer sequences"),
        (counting(50), {"length": 3000}, "3,000.*2,000"),
        (counting(50), {"target": "price"}, "no feature 'price'.*'x0'"),
        (sequences(np.ones((90, 1))), {}, "the same value at every training step"),
        (sequences(np.where(np.arange(90) < 3, 1e20, np.arange(90.0))[:, None]), {}, "beyond 1e15 in 'x0'"),
    ],
)
def test_what_does_not_fit_is_explained(data: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        make_task(Settings("forecast", options), data)


def test_a_feature_that_stands_still_while_training_is_reported() -> None:
    values = np.stack([np.arange(100.0), np.where(np.arange(100) < 90, 5.0, 6.0)], axis=1)
    task = Forecast(sequences(values, method="standardise"), 4)
    assert any("1 constant column" in notice and "'x1'" in notice for notice in task.notices)
    assert any("not scaled" in notice for notice in Forecast(sequences(values), 4).notices)


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_every_built_in_example_can_be_forecast(name: str) -> None:
    task = make_task(Settings("forecast"), EXAMPLES[name].load())
    hold_laws(task)
    hold_losses(task)


def test_a_short_training_beats_repeating_the_last_value_of_a_sine() -> None:
    task = make_task(Settings("sine"))
    found = trained(task, 300)
    assert found["error"] < min(each.measure for each in task.baselines)
    assert found["held_out"] < task.baselines[0].loss / 3
