"""Runs under an engine: the same numbers as the bare loop, whatever happens to them on the way; and a fair queue."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import pytest
from engine_helpers import (
    LIVELY,
    LONG,
    SHORT,
    finish,
    locked,
    one_lane,
    reach,
    rest,
    statuses,
    stored,
    undisturbed,
    wait,
)

from gru_viz.backends import compiled
from gru_viz.errors import TrainingError
from gru_viz.training import Lane, RateChange, Settings
from gru_viz.training.engine import Engine, local_executor, scheduler, training_engine
from gru_viz.training.engine.local_executor import LocalExecutor
from gru_viz.training.runs import Follower
from gru_viz.training.settings import TrainingLimits


def test_a_run_ends_with_the_numbers_of_the_bare_loop(engine: Engine) -> None:
    settings = Settings("adding", {"length": 9}, updates=60, seeds=2)
    run_id = engine.store.create(settings)
    with locked(engine):
        engine.start(run_id)
        assert statuses(engine.store, run_id) == ["queued", "queued"]
    rest(engine, run_id)
    assert stored(engine.store, run_id) == undisturbed(settings)
    for lane in engine.store.run(run_id).lanes:
        assert (lane.status, lane.update, lane.rate, lane.message) == ("finished", 60, 0.0, "")
        assert (lane.learning_rate, lane.backend) == (0.005, "compiled")
        assert lane.seconds > 0
        assert engine.store.snapshots(run_id, lane.name)[-1] == 60
    assert engine.queue_position(run_id) is None


@pytest.mark.skipif(sys.platform != "linux", reason="workers fork on Linux alone")
def test_workers_share_what_they_load_and_load_nothing_else(engine: Engine) -> None:
    """After a lane has trained: neither torch's compiler nor what only tables and pages need."""

    def look() -> tuple[frozenset[str], int, int, int]:
        import os
        import sys

        heavy = {"torch._dynamo", "sympy", "pandas", "sklearn", "pyarrow", "plotly", "streamlit", "torch", "numba"}
        return frozenset(heavy & set(sys.modules)), os.getppid(), os.nice(0), os.sched_getscheduler(0)

    run_id = engine.store.create(SHORT)
    engine.start(run_id)
    rest(engine, run_id)
    looks = list(engine.executor.client.run(look).values())
    assert len(looks) == 2
    assert {loaded for loaded, *_ in looks} == {frozenset({"torch", "numba"})}
    (parent,) = {parent for _, parent, *_ in looks}
    assert psutil.Process(parent).ppid() == os.getpid()
    assert {policy for *_, policy in looks} == {os.SCHED_BATCH}, "the page goes first"
    assert {nice for *_, nice, _ in looks} == {os.nice(0) + int(os.environ["GRU_VIZ_NICE"])}


def test_until_there_are_workers_it_says_how_long_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    executor, now = LocalExecutor(), time.monotonic()
    assert "about 4 s more" in executor.waiting
    monkeypatch.setattr(local_executor.time, "monotonic", lambda: now + 9)
    assert "9 s so far" in executor.waiting


def test_a_run_stays_with_the_backend_it_began_with(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began while no kernel was compiled, and resumes when all are."""
    store, run_id = engine.store, engine.store.create(replace(LIVELY, lanes=one_lane()))
    with monkeypatch.context() as patched:
        patched.setattr(compiled, "is_ready", lambda *_: False)
        engine.start(run_id)
        reach(store, run_id, 20)
    engine.pause(run_id)
    rest(engine, run_id)
    assert store.run(run_id).lane("alone").backend == "torch"
    finish(engine, run_id)
    lane = store.run(run_id).lane("alone")
    assert lane.backend == "torch"
    with_torch = replace(LIVELY, lanes=one_lane(backend="torch"))
    assert stored(store, run_id) == undisturbed(with_torch, lane.until)
    assert stored(store, run_id) != undisturbed(LIVELY, lane.until)


def test_a_lane_that_needs_a_kernel_says_what_it_waits_for(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    set_lane = engine.store.set_lane

    def spy(run: str, lane: str, **state: Any) -> None:
        messages.append(state.get("message", ""))
        set_lane(run, lane, **state)

    monkeypatch.setattr(engine.store, "set_lane", spy)
    monkeypatch.setattr(compiled, "is_ready", lambda *_: False)
    monkeypatch.setattr(scheduler, "seconds_left", lambda *_: 12.4)
    run_id = engine.store.create(replace(SHORT, lanes=one_lane("onnx")))
    engine.start(run_id)
    rest(engine, run_id)
    assert "Waits for its compiled kernel, about 12 s." in messages
    lane = engine.store.run(run_id).lane("alone")
    assert (lane.status, lane.backend, lane.message) == ("finished", "compiled", "")


def test_a_run_that_was_paused_goes_on_as_if_it_had_not_been(engine: Engine) -> None:
    """Whatever the update at which it stops, every value of every measure and seed is that of the bare loop."""
    store = engine.store
    lanes = (Lane("a", schedule="cosine"), Lane("b", "torch_lstm", layers=2, dropout=0.2, optimiser="rmsprop"))
    run_id = store.create(replace(LIVELY, lanes=lanes))
    for goal in (20, 200):
        engine.start(run_id)
        wait(lambda goal=goal: min(lane.update for lane in store.run(run_id).lanes) > goal, lambda: store.run(run_id))
        engine.pause(run_id)
        rest(engine, run_id)
        assert statuses(store, run_id) == ["paused", "paused"]
        for lane in store.run(run_id).lanes:
            saved = store.checkpoint(run_id, lane.name)
            assert saved is not None
            assert saved.update == lane.update
    expected = finish(engine, run_id)
    assert stored(store, run_id) == expected


def test_while_a_run_trains_the_page_can_follow_it(engine: Engine) -> None:
    store, run_id = engine.store, engine.store.create(LONG)
    engine.start(run_id)
    follower = Follower(store, run_id)
    wait(lambda: {curve.lane for curve in follower.curves()} == {"GRU", "LSTM"})
    reach(store, run_id, 50)
    wait(lambda: all(lane.rate > 0 and lane.seconds_left for lane in store.run(run_id).lanes))
    state = engine.state
    assert (state.kind, state.slots, state.running, state.queued, state.ready) == ("local", 2, 2, 0, True)
    assert state.address.startswith("tcp://127.0.0.1:")
    assert state.message == ""
    with pytest.raises(TrainingError, match="a run that is running"):
        engine.start(run_id)
    with pytest.raises(TrainingError, match="Stop it first"):
        store.delete(run_id)
    with locked(engine):
        engine.stop(run_id)
        assert statuses(store, run_id) == ["running", "running"]
        assert "Stopping" in store.run(run_id).lanes[0].message
    rest(engine, run_id)
    assert [(lane.status, lane.message, lane.rate) for lane in store.run(run_id).lanes] == [("stopped", "", 0.0)] * 2
    wait(lambda: engine.state.running == 0)
    store.delete(run_id)


def test_a_rate_can_be_changed_while_it_trains_and_while_it_rests(engine: Engine) -> None:
    store = engine.store
    settings = replace(LIVELY, lanes=one_lane(learning_rate=0.01))
    run_id = store.create(settings)
    engine.change_rate(run_id, "alone", 0.02)
    assert store.run(run_id).lane("alone").learning_rate == 0.02
    engine.start(run_id)
    wait(lambda: store.run(run_id).lane("alone").update > 10)
    engine.change_rate(run_id, "alone", 0.03)
    wait(lambda: len(store.rate_changes(run_id, "alone")) == 2)
    wait(lambda: store.run(run_id).lane("alone").update > store.rate_changes(run_id, "alone")[1].update)
    engine.pause(run_id)
    rest(engine, run_id)
    engine.change_rate(run_id, "alone", 0.0005)
    wait(lambda: len(store.rate_changes(run_id, "alone")) == 3)
    expected = finish(engine, run_id)
    changes = store.rate_changes(run_id, "alone")
    assert [change.rate for change in changes] == [0.02, 0.03, 0.0005]
    assert 0 == changes[0].update < 10 < changes[1].update < changes[2].update
    assert stored(store, run_id) == expected
    unchanged = undisturbed(settings, store.run(run_id).lane("alone").until)
    assert unchanged.keys() == expected.keys()
    assert unchanged != expected
    for wrong in (0.0, float("nan")):
        with pytest.raises(TrainingError, match="learning_rate"):
            engine.change_rate(run_id, "alone", wrong)
    with pytest.raises(TrainingError, match="no lane"):
        engine.change_rate(run_id, "missing", 0.1)


def test_what_is_finished_can_train_longer(engine: Engine) -> None:
    settings = Settings("adding", {"length": 5}, one_lane(schedule="halving"), updates=40)
    store, run_id = engine.store, engine.store.create(settings)
    engine.start(run_id)
    rest(engine, run_id)
    with pytest.raises(TrainingError, match="a run that is finished"):
        engine.start(run_id)
    for wrong in (40, 10**9):
        with pytest.raises(TrainingError, match="41 to 200,000"):
            engine.extend(run_id, wrong)
    with locked(engine):
        engine.extend(run_id, 75)
        assert (store.run(run_id).status, store.run(run_id).lane("alone").until) == ("queued", 75)
    rest(engine, run_id)
    lane = store.run(run_id).lane("alone")
    assert (lane.status, lane.update, lane.until) == ("finished", 75, 75)
    longer = undisturbed(settings, until=75)
    assert {which: values for which, values in stored(store, run_id).items() if which in longer} == longer


def test_a_lane_that_diverges_stops_alone_and_its_last_good_weights_stay(engine: Engine) -> None:
    lanes = (Lane("wild", optimiser="sgd", learning_rate=100.0, clip=0.0), Lane("tame"))
    store = engine.store
    run_id = store.create(Settings("adding", {"length": 5}, lanes, updates=120))
    engine.start(run_id)
    rest(engine, run_id)
    wild, tame = store.run(run_id).lanes
    assert (wild.status, tame.status) == ("diverged", "finished")
    assert "no longer a finite number" in wild.message
    assert wild.rate == 0
    saved = store.checkpoint(run_id, "wild")
    assert saved is None or all(np.isfinite(array).all() for array in saved.arrays.values())
    with pytest.raises(TrainingError, match="nothing to do"):
        engine.start(run_id)


def test_a_lane_that_cannot_be_computed_fails_with_a_sentence(engine: Engine) -> None:
    lanes = (Lane("impossible", cell="cho_2014_v3", backend="torch"), Lane("possible"))
    store, run_id = engine.store, engine.store.create(replace(SHORT, lanes=lanes))
    engine.start(run_id)
    rest(engine, run_id)
    impossible, possible = store.run(run_id).lanes
    assert (impossible.status, possible.status) == ("failed", "finished")
    assert "no reset gate that acts before the recurrent product" in impossible.message
    assert "Traceback" not in impossible.message


def test_a_damaged_checkpoint_fails_with_a_sentence_and_nothing_is_lost(engine: Engine) -> None:
    store, run_id = engine.store, engine.store.create(LONG)
    engine.start(run_id)
    reach(store, run_id, 1)
    engine.pause(run_id)
    rest(engine, run_id)
    before = stored(store, run_id)
    (store.files(run_id).folder / "lane1" / "checkpoint.safetensors").write_bytes(b"\x01")
    engine.start(run_id)
    wait(lambda: store.run(run_id).lane("LSTM").status == "failed", lambda: store.run(run_id))
    assert "damaged" in store.run(run_id).lane("LSTM").message
    engine.stop(run_id)
    rest(engine, run_id)
    assert before.items() <= stored(store, run_id).items()


def test_thirty_students_start_at_once(engine: Engine) -> None:
    """No call waits for training, everyone sees a position in the queue, and equal choices give equal curves."""
    store = engine.store
    blocker = store.create(LONG)
    engine.start(blocker)
    reach(store, blocker, 1)
    run_ids = [store.create(SHORT) for _ in range(30)]
    places, ready = [0] * 30, threading.Barrier(30)

    def student(n: int) -> None:
        ready.wait()
        engine.start(run_ids[n])
        places[n] = engine.queue_position(run_ids[n]) or 0

    threads = [threading.Thread(target=student, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(places) == list(range(1, 31))
    assert sorted(filter(None, map(engine.queue_position, run_ids))) == list(range(1, 31))
    assert engine.state.queued == 30
    assert statuses(store, blocker) == ["running", "running"], "all were answered while the machine trained"
    engine.stop(blocker)
    for run_id in run_ids:
        rest(engine, run_id)
        assert statuses(store, run_id) == ["finished", "finished"]
        assert stored(store, run_id) == stored(store, run_ids[0])
    assert stored(store, run_ids[0]) == undisturbed(SHORT)


def test_who_came_first_is_first_though_a_later_run_would_fit(engine: Engine) -> None:
    store = engine.store
    single = replace(LONG, lanes=one_lane())
    first, wide, narrow = (store.create(settings) for settings in (single, LONG, single))
    for run_id in (first, wide, narrow):
        engine.start(run_id)
    reach(store, first, 1)
    assert (engine.queue_position(first), engine.queue_position(wide), engine.queue_position(narrow)) == (None, 1, 2)
    assert (store.run(wide).status, store.run(narrow).status) == ("queued", "queued")
    engine.stop(first)
    reach(store, wide, 1)
    assert engine.queue_position(narrow) == 1
    engine.pause(narrow)
    assert (store.run(narrow).status, engine.queue_position(narrow)) == ("paused", None)
    engine.stop(wide)
    rest(engine, wide)
    assert store.run(narrow).lane("alone").update == 0


def test_three_lanes_train_together_on_two_slots(engine: Engine) -> None:
    store = engine.store
    run_id = store.create(replace(LONG, lanes=(*LONG.lanes, Lane("RNN", "torch_rnn"))))
    engine.start(run_id)
    reach(store, run_id, 1)
    assert engine.state.running == 3
    engine.stop(run_id)
    rest(engine, run_id)


def test_a_full_queue_refuses_more(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = engine.store
    monkeypatch.setattr(training_engine, "LIMITS", TrainingLimits(waiting=1))
    running, waits, refused = (store.create(LONG) for _ in range(3))
    engine.start(running)
    wait(lambda: engine.queue_position(running) is None)
    engine.start(waits)
    with pytest.raises(TrainingError, match="1 queued runs"):
        engine.start(refused)
    assert store.run(refused).status == "stopped"
    for run_id in (waits, running):
        engine.stop(run_id)
        rest(engine, run_id)


def test_a_lane_that_ends_while_it_is_being_stopped_is_not_called_stopping_for_ever(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = engine.store.create(SHORT)
    engine.start(run_id)
    rest(engine, run_id)
    monkeypatch.setattr(engine.scheduler, "is_running", lambda run, lane: True)  # as it was a moment before
    engine.stop(run_id)
    assert [(lane.status, lane.message) for lane in engine.store.run(run_id).lanes] == [("finished", "")] * 2


def test_a_command_for_a_missing_run_names_it(engine: Engine) -> None:
    for command in (engine.start, engine.pause, engine.stop, lambda run_id: engine.extend(run_id, 5)):
        with pytest.raises(TrainingError, match="nowhere"):
            command("nowhere")
    with pytest.raises(TrainingError, match="nowhere"):
        engine.change_rate("nowhere", "GRU", 0.1)
    assert engine.queue_position("nowhere") is None


def test_changes_of_rate_are_records_of_their_own(engine: Engine) -> None:
    """A change that is made twice in a row counts once, at the later."""
    store, run_id = engine.store, engine.store.create(replace(LONG, lanes=one_lane()))
    engine.start(run_id)
    reach(store, run_id, 1)
    engine.change_rate(run_id, "alone", 0.25)
    engine.change_rate(run_id, "alone", 0.125)
    wait(lambda: any(change.rate == 0.125 for change in store.rate_changes(run_id, "alone")))
    assert store.rate_changes(run_id, "alone")[-1].rate == 0.125
    assert isinstance(store.rate_changes(run_id, "alone")[-1], RateChange)
    wait(lambda: store.run(run_id).lane("alone").learning_rate == 0.125)
    engine.stop(run_id)
    rest(engine, run_id)
