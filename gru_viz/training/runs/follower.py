"""The curves of a run while it grows: only what is new is read."""

from __future__ import annotations

import threading

from gru_viz.training.curves import Curve
from gru_viz.training.records import Point
from gru_viz.training.runs.store import Store

__all__ = ["Follower"]


class Follower:
    """Keeps a run's points in memory and reads the new ones from the store; one may serve many viewers.

    Args:
        store: where the run is kept.
        key: the run's.

    Example:
        >>> import tempfile
        >>> from gru_viz.training import Settings
        >>> with tempfile.TemporaryDirectory() as folder, Store(folder) as store:
        ...     key = store.create(Settings("adding", {"length": 5}))
        ...     store.write(key, "GRU", [Point("train", 1, 0.1, (0.5,))])
        ...     [(curve.lane, curve.measure, curve.values.tolist()) for curve in Follower(store, key).curves()]
        [('GRU', 'train', [[0.5]])]
    """

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key = store, key
        self._lock = threading.Lock()
        self._mark = 0
        self._points: dict[tuple[str, str], dict[int, Point]] = {}
        self._curves: dict[tuple[str, str], Curve] = {}

    def curves(self) -> list[Curve]:
        """All curves up to now; a curve that has not grown is the same object as before."""
        with self._lock:
            self._read()
            if self.store.count_points(self.key) < sum(map(len, self._points.values())):
                self._mark, self._points, self._curves = 0, {}, {}  # some were taken back
                self._read()
            for which, points in self._points.items():
                if which not in self._curves:
                    self._curves[which] = Curve.gather(*which, points.values())
            return list(self._curves.values())

    def _read(self) -> None:
        told, self._mark = self.store.points(self.key, self._mark)
        for lane, point in told:
            self._points.setdefault((lane, point.measure), {})[point.update] = point
            self._curves.pop((lane, point.measure), None)
