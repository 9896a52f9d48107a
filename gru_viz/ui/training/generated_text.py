"""The text that each lane generates from a prompt while it learns."""

from __future__ import annotations

import html

import streamlit as st

from gru_viz.training.runs import continuation, trained_network
from gru_viz.training.tasks.text_task import Text
from gru_viz.ui.resources import is_training, store, task_of

__all__ = ["show_generated_text"]

REFRESH_SECONDS = 2.0
LENGTH = 240


def show_generated_text(run_id: str) -> None:
    """Where the task is a text: ask for a prompt, and show how every lane continues it."""
    if not isinstance(task_of(run_id), Text):
        return
    st.subheader("Generated text", anchor=False)
    left, right = st.columns([3, 1])
    prompt = left.text_input("Prompt", "The fox ", key="prefix", bind="query-params")
    temperature = right.slider(
        "Temperature",
        0.0,
        1.5,
        0.7,
        0.1,
        key="temperature",
        bind="query-params",
        help="0 always picks the most likely character; higher values add randomness.",
    )
    seconds = REFRESH_SECONDS if is_training(store().run(run_id)) else None
    st.fragment(_show, run_every=seconds)(run_id, prompt, temperature)


def _show(run_id: str, prompt: str, temperature: float) -> None:
    run = store().run(run_id)
    for lane, column in zip(run.lanes, st.columns(len(run.lanes)), strict=True):
        generated = _generate(run_id, lane.name, lane.update, prompt, temperature)
        column.html(
            f"<p><strong>{html.escape(lane.name)}</strong>, after {lane.update:,} updates</p>"
            f"<p class='gv-prose'><span>{html.escape(prompt)}</span>{html.escape(generated)}</p>"
        )


@st.cache_resource(max_entries=128, show_spinner=False)
def _generate(run_id: str, lane: str, update: int, prompt: str, temperature: float) -> str:
    task = task_of(run_id)
    assert isinstance(task, Text)
    return continuation(trained_network(store(), run_id, lane, task), task, prompt, LENGTH, temperature)
