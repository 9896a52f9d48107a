"""The building blocks of the pages: choices, views, downloads. The only package that imports Streamlit."""

from gru_viz.ui.frame import open_page
from gru_viz.ui.inspector_page import show_gates
from gru_viz.ui.model_choice import ModelChoice, choose_model
from gru_viz.ui.sequence_choice import SequenceChoice, choose_sequences
from gru_viz.ui.training import choose_lanes, choose_sweep, choose_task, show_sweep, show_training
from gru_viz.ui.view_choice import ComparisonChoice, choose_comparison

__all__ = [
    "ComparisonChoice",
    "ModelChoice",
    "SequenceChoice",
    "choose_comparison",
    "choose_lanes",
    "choose_model",
    "choose_sequences",
    "choose_sweep",
    "choose_task",
    "open_page",
    "show_gates",
    "show_sweep",
    "show_training",
]
