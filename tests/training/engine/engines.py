"""What the tests of the engine share: waiting, and what an undisturbed training tells."""

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
def held(engine: Engine) -> Iterator[None]:
    """Let nobody leave the line and nothing be ended: what a wish changes at once can be seen before it is fulfilled.

    However long the test is kept from running between the two.
    """
    with engine._lock:
        yield


def one_lane(cell: str = "torch", **changes: Any) -> tuple[Lane, ...]:
    """A single lane."""
    return (Lane("alone", cell=cell, **changes),)


def rest(engine: Engine, key: str) -> None:
    """Wait until nothing of a run is under way."""
    wait(lambda: not engine.store.run(key).active, lambda: (engine.state, engine.store.run(key)))


def leave_nothing_running(engine: Engine) -> None:
    """Stop what a test left under way, so that its failure stays its own."""
    left = [run.run_id for run in engine.store.runs() if run.active]
    for key in left:
        engine.stop(key)
    for key in left:
        rest(engine, key)


def reach(store: RunStore, key: str, update: int) -> None:
    """Wait until every lane of a run has a checkpoint, and has come so far."""

    def there() -> bool:
        return all(
            lane.status == "running" and lane.update >= update and store.checkpoint(key, lane.name) is not None
            for lane in store.run(key).lanes
        )

    wait(there, lambda: store.run(key))


def finish(engine: Engine, key: str, more: int = 100) -> Values:
    """Resume a run, and end it soon after where it was; what the bare loop tells until there."""
    store, run = engine.store, engine.store.run(key)
    until = more + reached(store, key)
    for lane in run.lanes:
        store.set_lane(key, lane.name, until=until)
    engine.start(key)
    rest(engine, key)
    assert statuses(store, key) == ["finished"] * len(run.lanes), store.run(key)
    changes = [(lane.name, change) for lane in run.lanes for change in store.rate_changes(key, lane.name)]
    return undisturbed(run.settings, until, changes)


def reached(store: RunStore, key: str) -> int:
    """The last update of which a run has told anything; a lane that was interrupted may have gone back since."""
    return max(reached_by(store, key, lane.name) for lane in store.run(key).lanes)


def reached_by(store: RunStore, key: str, lane: str) -> int:
    """The last update of which a lane has told anything."""
    told = [update for name, _, update in stored(store, key) if name == lane]
    return max(store.run(key).lane(lane).update, *told, 0)


def statuses(store: RunStore, key: str) -> list[str]:
    """Of every lane."""
    return [lane.status for lane in store.run(key).lanes]


def stored(store: RunStore, key: str) -> Values:
    """What a run has told: (lane, measure, update) → the values of all seeds."""
    return {(lane, p.measure, p.update): p.values for lane, p in store.points(key)[0]}


def undisturbed(settings: Settings, until: int | None = None, changes: Sequence[tuple[str, RateChange]] = ()) -> Values:
    """What the bare loop tells in this process."""
    told: Values = {}
    for lane in settings.lanes:
        own = [change for name, change in changes if name == lane.name]
        for record in Trainer(make_task(settings), settings, lane.name, until=until, changes=own):
            if isinstance(record, Point):
                told[lane.name, record.measure, record.update] = record.values
    return told
