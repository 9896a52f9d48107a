"""The tables of the database in which runs are kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gru_viz.errors import TrainingError

__all__ = ["open_database"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, settings TEXT NOT NULL, versions TEXT NOT NULL,
    sweep TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS runs_of_sweep ON runs (sweep);
CREATE TABLE IF NOT EXISTS lanes (
    run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, position INTEGER NOT NULL, name TEXT NOT NULL,
    status TEXT NOT NULL, "update" INTEGER NOT NULL, until INTEGER NOT NULL, seconds REAL NOT NULL, rate REAL NOT NULL,
    learning_rate REAL NOT NULL, way TEXT NOT NULL, parameters INTEGER NOT NULL, message TEXT NOT NULL,
    engine TEXT NOT NULL, PRIMARY KEY (run, position));
CREATE TABLE IF NOT EXISTS points (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, lane INTEGER NOT NULL,
    measure TEXT NOT NULL, "update" INTEGER NOT NULL, seconds REAL NOT NULL, "values" BLOB NOT NULL,
    UNIQUE (run, lane, measure, "update"));
CREATE INDEX IF NOT EXISTS points_of_run ON points (run, id);
CREATE TABLE IF NOT EXISTS snapshots (
    run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, lane INTEGER NOT NULL, "update" INTEGER NOT NULL,
    PRIMARY KEY (run, lane, "update"));
CREATE TABLE IF NOT EXISTS changes (
    run TEXT NOT NULL REFERENCES runs ON DELETE CASCADE, lane INTEGER NOT NULL, "update" INTEGER NOT NULL,
    rate REAL NOT NULL, PRIMARY KEY (run, lane, "update"));
CREATE TABLE IF NOT EXISTS engines (id TEXT PRIMARY KEY, beat REAL NOT NULL);
"""

VERSION = 1
"""Of the tables, kept in the database's own ``user_version``."""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database, and make the tables where there are none.

    Raises:
        TrainingError: the file is damaged, cannot be written, or was made by a later version of gru_viz.
    """
    remedy = "Move it away, or choose another folder with GRU_VIZ_HOME."
    database = None
    try:
        database = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise TrainingError(str(path), f"tables of version {version}", f"version {VERSION} at most", remedy)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            database.execute(f"PRAGMA {pragma}")
        if version < VERSION:
            database.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")
    except (sqlite3.Error, TrainingError) as reason:
        if database is not None:
            database.close()
        if isinstance(reason, TrainingError):
            raise
        raise TrainingError(str(path), str(reason), "a database that can be read and written", remedy) from reason
    return database
