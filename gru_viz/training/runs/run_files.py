"""Snapshots, checkpoints and data of a run as safetensors files, each written completely or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gru_viz.errors import TrainingError
from gru_viz.training.training_records import Checkpoint, Snapshot

__all__ = ["RunFiles"]


class RunFiles:
    """The folder of one run; lanes are numbered, since a user's name for one may not be a valid file name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_data(self, data: bytes) -> None:
        """Store the user's data, packed."""
        _write_whole(self.folder / "data.safetensors", data)

    def share_data(self, other: RunFiles) -> None:
        """Store the same data as another run, as a hard link where the file system allows it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            os.link(other.folder / "data.safetensors", self.folder / "data.safetensors")
        except OSError:
            self.write_data(other.data())

    def data(self) -> bytes:
        """Read the user's data, packed.

        Raises:
            TrainingError: the file is gone.
        """
        try:
            return (self.folder / "data.safetensors").read_bytes()
        except OSError as reason:
            raise _unreadable(self.folder / "data.safetensors", reason) from reason

    def write_snapshot(self, lane: int, snapshot: Snapshot) -> None:
        """Store a snapshot; one of the same update is replaced."""
        _write_whole(self._snapshot(lane, snapshot.update), save(_contiguous(snapshot.arrays)))

    def snapshot(self, lane: int, update: int) -> Snapshot:
        """Read a snapshot.

        Raises:
            TrainingError: the file is gone or damaged.
        """
        return Snapshot(update, _read(self._snapshot(lane, update))[0])

    def write_checkpoint(self, lane: int, checkpoint: Checkpoint) -> None:
        """Store a checkpoint in place of the previous one."""
        state = {"state": json.dumps({"update": checkpoint.update, "seconds": checkpoint.seconds})}
        _write_whole(self._lane(lane) / "checkpoint.safetensors", save(_contiguous(checkpoint.arrays), state))

    def checkpoint(self, lane: int) -> Checkpoint | None:
        """Read the newest checkpoint; None before the first.

        Raises:
            TrainingError: the file is damaged.
        """
        path = self._lane(lane) / "checkpoint.safetensors"
        if not path.exists():
            return None
        arrays, metadata = _read(path)
        update, seconds = _checkpoint_state(path, metadata)
        return Checkpoint(update, seconds, arrays)

    def checkpoint_update(self, lane: int) -> int:
        """Return the update of the newest checkpoint; 0 before the first, or if it is damaged."""
        path = self._lane(lane) / "checkpoint.safetensors"
        try:
            with safe_open(path, "numpy") as file:
                return _checkpoint_state(path, file.metadata() or {})[0]
        except (OSError, SafetensorError, TrainingError):
            return 0

    def describe_resume(self, lane: int) -> str:
        """Return the end of a sentence: from which update a lane will continue."""
        update = self.checkpoint_update(lane)
        return f"resume continues from {f'update {update:,}' if update else 'the beginning'}."

    def _lane(self, lane: int) -> Path:
        return self.folder / f"lane{lane}"

    def _snapshot(self, lane: int, update: int) -> Path:
        return self._lane(lane) / f"snapshot-{update:08d}.safetensors"


def _contiguous(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, now or after a crash, finds either the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as reason:
        raise _unreadable(path, reason) from reason


def _checkpoint_state(path: Path, metadata: Mapping[str, str]) -> tuple[int, float]:
    """The update and the seconds of a checkpoint; older versions gave this single entry another name."""
    try:
        (state,) = map(json.loads, metadata.values())
        return int(state["update"]), float(state["seconds"])
    except (KeyError, ValueError, TypeError) as reason:
        raise _unreadable(path, reason) from reason


def _unreadable(path: Path, reason: Exception) -> TrainingError:
    found = "no such file" if isinstance(reason, FileNotFoundError) else f"a damaged file ({reason})"
    return TrainingError(f"{path.parent.name}/{path.name}", found, "what was stored there", "Start a new run.")
