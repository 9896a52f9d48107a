"""The queue of runs: first come, first served; sweeps come after all runs that belong to none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

__all__ = ["QueuedRun", "RunQueue"]


@dataclass(frozen=True)
class QueuedRun:
    """Lanes of a run that start together; ``sweep`` is the id of its sweep, or empty."""

    run_id: str
    lanes: tuple[str, ...]
    sweep: str = ""

    def each(self) -> list[QueuedRun]:
        """Return one entry for each lane."""
        return [replace(self, lanes=(lane,)) for lane in self.lanes]


class RunQueue:
    """Queued runs in order.

    The lock guards the queue and the lanes that have left it; the caller takes it where others may change the queue.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._single: list[QueuedRun] = []
        self._swept: list[QueuedRun] = []

    def __len__(self) -> int:
        return len(self._single) + len(self._swept)

    def __iter__(self) -> Iterator[QueuedRun]:
        return iter((*self._single, *self._swept))

    @property
    def single(self) -> int:
        """Number of queued runs that belong to no sweep."""
        return len(self._single)

    @property
    def first(self) -> QueuedRun | None:
        """The next run to start."""
        return next(iter(self), None)

    def append(self, queued: QueuedRun) -> None:
        """Add a run at the end."""
        self._part(queued).append(queued)

    def push_front(self, queued: QueuedRun) -> None:
        """Return a run that was interrupted to the front."""
        self._part(queued).insert(0, queued)

    def pop(self) -> QueuedRun:
        """Remove the next run and return it."""
        return (self._single or self._swept).pop(0)

    def take(self, matches: Callable[[QueuedRun], bool]) -> list[QueuedRun]:
        """Remove some runs and return them."""
        taken = [queued for queued in self if matches(queued)]
        for queued in taken:
            self._part(queued).remove(queued)
        return taken

    def position(self, run_id: str) -> int | None:
        """Return the position of a run, 1 for the next; None if it is not queued."""
        return next((k for k, queued in enumerate(self, start=1) if queued.run_id == run_id), None)

    def _part(self, queued: QueuedRun) -> list[QueuedRun]:
        return self._swept if queued.sweep else self._single
