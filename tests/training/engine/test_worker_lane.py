"""A lane of a worker, in this process: no record is sent twice, none is lost, and only finite weights are saved."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gru_viz.training import Checkpoint, Point, Settings, Trainer, make_task
from gru_viz.training.engine import worker_lane
from gru_viz.training.engine.lane_messages import LaneJob, LaneReply, LaneRequest
from gru_viz.training.tasks.data_bytes import pack_data

SETTINGS = Settings("adding", {"length": 4}, updates=30, batch=2)


def job(settings: Settings = SETTINGS, **changes: Any) -> LaneJob:
    fields = {
        "backend": "",
        "until": settings.updates,
        "data": pack_data(None),
        "checkpoint": None,
        "changes": (),
        "lease": 60.0,
    } | changes
    return LaneJob(settings.to_json(), "GRU", **fields)


def request(
    received: int = 0, saved: int = -1, *, stop: bool = False, rate: tuple[int, float] | None = None
) -> LaneRequest:
    return LaneRequest(received, saved, checkpoint=True, stop=stop, rate=rate)


def poll(token: str, what: LaneRequest) -> LaneReply:
    return pickle.loads(worker_lane.poll({token: what}, ()))[token]


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

    monkeypatch.setattr(worker_lane, "Trainer", Own)
    return Own


def run(token: str, what: LaneJob) -> LaneReply:
    worker_lane.submit(token, what)
    worker_lane.train(token)
    return poll(token, request())


def test_received_records_are_dropped_and_the_rest_is_sent_again() -> None:
    whole = run("a", job())
    expected = [r for r in Trainer(make_task(SETTINGS), SETTINGS, "GRU") if not isinstance(r, Checkpoint)]
    values = [r.values for r in expected if isinstance(r, Point)]
    assert [r.values for r in whole.records if isinstance(r, Point)] == values
    assert (whole.first, whole.ended, len(whole.records)) == (0, "finished", len(expected))
    assert whole.checkpoint is not None
    assert whole.checkpoint.update == 30
    again = poll("a", request(received=5, saved=30))
    assert (again.first, len(again.records), again.checkpoint) == (5, len(expected) - 5, None)
    late = poll("a", request(received=2))  # an older request that comes late changes nothing
    assert (late.first, len(late.records)) == (5, len(expected) - 5)
    assert pickle.loads(worker_lane.poll({"a": request()}, ("a",))) == {}


def test_a_lane_trains_with_the_backend_that_its_run_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(worker_lane, "wait_until_ready", lambda convention, _: waited.append(convention.cell))
    values = {}
    for backend in ("torch", "compiled", "scratch"):
        reply = run(backend, job(backend=backend))
        assert reply.progress is not None
        assert reply.progress.backend == backend
        values[backend] = [r.values for r in reply.records if isinstance(r, Point)]
        alone = replace(SETTINGS, lanes=(replace(SETTINGS.lane("GRU"), backend=backend),))
        expected = [r.values for r in Trainer(make_task(alone), alone, "GRU") if isinstance(r, Point)]
        assert values[backend] == expected
    assert waited == ["gru"], "only a compiled kernel is waited for"
    assert values["torch"] != values["compiled"]


def test_weights_that_are_no_longer_finite_are_not_saved(script: type[Scripted]) -> None:
    def saved(update: int, value: float) -> Checkpoint:
        return Checkpoint(update, 0.0, {"parameter.a": np.array([1.0, value]), "optimiser.a": np.array([np.inf])})

    script.records = (saved(1, 0.5), saved(2, np.nan), saved(3, np.inf))
    answer = run("b", job(until=9))
    assert answer.checkpoint is not None
    assert (answer.checkpoint.update, answer.ended) == (1, "stopped")


def test_an_unexpected_error_is_a_sentence_for_the_page_and_a_traceback_for_the_log(
    script: type[Scripted],
) -> None:
    script.records = (Point("train", 1, 0.0, (0.5,)), ZeroDivisionError("by nought"))
    answer = run("c", job())
    assert answer.ended == "failed"
    assert answer.error[0] == "Unexpected error: ZeroDivisionError: by nought"
    assert "Traceback" in answer.error[1]
    assert len(answer.records) == 1


def test_one_of_our_own_errors_needs_no_traceback() -> None:
    answer = run("d", job(data=b"nonsense"))
    assert (answer.ended, answer.error[1]) == ("failed", "")
    assert "damaged" in answer.error[0]


def test_a_lane_that_is_not_polled_stops_by_itself(script: type[Scripted]) -> None:
    script.records = tuple(Point("train", update, 0.0, (0.5,)) for update in range(1, 1000))
    answer = run("e", job(lease=-1.0))
    assert (answer.ended, len(answer.records)) == ("abandoned", 1)


def test_a_lane_can_be_stopped_before_it_has_begun() -> None:
    worker_lane.submit("f", job(until=30))
    assert poll("f", request(stop=True)).progress is None
    worker_lane.train("f")
    answer = poll("f", request())
    assert answer.ended == "stopped"
    assert answer.progress is not None
    assert answer.progress.update == 1


def test_a_rate_is_changed_once_however_often_it_is_requested(script: type[Scripted]) -> None:
    changed: list[float] = []
    polled, going = threading.Event(), threading.Event()

    def pause() -> None:
        going.set()
        assert polled.wait(30)

    script.records = (pause,)
    script.change_rate = lambda self, rate: changed.append(rate)  # type: ignore[attr-defined]
    worker_lane.submit("g", job())
    thread = threading.Thread(target=worker_lane.train, args=("g",))
    thread.start()
    assert going.wait(30)
    for rate in ((1, 0.5), (1, 0.5), (2, 0.25), (2, 0.25), None):
        poll("g", request(rate=rate))
    polled.set()
    thread.join()
    assert changed == [0.5, 0.25]


def test_a_lane_that_is_not_polled_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_lane, "FORGET_SECONDS", -1.0)
    worker_lane.submit("old", job())
    worker_lane.submit("new", job())
    assert "old" not in worker_lane.LANES
    assert "new" in worker_lane.LANES
