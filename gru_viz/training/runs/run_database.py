"""The SQLite database of runs: its tables, their version, transactions, and records and states as rows."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.training.runs.training_run import LaneState, TrainingRun
from gru_viz.training.settings import Settings
from gru_viz.training.training_records import Diverged, Point, RateChange, Snapshot, TrainingRecord

__all__ = ["RunDatabase"]

SCHEMA = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, settings TEXT NOT NULL, versions TEXT NOT NULL,
    sweep TEXT NOT NULL);
CREATE INDEX runs_of_sweep ON runs (sweep);
CREATE TABLE lanes (
    run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, position INTEGER NOT NULL, name TEXT NOT NULL,
    status TEXT NOT NULL, "update" INTEGER NOT NULL, until INTEGER NOT NULL, seconds REAL NOT NULL, rate REAL NOT NULL,
    learning_rate REAL NOT NULL, backend TEXT NOT NULL, parameters INTEGER NOT NULL, message TEXT NOT NULL,
    engine TEXT NOT NULL, PRIMARY KEY (run, position));
CREATE TABLE points (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, lane INTEGER NOT NULL,
    measure TEXT NOT NULL, "update" INTEGER NOT NULL, seconds REAL NOT NULL, "values" BLOB NOT NULL,
    UNIQUE (run, lane, measure, "update"));
CREATE INDEX points_of_run ON points (run, id);
CREATE TABLE snapshots (
    run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, lane INTEGER NOT NULL, "update" INTEGER NOT NULL,
    PRIMARY KEY (run, lane, "update"));
CREATE TABLE changes (
    run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, lane INTEGER NOT NULL, "update" INTEGER NOT NULL,
    rate REAL NOT NULL, PRIMARY KEY (run, lane, "update"));
CREATE TABLE engines (id TEXT PRIMARY KEY, beat REAL NOT NULL)
"""

MIGRATIONS = {1: "ALTER TABLE lanes RENAME COLUMN way TO backend"}
"""Statements that bring the tables of an older version to the next one."""

VERSION = 2
"""Version of the tables, stored as the database's ``user_version``."""

RUN_COLUMNS = (
    "r.id, r.name, r.created, r.settings, r.versions, r.sweep, l.name, l.status, "
    'l."update", l.until, l.seconds, l.rate, l.learning_rate, l.backend, l.parameters, l.message'
)
"""One row for each lane: the fields of ``TrainingRun``, then those of ``LaneState``."""


class RunDatabase:
    """A connection that any number of threads may share, beside any number of other processes.

    Raises:
        TrainingError: the file is damaged, cannot be written, or was made by a later version of gru_viz.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = _open(path)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Begin a write transaction; it is committed at the end of the block, or rolled back by an exception."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._lock:
            return self._connection.execute(query, arguments).fetchall()


def _open(path: Path) -> sqlite3.Connection:
    remedy = "Move it away, or choose another folder with GRU_VIZ_HOME."
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        version = _version(connection)
        if version > VERSION:
            raise TrainingError(str(path), f"tables of version {version}", f"version {VERSION} at most", remedy)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        if version < VERSION:
            _upgrade(connection)
    except (sqlite3.Error, TrainingError) as reason:
        if connection is not None:
            connection.close()
        if isinstance(reason, TrainingError):
            raise
        raise TrainingError(str(path), str(reason), "a database that can be read and written", remedy) from reason
    return connection


def _upgrade(connection: sqlite3.Connection) -> None:
    """Create the tables, or upgrade those of an older version; another process may do the same at this moment."""
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)
    statements = [MIGRATIONS[k] for k in range(version, VERSION)] if version else SCHEMA.split(";")
    for statement in statements:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def runs_from_rows(rows: Iterable[tuple[Any, ...]], *, strict: bool) -> list[TrainingRun]:
    """Build runs from rows of ``RUN_COLUMNS`` in the order of runs and lanes.

    Settings that this version cannot read are an error if ``strict``, otherwise their run is left out.
    """
    runs = []
    for (run_id, name, created, text, versions, sweep), lanes in groupby(rows, key=lambda row: row[:6]):
        states = tuple(LaneState(*row[6:]) for row in lanes)
        try:
            settings = Settings.from_json(text)
        except TrainingError:
            if strict:
                raise
            continue
        when = datetime.fromtimestamp(created).astimezone()
        runs.append(TrainingRun(run_id, name, when, settings, states, json.loads(versions), sweep))
    return runs


def update_lane(database: sqlite3.Connection, run_id: str, position: int, state: dict[str, Any]) -> None:
    """Change some columns of a lane."""
    if state:
        columns = ", ".join(f'"{name}" = ?' for name in state)
        where = (*state.values(), run_id, position)
        database.execute(f"UPDATE lanes SET {columns} WHERE run = ? AND position = ?", where)


def write_record(database: sqlite3.Connection, run_id: str, position: int, record: TrainingRecord) -> dict[str, Any]:
    """Write the row of a record; returns the changes to the lane's state that follow from it."""
    match record:
        case Point(measure, update, seconds, values):
            row = (run_id, position, measure, update, seconds, np.array(values, float).tobytes())
            database.execute("INSERT OR REPLACE INTO points VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
        case Snapshot(update):
            database.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (run_id, position, update))
        case RateChange():
            change_rate(database, run_id, position, record)
        case Diverged():
            return {"status": "diverged", "message": _explain(record)}
    return {}


def change_rate(database: sqlite3.Connection, run_id: str, position: int, change: RateChange) -> None:
    """Write a change of the learning rate, and delete what was recorded of later updates.

    An interrupted lane may have trained further before it went back to its checkpoint; with another learning rate it
    will not repeat the same numbers.
    """
    where = (run_id, position, change.update)
    for table in ("points", "snapshots"):
        database.execute(f'DELETE FROM {table} WHERE run = ? AND lane = ? AND "update" > ?', where)
    database.execute('DELETE FROM changes WHERE run = ? AND lane = ? AND "update" >= ?', where)
    database.execute("INSERT INTO changes VALUES (?, ?, ?, ?)", (*where, change.rate))


def _explain(diverged: Diverged) -> str:
    seeds = ", ".join(map(str, diverged.seeds))
    return (
        f"The {diverged.what} was no longer a finite number at update {diverged.update:,} (seed {seeds}), so this lane "
        "stopped before applying it. A lower learning rate, clipping, or scaled data usually help."
    )
