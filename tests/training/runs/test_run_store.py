"""Runs on disk: written completely or not at all, by several writers at once; and messages if something is missing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from gru_viz.errors import TrainingError
from gru_viz.training import Checkpoint, Diverged, Lane, Point, RateChange, Settings, Snapshot
from gru_viz.training.runs import Follower, RunStore
from gru_viz.training.runs.lane_owners import NotOwnerError, is_dead, new_engine_id
from gru_viz.training.runs.run_files import RunFiles

SETTINGS = Settings("adding", {"length": 5}, updates=7, seeds=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore(tmp_path) as opened:
        yield opened


def point(update: int, value: float = 0.5, measure: str = "train") -> Point:
    return Point(measure, update, 0.1 * update, (value, -value))


def checkpoint(update: int) -> Checkpoint:
    return Checkpoint(update, 0.5, {"parameter.head.bias": np.full((2, 1), update, np.float32)})


def test_a_new_run_is_what_was_asked_for(store: RunStore) -> None:
    run_id = store.create(SETTINGS, name="mine")
    run = store.run(run_id)
    assert (run.run_id, run.name, run.settings, run.status, run.sweep) == (run_id, "mine", SETTINGS, "stopped", "")
    assert [(lane.name, lane.update, lane.until) for lane in run.lanes] == [("GRU", 0, 7), ("LSTM", 0, 7)]
    assert [run.run_id for run in store.runs()] == [run_id]
    assert store.data(run_id) is None
    assert store.task(run_id).features == 2
    assert run.lane("GRU").parameters == 3 * 32 * (2 + 32) + 6 * 32 + 33


def test_what_makes_no_task_leaves_nothing_behind(store: RunStore) -> None:
    with pytest.raises(TrainingError, match="length"):
        store.create(replace(SETTINGS, options={"length": -1}))
    assert store.runs() == []
    assert not (store.folder / "runs").exists()


def test_every_record_comes_back_as_it_was(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    snapshot = Snapshot(3, {"head.bias": np.arange(3, dtype=np.float32)})
    records = [point(1), checkpoint(2), RateChange(2, 0.5), snapshot, checkpoint(3)]
    store.write(run_id, "LSTM", records, update=3, rate=9.5)
    assert store.points(run_id)[0] == [("LSTM", point(1))]
    assert store.snapshots(run_id, "LSTM") == (3,)
    assert store.snapshot(run_id, "LSTM", 3).arrays["head.bias"].tolist() == [0, 1, 2]
    saved = store.checkpoint(run_id, "LSTM")
    assert saved is not None
    assert (saved.update, saved.seconds, saved.arrays["parameter.head.bias"].tolist()) == (3, 0.5, [[3], [3]])
    assert store.rate_changes(run_id, "LSTM") == [RateChange(2, 0.5)]
    assert store.checkpoint(run_id, "GRU") is None
    assert store.snapshots(run_id, "GRU") == ()
    lane = store.run(run_id).lane("LSTM")
    assert (lane.update, lane.rate) == (3, 9.5)
    assert store.run(run_id).lane("GRU").update == 0


def test_what_is_not_a_number_comes_back_too(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    store.write(run_id, "GRU", [Point("train", 1, 0.0, (float("inf"), float("nan")))])
    values = store.points(run_id)[0][0][1].values
    assert values[0] == float("inf")
    assert np.isnan(values[1])


def test_a_record_that_is_stored_again_replaces_the_first(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    store.write(run_id, "GRU", [point(1, 0.5), point(2, 0.25), RateChange(2, 0.5)])
    points, mark = store.points(run_id)
    store.write(run_id, "GRU", [point(2, 0.125), RateChange(2, 0.25)])
    again, _ = store.points(run_id, mark)
    assert [p for _, p in points] == [point(1, 0.5), point(2, 0.25)]
    assert again == [("GRU", point(2, 0.125))]
    assert [p for _, p in store.points(run_id)[0]] == [point(1, 0.5), point(2, 0.125)]
    assert store.rate_changes(run_id, "GRU") == [RateChange(2, 0.25)]


def test_a_divergence_is_a_sentence(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    store.write(run_id, "GRU", [Diverged(5, (1,), "gradient")])
    lane = store.run(run_id).lane("GRU")
    assert lane.status == "diverged"
    assert "gradient was no longer a finite number at update 5 (seed 1)" in lane.message


def test_a_transaction_is_written_whole_or_not_at_all(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    with pytest.raises(sqlite3.Error):
        store.write(run_id, "GRU", [point(1), RateChange(1, 0.5)], no_such_column=1)
    assert store.points(run_id) == ([], 0)
    assert store.rate_changes(run_id, "GRU") == []
    store.write(run_id, "GRU", [point(1)])
    assert len(store.points(run_id)[0]) == 1


def test_a_checkpoint_comes_after_its_points_and_before_its_state(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the writer is killed: one that ran ahead of its points would leave a gap in the curve."""
    run_id = store.create(SETTINGS)
    there: list[tuple[int, int]] = []

    def killed(files: RunFiles, lane: int, saved: Checkpoint) -> None:
        there.append((len(store.points(run_id)[0]), store.run(run_id).lanes[lane].update))
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFiles, "write_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write(run_id, "GRU", [point(1), checkpoint(1)], update=1, status="paused")
    assert there == [(1, 0)]
    assert store.run(run_id).lane("GRU").status == "stopped"


def test_the_newest_weights_are_those_of_a_checkpoint_or_before_the_first_of_a_snapshot(store: RunStore) -> None:
    run_id, newest = store.create(SETTINGS), []
    for record in (point(1), Snapshot(0, {}), Snapshot(1, {}), checkpoint(7), Snapshot(9, {})):
        store.write(run_id, "GRU", [record])
        newest.append(store.newest_update(run_id, "GRU"))
    assert newest == [None, 0, 1, 7, 7]
    assert store.newest_update(run_id, "LSTM") is None


def test_a_run_is_renamed_and_deleted_with_its_files(store: RunStore) -> None:
    run_id, other = store.create(SETTINGS), store.create(SETTINGS)
    store.rename(run_id, "another name")
    assert store.run(run_id).name == "another name"
    store.write(run_id, "GRU", [point(1), checkpoint(1), Snapshot(1, {})])
    store.delete(run_id)
    assert [run.run_id for run in store.runs()] == [other]
    assert not store.files(run_id).folder.exists()
    assert store.points(run_id) == ([], 0)
    for wrong in (store.run, store.delete, store.task, lambda k: store.rename(k, "x")):
        with pytest.raises(TrainingError, match=run_id):
            wrong(run_id)


@pytest.mark.parametrize("status", ["queued", "running"])
def test_an_active_run_is_not_deleted(store: RunStore, status: str) -> None:
    run_id = store.create(SETTINGS)
    store.set_lane(run_id, "LSTM", status=status)
    with pytest.raises(TrainingError, match="Stop it first"):
        store.delete(run_id)
    assert store.files(run_id).folder.exists()


def test_a_lane_or_a_snapshot_that_is_not_there_is_named(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    store.write(run_id, "GRU", [Snapshot(1, {"a": np.ones(1)}), Snapshot(2, {"a": np.ones(1)})])
    with pytest.raises(TrainingError, match="no lane 'RNN'"):
        store.write(run_id, "RNN", [point(1)])
    with pytest.raises(TrainingError, match="one of 1, 2"):
        store.snapshot(run_id, "GRU", 3)


def test_files_that_are_gone_or_damaged_are_reported(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    store.write(run_id, "GRU", [Snapshot(1, {"a": np.ones(1)}), checkpoint(1)])
    folder = store.files(run_id).folder
    (folder / "lane0" / "checkpoint.safetensors").write_bytes(b"\x09" + bytes(30))
    with pytest.raises(TrainingError, match="damaged"):
        store.checkpoint(run_id, "GRU")
    (folder / "lane0" / "snapshot-00000001.safetensors").unlink()
    with pytest.raises(TrainingError, match="no such file"):
        store.snapshot(run_id, "GRU", 1)
    (folder / "data.safetensors").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="damaged"):
        store.data(run_id)
    (folder / "data.safetensors").unlink()
    with pytest.raises(TrainingError, match="no such file"):
        store.task(run_id)


def test_a_folder_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="GRU_VIZ_HOME"):
        RunStore(tmp_path / "file")
    (tmp_path / "runs.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(TrainingError, match="not a database"):
        RunStore(tmp_path)


def test_tables_of_a_later_version_are_left_alone(tmp_path: Path) -> None:
    RunStore(tmp_path).close()
    database = sqlite3.connect(tmp_path / "runs.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(TrainingError, match="version 99"):
        RunStore(tmp_path)


def test_a_folder_of_the_first_version_still_opens(tmp_path: Path) -> None:
    """Its tables, its settings and its checkpoints had other names for some fields."""
    with RunStore(tmp_path) as store:
        run_id = store.create(SETTINGS)
        store.write(run_id, "GRU", [point(3), checkpoint(3)], backend="compiled", update=3, status="paused")
        path = store.files(run_id).folder / "lane0" / "checkpoint.safetensors"
    with safe_open(path, "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    path.write_bytes(save(arrays, {"told": '{"update": 3, "seconds": 0.5}'}))
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as database, database:
        database.execute("ALTER TABLE lanes RENAME COLUMN backend TO way")
        database.execute("""UPDATE runs SET settings = replace(settings, '"backend":', '"computed_by":')""")
        database.execute("PRAGMA user_version = 1")
    for _ in range(2):
        with RunStore(tmp_path) as store:
            run = store.run(run_id)
            assert run.settings == SETTINGS
            assert [run.run_id for run in store.runs()] == [run_id]
            lane = run.lane("GRU")
            assert (lane.backend, lane.update, lane.status) == ("compiled", 3, "paused")
            read = store.checkpoint(run_id, "GRU")
            assert read is not None
            assert (read.update, read.seconds, store.newest_update(run_id, "GRU")) == (3, 0.5, 3)
            assert read.arrays["parameter.head.bias"].tolist() == [[3], [3]]
            assert store.points(run_id)[0] == [("GRU", point(3))]


def test_a_run_of_another_version_is_left_out_of_the_list(store: RunStore) -> None:
    run_id, other = store.create(SETTINGS), store.create(SETTINGS)
    with closing(sqlite3.connect(store.folder / "runs.sqlite")) as database, database:
        database.execute('UPDATE runs SET settings = \'{"task": "a task to come"}\' WHERE id = ?', (run_id,))
    assert [run.run_id for run in store.runs()] == [other]
    with pytest.raises(TrainingError, match="another version"):
        store.run(run_id)


def test_several_runs_share_their_data(store: RunStore) -> None:
    text = "To be, or not to be. " * 200
    every = [Settings("text", {"length": 8}, (Lane(learning_rate=rate),)) for rate in (0.1, 0.2, 0.3)]
    run_ids = store.create_all(every, text, ["a", "b", ""], "sweep")
    assert [store.run(run_id).settings for run_id in run_ids] == every
    assert [store.data(run_id) for run_id in run_ids] == [text] * 3
    assert store.runs() == []
    assert {run.run_id for run in store.runs("sweep")} == set(run_ids) == {run.run_id for run in store.runs(None)}
    store.delete(run_ids[0])
    assert store.data(run_ids[1]) == text


WRITER = """
import sys
from gru_viz.training import Point
from gru_viz.training.runs import RunStore
folder, run_id, lane = sys.argv[1:]
with RunStore(folder) as store:
    for update in range(1, 81):
        pair = [Point("train", update, 0.0, (float(update),)), Point("held_out", update, 0.0, (0.0,))]
        store.write(run_id, lane, pair)
"""


def test_processes_and_threads_write_at_once_while_others_read(store: RunStore) -> None:
    """Two processes and two threads write to two runs; a reader sees every point once, in order, and whole pairs."""
    here, there = store.create(SETTINGS), store.create(SETTINGS)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store.folder), there, lane]) for lane in ("GRU", "LSTM")
    ]
    threads = [
        threading.Thread(target=lambda lane=lane: [store.write(here, lane, [point(u)]) for u in range(1, 81)])
        for lane in ("GRU", "LSTM")
    ]
    for thread in threads:
        thread.start()
    seen: list[tuple[str, Point]] = []
    mark = 0
    while any(writer.poll() is None for writer in writers):
        points, mark = store.points(there, mark)
        assert len(points) % 2 == 0  # a transaction holds two
        seen += points
    points, mark = store.points(there, mark)
    for thread in threads:
        thread.join()
    assert [writer.returncode for writer in writers] == [0, 0]
    for lane in ("GRU", "LSTM"):
        updates = [p.update for name, p in seen + points if name == lane and p.measure == "train"]
        assert updates == list(range(1, 81))
        assert [p.update for name, p in store.points(here)[0] if name == lane] == list(range(1, 81))


def test_of_two_engines_one_gets_the_lane(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    engines = [new_engine_id() for _ in range(8)]
    claimed: list[dict[str, list[str]]] = []

    def claim(engine: str) -> None:
        claimed.append(store.owners.claim([run_id], engine, ("stopped",), status="queued"))

    threads = [threading.Thread(target=claim, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed, key=len)[-1] == {run_id: ["GRU", "LSTM"]}
    assert sum(map(len, claimed)) == 1


def test_an_engine_that_no_longer_owns_a_lane_writes_nothing(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    store.owners.claim([run_id], "new", ("stopped",), status="queued")
    with pytest.raises(NotOwnerError):
        store.write(run_id, "GRU", [point(1), checkpoint(1), Snapshot(1, {})], by="old", status="finished")
    assert store.points(run_id) == ([], 0)
    assert not (store.files(run_id).folder / "lane0").exists()
    store.write(run_id, "GRU", [point(1)], by="new")
    assert len(store.points(run_id)[0]) == 1


def test_an_engine_is_dead_when_its_process_is_or_when_it_is_silent() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = new_engine_id().partition("/")[0]
    now = time.time()
    assert not is_dead(new_engine_id(), now)
    assert is_dead(new_engine_id(), now - 60)
    assert is_dead(new_engine_id(), None)
    assert is_dead(f"{host}/{gone.pid}/abc", now)
    assert not is_dead(f"elsewhere/{gone.pid}/abc", now)
    assert not is_dead(f"{host}/{os.getppid()}/abc", now)


def test_lanes_of_a_dead_engine_are_interrupted_and_others_are_not(store: RunStore) -> None:
    run_id, other = store.create(SETTINGS), store.create(SETTINGS)
    alive, dead = new_engine_id(), "elsewhere/1/abc"
    store.owners.heartbeat(alive)
    store.owners.claim([other], alive, ("stopped",), status="running")
    store.owners.claim([run_id], dead, ("stopped",), status="queued")
    store.write(run_id, "LSTM", [checkpoint(4)], status="running", update=6, rate=5.0)
    assert sorted(store.owners.interrupt_orphans()) == [(run_id, "GRU"), (run_id, "LSTM")]
    gru, lstm = store.run(run_id).lanes
    assert (gru.status, lstm.status, lstm.rate) == ("interrupted", "interrupted", 0.0)
    assert "queued" in gru.message
    assert "near update 6; resume continues from update 4" in lstm.message
    assert store.run(other).status == "running"
    assert store.owners.interrupt_orphans() == []


def test_an_engine_that_asks_for_the_dead_is_alive_however_long_it_was_delayed(store: RunStore) -> None:
    run_id, slow = store.create(SETTINGS), "elsewhere/1/abc"
    store.owners.claim([run_id], slow, ("stopped",), status="running")
    assert store.owners.interrupt_orphans(slow) == []
    assert store.run(run_id).status == "running"
    assert len(store.owners.interrupt_orphans("another")) == 2


def test_a_rate_set_at_rest_applies_from_the_checkpoint_on(store: RunStore) -> None:
    """Changes that an interrupted lane had made after its checkpoint are forgotten with what came after it."""
    run_id = store.create(SETTINGS)
    store.write(run_id, "GRU", [RateChange(1, 0.1), RateChange(6, 0.2), checkpoint(4)])
    store.set_rate(run_id, "GRU", 0.3)
    assert store.rate_changes(run_id, "GRU") == [RateChange(1, 0.1), RateChange(4, 0.3)]
    assert store.run(run_id).lane("GRU").learning_rate == 0.3


def test_a_follower_reads_only_what_is_new(store: RunStore) -> None:
    run_id = store.create(SETTINGS)
    follower = Follower(store, run_id)
    assert follower.curves() == []
    store.write(run_id, "GRU", [point(1), point(1, 2.0, "held_out")])
    store.write(run_id, "LSTM", [point(1)])
    before = {(c.lane, c.measure): c for c in follower.curves()}
    store.write(run_id, "GRU", [point(2), point(1, 0.75)])
    after = {(c.lane, c.measure): c for c in follower.curves()}
    assert after["GRU", "train"].updates.tolist() == [1, 2]
    assert after["GRU", "train"].values.tolist() == [[0.75, -0.75], [0.5, -0.5]]
    for unchanged in (("GRU", "held_out"), ("LSTM", "train")):
        assert after[unchanged] is before[unchanged]
    whole = Follower(store, run_id).curves()
    assert [(c.lane, c.measure, c.values.tolist()) for c in whole] == [
        (c.lane, c.measure, c.values.tolist()) for c in after.values()
    ]


def test_a_changed_rate_deletes_the_later_points_of_an_interrupted_lane(store: RunStore) -> None:
    """It had come to 9, went back to its checkpoint at 4, and takes another way from there."""
    run_id = store.create(SETTINGS)
    store.write(run_id, "GRU", [*map(point, range(1, 10)), Snapshot(3, {}), Snapshot(8, {}), checkpoint(4)])
    store.write(run_id, "LSTM", [point(9)])
    follower = Follower(store, run_id)
    assert follower.curves()[0].updates.tolist() == list(range(1, 10))
    store.set_rate(run_id, "GRU", 0.3)
    assert {c.lane: c.updates.tolist() for c in follower.curves()} == {"GRU": [1, 2, 3, 4], "LSTM": [9]}
    assert store.snapshots(run_id, "GRU") == (3,)
    store.write(run_id, "GRU", [point(5), point(6), RateChange(5, 0.4)])
    assert {c.lane: c.updates.tolist() for c in follower.curves()} == {"GRU": [1, 2, 3, 4, 5], "LSTM": [9]}
