"""A run while it trains, and after: how far it is, its curves, its answers, and what can be said of it."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from gru_viz.figures.live import ASSETS, LaneStatus, pack
from gru_viz.training import Curve, Diverged, RateChange, Shown, Task
from gru_viz.training.figures import (
    AXES,
    PlotOptions,
    gradient_picture,
    loss_picture,
    measure_picture,
    predictions_picture,
)
from gru_viz.training.runs import LaneState, Run, answers_of, learnt
from gru_viz.training.verdict import verdict
from gru_viz.ui.messages import plain
from gru_viz.ui.training.controls import offer_controls, tell_refusal
from gru_viz.ui.widgets import pick
from gru_viz.ui.workshop import engine, follow, store, task_of

__all__ = ["watch"]

REFRESH_SECONDS = 0.5
WAYS = {"": "", "compiled": "compiled kernel", "torch": "torch.nn", "scratch": "step by step"}

_live = st.components.v2.component(
    "gru_viz.live", html=ASSETS["html"], css=ASSETS["css"], js=ASSETS["js"], isolate_styles=False
)


def watch(key: str) -> None:
    """Show a run; while it is under way, twice a second what is new."""
    active = store().run(key).active
    st.fragment(_watch, run_every=REFRESH_SECONDS if active else None)(key, active)


def _watch(key: str, active: bool) -> None:
    run = store().run(key)
    if run.active != active:
        st.rerun()  # starts the refreshing, or ends it
    task, curves = task_of(key), follow(key).curves()
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        st.markdown(_standing(run), width="stretch")
        with st.popover("Charts"):
            reading = _ask_reading(run, task, curves)
        offer_controls(run)
    tell_refusal("run")
    with st.container():
        if not active and curves:
            _tell_verdict(run, task, curves)
    pictures = [
        loss_picture(curves, task.baselines, reading),
        measure_picture(curves, task.measure, task.baselines, reading),
        predictions_picture(_answers(run, task), [lane.name for lane in run.lanes]),
        gradient_picture(curves, run.settings.lanes[0].clip, reading),
    ]
    strip = [_status(run, lane, task, curves) for lane in run.lanes]
    _live(data=pack(pictures, strip, task.measure.name.replace("_", " ")), key="live", on_picked_change=lambda: None)


def _tell_verdict(run: Run, task: Task, curves: list[Curve]) -> None:
    """Which lane is ahead, if the seeds can tell; and what the comparison leaves open."""
    lost = {lane.name: Diverged(lane.update + 1, (), "loss") for lane in run.lanes if lane.status == "diverged"}
    first, *more = verdict(curves, task, [lane.name for lane in run.lanes], lost).sentences
    said, bracket, how = first.partition(" (")
    label = f"**{plain(said)}**" + (f" ({plain(how)}" if bracket else "")
    with st.expander(label):
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in more))


def _standing(run: Run) -> str:
    """How the run stands, in one line."""
    place, state = engine().place(run.id), engine().state
    if place is not None:
        if not state.ready:
            return f"**Waiting.** {plain(state.message)}"
        ahead = "next in line" if place == 1 else f"number {place} in line"
        return f"**Waiting, {ahead}.** {state.running} of {state.slots} places are training."
    named = {
        "running": "Training",
        "queued": "Starting",
        "interrupted": "Interrupted",
        "failed": "Failed",
        "paused": "Paused",
        "stopped": "Stopped",
        "diverged": "Diverged",
        "finished": "Finished",
    }
    return f"**{named[run.status]}.** {plain(run.name)}"


def _ask_reading(run: Run, task: Task, curves: list[Curve]) -> PlotOptions:
    """How the curves are drawn."""
    axis = pick("Along", "axis", dict(AXES))
    if axis == "seconds" and any(lane.way == "torch" for lane in run.lanes):
        st.caption(
            "On a CPU torch hands an LSTM to oneDNN and has nothing like it for a GRU, so its GRU takes longer for the "
            "same work. For equal terms switch oneDNN off, or let the compiled kernel run both."
        )
    log = st.toggle("Logarithmic losses", value=True, key="log", bind="query-params")
    smoothing = st.slider("Smoothing of the training loss", 0.0, 0.99, 0.9, key="smoothing", bind="query-params")
    events = {lane.name: _events(run, lane, curves) for lane in run.lanes}
    tokens = run.settings.batch * task.tokens
    lanes = [lane.name for lane in run.lanes]
    return PlotOptions(lanes, cast(Any, axis), tokens, log, smoothing, events)


def _events(run: Run, lane: LaneState, curves: list[Curve]) -> list[RateChange | Diverged]:
    events: list[RateChange | Diverged] = list(store().changes(run.id, lane.name))
    if lane.status == "diverged":
        events.append(Diverged(lane.update, (), "loss"))
    return events


def _answers(run: Run, task: Task) -> dict[str, Shown]:
    """What each lane's first model says now, beside the truth."""
    newest = {lane.name: store().newest(run.id, lane.name) for lane in run.lanes}
    said = {name: _answer(run.id, name, update, task) for name, update in newest.items()}
    return {name: shown for name, shown in said.items() if shown is not None}


@st.cache_resource(max_entries=64, show_spinner=False)
def _answer(key: str, lane: str, update: int | None, _task: Task) -> Shown | None:
    network = learnt(store(), key, lane, _task)
    return None if network is None else answers_of(network, _task)


def _status(run: Run, lane: LaneState, task: Task, curves: list[Curve]) -> LaneStatus:
    newest = {c.measure: float(c.median[-1]) for c in curves if c.lane == lane.name and len(c.updates)}
    return LaneStatus(
        name=lane.name,
        title=run.settings.lane(lane.name).title,
        parameters=lane.parameters,
        backend=WAYS[lane.way],
        update=lane.update,
        planned=lane.until,
        per_second=lane.rate or None,
        seconds_left=lane.seconds_left,
        loss=newest.get("held_out"),
        measure=newest.get(task.measure.name),
        learning_rate=lane.learning_rate,
        message=lane.message,
    )
