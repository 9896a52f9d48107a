"""Records and states as rows of the database, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.training.runs.training_run import LaneState, TrainingRun
from gru_viz.training.settings import Settings
from gru_viz.training.training_records import Diverged, Point, RateChange, Snapshot, TrainingRecord

__all__ = ["RUN_COLUMNS", "change_rate", "runs_from_rows", "update_lane", "write_record"]

RUN_COLUMNS = (
    "r.id, r.name, r.created, r.settings, r.versions, r.sweep, l.name, l.status, "
    'l."update", l.until, l.seconds, l.rate, l.learning_rate, l.backend, l.parameters, l.message'
)
"""One row for each lane: the fields of ``TrainingRun``, then those of ``LaneState``."""


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
