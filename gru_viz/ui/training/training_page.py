"""The main part of page 2: start a run, watch it, read its curves, predictions, verdict and gates, find the others."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from gru_viz.browser import CHARTS
from gru_viz.training import Curve, Diverged, Predictions, RateChange, Settings, Task
from gru_viz.training.figures import (
    AXES,
    LaneStatus,
    PlotOptions,
    gradient_picture,
    loss_picture,
    measure_picture,
    pack_charts,
    predictions_picture,
)
from gru_viz.training.runs import LaneState, TrainingRun, predict_examples, trained_network
from gru_viz.training.verdict import verdict
from gru_viz.ui.messages import plain, showing_errors
from gru_viz.ui.resources import engine, follower, refresh_seconds, store, task_of
from gru_viz.ui.training.generated_text import show_generated_text
from gru_viz.ui.training.lane_choice import BACKEND_NAMES
from gru_viz.ui.training.run_controls import offer_controls, offer_start, show_refusal
from gru_viz.ui.training.run_list import show_run_list
from gru_viz.ui.training.snapshots import show_snapshots
from gru_viz.ui.training.task_choice import TaskChoice, show_task
from gru_viz.ui.widgets import mount, pick

__all__ = ["show_training"]

STATUSES = {
    "running": "Training",
    "queued": "Starting",
    "interrupted": "Interrupted",
    "failed": "Failed",
    "paused": "Paused",
    "stopped": "Stopped",
    "diverged": "Diverged",
    "finished": "Finished",
}

_charts = mount("charts", CHARTS)


def show_training(task: TaskChoice | None, settings: Settings | None) -> None:
    """Show the run in the address, and offer to start another with what was chosen."""
    with st.container(horizontal=True, vertical_alignment="center", key="begin"):
        with st.container(width="stretch"):
            if task is not None:
                show_task(task)
        data, name = (task.data, task.lesson.title) if task else (None, "")
        offer_start(settings, data, name)
    show_refusal("start")
    run_id = st.query_params.get("run", "")
    known = False
    with showing_errors("Start another, or choose one below."):
        known = bool(run_id and store().run(run_id))
    if known:
        seconds = refresh_seconds(store().run(run_id))
        st.fragment(_show_run, run_every=seconds)(run_id, seconds)
        show_generated_text(run_id)
        show_snapshots(run_id)
    elif settings is not None:
        st.caption("Press Start: all models train at the same time, and their curves appear here.")
    show_run_list(run_id if known else "")


def _show_run(run_id: str, seconds: float | None) -> None:
    """The run's curves and controls; while it trains, refreshed twice a second."""
    run = store().run(run_id)
    if refresh_seconds(run) != seconds:
        st.rerun()  # refreshes more often, or no longer
    task, curves = task_of(run_id), follower(run_id).curves()
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        st.markdown(_status(run), width="stretch")
        with st.popover("Chart options"):
            options = _ask_plot_options(run, task, curves)
        offer_controls(run)
    show_refusal("run")
    with st.container():
        if not run.active and curves:
            _show_verdict(run, task, curves)
    pictures = [
        loss_picture(curves, task.baselines, options),
        measure_picture(curves, task.measure, task.baselines, options),
        predictions_picture(_predictions(run, task), [lane.name for lane in run.lanes]),
        gradient_picture(curves, run.settings.lanes[0].clip, options),
    ]
    strip = [_lane_status(run, lane, task, curves) for lane in run.lanes]
    _charts(
        data=pack_charts(pictures, strip, task.measure.name.replace("_", " ")),
        key="charts",
        on_picked_change=lambda: None,
    )


def _show_verdict(run: TrainingRun, task: Task, curves: list[Curve]) -> None:
    """Which lane is ahead, if the seeds can tell; and what the comparison leaves open."""
    lost = {lane.name: Diverged(lane.update + 1, (), "loss") for lane in run.lanes if lane.status == "diverged"}
    first, *more = verdict(curves, task, [lane.name for lane in run.lanes], lost).sentences
    result, bracket, basis = first.partition(" (")
    with st.expander(f"**{plain(result)}**" + (f" ({plain(basis)}" if bracket else "")):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in more))


def _status(run: TrainingRun) -> str:
    """The run's status in one line."""
    place, state = engine().queue_position(run.run_id), engine().state
    if place is None:
        return f"**{STATUSES[run.status]}.** {plain(run.name)}"
    position = "first in line" if place == 1 else f"number {place} in line"
    if not state.ready:
        return f"**Queued, {position}.** {plain(state.message)}"
    if not state.running:
        return f"**Queued, {position}.** Starting workers …"
    return f"**Queued, {position}.** {state.running} of {state.slots} workers are training."


def _ask_plot_options(run: TrainingRun, task: Task, curves: list[Curve]) -> PlotOptions:
    """How the curves are drawn."""
    axis = pick("Horizontal axis", "axis", dict(AXES))
    if axis == "seconds" and any(lane.backend == "torch" for lane in run.lanes):
        st.caption(
            "On a CPU, torch runs an LSTM with oneDNN but has no such kernel for a GRU, so its GRU is slower. To "
            "compare seconds, switch oneDNN off or use the compiled backend for both."
        )
    log = st.toggle("Log scale for losses", value=True, key="log", bind="query-params")
    smoothing = st.slider("Training-loss smoothing", 0.0, 0.99, 0.9, key="smoothing", bind="query-params")
    events = {lane.name: _events(run, lane) for lane in run.lanes}
    tokens = run.settings.batch * task.tokens
    return PlotOptions([lane.name for lane in run.lanes], cast(Any, axis), tokens, log, smoothing, events)


def _events(run: TrainingRun, lane: LaneState) -> list[RateChange | Diverged]:
    events: list[RateChange | Diverged] = list(store().rate_changes(run.run_id, lane.name))
    if lane.status == "diverged":
        events.append(Diverged(lane.update, (), "loss"))
    return events


def _predictions(run: TrainingRun, task: Task) -> dict[str, Predictions]:
    """The newest predictions of each lane's first seed, with the targets."""
    newest = {lane.name: store().newest_update(run.run_id, lane.name) for lane in run.lanes}
    found = {name: _predict(run.run_id, name, update, task) for name, update in newest.items()}
    return {name: each for name, each in found.items() if each is not None}


@st.cache_resource(max_entries=64, show_spinner=False)
def _predict(run_id: str, lane: str, update: int | None, _task: Task) -> Predictions | None:
    network = trained_network(store(), run_id, lane, _task)
    return None if network is None else predict_examples(network, _task)


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
