"""The SQLite database of runs: its tables, their version, and transactions."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gru_viz.errors import TrainingError

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
