"""Sweeps under an engine: they come after all other runs, and restart by themselves if a worker dies."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import replace

import pytest
from engine_helpers import LIVELY, LONG, locked, reach, reached, rest, statuses, stored, undisturbed, wait

from gru_viz.training import Settings
from gru_viz.training.engine import Engine, lane_monitor
from gru_viz.training.sweep import Sweep, resume_sweep, start_sweep, sweep_points, sweeps


def test_a_sweep_makes_room_for_a_single_run_and_ends_with_the_same_numbers(engine: Engine) -> None:
    store = engine.store
    sweep = start_sweep(store, engine, Sweep(("torch", "torch_lstm"), (8,), (0.01, 0.02), replace(LIVELY, seeds=1)))
    first, second, *others = (run.run_id for run in store.runs(sweep))
    wait(lambda: sum("running" in statuses(store, run.run_id) for run in store.runs(sweep)) == 2)
    swept = [run.run_id for run in store.runs(sweep) if run.status == "running"]
    for run in swept:
        reach(store, run, 1)
    assert {first, second} == set(swept)
    watched = store.create(LONG)
    with locked(engine):
        engine.start(watched)
        assert engine.queue_position(watched) == 1
        assert sorted(filter(None, (engine.queue_position(run) for run in others))) == [2, 3]
    reach(store, watched, 1)
    assert statuses(store, first) == statuses(store, second) == ["queued"]
    assert "makes room" in store.run(first).lanes[0].message.lower()
    assert {engine.queue_position(first), engine.queue_position(second)} == {1, 2}

    until = 50 + max(reached(store, run) for run in swept)
    for run in store.runs(sweep):
        store.set_lane(run.run_id, run.lanes[0].name, until=until)
    engine.stop(watched)
    wait(lambda: not sweeps(store)[0].active, lambda: (engine.state, sweeps(store)))
    for run in store.runs(sweep):
        assert stored(store, run.run_id) == undisturbed(run.settings, until)
    points = {p.run_id: p.loss for p in sweep_points(store, sweep)}
    names = {run.run_id: run.lanes[0].name for run in store.runs(sweep)}
    assert points == {run: stored(store, run)[name, "held_out", until][0] for run, name in names.items()}
    rest(engine, watched)


def test_what_diverges_in_a_sweep_ends_alone(engine: Engine) -> None:
    store, settings = engine.store, Settings("adding", {"length": 5}, updates=60, seeds=2)
    settings = replace(settings, lanes=(replace(settings.lanes[0], optimiser="sgd", clip=0.0),))
    sweep = start_sweep(store, engine, Sweep(("torch",), (4,), (0.01, 100.0), settings))
    wait(lambda: not sweeps(store)[0].active, lambda: (engine.state, sweeps(store)))
    losses = {(p.learning_rate, p.seed): p.loss for p in sweep_points(store, sweep)}
    assert {which: math.isfinite(loss) for which, loss in losses.items()} == {
        (0.01, 0): True,
        (0.01, 1): True,
        (100.0, 0): False,
        (100.0, 1): False,
    }


def test_a_sweep_is_cancelled_and_resumed(engine: Engine) -> None:
    store = engine.store
    sweep = start_sweep(store, engine, Sweep(("torch",), (4, 8), (0.01, 0.02), replace(LIVELY, seeds=1)))
    wait(lambda: any(run.status == "running" for run in store.runs(sweep)))
    engine.cancel_sweep(sweep)
    wait(lambda: not sweeps(store)[0].active, lambda: store.runs(sweep))
    assert [run.status for run in store.runs(sweep)] == ["stopped"] * 4
    wait(lambda: (engine.state.queued, engine.state.running) == (0, 0))
    resume_sweep(store, engine, sweep)
    wait(lambda: any(run.status == "running" for run in store.runs(sweep)))
    engine.cancel_sweep(sweep)
    wait(lambda: not sweeps(store)[0].active, lambda: store.runs(sweep))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_sweep_goes_on_by_itself_where_a_worker_dies_but_not_for_ever(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_monitor, "SWEEP_RESTARTS", 1)
    store = engine.store
    sweep = start_sweep(store, engine, Sweep(("torch",), (8,), (0.01,), replace(LIVELY, seeds=1)))
    (run,) = store.runs(sweep)

    def trains_in() -> str:
        worker = engine.scheduler.worker_of(run.run_id, run.lanes[0].name)
        return worker.name if worker else ""

    reach(store, run.run_id, 1)
    killed = trains_in()
    os.kill(int(killed), signal.SIGKILL)
    wait(lambda: trains_in() not in ("", killed), lambda: store.run(run.run_id))
    reach(store, run.run_id, 1)
    os.kill(int(trains_in()), signal.SIGKILL)
    wait(lambda: store.run(run.run_id).status == "interrupted", lambda: store.run(run.run_id))
    assert "ended near update" in store.run(run.run_id).lanes[0].message
