"""The charts of a run: made once for all viewers who see the same."""

from __future__ import annotations

import time
from dataclasses import replace

import streamlit as st

from gru_viz.training import Curve, Diverged, Predictions, RateChange, Task
from gru_viz.training.figures import (
    LaneStatus,
    PlotOptions,
    gradient_picture,
    loss_picture,
    measure_picture,
    pack_charts,
    predictions_picture,
)
from gru_viz.training.runs import LaneState, TrainingRun, predict_examples, trained_network
from gru_viz.ui.resources import follower, is_training, store, task_of
from gru_viz.ui.result_cache import ResultCache

__all__ = ["BACKEND_NAMES", "packed_charts", "speed_note", "wait_for_first_points"]

BACKEND_NAMES = {"compiled": "compiled", "torch": "torch.nn", "scratch": "step by step"}
"""Short names of the backends that run."""

WAIT_SECONDS, LOOK_SECONDS = 0.4, 0.02
"""For so long a refresh waits for the first points of a run, and how often it looks."""

MAX_BYTES = 16 * 2**20


@st.cache_resource(show_spinner=False)
def _cache() -> ResultCache:
    return ResultCache(MAX_BYTES)


def wait_for_first_points(run: TrainingRun) -> TrainingRun:
    """If a run begins, wait a moment for its first points, which are then drawn at once; return its new state."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until and is_training(run) and not _has_begun(run):
        time.sleep(LOOK_SECONDS)
    return store().run(run.run_id)


def _has_begun(run: TrainingRun) -> bool:
    return any(len(curve.updates) and curve.measure == "train" for curve in follower(run.run_id).curves())


def packed_charts(run: TrainingRun, options: PlotOptions) -> bytes:
    """The block of bytes of a run's charts and of the table of its lanes."""
    curves, version = follower(run.run_id).curves(), follower(run.run_id).version
    events = {lane.name: _events(run, lane) for lane in run.lanes}
    newest = {lane.name: store().newest_update(run.run_id, lane.name) for lane in run.lanes}
    choices = (options.axis, options.log, options.smoothing)
    key = (run.run_id, run.lanes, version, tuple(events.values()), tuple(newest.values()), choices)
    options = replace(options, events=events)
    return _cache().get_or_compute(key, lambda _: _pack(run, options, curves, newest), len, lambda *_: None)


def _pack(run: TrainingRun, options: PlotOptions, curves: list[Curve], newest: dict[str, int | None]) -> bytes:
    task, names = task_of(run.run_id), [lane.name for lane in run.lanes]
    predictions = {name: _predict(run.run_id, name, update, task) for name, update in newest.items()}
    pictures = [
        loss_picture(curves, task.baselines, options),
        measure_picture(curves, task.measure, task.baselines, options),
        predictions_picture(predictions, names),
        gradient_picture(curves, run.settings.lanes[0].clip, options),
    ]
    strip = [_lane_status(run, lane, task, curves) for lane in run.lanes]
    return pack_charts(pictures, strip, task.measure.name.replace("_", " "))


def _events(run: TrainingRun, lane: LaneState) -> tuple[RateChange | Diverged, ...]:
    changes = store().rate_changes(run.run_id, lane.name)
    return (*changes, Diverged(lane.update, (), "loss")) if lane.status == "diverged" else tuple(changes)


@st.cache_resource(max_entries=64, show_spinner=False)
def _predict(run_id: str, lane: str, update: int | None, _task: Task) -> Predictions:
    """The newest predictions of a lane's first seed, with the targets."""
    return predict_examples(trained_network(store(), run_id, lane, _task), _task)


def _lane_status(run: TrainingRun, lane: LaneState, task: Task, curves: list[Curve]) -> LaneStatus:
    newest = {c.measure: float(c.median[-1]) for c in curves if c.lane == lane.name and len(c.updates)}
    return LaneStatus(
        name=lane.name,
        title=run.settings.lane(lane.name).title,
        parameters=lane.parameters,
        backend=BACKEND_NAMES[lane.backend] if lane.backend else "",
        update=lane.update,
        planned=lane.until,
        per_second=lane.rate or None,
        seconds_left=lane.seconds_left,
        loss=newest.get("held_out"),
        measure=newest.get(task.measure.name),
        learning_rate=lane.learning_rate,
        message=lane.message,
    )


def speed_note(run: TrainingRun) -> str:
    """What a run without compiled kernels means for its speed, in sentences; empty where it has them."""
    chosen = {lane.name: run.settings.lane(lane.name) for lane in run.lanes if lane.backend == "torch"}
    if not any(lane.backend == "auto" and lane.device == "cpu" for lane in chosen.values()):
        return ""
    return (
        "This run trains with torch.nn to its end, since the compiled kernels were not ready when it started. There a "
        "GRU takes longer per update than an LSTM, which has a faster kernel: compare updates, not seconds."
    )
