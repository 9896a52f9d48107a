"""The main part of page 2: start a run, watch it, read its curves, predictions, verdict and gates, find the others."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from gru_viz.browser import CHARTS
from gru_viz.training import Curve, Diverged, Settings, Task
from gru_viz.training.figures import AXES, PlotOptions, pack_charts
from gru_viz.training.runs import TrainingRun
from gru_viz.training.verdict import verdict
from gru_viz.ui.messages import plain, showing_errors
from gru_viz.ui.resources import engine, follower, queue_position, refresh_seconds, store, task_of
from gru_viz.ui.training.generated_text import show_generated_text
from gru_viz.ui.training.run_charts import packed_charts, speed_note, wait_for_first_points
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
        _charts(data=pack_charts([]), key="no_charts", on_picked_change=lambda: None)  # the browser loads plotly now
    show_run_list(run_id if known else "")


def _show_run(run_id: str, seconds: float | None) -> None:
    """The run's curves and controls; while it trains, refreshed twice a second."""
    run = store().run(run_id)
    if refresh_seconds(run) != seconds:
        st.rerun()  # refreshes more often, less often, or no longer
    task = task_of(run_id)
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        st.markdown(_status(run), width="stretch")
        with st.popover("Chart options"):
            options = _ask_plot_options(run, task)
        offer_controls(run)
    show_refusal("run")
    with st.container():
        if note := speed_note(run):
            st.caption(note)
        if not run.active and (curves := follower(run_id).curves()):
            _show_verdict(run, task, curves)
    run = wait_for_first_points(run)
    _charts(data=packed_charts(run, options), key="charts", on_picked_change=lambda: None)


def _show_verdict(run: TrainingRun, task: Task, curves: list[Curve]) -> None:
    """Which lane is ahead, if the seeds can tell; and what the comparison leaves open."""
    lost = {lane.name: Diverged(lane.update + 1, (), "loss") for lane in run.lanes if lane.status == "diverged"}
    first, *more = verdict(curves, task, [lane.name for lane in run.lanes], lost).sentences
    result, bracket, basis = first.partition(" (")
    with st.expander(f"**{plain(result)}**" + (f" ({plain(basis)}" if bracket else "")):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in more))


def _status(run: TrainingRun) -> str:
    """The run's status in one line."""
    place, state = queue_position(run), engine().state
    if place is None:
        return f"**{STATUSES[run.status]}.** {plain(run.name)}"
    position = "first in line" if place == 1 else f"number {place} in line"
    if not state.ready:
        return f"**Queued, {position}.** {plain(state.message)}"
    if not state.running:
        return f"**Queued, {position}.** Starting workers …"
    return f"**Queued, {position}.** {state.running} of {state.slots} workers are training."


def _ask_plot_options(run: TrainingRun, task: Task) -> PlotOptions:
    """How the curves are drawn."""
    axis = pick("Horizontal axis", "axis", dict(AXES))
    if axis == "seconds" and any(lane.backend == "torch" for lane in run.lanes):
        st.caption(
            "On a CPU, torch runs an LSTM with oneDNN but has no such kernel for a GRU, so its GRU is slower. To "
            "compare seconds, switch oneDNN off or use the compiled backend for both."
        )
    log = st.toggle("Log scale for losses", value=True, key="log", bind="query-params")
    smoothing = st.slider("Training-loss smoothing", 0.0, 0.99, 0.9, key="smoothing", bind="query-params")
    tokens = run.settings.batch * task.tokens
    return PlotOptions([lane.name for lane in run.lanes], cast(Any, axis), tokens, log, smoothing)
