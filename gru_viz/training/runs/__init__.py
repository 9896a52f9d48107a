"""Runs on disk: settings, measured points, snapshots of the weights, and checkpoints to resume from."""

from gru_viz.training.runs.follower import Follower
from gru_viz.training.runs.run_store import RunStore, runs_folder
from gru_viz.training.runs.trained_model import continuation, predict_examples, probe_sequences, trained_network
from gru_viz.training.runs.training_run import ACTIVE, LaneState, Status, TrainingRun

__all__ = [
    "ACTIVE",
    "Follower",
    "LaneState",
    "RunStore",
    "Status",
    "TrainingRun",
    "continuation",
    "predict_examples",
    "probe_sequences",
    "runs_folder",
    "trained_network",
]
