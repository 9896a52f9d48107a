"""Workers and servers that are killed: nothing trains on unseen, and a resumed lane computes the same numbers."""

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
from engine_helpers import (
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
from gru_viz.training.engine import Engine, local_executor
from gru_viz.training.runs import RunStore

HERE = Path(__file__).parent
AT_ONCE = 15.0
"""Half the seconds after which a worker of dask's own gives up."""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@contextmanager
def serve(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server that trains: its process, the ids of the run that trains and of the one that is queued."""
    command = [sys.executable, str(HERE / "server.py"), str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, start_new_session=True) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout is not None
            printed = process.stdout.readline().split()
            assert len(printed) == 2, process.communicate()
            yield process, *printed
        finally:
            process.kill()


def worker_of(engine: Engine, run_id: str, lane: str) -> int:
    """The process that trains a lane."""
    worker = engine.scheduler.worker_of(run_id, lane)
    assert worker is not None
    return int(worker.name)


def test_a_worker_is_killed_and_its_lane_goes_on_when_it_is_resumed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run_id = engine.store, engine.store.create(LIVELY)
    engine.start(run_id)
    reach(store, run_id, 30)
    killed = worker_of(engine, run_id, "LSTM")
    os.kill(killed, signal.SIGKILL)
    wait(lambda: store.run(run_id).lane("LSTM").status == "interrupted", lambda: store.run(run_id))
    lane, saved = store.run(run_id).lane("LSTM"), store.checkpoint(run_id, "LSTM")
    assert saved is not None
    assert lane.message.startswith(f"Its worker, process {killed}, ended near update ")
    assert lane.message.endswith(f"resume continues from update {saved.update:,}.")
    assert lane.rate == 0
    assert store.run(run_id).lane("GRU").status == "running"
    engine.start(run_id)  # while the other lane still trains
    wait(lambda: statuses(store, run_id) == ["running", "running"], lambda: (engine.state, store.run(run_id)))

    hung = worker_of(engine, run_id, "LSTM")
    assert hung != killed
    os.kill(hung, signal.SIGSTOP)
    with monkeypatch.context() as patched:
        patched.setattr(local_executor, "HUNG_SECONDS", 0.5)
        wait(lambda: store.run(run_id).lane("LSTM").status == "interrupted", lambda: (engine.state, store.run(run_id)))
    wait(lambda: not psutil.pid_exists(hung))
    engine.pause(run_id)
    rest(engine, run_id)

    until = 50 + reached_by(store, run_id, "LSTM")
    store.set_lane(run_id, "GRU", status="finished")
    store.set_lane(run_id, "LSTM", until=until)
    engine.start(run_id)
    rest(engine, run_id)
    assert statuses(store, run_id) == ["finished", "finished"]
    points = {which: values for which, values in stored(store, run_id).items() if which[0] == "LSTM"}
    assert points == undisturbed(replace(LIVELY, lanes=(LIVELY.lane("LSTM"),)), until)


def test_a_server_is_killed_and_the_next_goes_on(tmp_path: Path, open_engine: Open) -> None:
    with serve(tmp_path) as (process, run_id, waiting):
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        with RunStore(tmp_path) as opened:
            assert (opened.run(run_id).status, opened.run(waiting).status) == ("running", "queued")
            assert opened.owners.interrupt_orphans() == []  # its server is alive
        process.kill()
        process.wait()
        gone, alive = psutil.wait_procs(workers, timeout=AT_ONCE)
        assert not alive
        assert len(gone) == len(workers)
    engine = open_engine(slots=1)
    store = engine.store
    assert statuses(store, run_id) == statuses(store, waiting) == ["interrupted"]
    assert "was queued" in store.run(waiting).lanes[0].message
    for lane in store.run(run_id).lanes:
        saved = store.checkpoint(run_id, lane.name)
        assert saved is not None
        assert lane.message.endswith(f"resume continues from update {saved.update:,}.")
        assert saved.update <= lane.update
    expected = finish(engine, run_id)
    assert stored(store, run_id) == expected


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
def test_a_server_that_ends_in_order_leaves_order(tmp_path: Path, how: str) -> None:
    """No process trains on, nothing is printed, and its lanes are interrupted with a checkpoint of the last moment."""
    with serve(tmp_path) as (process, run_id, waiting):
        children = psutil.Process(process.pid).children(recursive=True)
        if how == "SIGTERM":
            process.terminate()
        else:  # as Ctrl-C in a terminal does it, which reaches the workers too
            os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=GENEROUS)
        assert (process.returncode, errors) == (0, "")
        assert not psutil.wait_procs(children, timeout=AT_ONCE)[1]
    with RunStore(tmp_path) as store:
        assert statuses(store, run_id) == statuses(store, waiting) == ["interrupted"]
        for lane in store.run(run_id).lanes:
            saved = store.checkpoint(run_id, lane.name)
            assert saved is not None
            assert saved.update == lane.update
            assert f"The server was stopped; resume continues from update {saved.update:,}." == lane.message


def test_two_servers_share_a_folder(engine: Engine, open_engine: Open) -> None:
    """Each trains what was started through it, and does not touch the other's."""
    one, other = engine, open_engine(engine.store.folder, slots=1)
    settings = replace(SHORT, lanes=one_lane())
    mine, theirs = one.store.create(settings), other.store.create(replace(LONG, lanes=one_lane()))
    other.start(theirs)
    one.start(mine)
    with pytest.raises(TrainingError, match="a run that is"):
        other.start(mine)
    for command in (one.pause, one.stop, lambda run_id: one.change_rate(run_id, "alone", 0.5)):
        with pytest.raises(TrainingError, match="another server"):
            command(theirs)
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
    run_id = engine.store.create(LONG)
    engine.close()
    engine.close()
    with pytest.raises(TrainingError, match="closed"):
        engine.start(run_id)
    assert engine.store.run(run_id).status == "stopped"
