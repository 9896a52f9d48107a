"""A real cluster: a scheduler and two workers in processes of their own, which lanes, servers and workers leave."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import free_port, scheduler, workers
from conftest import Open
from engines import LIVELY, SHORT, finish, one_lane, reach, rest, statuses, stored, undisturbed, wait

from gru_viz.training import Settings
from gru_viz.training.engine import cluster_crew, engine as module
from gru_viz.training.sweep import Sweep, start_sweep, sweep_points, sweeps

HERE = Path(__file__).parent
SWEEP = Sweep(("torch", "torch_lstm"), (4,), (0.003, 0.03), Settings("adding", {"length": 8}, updates=250, seeds=2))


def final_losses(sweep: Sweep) -> dict[tuple[str, int, float, int], float]:
    """Where the bare loop ends, for every training."""
    losses = {}
    for settings in sweep.each():
        lane, told = settings.lanes[0], undisturbed(settings)
        losses[lane.name, lane.hidden, lane.learning_rate, settings.first_seed] = told[
            lane.name, "held_out", settings.updates
        ][0]
    return losses


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler's."""
    with scheduler(free_port()) as found:
        yield found


def test_a_sweep_loses_a_worker_on_the_way_and_no_point(address: str, open_engine: Open) -> None:
    """Two servers share the cluster; one worker is killed in the middle; everything ends where the bare loop does."""
    with workers(address, 2) as processes:
        hold_sweep(address, processes[0], open_engine)


def hold_sweep(address: str, victim: subprocess.Popen[bytes], open_engine: Open) -> None:
    engine, other = open_engine(scheduler=address), None
    store = engine.store
    wait(lambda: engine.state.slots == 2, lambda: engine.state)
    assert (engine.state.kind, engine.state.address, engine.state.message) == ("cluster", address, "")
    key = start_sweep(store, engine, SWEEP)
    other = open_engine(store.folder / "other", scheduler=address)
    theirs = other.store.create(SHORT)
    other.start(theirs)
    wait(lambda: len(sweep_points(store, key)) >= 3, lambda: (engine.state, sweeps(store)))
    wait(lambda: any("running" in statuses(store, run.id) for run in store.runs(key)))
    victim.kill()
    wait(lambda: not sweeps(store)[0].active, lambda: (engine.state, sweeps(store)))
    told = {(p.cell, p.hidden, p.learning_rate, p.seed): p.loss for p in sweep_points(store, key)}
    assert told == final_losses(SWEEP)
    assert engine.state.slots == 1
    rest(other, theirs)  # a run of two lanes, on the one worker that is left
    if "interrupted" in statuses(other.store, theirs):  # it was with the worker that died, and waits for someone
        other.start(theirs)
        rest(other, theirs)
    assert stored(other.store, theirs) == undisturbed(SHORT)


def test_a_server_of_a_cluster_is_killed_and_its_lane_ends_by_itself(
    address: str, tmp_path: Path, open_engine: Open
) -> None:
    """The worker outlives it; a lane that nobody asks for stops, and goes on elsewhere with the same numbers."""
    command = [sys.executable, str(HERE / "server.py"), str(tmp_path), "one", address]
    with workers(address, 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            key, _waiting = process.stdout.readline().split()
            process.kill()
        engine = open_engine(scheduler=address, slots=1)
        store = engine.store
        assert statuses(store, key) == ["interrupted"]

        def busy() -> list[str]:
            return [task for seat in engine._crew._look().values() for task in seat.tasks]

        wait(lambda: engine.state.ready, lambda: engine.state)
        wait(lambda: not busy(), busy)
        expected = finish(engine, key)
        assert stored(store, key) == expected


def test_a_cluster_may_come_later_go_and_come_back(
    tmp_path: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.2)
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    engine = open_engine(scheduler=address)
    store = engine.store
    key, unwanted = store.create(replace(LIVELY, lanes=one_lane())), store.create(SHORT)
    engine.start(key)
    engine.start(unwanted)
    wait(lambda: "no scheduler that answers" in engine.state.message, lambda: engine.state)
    assert address in engine.state.message
    assert not engine.state.ready
    assert (engine.place(key), engine.place(unwanted), statuses(store, key)) == (1, 2, ["queued"])
    engine.stop(unwanted)
    assert (engine.place(unwanted), statuses(store, unwanted)) == (None, ["stopped", "stopped"])
    with scheduler(port), workers(address, 1):
        reach(store, key, 1)
        assert engine.state.message == ""
    wait(lambda: statuses(store, key) == ["interrupted"], lambda: (engine.state, store.run(key)))
    wait(lambda: engine.state.message, lambda: engine.state)
    with scheduler(port), workers(address, 1):
        expected = finish(engine, key)
    assert stored(store, key) == expected


def test_who_listens_and_says_nothing_is_no_scheduler(open_engine: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_crew, "CONNECT_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        engine = open_engine(scheduler=f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        wait(lambda: "no scheduler that answers" in engine.state.message, lambda: engine.state)


def test_the_address_may_come_from_the_environment(open_engine: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_crew, "CONNECT_SECONDS", 0.3)
    monkeypatch.setenv("GRU_VIZ_SCHEDULER", f"tls://127.0.0.1:{free_port()}")
    engine = open_engine()
    wait(lambda: "no certificates for TLS" in engine.state.message, lambda: engine.state)
    assert engine.state.kind == "cluster"


def test_workers_with_another_gru_viz_are_not_used(open_engine: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_crew, "fingerprint", lambda: "another")
    with ExitStack() as stack:
        address = stack.enter_context(scheduler(free_port()))
        stack.enter_context(workers(address, 1))
        engine = open_engine(scheduler=address)
        wait(lambda: "another version of gru_viz" in engine.state.message, lambda: engine.state)
        assert not engine.state.ready
        key = engine.store.create(SHORT)
        engine.start(key)
        assert engine.place(key) == 1


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (ModuleNotFoundError("No module named 'gru_viz'", name="gru_viz"), "lacks gru_viz"),
        (OSError("no route"), "no route"),
        (("2.7", ""), "has Python 2.7"),
        ((".".join(map(str, sys.version_info[:2])), "another"), "another version of gru_viz"),
    ],
)
def test_what_is_wrong_with_a_worker_is_said_in_a_sentence(told: object, said: str) -> None:
    sentence = cluster_crew.explain("tcp://here:1", told)
    assert sentence.startswith("The worker tcp://here:1 ")
    assert said in sentence
