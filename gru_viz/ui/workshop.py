"""What the server process needs once for training: the store of runs, and the engine that works on them."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

import streamlit as st

from gru_viz.training import Task
from gru_viz.training.runs import Follower, Store

if TYPE_CHECKING:
    from gru_viz.training.engine import Engine

__all__ = ["engine", "follow", "store", "task_of"]


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """Where this server's runs are kept."""
    return Store()


@st.cache_resource(show_spinner=False)
def engine() -> Engine:
    """The engine of this server; its workers come up in the background, so that the first click finds them ready."""
    from gru_viz.training.engine import Engine  # a page that trains nothing does not load it

    made = Engine(store())
    atexit.register(made.close)
    return made


@st.cache_resource(max_entries=64, show_spinner=False)
def follow(key: str) -> Follower:
    """One reader of a run's curves for everyone who watches it."""
    return Follower(store(), key)


@st.cache_resource(max_entries=32, show_spinner=False)
def task_of(key: str) -> Task:
    """The task of a run, built once for everyone who watches it."""
    return store().task(key)
