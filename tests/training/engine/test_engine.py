"""Runs under an engine: the same numbers as the bare loop, whatever happens to them on the way; and a fair line."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from engines import LIVELY, LONG, SHORT, finish, held, one_lane, reach, rest, statuses, stored, undisturbed, wait

from gru_viz.errors import TrainingError
from gru_viz.training import Lane, RateChange, Settings
from gru_viz.training.engine import Engine, engine as module
from gru_viz.training.runs import Follower
from gru_viz.training.settings import Limits


def test_a_run_ends_with_the_numbers_of_the_bare_loop(engine: Engine) -> None:
    settings = Settings("adding", {"length": 9}, updates=60, seeds=2)
    key = engine.store.create(settings)
    with held(engine):
        engine.start(key)
        assert statuses(engine.store, key) == ["queued", "queued"]
    rest(engine, key)
    assert stored(engine.store, key) == undisturbed(settings)
    for lane in engine.store.run(key).lanes:
        assert (lane.status, lane.update, lane.rate, lane.message) == ("finished", 60, 0.0, "")
        assert (lane.learning_rate, lane.backend) == (0.005, "compiled")
        assert lane.seconds > 0
        assert engine.store.snapshots(key, lane.name)[-1] == 60
    assert engine.place(key) is None


def test_a_run_that_was_paused_goes_on_as_if_it_had_not_been(engine: Engine) -> None:
    """Whatever the update at which it stops, every value of every measure and seed is that of the bare loop."""
    store = engine.store
    lanes = (Lane("a", schedule="cosine"), Lane("b", "torch_lstm", layers=2, dropout=0.2, optimiser="rmsprop"))
    key = store.create(replace(LIVELY, lanes=lanes))
    for goal in (20, 200):
        engine.start(key)
        wait(lambda goal=goal: min(lane.update for lane in store.run(key).lanes) > goal, lambda: store.run(key))
        engine.pause(key)
        rest(engine, key)
        assert statuses(store, key) == ["paused", "paused"]
        for lane in store.run(key).lanes:
            kept = store.checkpoint(key, lane.name)
            assert kept is not None
            assert kept.update == lane.update
    expected = finish(engine, key)
    assert stored(store, key) == expected


def test_while_a_run_trains_the_page_can_follow_it(engine: Engine) -> None:
    store, key = engine.store, engine.store.create(LONG)
    engine.start(key)
    follower = Follower(store, key)
    wait(lambda: {curve.lane for curve in follower.curves()} == {"GRU", "LSTM"})
    reach(store, key, 50)
    wait(lambda: all(lane.rate > 0 and lane.seconds_left for lane in store.run(key).lanes))
    state = engine.state
    assert (state.kind, state.slots, state.running, state.waiting, state.ready) == ("local", 2, 2, 0, True)
    assert state.address.startswith("tcp://127.0.0.1:")
    assert state.message == ""
    with pytest.raises(TrainingError, match="a run that is running"):
        engine.start(key)
    with pytest.raises(TrainingError, match="Stop it first"):
        store.delete(key)
    with held(engine):
        engine.stop(key)
        assert statuses(store, key) == ["running", "running"]
        assert "Stopping" in store.run(key).lanes[0].message
    rest(engine, key)
    assert [(lane.status, lane.message, lane.rate) for lane in store.run(key).lanes] == [("stopped", "", 0.0)] * 2
    wait(lambda: engine.state.running == 0)
    store.delete(key)


def test_a_rate_can_be_changed_while_it_trains_and_while_it_rests(engine: Engine) -> None:
    store = engine.store
    settings = replace(LIVELY, lanes=one_lane(learning_rate=0.01))
    key = store.create(settings)
    engine.change_rate(key, "alone", 0.02)
    assert store.run(key).lane("alone").learning_rate == 0.02
    engine.start(key)
    wait(lambda: store.run(key).lane("alone").update > 10)
    engine.change_rate(key, "alone", 0.03)
    wait(lambda: len(store.rate_changes(key, "alone")) == 2)
    wait(lambda: store.run(key).lane("alone").update > store.rate_changes(key, "alone")[1].update)
    engine.pause(key)
    rest(engine, key)
    engine.change_rate(key, "alone", 0.0005)
    wait(lambda: len(store.rate_changes(key, "alone")) == 3)
    expected = finish(engine, key)
    changes = store.rate_changes(key, "alone")
    assert [change.rate for change in changes] == [0.02, 0.03, 0.0005]
    assert 0 == changes[0].update < 10 < changes[1].update < changes[2].update
    assert stored(store, key) == expected
    unchanged = undisturbed(settings, store.run(key).lane("alone").until)
    assert unchanged.keys() == expected.keys()
    assert unchanged != expected
    for wrong in (0.0, float("nan")):
        with pytest.raises(TrainingError, match="learning_rate"):
            engine.change_rate(key, "alone", wrong)
    with pytest.raises(TrainingError, match="no lane"):
        engine.change_rate(key, "nobody", 0.1)


def test_what_is_finished_can_train_longer(engine: Engine) -> None:
    settings = Settings("adding", {"length": 5}, one_lane(schedule="halving"), updates=40)
    store, key = engine.store, engine.store.create(settings)
    engine.start(key)
    rest(engine, key)
    with pytest.raises(TrainingError, match="a run that is finished"):
        engine.start(key)
    for wrong in (40, 10**9):
        with pytest.raises(TrainingError, match="41 to 200,000"):
            engine.extend(key, wrong)
    with held(engine):
        engine.extend(key, 75)
        assert (store.run(key).status, store.run(key).lane("alone").until) == ("queued", 75)
    rest(engine, key)
    lane = store.run(key).lane("alone")
    assert (lane.status, lane.update, lane.until) == ("finished", 75, 75)
    longer = undisturbed(settings, until=75)
    assert {which: values for which, values in stored(store, key).items() if which in longer} == longer


def test_what_diverges_stops_alone_and_keeps_its_last_good_weights(engine: Engine) -> None:
    lanes = (Lane("wild", optimiser="sgd", learning_rate=100.0, clip=0.0), Lane("tame"))
    store = engine.store
    key = store.create(Settings("adding", {"length": 5}, lanes, updates=120))
    engine.start(key)
    rest(engine, key)
    wild, tame = store.run(key).lanes
    assert (wild.status, tame.status) == ("diverged", "finished")
    assert "no longer a finite number" in wild.message
    assert wild.rate == 0
    kept = store.checkpoint(key, "wild")
    assert kept is None or all(np.isfinite(array).all() for array in kept.arrays.values())
    with pytest.raises(TrainingError, match="nothing to do"):
        engine.start(key)


def test_a_lane_that_cannot_be_computed_fails_with_a_sentence(engine: Engine) -> None:
    lanes = (Lane("impossible", cell="cho_2014_v3", backend="torch"), Lane("possible"))
    store, key = engine.store, engine.store.create(replace(SHORT, lanes=lanes))
    engine.start(key)
    rest(engine, key)
    impossible, possible = store.run(key).lanes
    assert (impossible.status, possible.status) == ("failed", "finished")
    assert "no reset gate that acts before the recurrent product" in impossible.message
    assert "Traceback" not in impossible.message


def test_a_damaged_checkpoint_fails_with_a_sentence_and_nothing_is_lost(engine: Engine) -> None:
    store, key = engine.store, engine.store.create(LONG)
    engine.start(key)
    reach(store, key, 1)
    engine.pause(key)
    rest(engine, key)
    before = stored(store, key)
    (store.files(key).folder / "lane1" / "checkpoint.safetensors").write_bytes(b"\x01")
    engine.start(key)
    wait(lambda: store.run(key).lane("LSTM").status == "failed", lambda: store.run(key))
    assert "damaged" in store.run(key).lane("LSTM").message
    engine.stop(key)
    rest(engine, key)
    assert before.items() <= stored(store, key).items()


def test_thirty_students_start_at_once(engine: Engine) -> None:
    """No call waits for training, everyone sees a place in line, and equal choices give equal curves."""
    store = engine.store
    blocker = store.create(LONG)
    engine.start(blocker)
    reach(store, blocker, 1)
    keys = [store.create(SHORT) for _ in range(30)]
    places, ready = [0] * 30, threading.Barrier(30)

    def student(n: int) -> None:
        ready.wait()
        engine.start(keys[n])
        places[n] = engine.place(keys[n]) or 0

    threads = [threading.Thread(target=student, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(places) == list(range(1, 31))
    assert sorted(filter(None, map(engine.place, keys))) == list(range(1, 31))
    assert engine.state.waiting == 30
    assert statuses(store, blocker) == ["running", "running"], "all were answered while the machine trained"
    engine.stop(blocker)
    for key in keys:
        rest(engine, key)
        assert statuses(store, key) == ["finished", "finished"]
        assert stored(store, key) == stored(store, keys[0])
    assert stored(store, keys[0]) == undisturbed(SHORT)


def test_who_came_first_is_first_though_a_later_run_would_fit(engine: Engine) -> None:
    store = engine.store
    single = replace(LONG, lanes=one_lane())
    first, wide, narrow = (store.create(settings) for settings in (single, LONG, single))
    for key in (first, wide, narrow):
        engine.start(key)
    reach(store, first, 1)
    assert (engine.place(first), engine.place(wide), engine.place(narrow)) == (None, 1, 2)
    assert (store.run(wide).status, store.run(narrow).status) == ("queued", "queued")
    engine.stop(first)
    reach(store, wide, 1)
    assert engine.place(narrow) == 1
    engine.pause(narrow)
    assert (store.run(narrow).status, engine.place(narrow)) == ("paused", None)
    engine.stop(wide)
    rest(engine, wide)
    assert store.run(narrow).lane("alone").update == 0


def test_three_lanes_train_together_on_two_slots(engine: Engine) -> None:
    store = engine.store
    key = store.create(replace(LONG, lanes=(*LONG.lanes, Lane("RNN", "torch_rnn"))))
    engine.start(key)
    reach(store, key, 1)
    assert engine.state.running == 3
    engine.stop(key)
    rest(engine, key)


def test_a_line_that_is_full_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    store = engine.store
    monkeypatch.setattr(module, "LIMITS", Limits(waiting=1))
    running, waits, refused = (store.create(LONG) for _ in range(3))
    engine.start(running)
    wait(lambda: engine.place(running) is None)
    engine.start(waits)
    with pytest.raises(TrainingError, match="1 runs in line"):
        engine.start(refused)
    assert store.run(refused).status == "stopped"
    for key in (waits, running):
        engine.stop(key)
        rest(engine, key)


def test_a_lane_that_ends_while_it_is_being_stopped_is_not_called_stopping_for_ever(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = engine.store.create(SHORT)
    engine.start(key)
    rest(engine, key)
    monkeypatch.setattr(engine._foreman, "has", lambda run, lane: True)  # as it was a moment before
    engine.stop(key)
    assert [(lane.status, lane.message) for lane in engine.store.run(key).lanes] == [("finished", "")] * 2


def test_a_wish_for_a_run_that_is_not_there_names_it(engine: Engine) -> None:
    for wish in (engine.start, engine.pause, engine.stop, lambda key: engine.extend(key, 5)):
        with pytest.raises(TrainingError, match="nowhere"):
            wish("nowhere")
    with pytest.raises(TrainingError, match="nowhere"):
        engine.change_rate("nowhere", "GRU", 0.1)
    assert engine.place("nowhere") is None


def test_changes_of_rate_are_records_of_their_own(engine: Engine) -> None:
    """A change that is made twice in a row counts once, at the later."""
    store, key = engine.store, engine.store.create(replace(LONG, lanes=one_lane()))
    engine.start(key)
    reach(store, key, 1)
    engine.change_rate(key, "alone", 0.25)
    engine.change_rate(key, "alone", 0.125)
    wait(lambda: any(change.rate == 0.125 for change in store.rate_changes(key, "alone")))
    assert store.rate_changes(key, "alone")[-1].rate == 0.125
    assert isinstance(store.rate_changes(key, "alone")[-1], RateChange)
    wait(lambda: store.run(key).lane("alone").learning_rate == 0.125)
    engine.stop(key)
    rest(engine, key)
