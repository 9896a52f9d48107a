"""A lane's outbox, in this process: nothing is told twice, nothing is lost, and only good weights are kept."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gru_viz.training import Checkpoint, Point, Settings, Trainer, make_task
from gru_viz.training.engine import lane
from gru_viz.training.engine.lane import Answer, Ask, Job
from gru_viz.training.tasks.data import pack

SETTINGS = Settings("adding", {"length": 4}, updates=30, batch=2)


def job(settings: Settings = SETTINGS, **changes: Any) -> Job:
    told = {"until": settings.updates, "data": pack(None), "checkpoint": None, "changes": (), "lease": 60.0} | changes
    return Job(settings.to_json(), "GRU", **told)


def ask(seen: int = 0, saved: int = -1, *, stop: bool = False, rate: tuple[int, float] | None = None) -> Ask:
    return Ask(seen, saved, checkpoint=True, stop=stop, rate=rate)


def collect(token: str, what: Ask) -> Answer:
    return pickle.loads(lane.collect({token: what}, ()))[token]


class Scripted:
    """A trainer that yields what a test wants."""

    records: tuple[Any, ...] = ()

    def __init__(self, task: object, settings: Settings, name: str, **how: Any) -> None:
        self.update, self.until, self.seconds, self.rate = 0, how["until"], 0.0, 0.1
        self.network = Trainer(make_task(SETTINGS), SETTINGS, "GRU").network
        self.stopped = False

    def __iter__(self) -> Iterator[Any]:
        for record in self.records:
            if isinstance(record, Exception):
                raise record
            if callable(record):
                record()
                continue
            self.update = record.update
            yield record
            if self.stopped:
                return

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    class Own(Scripted):
        pass

    monkeypatch.setattr(lane, "Trainer", Own)
    return Own


def run(token: str, what: Job) -> Answer:
    lane.hand_over(token, what)
    lane.train(token)
    return collect(token, ask())


def test_what_is_acknowledged_is_dropped_and_the_rest_is_told_again() -> None:
    whole = run("a", job())
    told = [r for r in Trainer(make_task(SETTINGS), SETTINGS, "GRU") if not isinstance(r, Checkpoint)]
    values = [r.values for r in told if isinstance(r, Point)]
    assert [r.values for r in whole.records if isinstance(r, Point)] == values
    assert (whole.first, whole.ended, len(whole.records)) == (0, "finished", len(told))
    assert whole.checkpoint is not None
    assert whole.checkpoint.update == 30
    again = collect("a", ask(seen=5, saved=30))
    assert (again.first, len(again.records), again.checkpoint) == (5, len(told) - 5, None)
    late = collect("a", ask(seen=2))  # an older question that comes late brings nothing back, and does no harm
    assert (late.first, len(late.records)) == (5, len(told) - 5)
    assert pickle.loads(lane.collect({"a": ask()}, ("a",))) == {}


def test_weights_that_are_no_longer_finite_are_not_kept(script: type[Scripted]) -> None:
    def kept(update: int, value: float) -> Checkpoint:
        return Checkpoint(update, 0.0, {"parameter.a": np.array([1.0, value]), "optimiser.a": np.array([np.inf])})

    script.records = (kept(1, 0.5), kept(2, np.nan), kept(3, np.inf))
    answer = run("b", job(until=9))
    assert answer.checkpoint is not None
    assert (answer.checkpoint.update, answer.ended) == (1, "stopped")


def test_an_error_nobody_expected_is_a_sentence_for_the_page_and_a_traceback_for_the_log(
    script: type[Scripted],
) -> None:
    script.records = (Point("train", 1, 0.0, (0.5,)), ZeroDivisionError("by nought"))
    answer = run("c", job())
    assert answer.ended == "failed"
    assert answer.error[0] == "An error nobody expected: ZeroDivisionError: by nought"
    assert "Traceback" in answer.error[1]
    assert len(answer.records) == 1


def test_one_of_our_own_errors_needs_no_traceback() -> None:
    answer = run("d", job(data=b"nonsense"))
    assert (answer.ended, answer.error[1]) == ("failed", "")
    assert "damaged" in answer.error[0]


def test_a_lane_that_nobody_asks_for_stops_by_itself(script: type[Scripted]) -> None:
    script.records = tuple(Point("train", update, 0.0, (0.5,)) for update in range(1, 1000))
    answer = run("e", job(lease=-1.0))
    assert (answer.ended, len(answer.records)) == ("abandoned", 1)


def test_a_lane_can_be_stopped_before_it_has_begun() -> None:
    lane.hand_over("f", job(until=30))
    assert collect("f", ask(stop=True)).progress is None
    lane.train("f")
    answer = collect("f", ask())
    assert answer.ended == "stopped"
    assert answer.progress is not None
    assert answer.progress.update == 1


def test_a_rate_is_changed_once_however_often_it_is_asked_for(script: type[Scripted]) -> None:
    changed: list[float] = []
    asked, going = threading.Event(), threading.Event()

    def pause() -> None:
        going.set()
        assert asked.wait(30)

    script.records = (pause,)
    script.change_rate = lambda self, rate: changed.append(rate)  # type: ignore[attr-defined]
    lane.hand_over("g", job())
    thread = threading.Thread(target=lane.train, args=("g",))
    thread.start()
    assert going.wait(30)
    for rate in ((1, 0.5), (1, 0.5), (2, 0.25), (2, 0.25), None):
        collect("g", ask(rate=rate))
    asked.set()
    thread.join()
    assert changed == [0.5, 0.25]


def test_the_outbox_of_a_lane_that_nobody_asks_for_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "FORGOTTEN_AFTER", -1.0)
    lane.hand_over("old", job())
    lane.hand_over("new", job())
    assert "old" not in lane.OUTBOXES
    assert "new" in lane.OUTBOXES
