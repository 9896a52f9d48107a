"""What the server process creates once for training: the store of runs, and the engine that trains them."""

from __future__ import annotations

import atexit
import secrets
import threading
import time
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from gru_viz.training import Task
    from gru_viz.training.engine import Engine
    from gru_viz.training.runs import Follower, RunStore, TrainingRun

__all__ = [
    "Viewers",
    "engine",
    "follower",
    "is_training",
    "queue_position",
    "refresh_seconds",
    "store",
    "task_of",
    "training_seconds",
    "viewers",
]

TRAINING_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between two refreshes of a run that trains: the first that leaves ``REFRESHES`` or fewer a second."""

REFRESHES = 16.0
"""How many refreshes a second all viewers of a run ask for at most; one takes the server some 6 ms."""

PRESENT_SECONDS = 10.0
"""A page that has not been refreshed for so long is closed."""

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


class Viewers:
    """Who looks at which run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, dict[str, float]] = {}

    def count(self, run_id: str, viewer: str) -> int:
        """Note that someone looks at a run; return how many do."""
        now = time.monotonic()
        with self._lock:
            seen = self._seen.setdefault(run_id, {})
            seen[viewer] = now
            for run, others in list(self._seen.items()):
                self._seen[run] = {each: when for each, when in others.items() if now - when <= PRESENT_SECONDS}
                if not self._seen[run]:
                    del self._seen[run]
            return len(self._seen[run_id])


@st.cache_resource(show_spinner=False)
def viewers() -> Viewers:
    """Who looks at which run of this server."""
    return Viewers()


def queue_position(run: TrainingRun) -> int | None:
    """The position in the queue of a run that waits for others; None for one that trains, or begins in a moment."""
    position, state = engine().queue_position(run.run_id), engine().state
    if position == 1 and state.ready and (not state.running or state.running + len(run.lanes) <= state.slots):
        return None
    return position


def is_training(run: TrainingRun) -> bool:
    """Whether workers train the run now, or are about to; a queued run has nothing new to show but its position."""
    return run.active and queue_position(run) is None


def training_seconds(looking: int) -> float:
    """Seconds between two refreshes of a run that trains, while so many look at it."""
    return next((seconds for seconds in TRAINING_SECONDS if looking / seconds <= REFRESHES), TRAINING_SECONDS[-1])


def refresh_seconds(run: TrainingRun) -> float | None:
    """Seconds between two refreshes of a run's page; None when nothing will change.

    Thirty pages that refresh twice a second leave the server no time for an answer: Streamlit drops the output of a
    refresh when the next one has begun.
    """
    if not run.active:
        return None
    position = queue_position(run)
    if position is None:
        viewer = st.session_state.setdefault("viewer", secrets.token_hex(8))
        return training_seconds(viewers().count(run.run_id, viewer))
    return next((seconds for last, seconds in QUEUE_SECONDS if position <= last), LAST_SECONDS)
