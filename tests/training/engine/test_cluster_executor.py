"""A real cluster: a scheduler and two workers in processes of their own, which lanes, servers and workers leave."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import free_port, scheduler, workers
from conftest import Open
from engine_helpers import LIVELY, LONG, SHORT, finish, one_lane, reach, rest, statuses, stored, undisturbed, wait

from gru_viz.training import Settings
from gru_viz.training.engine import cluster_executor, engine_threads
from gru_viz.training.runs import RunStore, TrainingRun
from gru_viz.training.sweep import Sweep, start_sweep, sweep_points, sweeps

HERE = Path(__file__).parent
SWEEP = Sweep(
    ("torch", "torch_lstm"), (4,), (0.003, 0.03), Settings("adding", {"length": 8}, updates=LONG.updates, seeds=2)
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler's."""
    with scheduler(free_port()) as found:
        yield found


@pytest.fixture(scope="module")
def pool(address: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers, of which one will be killed."""
    with workers(address, 2) as processes:
        yield processes


def test_a_sweep_loses_a_worker_on_the_way_and_no_point(
    address: str, pool: list[subprocess.Popen[bytes]], open_engine: Open
) -> None:
    """Two servers share the cluster; one worker is killed in the middle; everything ends where the bare loop does."""
    engine = open_engine(scheduler=address)
    store = engine.store
    other = open_engine(store.folder / "other", scheduler=address)
    sweep = start_sweep(store, engine, SWEEP)
    ends: dict[str, int] = {}

    def end(runs: Sequence[TrainingRun], more: int) -> None:
        for run in runs:
            ends[run.run_id] = run.lanes[0].update + more
            store.set_lane(run.run_id, run.lanes[0].name, until=ends[run.run_id])

    def training() -> list[str]:
        return [run.run_id for run in store.runs(sweep) if run.status == "running"]

    end(store.runs(sweep)[:3], 250)
    wait(lambda: engine.state.slots == 2, lambda: engine.state)
    assert (engine.state.kind, engine.state.address, engine.state.message) == ("cluster", address, "")
    wait(lambda: len(sweep_points(store, sweep)) == 3, lambda: (engine.state, sweeps(store)))
    wait(lambda: len(training()) == 2, lambda: (engine.state, sweeps(store)))
    for run in training():
        reach(store, run, 1)
    theirs = other.store.create(SHORT)  # of two lanes: for the one worker that will be left
    other.start(theirs)
    pool[0].kill()
    wait(lambda: any("ended near update" in run.lanes[0].message for run in store.runs(sweep)))
    assert len(training()) == 1

    watched = store.create(replace(LONG, lanes=one_lane()))
    engine.start(watched)
    reach(store, watched, 1)
    assert training() == []
    end([run for run in store.runs(sweep) if run.active], 250)
    engine.stop(watched)
    wait(lambda: not sweeps(store)[0].active, lambda: (engine.state, sweeps(store)))
    rest(other, theirs)
    wait(lambda: engine.state.slots == 1, lambda: engine.state)
    for run in store.runs(sweep):
        assert stored(store, run.run_id) == undisturbed(run.settings, ends[run.run_id])
    losses = {point.run_id: point.loss for point in sweep_points(store, sweep)}
    assert losses == {run.run_id: last_loss(store, run, ends[run.run_id]) for run in store.runs(sweep)}
    assert stored(other.store, theirs) == undisturbed(SHORT)


def last_loss(store: RunStore, run: TrainingRun, update: int) -> float:
    return stored(store, run.run_id)[run.lanes[0].name, "held_out", update][0]


@pytest.mark.usefixtures("pool")
def test_a_server_of_a_cluster_is_killed_and_its_lane_ends_by_itself(
    address: str, tmp_path: Path, open_engine: Open
) -> None:
    """The worker outlives it; a lane that is not polled stops, and resumes elsewhere with the same numbers."""
    command = [sys.executable, str(HERE / "server.py"), str(tmp_path), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id, _waiting = process.stdout.readline().split()
        process.kill()
    engine = open_engine(scheduler=address, slots=1)
    store = engine.store
    assert statuses(store, run_id) == ["interrupted"]

    def busy() -> list[str]:
        return [task for worker in engine.executor.list_workers().values() for task in worker.tasks]

    wait(lambda: engine.state.ready, lambda: engine.state)
    wait(lambda: not busy(), busy)
    expected = finish(engine, run_id)
    assert stored(store, run_id) == expected


def test_a_cluster_may_come_later_go_and_come_back(
    tmp_path: Path, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_threads, "RETRY_SECONDS", 0.2)
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    engine = open_engine(scheduler=address)
    store = engine.store
    run_id, unwanted = store.create(replace(LIVELY, lanes=one_lane())), store.create(SHORT)
    engine.start(run_id)
    engine.start(unwanted)
    wait(lambda: "no scheduler that answers" in engine.state.message, lambda: engine.state)
    assert address in engine.state.message
    assert not engine.state.ready
    assert (engine.queue_position(run_id), engine.queue_position(unwanted)) == (1, 2)
    assert statuses(store, run_id) == ["queued"]
    engine.stop(unwanted)
    assert (engine.queue_position(unwanted), statuses(store, unwanted)) == (None, ["stopped", "stopped"])
    with scheduler(port), workers(address, 1):
        reach(store, run_id, 1)
        assert engine.state.message == ""
    wait(lambda: statuses(store, run_id) == ["interrupted"], lambda: (engine.state, store.run(run_id)))
    wait(lambda: engine.state.message, lambda: engine.state)
    with scheduler(port), workers(address, 1):
        expected = finish(engine, run_id)
    assert stored(store, run_id) == expected


def test_a_listener_that_never_answers_is_no_scheduler(open_engine: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_executor, "CONNECT_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        engine = open_engine(scheduler=f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        wait(lambda: "no scheduler that answers" in engine.state.message, lambda: engine.state)


def test_the_address_may_come_from_the_environment(open_engine: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_executor, "CONNECT_SECONDS", 0.3)
    monkeypatch.setenv("GRU_VIZ_SCHEDULER", f"tls://127.0.0.1:{free_port()}")
    engine = open_engine()
    wait(lambda: "no certificates for TLS" in engine.state.message, lambda: engine.state)
    assert engine.state.kind == "cluster"


@pytest.mark.usefixtures("pool")
def test_workers_with_another_gru_viz_are_not_used(
    address: str, open_engine: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_executor, "fingerprint", lambda: "another")
    engine = open_engine(scheduler=address)
    wait(lambda: "another version of gru_viz" in engine.state.message, lambda: engine.state)
    assert not engine.state.ready
    run_id = engine.store.create(SHORT)
    engine.start(run_id)
    assert engine.queue_position(run_id) == 1


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (ModuleNotFoundError("No module named 'gru_viz'", name="gru_viz"), "lacks gru_viz"),
        (OSError("no route"), "no route"),
        (("2.7", ""), "has Python 2.7"),
        ((".".join(map(str, sys.version_info[:2])), "another"), "another version of gru_viz"),
    ],
)
def test_what_is_wrong_with_a_worker_is_a_sentence(versions: object, expected: str) -> None:
    sentence = cluster_executor.explain("tcp://here:1", versions)
    assert sentence.startswith("The worker tcp://here:1 ")
    assert expected in sentence
