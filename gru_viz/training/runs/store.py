"""Runs on disk: SQLite for what is counted and searched, safetensors files for weights and data."""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.training.network import count_parameters
from gru_viz.training.records import Checkpoint, Point, RateChange, Record, Snapshot
from gru_viz.training.runs.engines import NotInChargeError, is_dead
from gru_viz.training.runs.files import RunFiles
from gru_viz.training.runs.rows import change_rate, update_lane, write_record
from gru_viz.training.runs.run import ACTIVE, LaneState, Run, Status
from gru_viz.training.runs.schema import open_database
from gru_viz.training.settings import Settings
from gru_viz.training.tasks import Task, make_task
from gru_viz.training.tasks.data import pack, unpack

__all__ = ["Store", "home"]

LANE_COLUMNS = 'name, status, "update", until, seconds, rate, learning_rate, way, parameters, message'


def home() -> Path:
    """Where runs are kept unless told otherwise: ``$GRU_VIZ_HOME``, or ``.gru_viz`` in the user's folder."""
    return Path(os.environ.get("GRU_VIZ_HOME") or Path.home() / ".gru_viz")


class Store:
    """All runs of one folder; any number of threads and processes may use it at once.

    Args:
        folder: where it is kept; None takes ``home()``.

    Raises:
        TrainingError: the folder or the database in it cannot be used.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Store(folder) as store:
        ...         run = store.create(Settings("adding", {"length": 5}))
        ...         store.run(run).status
        'stopped'
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder) if folder else home()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as reason:
            remedy = "Choose another with GRU_VIZ_HOME."
            raise TrainingError(str(self.folder), str(reason), "a folder for runs", remedy) from reason
        self._lock = threading.RLock()
        self._database = open_database(self.folder / "runs.sqlite")

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all of it or nothing."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(query, arguments).fetchall()

    def create(self, settings: Settings, data: Any = None, name: str = "", sweep: str = "") -> str:
        """Write a new run down; it does not run until an engine is told to start it.

        Args:
            settings: what to train.
            data: the user's own, of the kind that the task needs.
            name: what to call it; empty takes one from the settings.
            sweep: the key of the sweep it belongs to.

        Returns:
            Its key.

        Raises:
            TrainingError: the settings or the data do not make a task.
        """
        return self.create_all([settings], data, [name], sweep)[0]

    def create_all(self, asked: Sequence[Settings], data: Any, names: Sequence[str], sweep: str) -> list[str]:
        """Write several runs down that share their task and their data, all or none; as ``create`` does one.

        Returns:
            Their keys, in the same order.
        """
        task, keys = make_task(asked[0], data), [secrets.token_hex(5) for _ in asked]
        first, created, versions = self.files(keys[0]), time.time(), json.dumps(_versions())
        first.write_data(pack(data))
        for key in keys[1:]:
            self.files(key).share_data(first)
        with self._writing() as database:
            for key, settings, name in zip(keys, asked, names, strict=True):
                named = name or f"{settings.task}: {' against '.join(lane.name for lane in settings.lanes)}"
                row = (key, named, created, settings.to_json(), versions, sweep)
                database.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", row)
                for position, lane in enumerate(settings.lanes):
                    learns = count_parameters(lane.cell, task.features, lane.hidden, lane.layers, task.outputs)
                    database.execute(
                        "INSERT INTO lanes VALUES (?, ?, ?, 'stopped', 0, ?, 0, 0, ?, '', ?, '', '')",
                        (key, position, lane.name, settings.updates, lane.learning_rate, learns),
                    )
        return keys

    def run(self, key: str) -> Run:
        """Read how a run stands.

        Raises:
            TrainingError: there is no such run.
        """
        found = self._read_runs("WHERE id = ?", key)
        if not found:
            raise _no_run(key)
        return found[0]

    def runs(self, sweep: str | None = "") -> list[Run]:
        """Every run, the newest first; by default those that belong to no sweep, with None all of them.

        A run whose settings this version cannot read is left out.
        """
        if sweep is None:
            return self._read_runs("ORDER BY created DESC, rowid", strict=False)
        return self._read_runs("WHERE sweep = ? ORDER BY created DESC, rowid", sweep, strict=False)

    def _read_runs(self, which: str, *arguments: Any, strict: bool = True) -> list[Run]:
        with self._lock:
            rows = self._rows(f"SELECT id, name, created, settings, versions, sweep FROM runs {which}", *arguments)
            states = f"SELECT {LANE_COLUMNS} FROM lanes WHERE run = ? ORDER BY position"
            lanes = [tuple(LaneState(*lane) for lane in self._rows(states, row[0])) for row in rows]
        runs = []
        for (key, name, created, settings, versions, sweep), read in zip(rows, lanes, strict=True):
            when = datetime.fromtimestamp(created).astimezone()
            try:
                asked = Settings.from_json(settings)
            except TrainingError:
                if strict:
                    raise
                continue
            runs.append(Run(key, name, when, asked, read, json.loads(versions), sweep))
        return runs

    def sweeps(self) -> list[tuple[str, float, str, dict[Status, int]]]:
        """Every sweep, the newest first: its key, when it was asked for, its task, and how many lanes stand how."""
        rows = self._rows(
            "SELECT r.sweep, MIN(r.created), MIN(r.settings), l.status, COUNT(*) FROM runs r "
            "JOIN lanes l ON l.run = r.id WHERE r.sweep <> '' GROUP BY r.sweep, l.status ORDER BY MIN(r.created) DESC"
        )
        told: dict[str, tuple[str, float, str, dict[Status, int]]] = {}
        for sweep, created, settings, status, count in rows:
            each = told.setdefault(sweep, (sweep, created, json.loads(settings)["task"], {}))
            each[3][status] = count
        return list(told.values())

    def sweep_ends(self, sweep: str) -> list[tuple[str, Settings, Status, tuple[float, ...]]]:
        """The runs of a sweep that have ended: key, settings, status, and the first lane's last held-out losses."""
        rows = self._rows(
            'SELECT r.id, r.settings, l.status, (SELECT "values" FROM points p WHERE p.run = r.id AND p.lane = 0 AND '
            "measure = 'held_out' ORDER BY p.\"update\" DESC LIMIT 1) FROM runs r JOIN lanes l ON l.run = r.id "
            "WHERE r.sweep = ? AND l.position = 0 AND l.status IN ('finished', 'diverged') ORDER BY r.rowid",
            sweep,
        )
        return [
            (key, Settings.from_json(settings), status, tuple(np.frombuffer(values or b"").tolist()))
            for key, settings, status, values in rows
        ]

    def rename(self, key: str, name: str) -> None:
        """Call a run something else.

        Raises:
            TrainingError: there is no such run.
        """
        with self._writing() as database:
            if not database.execute("UPDATE runs SET name = ? WHERE id = ?", (name, key)).rowcount:
                raise _no_run(key)

    def delete(self, key: str) -> None:
        """Remove a run and all its files; one that is still active has to be stopped first.

        Raises:
            TrainingError: it is active, or there is none.
        """
        with self._writing() as database:
            run = self.run(key)
            if run.active:
                raise TrainingError(f"run {run.name}", f"a run that is {run.status}", "one at rest", "Stop it first.")
            database.execute("DELETE FROM runs WHERE id = ?", (key,))
        shutil.rmtree(self.files(key).folder, ignore_errors=True)

    def files(self, key: str) -> RunFiles:
        """The files of a run."""
        return RunFiles(self.folder / "runs" / key)

    def data(self, key: str) -> Any:
        """The user's data that a run was given, or None."""
        return unpack(self.files(key).data())

    def task(self, key: str) -> Task:
        """Build the task of a run again; the same settings and data always give the same."""
        return make_task(self.run(key).settings, self.data(key))

    def points(self, key: str, after: int = 0) -> tuple[list[tuple[str, Point]], int]:
        """What was measured since, as (lane, point), and the mark to ask from the next time."""
        rows = self._rows(
            'SELECT p.id, l.name, measure, p."update", p.seconds, "values" FROM points p '
            "JOIN lanes l ON l.run = p.run AND l.position = p.lane WHERE p.run = ? AND p.id > ? ORDER BY p.id",
            key,
            after,
        )
        told = [
            (lane, Point(measure, update, seconds, tuple(np.frombuffer(values).tolist())))
            for _, lane, measure, update, seconds, values in rows
        ]
        return told, rows[-1][0] if rows else after

    def count_points(self, key: str) -> int:
        """How many points a run has; fewer than before once a changed rate has made some untrue."""
        return int(self._rows("SELECT COUNT(*) FROM points WHERE run = ?", key)[0][0])

    def changes(self, key: str, lane: str) -> list[RateChange]:
        """The learning rates set by hand."""
        rows = self._rows(
            'SELECT "update", rate FROM changes WHERE run = ? AND lane = ? ORDER BY "update"',
            key,
            self._position(key, lane),
        )
        return [RateChange(*row) for row in rows]

    def snapshots(self, key: str, lane: str) -> tuple[int, ...]:
        """After how many updates snapshots were kept."""
        rows = self._rows(
            'SELECT "update" FROM snapshots WHERE run = ? AND lane = ? ORDER BY "update"',
            key,
            self._position(key, lane),
        )
        return tuple(update for (update,) in rows)

    def snapshot(self, key: str, lane: str, update: int) -> Snapshot:
        """Read a snapshot.

        Raises:
            TrainingError: none was kept at that update.
        """
        kept = self.snapshots(key, lane)
        if update not in kept:
            known = ", ".join(map(str, kept)) or "none yet"
            raise TrainingError(f"snapshot of {lane}", f"update {update}", f"one of {known}", "Choose one of these.")
        return self.files(key).snapshot(self._position(key, lane), update)

    def checkpoint(self, key: str, lane: str) -> Checkpoint | None:
        """The newest checkpoint of a lane; None before the first."""
        return self.files(key).checkpoint(self._position(key, lane))

    def newest(self, key: str, lane: str) -> int | None:
        """After how many updates a lane's newest weights were kept; None before there are any."""
        taken = self.files(key).checkpoint_update(self._position(key, lane))
        return taken or next(reversed(self.snapshots(key, lane)), None)

    def write(self, key: str, lane: str, records: Iterable[Record], *, by: str | None = None, **state: Any) -> None:
        """Keep what a lane told, and how far it has come.

        A checkpoint is written after the points, so that whoever goes on from it finds every point before it; and the
        state after the checkpoint, so that whoever is told that a lane rests can go on from where it does. What is told
        again replaces what was told before.

        Args:
            key: of the run.
            lane: its name.
            records: in the order in which they came.
            by: the engine that writes; None: nobody's leave is needed.
            state: fields of ``LaneState`` to be changed, and ``engine`` for who is in charge of the lane.

        Raises:
            NotInChargeError: another engine than ``by`` is in charge by now; nothing was written.
            TrainingError: there is no such lane.
        """
        position, listed, files = self._position(key, lane), list(records), self.files(key)
        self._check_charge(key, position, by)
        for record in listed:
            if isinstance(record, Snapshot):
                files.write_snapshot(position, record)
        checkpoints = [one for one in listed if isinstance(one, Checkpoint)][-1:]
        with self._writing() as database:
            self._check_charge(key, position, by)
            told: dict[str, Any] = {}
            for record in listed:
                told |= write_record(database, key, position, record)
            update_lane(database, key, position, told if checkpoints else told | state)
        for checkpoint in checkpoints:
            files.write_checkpoint(position, checkpoint)
            with self._writing() as database:
                update_lane(database, key, position, state)

    def set_lane(self, key: str, lane: str, *, by: str | None = None, **state: Any) -> None:
        """Change fields of a lane's state; as ``write`` without records."""
        self.write(key, lane, (), by=by, **state)

    def keep_rate(self, key: str, lane: str, rate: float) -> None:
        """A learning rate set by hand while a lane is at rest: it holds from where the lane will go on."""
        position = self._position(key, lane)
        update = self.files(key).checkpoint_update(position)
        with self._writing() as database:
            change_rate(database, key, position, RateChange(update, rate))
            update_lane(database, key, position, {"learning_rate": rate})

    def claim(self, keys: Iterable[str], engine: str, which: Sequence[Status], **state: Any) -> dict[str, list[str]]:
        """Put an engine in charge of the lanes that have one of some statuses, and change their state, in one step.

        Of two that claim the same lane only one gets it, if the new status is not among the old.

        Returns:
            The names of the lanes by run; runs of which no lane fits are left out.
        """
        claimed: dict[str, list[str]] = {}
        query = f"SELECT position, name FROM lanes WHERE run = ? AND status IN ({', '.join('?' * len(which))})"
        with self._writing() as database:
            for key in keys:
                for position, name in database.execute(f"{query} ORDER BY position", (key, *which)).fetchall():
                    update_lane(database, key, position, {"engine": engine, **state})
                    claimed.setdefault(key, []).append(name)
        return claimed

    def engines(self, key: str) -> dict[str, str]:
        """Which engine is in charge of each lane of a run; empty for none."""
        return dict(self._rows("SELECT name, engine FROM lanes WHERE run = ?", key))

    def beat(self, engine: str) -> None:
        """An engine's sign of life."""
        with self._writing() as database:
            database.execute("INSERT OR REPLACE INTO engines VALUES (?, ?)", (engine, time.time()))

    def mark_orphans(self, but: str = "") -> list[tuple[str, str]]:
        """Find lanes whose engine has died, and call them interrupted: (run, lane) of each.

        Args:
            but: the engine that asks, which is alive however long ago it last said so.
        """
        with self._writing() as database:
            beats = dict(database.execute("SELECT id, beat FROM engines").fetchall())
            rows = database.execute(
                'SELECT run, position, name, "update", status, engine FROM lanes WHERE status IN (?, ?)', ACTIVE
            ).fetchall()
            known = {*beats, *(row[-1] for row in rows)} - {but}
            gone = {engine for engine in known if is_dead(engine, beats.get(engine))}
            lost = [row for row in rows if row[-1] in gone]
            for key, position, _, update, status, _ in lost:
                message = "The server stopped while this lane waited; resume puts it back in line."
                if status == "running":
                    message = f"The server stopped near update {update:,}; {self.goes_on(key, position)}"
                state = {"status": "interrupted", "message": message, "rate": 0.0, "engine": ""}
                update_lane(database, key, position, state)
            database.executemany("DELETE FROM engines WHERE id = ?", [(engine,) for engine in gone])
        return [(row[0], row[2]) for row in lost]

    def goes_on(self, key: str, lane: str | int) -> str:
        """The end of a sentence: from which update a lane will go on."""
        position = lane if isinstance(lane, int) else self._position(key, lane)
        update = self.files(key).checkpoint_update(position)
        return f"resume goes on from {f'update {update:,}' if update else 'the beginning'}."

    def _check_charge(self, key: str, position: int, engine: str | None) -> None:
        if engine is None:
            return
        rows = self._rows("SELECT engine FROM lanes WHERE run = ? AND position = ?", key, position)
        if not rows or rows[0][0] != engine:
            raise NotInChargeError(f"run {key}", "another engine in charge", engine, "Leave the lane alone.")

    def _position(self, key: str, lane: str) -> int:
        rows = self._rows("SELECT position FROM lanes WHERE run = ? AND name = ?", key, lane)
        if not rows:
            raise TrainingError(f"run {key}", f"no lane {lane!r}", "a lane of this run", "See store.run(key).lanes.")
        return int(rows[0][0])


def _no_run(key: str) -> TrainingError:
    return TrainingError("run", repr(key), "the key of a run kept here", "It may have been deleted; see the list.")


def _versions() -> dict[str, str]:
    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    packages: Sequence[str] = ("gru_viz", "torch", "numpy", "numba", "distributed")
    told = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    return told | {package: installed(package) for package in packages}
