"""Which engine owns a lane: claims, heartbeats, and lanes whose engine has died."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gru_viz.errors import TrainingError
from gru_viz.training.runs.run_database import RunDatabase, update_lane
from gru_viz.training.runs.run_files import RunFiles
from gru_viz.training.runs.training_run import ACTIVE, Status

__all__ = ["HEARTBEAT_TIMEOUT", "LaneOwners", "NotOwnerError", "is_dead", "new_engine_id"]

HEARTBEAT_TIMEOUT = 10.0
"""Seconds without a heartbeat after which an engine counts as dead, on any machine."""


class NotOwnerError(TrainingError):
    """An engine wrote to a lane that another engine owns by now."""


def new_engine_id() -> str:
    """Create a unique id for an engine of this process."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def is_dead(engine: str, beat: float | None) -> bool:
    """Return whether an engine has ended: its process on this machine is gone, or its last heartbeat is too old."""
    if beat is None or time.time() - beat > HEARTBEAT_TIMEOUT:
        return True
    host, _, rest = engine.partition("/")
    process = rest.partition("/")[0]
    return host == socket.gethostname() and process.isdecimal() and not _exists(int(process))


def _exists(process: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 is not harmless; the heartbeat decides
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class LaneOwners:
    """The engine that owns each lane of a store."""

    def __init__(self, database: RunDatabase, files: Callable[[str], RunFiles]) -> None:
        self._database, self._files = database, files

    def claim(self, run_ids: Iterable[str], engine: str, which: Sequence[Status], **state: Any) -> dict[str, list[str]]:
        """Make an engine the owner of all lanes with certain statuses and change their state, in one transaction.

        If several engines claim the same lane, one gets it, provided that the new status is not in ``which``.

        Args:
            run_ids: the runs.
            engine: id of the engine.
            which: statuses of the lanes to claim.
            state: fields of ``LaneState`` to change.

        Returns:
            Names of the claimed lanes by run id, without runs that have none.
        """
        claimed: dict[str, list[str]] = {}
        query = f"SELECT position, name FROM lanes WHERE run = ? AND status IN ({', '.join('?' * len(which))})"
        with self._database.transaction() as connection:
            for run_id in run_ids:
                for position, name in connection.execute(f"{query} ORDER BY position", (run_id, *which)).fetchall():
                    update_lane(connection, run_id, position, {"engine": engine, **state})
                    claimed.setdefault(run_id, []).append(name)
        return claimed

    def of_run(self, run_id: str) -> dict[str, str]:
        """Return the engine that owns each lane of a run: lane → engine id, empty if none."""
        return dict(self._database.rows("SELECT name, engine FROM lanes WHERE run = ?", run_id))

    def check(self, run_id: str, position: int, engine: str | None) -> None:
        """Check that an engine owns a lane; None is always allowed.

        Raises:
            NotOwnerError: another engine owns it.
        """
        if engine is None:
            return
        rows = self._database.rows("SELECT engine FROM lanes WHERE run = ? AND position = ?", run_id, position)
        if not rows or rows[0][0] != engine:
            raise NotOwnerError(f"run {run_id}", "a lane of another engine", engine, "Leave the lane alone.")

    def heartbeat(self, engine: str) -> None:
        """Record that an engine is alive."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO engines VALUES (?, ?)", (engine, time.time()))

    def interrupt_orphans(self, caller: str = "") -> list[tuple[str, str]]:
        """Set active lanes whose engine has died to interrupted.

        Args:
            caller: id of the calling engine, which is alive whatever the time of its last heartbeat.

        Returns:
            (run id, lane) of each.
        """
        with self._database.transaction() as connection:
            beats = dict(connection.execute("SELECT id, beat FROM engines").fetchall())
            rows = connection.execute(
                'SELECT run, position, name, "update", status, engine FROM lanes WHERE status IN (?, ?)', ACTIVE
            ).fetchall()
            known = {*beats, *(row[-1] for row in rows)} - {caller}
            dead = {engine for engine in known if is_dead(engine, beats.get(engine))}
            orphans = [row for row in rows if row[-1] in dead]
            for run_id, position, _, update, status, _ in orphans:
                message = "The server stopped while this lane was queued; resume queues it again."
                if status == "running":
                    resume = self._files(run_id).describe_resume(position)
                    message = f"The server stopped near update {update:,}; {resume}"
                state = {"status": "interrupted", "message": message, "rate": 0.0, "engine": ""}
                update_lane(connection, run_id, position, state)
            connection.executemany("DELETE FROM engines WHERE id = ?", [(engine,) for engine in dead])
        return [(row[0], row[2]) for row in orphans]
