"""What the server process creates once for training: the store of runs, and the engine that trains them."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from gru_viz.training import Task
    from gru_viz.training.engine import Engine
    from gru_viz.training.runs import Follower, RunStore, TrainingRun

__all__ = ["engine", "follower", "is_training", "refresh_seconds", "store", "task_of"]

TRAINING_SECONDS = 0.5
QUEUE_SECONDS = ((5, 1.0), (10, 2.0))
"""Queued up to this position, a page refreshes this often; from there on every ``LAST_SECONDS``."""
LAST_SECONDS = 4.0


@st.cache_resource(show_spinner=False)
def store() -> RunStore:
    """The store of this server's runs."""
    from gru_viz.training.runs import RunStore

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
    from gru_viz.training.runs import Follower

    return Follower(store(), run_id)


@st.cache_resource(max_entries=32, show_spinner=False)
def task_of(run_id: str) -> Task:
    """The task of a run, built once for everyone who watches it."""
    return store().task(run_id)


def is_training(run: TrainingRun) -> bool:
    """Whether workers train the run now, or are about to; a queued run has nothing new to show but its position."""
    return run.active and engine().queue_position(run.run_id) is None


def refresh_seconds(run: TrainingRun) -> float | None:
    """Seconds between two refreshes of a run's page; None when nothing will change.

    A refresh takes the server some 12 ms. Thirty queued pages that refresh twice a second leave it no time for an
    answer: Streamlit drops the output of a refresh when the next one has begun.
    """
    if not run.active:
        return None
    position = engine().queue_position(run.run_id)
    if position is None:
        return TRAINING_SECONDS
    return next((seconds for last, seconds in QUEUE_SECONDS if position <= last), LAST_SECONDS)
