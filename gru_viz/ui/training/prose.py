"""What each lane writes after a beginning of the reader's choice, as it learns to write."""

from __future__ import annotations

import html

import streamlit as st

from gru_viz.training.runs import continuation, learnt
from gru_viz.training.tasks.text import Text
from gru_viz.ui.workshop import store, task_of

__all__ = ["show_prose"]

REFRESH_SECONDS = 2.0
LENGTH = 240


def show_prose(key: str) -> None:
    """Where the task is a text: a beginning, and how every lane goes on from it with what it knows by now."""
    if not isinstance(task_of(key), Text):
        return
    st.subheader("What they write", anchor=False)
    left, right = st.columns([3, 1])
    prefix = left.text_input("After these words", "The fox ", key="prefix", bind="query-params")
    temperature = right.slider(
        "Temperature",
        0.0,
        1.5,
        0.7,
        0.1,
        key="temperature",
        bind="query-params",
        help="0 always takes the likeliest letter; higher is more daring.",
    )
    active = store().run(key).active
    st.fragment(_write, run_every=REFRESH_SECONDS if active else None)(key, prefix, temperature)


def _write(key: str, prefix: str, temperature: float) -> None:
    run = store().run(key)
    for lane, column in zip(run.lanes, st.columns(len(run.lanes)), strict=True):
        written = _continue(key, lane.name, lane.update, prefix, temperature)
        column.html(
            f"<p><strong>{html.escape(lane.name)}</strong>, after {lane.update:,} updates</p>"
            f"<p class='gv-prose'><span>{html.escape(prefix)}</span>{html.escape(written)}</p>"
        )


@st.cache_resource(max_entries=128, show_spinner=False)
def _continue(key: str, lane: str, update: int, prefix: str, temperature: float) -> str:
    task = task_of(key)
    network = learnt(store(), key, lane, task)
    if network is None or not isinstance(task, Text):
        return " …"
    return continuation(network, task, prefix, LENGTH, temperature)
