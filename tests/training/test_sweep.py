"""What a sweep crosses, and how it stands."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pytest

from gru_viz.errors import TrainingError
from gru_viz.training import Diverged, Lane, Point, Settings
from gru_viz.training.figures import sweep_picture
from gru_viz.training.runs import RunStore
from gru_viz.training.sweep import MOST_TRAININGS, Sweep, resume_sweep, start_sweep, sweep_points, sweeps

SETTINGS = Settings("adding", {"length": 6}, (Lane(optimiser="sgd", clip=0.5), Lane("other")), seeds=2, first_seed=7)
SWEEP = Sweep(("torch", "torch_lstm"), (4, 8), (0.01, 0.1), SETTINGS)


class Secretary:
    """An engine that writes down what it is asked to start."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def start_all(self, keys: Iterable[str]) -> None:
        self.asked += keys


def test_everything_is_crossed_with_everything() -> None:
    each = list(SWEEP.each())
    assert len(each) == len(SWEEP) == 16
    assert len(set(map(Settings.to_json, each))) == 16
    assert all((len(s.lanes), s.seeds) == (1, 1) for s in each)
    assert {s.first_seed for s in each[:8]} == {7}
    assert {s.first_seed for s in each[8:]} == {8}
    lanes = [s.lanes[0] for s in each[:8]]
    crossed = {(lane.cell, lane.hidden, lane.learning_rate) for lane in lanes}
    assert crossed == {(c, h, r) for c in SWEEP.cells for h in SWEEP.sizes for r in SWEEP.rates}
    assert {(lane.optimiser, lane.clip) for lane in lanes} == {("sgd", 0.5)}
    assert {lane.name for lane in lanes} == {"GRU", "LSTM"}


def test_what_is_named_twice_is_crossed_once() -> None:
    assert len(Sweep(("torch", "torch"), (4, 4), (0.1, 0.1, 0.2), SETTINGS)) == 4


@pytest.mark.parametrize(
    ("cells", "sizes", "rates", "message"),
    [
        ((), (4,), (0.1,), "cells"),
        (("torch",), (), (0.1,), "sizes"),
        (("torch",), (4,), (), "rates"),
        (("no such cell",), (4,), (0.1,), "no such cell"),
        (("torch",), (100_000,), (0.1,), "hidden"),
        (("torch",), (4,), (math.nan,), "learning_rate"),
        (("torch",), tuple(range(1, 302)), (0.1,), f"{MOST_TRAININGS} at most"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(
    cells: tuple[str, ...], sizes: tuple[int, ...], rates: tuple[float, ...], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        Sweep(cells, sizes, rates, SETTINGS)


def test_a_sweep_is_stored_as_runs_and_read_as_points(tmp_path: Path) -> None:
    engine = Secretary()
    with RunStore(tmp_path) as store:
        store.create(SETTINGS)
        key = start_sweep(store, engine, SWEEP)  # type: ignore[arg-type]
        runs = [store.run(run) for run in engine.asked]
        assert [run.settings for run in runs] == list(SWEEP.each())
        assert {run.run_id for run in store.runs(key)} == set(engine.asked)
        assert runs[0].name == "GRU, 4 units, rate 0.01, seed 7"
        assert sweep_points(store, key) == []
        (state,) = sweeps(store)
        assert (state.sweep_id, state.total, state.done, state.active, state.resumable) == (key, 16, 0, False, 16)
        assert state.name == "Adding two marked numbers: 16 trainings"

        ended, diverged, running = (run.run_id for run in runs[:3])
        records = [Point("held_out", update, 0.0, (1 / update,)) for update in (2, 16, 4)]
        store.write(ended, "GRU", [*records, Point("train", 16, 0.0, (9.0,))], status="finished")
        store.write(diverged, "LSTM", [*records, Diverged(17, (7,), "loss")])
        store.write(running, "GRU", records, status="running")
        points = sweep_points(store, key)
        assert [(p.cell, p.hidden, p.learning_rate, p.seed, p.run_id) for p in points] == [
            ("GRU", 4, 0.01, 7, ended),
            ("LSTM", 4, 0.01, 7, diverged),
        ]
        assert points[0].loss == 1 / 16
        assert math.isnan(points[1].loss)
        (state,) = sweeps(store)
        assert (state.done, state.active, state.resumable) == (2, True, 13)
        assert "GRU with 4 units" in sweep_picture(points).summary

        engine.asked.clear()
        resume_sweep(store, engine, key)  # type: ignore[arg-type]
        assert engine.asked == [run.run_id for run in runs[3:]]
