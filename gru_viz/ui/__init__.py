"""What the pages are made of: the frame, the choices, the instrument. The only room that knows Streamlit."""

from gru_viz.ui.compare_choice import Comparison, choose_comparison
from gru_viz.ui.frame import open_page
from gru_viz.ui.instrument import show_gates
from gru_viz.ui.model_choice import Model, choose_model
from gru_viz.ui.sequence_choice import Chosen, choose_sequences
from gru_viz.ui.training import choose_lanes, choose_sweep, choose_task, show_sweep, show_training

__all__ = [
    "Chosen",
    "Comparison",
    "Model",
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
