"""Runs on disk: what was asked, what was measured, weights on the way, and how to go on."""

from gru_viz.training.runs.follower import Follower
from gru_viz.training.runs.learnt import answers_of, continuation, learnt, probe_of
from gru_viz.training.runs.run import ACTIVE, LaneState, Run, Status
from gru_viz.training.runs.store import Store, home

__all__ = [
    "ACTIVE",
    "Follower",
    "LaneState",
    "Run",
    "Status",
    "Store",
    "answers_of",
    "continuation",
    "home",
    "learnt",
    "probe_of",
]
