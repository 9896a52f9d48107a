"""The main part of the page: start a run, watch it, read its gates, find the others."""

from __future__ import annotations

import streamlit as st

from gru_viz.errors import GruVizError
from gru_viz.training import Settings
from gru_viz.ui.messages import show_error
from gru_viz.ui.training.controls import offer_start, tell_refusal
from gru_viz.ui.training.film import show_film
from gru_viz.ui.training.prose import show_prose
from gru_viz.ui.training.shelf import offer_runs
from gru_viz.ui.training.task_choice import Assignment, tell_task
from gru_viz.ui.training.watch import watch
from gru_viz.ui.workshop import store

__all__ = ["show_training"]


def show_training(assignment: Assignment | None, settings: Settings | None) -> None:
    """Show the run that the address names, and offer to start another with what was chosen."""
    with st.container(horizontal=True, vertical_alignment="center", key="begin"):
        with st.container(width="stretch"):
            if assignment is not None:
                tell_task(assignment)
        data, name = (assignment.data, assignment.lesson.title) if assignment else (None, "")
        offer_start(settings, data, name)
    tell_refusal("start")
    key = st.query_params.get("run", "")
    with st.container():
        if key:
            try:
                store().run(key)
            except GruVizError as error:
                show_error(error, "Start another, or choose one below.")
                key = ""
    if key:
        watch(key)
        show_prose(key)
        show_film(key)
    elif settings is not None:
        st.caption("Press Start: every lane trains at the same time, and its curves appear here.")
    offer_runs(key)
