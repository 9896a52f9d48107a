"""What the server process creates once for training: the store of runs, and the engine that trains them."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

import streamlit as st

from gru_viz.training import Task
from gru_viz.training.runs import Follower, RunStore

if TYPE_CHECKING:
    from gru_viz.training.engine import Engine

__all__ = ["engine", "follower", "store", "task_of"]


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    """The store of this server's runs."""
    return RunStore()


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """The engine of this server; its workers start in the background, so that the first click finds them ready."""
    from gru_viz.training.engine import Engine  # a page that trains nothing does not load it

    created = Engine(store())
    atexit.register(created.close)
    return created


@st.cache_resource(max_entries=64, show_spinner=False)
def follower(run_id: str) -> Follower:
    """One reader of a run's curves, shared by everyone who watches it."""
    return Follower(store(), run_id)


@st.cache_resource(max_entries=32, show_spinner=False)
def task_of(run_id: str) -> Task:
    """The task of a run, built once for everyone who watches it."""
    return store().task(run_id)
