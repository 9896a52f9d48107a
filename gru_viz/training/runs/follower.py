"""The curves of a run while it grows: only new points are read."""

from __future__ import annotations

import threading

from gru_viz.training.curves import Curve
from gru_viz.training.runs.run_store import RunStore
from gru_viz.training.training_records import Point

__all__ = ["Follower"]


class Follower:
    """Caches the curves of a run and reads new points from the store; several viewers may share one.

    Args:
        store: where the run is stored.
        run_id: id of the run.

    Example:
        >>> import tempfile
        >>> from gru_viz.training import Settings
        >>> with tempfile.TemporaryDirectory() as folder, RunStore(folder) as store:
        ...     run_id = store.create(Settings("adding", {"length": 5}))
        ...     store.write(run_id, "GRU", [Point("train", 1, 0.1, (0.5,))])
        ...     [(curve.lane, curve.measure, curve.values.tolist()) for curve in Follower(store, run_id).curves()]
        [('GRU', 'train', [[0.5]])]
    """

    def __init__(self, store: RunStore, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self._lock = threading.Lock()
        self._last = 0
        self._curves: dict[tuple[str, str], Curve] = {}

    @property
    def version(self) -> int:
        """A number that is another one after the curves have changed."""
        return self._last

    def curves(self) -> list[Curve]:
        """Return all curves so far; a curve without new points is the same object as before."""
        with self._lock:
            self._read()
            if self.store.count_points(self.run_id) < sum(len(curve.updates) for curve in self._curves.values()):
                self._last, self._curves = 0, {}  # some were deleted
                self._read()
            return list(self._curves.values())

    def _read(self) -> None:
        points, self._last = self.store.points(self.run_id, self._last)
        new: dict[tuple[str, str], list[Point]] = {}
        for lane, point in points:
            new.setdefault((lane, point.measure), []).append(point)
        for which, added in new.items():
            curve = self._curves.pop(which, None)
            self._curves[which] = curve.extended(added) if curve else Curve.gather(*which, added)
