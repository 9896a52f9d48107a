"""Shared by the tests of the engine: waiting, and the points of an undisturbed training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gru_viz.training import Lane, Point, RateChange, Settings, Trainer, make_task
from gru_viz.training.engine import Engine
from gru_viz.training.runs import RunStore

GENEROUS = 120.0
"""Seconds after which a wait is given up; a machine that does much else needs some."""

LONG = Settings("adding", {"length": 20}, updates=200_000, seeds=2)
"""Never ends while a test lasts."""

LIVELY = Settings("adding", {"length": 16}, updates=200_000, seeds=2, batch=8)
"""As long, but quick: it is killed or paused in the middle of it, and ``finish`` then brings its end nearer."""

SHORT = Settings("adding", {"length": 5}, updates=20, batch=4)

Values = dict[tuple[str, str, int], tuple[float, ...]]


def wait(condition: Callable[[], object], what: Callable[[], object] = lambda: "") -> None:
    """Wait until something holds; fail with what is the case where it never does.

    It must be something that stays: a moment may be missed.
    """
    until = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < until, what()
        time.sleep(0.01)


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Stop the queue and the running lanes from changing, so that the immediate effect of a command can be tested.

    However slowly the test runs.
    """
    with engine.queue.lock:
        yield


def one_lane(cell: str = "torch", **changes: Any) -> tuple[Lane, ...]:
    """A single lane."""
    return (Lane("alone", cell=cell, **changes),)


def rest(engine: Engine, run_id: str) -> None:
    """Wait until a run is no longer active."""
    wait(lambda: not engine.store.run(run_id).active, lambda: (engine.state, engine.store.run(run_id)))


def leave_nothing_running(engine: Engine) -> None:
    """Stop the runs that a test left active, so that its failure does not cause others."""
    left = [run.run_id for run in engine.store.runs() if run.active]
    for run_id in left:
        engine.stop(run_id)
    for run_id in left:
        rest(engine, run_id)


def reach(store: RunStore, run_id: str, update: int) -> None:
    """Wait until every lane of a run has a checkpoint, and has come so far."""

    def there() -> bool:
        return all(
            lane.status == "running" and lane.update >= update and store.checkpoint(run_id, lane.name) is not None
            for lane in store.run(run_id).lanes
        )

    wait(there, lambda: store.run(run_id))


def finish(engine: Engine, run_id: str, more: int = 100) -> Values:
    """Resume a run, and end it soon after where it was; return the points of the bare loop until there."""
    store, run = engine.store, engine.store.run(run_id)
    until = more + reached(store, run_id)
    for lane in run.lanes:
        store.set_lane(run_id, lane.name, until=until)
    engine.start(run_id)
    rest(engine, run_id)
    assert statuses(store, run_id) == ["finished"] * len(run.lanes), store.run(run_id)
    changes = [(lane.name, change) for lane in run.lanes for change in store.rate_changes(run_id, lane.name)]
    return undisturbed(run.settings, until, changes)


def reached(store: RunStore, run_id: str) -> int:
    """The last update with a stored point; a lane that was interrupted may have gone back since."""
    return max(reached_by(store, run_id, lane.name) for lane in store.run(run_id).lanes)


def reached_by(store: RunStore, run_id: str, lane: str) -> int:
    """The last update of a lane with a stored point."""
    updates = [update for name, _, update in stored(store, run_id) if name == lane]
    return max(store.run(run_id).lane(lane).update, *updates, 0)


def statuses(store: RunStore, run_id: str) -> list[str]:
    """Of every lane."""
    return [lane.status for lane in store.run(run_id).lanes]


def stored(store: RunStore, run_id: str) -> Values:
    """The stored points of a run: (lane, measure, update) → the values of all seeds."""
    return {(lane, p.measure, p.update): p.values for lane, p in store.points(run_id)[0]}


def undisturbed(settings: Settings, until: int | None = None, changes: Sequence[tuple[str, RateChange]] = ()) -> Values:
    """The points of the bare loop in this process."""
    points: Values = {}
    for lane in settings.lanes:
        own = [change for name, change in changes if name == lane.name]
        for record in Trainer(make_task(settings), settings, lane.name, until=until, changes=own):
            if isinstance(record, Point):
                points[lane.name, record.measure, record.update] = record.values
    return points
