"""Whoever is killed in the middle of it: nothing trains on unseen, and what is resumed tells the same numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from conftest import Open
from engines import (
    GENEROUS,
    LIVELY,
    LONG,
    SHORT,
    finish,
    one_lane,
    reach,
    reached_by,
    rest,
    statuses,
    stored,
    undisturbed,
    wait,
)

from gru_viz.errors import TrainingError
from gru_viz.training.engine import Engine, local_crew
from gru_viz.training.runs import RunStore

HERE = Path(__file__).parent
AT_ONCE = 15.0
"""Half the seconds after which a worker of dask's own gives up."""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@contextmanager
def serve(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server that trains: its process, the key of what it trains, and of what waits."""
    command = [sys.executable, str(HERE / "server.py"), str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, start_new_session=True) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            assert len(said) == 2, process.communicate()
            yield process, *said
        finally:
            process.kill()


def worker_of(engine: Engine, key: str, lane: str) -> int:
    """The process that trains a lane."""
    return int(engine._foreman._attempts[key, lane].seat.name)


def test_a_worker_is_killed_and_its_lane_goes_on_when_it_is_resumed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, key = engine.store, engine.store.create(LIVELY)
    engine.start(key)
    reach(store, key, 30)
    killed = worker_of(engine, key, "LSTM")
    os.kill(killed, signal.SIGKILL)
    wait(lambda: store.run(key).lane("LSTM").status == "interrupted", lambda: store.run(key))
    lane, kept = store.run(key).lane("LSTM"), store.checkpoint(key, "LSTM")
    assert kept is not None
    assert lane.message.startswith(f"Its worker, process {killed}, ended near update ")
    assert lane.message.endswith(f"resume continues from update {kept.update:,}.")
    assert lane.rate == 0
    assert store.run(key).lane("GRU").status == "running"
    engine.start(key)  # while the other lane still trains
    wait(lambda: statuses(store, key) == ["running", "running"], lambda: (engine.state, store.run(key)))

    hung = worker_of(engine, key, "LSTM")
    assert hung != killed
    os.kill(hung, signal.SIGSTOP)
    with monkeypatch.context() as patched:
        patched.setattr(local_crew, "HUNG_SECONDS", 0.5)
        wait(lambda: store.run(key).lane("LSTM").status == "interrupted", lambda: (engine.state, store.run(key)))
    wait(lambda: not psutil.pid_exists(hung))
    engine.pause(key)
    rest(engine, key)

    until = 50 + reached_by(store, key, "LSTM")
    store.set_lane(key, "GRU", status="finished")
    store.set_lane(key, "LSTM", until=until)
    engine.start(key)
    rest(engine, key)
    assert statuses(store, key) == ["finished", "finished"]
    told = {which: values for which, values in stored(store, key).items() if which[0] == "LSTM"}
    assert told == undisturbed(replace(LIVELY, lanes=(LIVELY.lane("LSTM"),)), until)


def test_a_server_is_killed_and_the_next_goes_on(tmp_path: Path, open_engine: Open) -> None:
    with serve(tmp_path) as (process, key, waiting):
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        with RunStore(tmp_path) as looked:
            assert (looked.run(key).status, looked.run(waiting).status) == ("running", "queued")
            assert looked.owners.interrupt_orphans() == []  # its server is alive
        process.kill()
        process.wait()
        gone, alive = psutil.wait_procs(workers, timeout=AT_ONCE)
        assert not alive
        assert len(gone) == len(workers)
    engine = open_engine(slots=1)
    store = engine.store
    assert statuses(store, key) == statuses(store, waiting) == ["interrupted"]
    assert "was queued" in store.run(waiting).lanes[0].message
    for lane in store.run(key).lanes:
        kept = store.checkpoint(key, lane.name)
        assert kept is not None
        assert lane.message.endswith(f"resume continues from update {kept.update:,}.")
        assert kept.update <= lane.update
    expected = finish(engine, key)
    assert stored(store, key) == expected


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
def test_a_server_that_ends_in_order_leaves_order(tmp_path: Path, how: str) -> None:
    """No process trains on, nothing is printed, and its lanes are interrupted with a checkpoint of the last moment."""
    with serve(tmp_path) as (process, key, waiting):
        children = psutil.Process(process.pid).children(recursive=True)
        if how == "SIGTERM":
            process.terminate()
        else:  # as Ctrl-C in a terminal does it, which reaches the workers too
            os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=GENEROUS)
        assert (process.returncode, errors) == (0, "")
        assert not psutil.wait_procs(children, timeout=AT_ONCE)[1]
    with RunStore(tmp_path) as store:
        assert statuses(store, key) == statuses(store, waiting) == ["interrupted"]
        for lane in store.run(key).lanes:
            kept = store.checkpoint(key, lane.name)
            assert kept is not None
            assert kept.update == lane.update
            assert f"The server was stopped; resume continues from update {kept.update:,}." == lane.message


def test_two_servers_share_a_folder(engine: Engine, open_engine: Open) -> None:
    """Each trains what was started through it, and does not touch the other's."""
    one, other = engine, open_engine(engine.store.folder, slots=1)
    settings = replace(SHORT, lanes=one_lane())
    mine, theirs = one.store.create(settings), other.store.create(replace(LONG, lanes=one_lane()))
    other.start(theirs)
    one.start(mine)
    with pytest.raises(TrainingError, match="a run that is"):
        other.start(mine)
    for wish in (one.pause, one.stop, lambda key: one.change_rate(key, "alone", 0.5)):
        with pytest.raises(TrainingError, match="another server"):
            wish(theirs)
    rest(one, mine)
    assert stored(other.store, mine) == undisturbed(settings)
    wait(lambda: "running" in statuses(one.store, theirs))
    other.close()
    wait(lambda: statuses(one.store, theirs) == ["interrupted"])
    one.start(theirs)
    wait(lambda: "running" in statuses(one.store, theirs))
    one.stop(theirs)
    rest(one, theirs)


def test_a_closed_engine_takes_no_runs(open_engine: Open) -> None:
    engine = open_engine(slots=1)
    key = engine.store.create(LONG)
    engine.close()
    engine.close()
    with pytest.raises(TrainingError, match="closed"):
        engine.start(key)
    assert engine.store.run(key).status == "stopped"
