"""Start, pause, resume, stop, change the learning rate, train longer."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from gru_viz.errors import GruVizError
from gru_viz.training import Settings
from gru_viz.training.runs import TrainingRun
from gru_viz.training.settings import LIMITS
from gru_viz.ui.messages import show_error
from gru_viz.ui.resources import engine, store

__all__ = ["attempt", "offer_controls", "offer_start", "show_refusal"]

REFUSED = "refused_action"
SECONDS_TO_READ = 20.0


def attempt(place: str, action: Callable[[], object]) -> None:
    """Run an action; if it raises, ``show_refusal`` shows the error at the same place."""
    st.session_state.pop(REFUSED, None)
    try:
        action()
    except GruVizError as error:
        st.session_state[REFUSED] = (place, error, time.monotonic())


def show_refusal(place: str) -> None:
    """Show why the last click failed; long enough to be read where the page refreshes itself."""
    refused, error, when = st.session_state.get(REFUSED, ("", None, 0.0))
    with st.container():  # always there, so that what follows keeps its place
        if refused == place and time.monotonic() - when < SECONDS_TO_READ:
            show_error(error, "Nothing was changed.")


def _start(settings: Settings, data: object, name: str) -> None:
    def begin() -> None:
        run_id = store().create(settings, data, name)
        try:
            engine().start(run_id)
        except GruVizError:
            store().delete(run_id)
            raise
        st.query_params["run"] = run_id

    attempt("start", begin)


def offer_start(settings: Settings | None, data: object, name: str) -> None:
    """The button that starts a new run with the settings in the sidebar."""
    st.button(
        "Start",
        key="start",
        type="primary",
        icon=":material/play_arrow:",
        disabled=settings is None,
        on_click=_start,
        args=(settings, data, name),
        help="Trains all models with the settings on the left. Running trainings continue.",
    )


def offer_controls(run: TrainingRun) -> None:
    """The actions that the run's status allows."""
    if run.active:
        _button("Pause", "pause", lambda: engine().pause(run.run_id), disabled=run.status == "queued")
        _button("Stop", "stop", lambda: engine().stop(run.run_id))
    elif run.status in ("paused", "stopped", "interrupted", "failed"):
        _button("Resume", "resume", lambda: engine().start(run.run_id))
    else:
        until = max(lane.until for lane in run.lanes)
        more = min(run.settings.updates, LIMITS.updates - until)
        if more > 0 and run.status == "finished":
            _button(f"Train {more:,} more updates", "longer", lambda: engine().extend(run.run_id, until + more))
    if run.status != "diverged":
        with st.popover("Learning rate"):
            _ask_rates(run)


def _button(label: str, key: str, action: Callable[[], object], *, disabled: bool = False) -> None:
    st.button(label, key=key, on_click=attempt, args=("run", action), disabled=disabled)


def _ask_rates(run: TrainingRun) -> None:
    """A new learning rate for each lane, saved with the run."""
    for lane in run.lanes:
        key = f"rate_now_{run.run_id}_{lane.name}"

        def change(name: str = lane.name, key: str = key) -> None:
            attempt("run", lambda: engine().change_rate(run.run_id, name, st.session_state[key]))

        base = run.settings.lane(lane.name).learning_rate
        st.number_input(lane.name, 1e-7, 10.0, base, step=0.001, format="%.4g", key=key, on_change=change)
    st.caption("Takes effect at the next update; the schedule scales it.")
