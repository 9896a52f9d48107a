"""What a record becomes in the tables."""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from gru_viz.training.records import Diverged, Point, RateChange, Record, Snapshot

__all__ = ["change_rate", "update_lane", "write_record"]


def update_lane(database: sqlite3.Connection, key: str, position: int, state: dict[str, Any]) -> None:
    """Change some columns of a lane."""
    if state:
        columns = ", ".join(f'"{name}" = ?' for name in state)
        database.execute(f"UPDATE lanes SET {columns} WHERE run = ? AND position = ?", (*state.values(), key, position))


def write_record(database: sqlite3.Connection, key: str, position: int, record: Record) -> dict[str, Any]:
    """Write what belongs in the tables; what the record says of the lane's state."""
    match record:
        case Point(measure, update, seconds, values):
            row = (key, position, measure, update, seconds, np.array(values, float).tobytes())
            database.execute("INSERT OR REPLACE INTO points VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
        case Snapshot(update):
            database.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)", (key, position, update))
        case RateChange():
            change_rate(database, key, position, record)
        case Diverged():
            return {"status": "diverged", "message": _explain(record)}
    return {}


def change_rate(database: sqlite3.Connection, key: str, position: int, change: RateChange) -> None:
    """Write a change of the learning rate.

    What is known of later updates is forgotten: an interrupted lane may have gone further before it went back to its
    checkpoint, and now it takes another way.
    """
    where = (key, position, change.update)
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
