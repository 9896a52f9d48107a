"""The store of all runs: SQLite for settings, states and points, safetensors files for weights and data."""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.training.network import count_parameters
from gru_viz.training.runs.lane_owners import LaneOwners
from gru_viz.training.runs.run_database import (
    RUN_COLUMNS,
    RunDatabase,
    change_rate,
    runs_from_rows,
    update_lane,
    write_record,
)
from gru_viz.training.runs.run_files import RunFiles
from gru_viz.training.runs.training_run import Status, TrainingRun
from gru_viz.training.settings import Settings
from gru_viz.training.tasks import Task, make_task
from gru_viz.training.tasks.data_bytes import pack_data, unpack_data
from gru_viz.training.training_records import Checkpoint, Point, RateChange, Snapshot, TrainingRecord

__all__ = ["RunStore", "runs_folder"]


def runs_folder() -> Path:
    """Return the default folder of runs: ``$GRU_VIZ_HOME``, or ``.gru_viz`` in the user's home folder."""
    return Path(os.environ.get("GRU_VIZ_HOME") or Path.home() / ".gru_viz")


class RunStore:
    """All runs of one folder; any number of threads and processes may use it at once.

    Args:
        folder: the folder; None for ``runs_folder()``.

    Attributes:
        owners: which engine owns which lane.

    Raises:
        TrainingError: the folder or its database cannot be used.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with RunStore(folder) as store:
        ...         run_id = store.create(Settings("adding", {"length": 5}))
        ...         store.run(run_id).status
        'stopped'
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder) if folder else runs_folder()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as reason:
            remedy = "Choose another with GRU_VIZ_HOME."
            raise TrainingError(str(self.folder), str(reason), "a folder for runs", remedy) from reason
        self._database = RunDatabase(self.folder / "runs.sqlite")
        self.owners = LaneOwners(self._database, self.files)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def create(self, settings: Settings, data: Any = None, name: str = "", sweep: str = "") -> str:
        """Store a new run; it does not train before an engine starts it.

        Args:
            settings: what to train.
            data: the user's own data, of the kind that the task needs.
            name: name of the run; empty for a name made from the settings.
            sweep: id of the sweep it belongs to.

        Returns:
            The run's id.

        Raises:
            TrainingError: the settings or the data do not make a task.
        """
        return self.create_all([settings], data, [name], sweep)[0]

    def create_all(self, every: Sequence[Settings], data: Any, names: Sequence[str], sweep: str) -> list[str]:
        """Store several new runs that share their task and their data, all or none; arguments as for ``create``.

        Returns:
            Their ids, in the same order.
        """
        task, run_ids = make_task(every[0], data), [secrets.token_hex(5) for _ in every]
        first, created, versions = self.files(run_ids[0]), time.time(), json.dumps(_versions())
        first.write_data(pack_data(data))
        for run_id in run_ids[1:]:
            self.files(run_id).share_data(first)
        with self._database.transaction() as connection:
            for run_id, settings, name in zip(run_ids, every, names, strict=True):
                named = name or f"{settings.task}: {' against '.join(lane.name for lane in settings.lanes)}"
                row = (run_id, named, created, settings.to_json(), versions, sweep)
                connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", row)
                for position, lane in enumerate(settings.lanes):
                    parameters = count_parameters(lane.cell, task.features, lane.hidden, lane.layers, task.outputs)
                    connection.execute(
                        "INSERT INTO lanes VALUES (?, ?, ?, 'stopped', 0, ?, 0, 0, ?, '', ?, '', '')",
                        (run_id, position, lane.name, settings.updates, lane.learning_rate, parameters),
                    )
        return run_ids

    def run(self, run_id: str) -> TrainingRun:
        """Return a run.

        Raises:
            TrainingError: there is no such run.
        """
        runs = self._read_runs("WHERE r.id = ?", run_id)
        if not runs:
            raise _no_run(run_id)
        return runs[0]

    def runs(self, sweep: str | None = "") -> list[TrainingRun]:
        """Return runs, the newest first; those whose settings this version cannot read are left out.

        Args:
            sweep: id of a sweep; empty for runs that belong to none; None for all runs.
        """
        if sweep is None:
            return self._read_runs("", strict=False)
        return self._read_runs("WHERE r.sweep = ?", sweep, strict=False)

    def _read_runs(self, which: str, *arguments: Any, strict: bool = True) -> list[TrainingRun]:
        rows = self._database.rows(
            f"SELECT {RUN_COLUMNS} FROM runs r JOIN lanes l ON l.run = r.id {which} "
            "ORDER BY r.created DESC, r.rowid, l.position",
            *arguments,
        )
        return runs_from_rows(rows, strict=strict)

    def sweeps(self) -> list[tuple[str, float, str, dict[Status, int]]]:
        """Return every sweep, the newest first: id, creation time, task, and number of lanes by status."""
        rows = self._database.rows(
            "SELECT r.sweep, MIN(r.created), MIN(r.settings), l.status, COUNT(*) FROM runs r "
            "JOIN lanes l ON l.run = r.id WHERE r.sweep <> '' GROUP BY r.sweep, l.status ORDER BY MIN(r.created) DESC"
        )
        sweeps: dict[str, tuple[str, float, str, dict[Status, int]]] = {}
        for sweep, created, settings, status, count in rows:
            counts = sweeps.setdefault(sweep, (sweep, created, json.loads(settings)["task"], {}))[3]
            counts[status] = count
        return list(sweeps.values())

    def sweep_results(self, sweep: str) -> list[tuple[str, Settings, Status, tuple[float, ...]]]:
        """Return the ended runs of a sweep: id, settings, status, and the first lane's last held-out losses."""
        rows = self._database.rows(
            'SELECT r.id, r.settings, l.status, (SELECT "values" FROM points p WHERE p.run = r.id AND p.lane = 0 AND '
            "measure = 'held_out' ORDER BY p.\"update\" DESC LIMIT 1) FROM runs r JOIN lanes l ON l.run = r.id "
            "WHERE r.sweep = ? AND l.position = 0 AND l.status IN ('finished', 'diverged') ORDER BY r.rowid",
            sweep,
        )
        return [
            (run_id, Settings.from_json(settings), status, tuple(np.frombuffer(values or b"").tolist()))
            for run_id, settings, status, values in rows
        ]

    def rename(self, run_id: str, name: str) -> None:
        """Give a run another name.

        Raises:
            TrainingError: there is no such run.
        """
        with self._database.transaction() as connection:
            if not connection.execute("UPDATE runs SET name = ? WHERE id = ?", (name, run_id)).rowcount:
                raise _no_run(run_id)

    def delete(self, run_id: str) -> None:
        """Delete a run and all its files; an active run must be stopped first.

        Raises:
            TrainingError: the run is active, or there is no such run.
        """
        with self._database.transaction() as connection:
            run = self.run(run_id)
            if run.active:
                raise TrainingError(f"run {run.name}", f"a run that is {run.status}", "one at rest", "Stop it first.")
            connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        shutil.rmtree(self.files(run_id).folder, ignore_errors=True)

    def files(self, run_id: str) -> RunFiles:
        """Return the files of a run."""
        return RunFiles(self.folder / "runs" / run_id)

    def data(self, run_id: str) -> Any:
        """Return the user's data of a run, or None."""
        return unpack_data(self.files(run_id).data())

    def task(self, run_id: str) -> Task:
        """Build the task of a run; equal settings and data always make equal tasks."""
        return make_task(self.run(run_id).settings, self.data(run_id))

    def points(self, run_id: str, after: int = 0) -> tuple[list[tuple[str, Point]], int]:
        """Return the (lane, point) of all points after a row number, and the last row number, for the next call."""
        rows = self._database.rows(
            'SELECT p.id, l.name, measure, p."update", p.seconds, "values" FROM points p '
            "JOIN lanes l ON l.run = p.run AND l.position = p.lane WHERE p.run = ? AND p.id > ? ORDER BY p.id",
            run_id,
            after,
        )
        points = [
            (lane, Point(measure, update, seconds, tuple(np.frombuffer(values).tolist())))
            for _, lane, measure, update, seconds, values in rows
        ]
        return points, rows[-1][0] if rows else after

    def count_points(self, run_id: str) -> int:
        """Return the number of points; smaller than before when a changed learning rate has deleted some."""
        return int(self._database.rows("SELECT COUNT(*) FROM points WHERE run = ?", run_id)[0][0])

    def rate_changes(self, run_id: str, lane: str) -> list[RateChange]:
        """Return the learning rates set by the user."""
        query = 'SELECT "update", rate FROM changes WHERE run = ? AND lane = ? ORDER BY "update"'
        return [RateChange(*row) for row in self._database.rows(query, run_id, self._position(run_id, lane))]

    def snapshots(self, run_id: str, lane: str) -> tuple[int, ...]:
        """Return the updates at which snapshots were stored."""
        query = 'SELECT "update" FROM snapshots WHERE run = ? AND lane = ? ORDER BY "update"'
        return tuple(update for (update,) in self._database.rows(query, run_id, self._position(run_id, lane)))

    def snapshot(self, run_id: str, lane: str, update: int) -> Snapshot:
        """Read a snapshot.

        Raises:
            TrainingError: there is none at that update.
        """
        updates = self.snapshots(run_id, lane)
        if update not in updates:
            known = ", ".join(map(str, updates)) or "none yet"
            raise TrainingError(f"snapshot of {lane}", f"update {update}", f"one of {known}", "Choose one of these.")
        return self.files(run_id).snapshot(self._position(run_id, lane), update)

    def checkpoint(self, run_id: str, lane: str) -> Checkpoint | None:
        """Return the newest checkpoint of a lane; None before the first."""
        return self.files(run_id).checkpoint(self._position(run_id, lane))

    def newest_update(self, run_id: str, lane: str) -> int | None:
        """Return the update of a lane's newest stored weights; None before there are any."""
        update = self.files(run_id).checkpoint_update(self._position(run_id, lane))
        return update or next(reversed(self.snapshots(run_id, lane)), None)

    def write(
        self, run_id: str, lane: str, records: Iterable[TrainingRecord], *, by: str | None = None, **state: Any
    ) -> None:
        """Store records of a lane, and its new state.

        A checkpoint is written after the points before it, so that no point is missing when training resumes from it;
        and the state after the checkpoint, so that a lane that has ended can be resumed from there. Records stored
        before are replaced.

        Args:
            run_id: id of the run.
            lane: name of the lane.
            records: in the order in which they were made.
            by: id of the engine that writes; None skips the check of the owner.
            state: fields of ``LaneState`` to change, and ``engine`` for a new owner of the lane.

        Raises:
            NotOwnerError: another engine than ``by`` owns the lane; nothing was written.
            TrainingError: there is no such lane.
        """
        position, listed, files = self._position(run_id, lane), list(records), self.files(run_id)
        self.owners.check(run_id, position, by)
        for record in listed:
            if isinstance(record, Snapshot):
                files.write_snapshot(position, record)
        checkpoints = [record for record in listed if isinstance(record, Checkpoint)][-1:]
        with self._database.transaction() as connection:
            self.owners.check(run_id, position, by)
            changed: dict[str, Any] = {}
            for record in listed:
                changed |= write_record(connection, run_id, position, record)
            update_lane(connection, run_id, position, changed if checkpoints else changed | state)
        for checkpoint in checkpoints:
            files.write_checkpoint(position, checkpoint)
            with self._database.transaction() as connection:
                update_lane(connection, run_id, position, state)

    def set_lane(self, run_id: str, lane: str, *, by: str | None = None, **state: Any) -> None:
        """Change fields of a lane's state, as ``write`` without records."""
        self.write(run_id, lane, (), by=by, **state)

    def set_rate(self, run_id: str, lane: str, rate: float) -> None:
        """Store a learning rate for a lane that does not train; it is used from where the lane resumes."""
        position = self._position(run_id, lane)
        update = self.files(run_id).checkpoint_update(position)
        with self._database.transaction() as connection:
            change_rate(connection, run_id, position, RateChange(update, rate))
            update_lane(connection, run_id, position, {"learning_rate": rate})

    def describe_resume(self, run_id: str, lane: str) -> str:
        """Return the end of a sentence: from which update a lane will continue."""
        return self.files(run_id).describe_resume(self._position(run_id, lane))

    def _position(self, run_id: str, lane: str) -> int:
        rows = self._database.rows("SELECT position FROM lanes WHERE run = ? AND name = ?", run_id, lane)
        if not rows:
            remedy = "See store.run(run_id).lanes."
            raise TrainingError(f"run {run_id}", f"no lane {lane!r}", "a lane of this run", remedy)
        return int(rows[0][0])


def _no_run(run_id: str) -> TrainingError:
    return TrainingError("run", repr(run_id), "the id of a stored run", "It may have been deleted; see the list.")


def _versions() -> dict[str, str]:
    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    packages: Sequence[str] = ("gru_viz", "torch", "numpy", "numba", "distributed")
    versions = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    return versions | {package: installed(package) for package in packages}
