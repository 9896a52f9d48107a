"""The main part of page 2: start a run, watch it, read its gates, find the others."""

from __future__ import annotations

import streamlit as st

from gru_viz.training import Settings
from gru_viz.ui.messages import showing_errors
from gru_viz.ui.resources import store
from gru_viz.ui.training.generated_text import show_generated_text
from gru_viz.ui.training.run_controls import offer_start, show_refusal
from gru_viz.ui.training.run_list import show_run_list
from gru_viz.ui.training.run_view import show_run
from gru_viz.ui.training.snapshots import show_snapshots
from gru_viz.ui.training.task_choice import TaskChoice, show_task

__all__ = ["show_training"]


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
        show_run(run_id)
        show_generated_text(run_id)
        show_snapshots(run_id)
    elif settings is not None:
        st.caption("Press Start: all models train at the same time, and their curves appear here.")
    show_run_list(run_id if known else "")
