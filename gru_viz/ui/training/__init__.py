"""Pages 2 and 3: a GRU and an LSTM train side by side; sweeps over sizes and learning rates."""

from gru_viz.ui.training.lane_choice import choose_lanes
from gru_viz.ui.training.sweep_page import choose_sweep, show_sweep
from gru_viz.ui.training.task_choice import choose_task
from gru_viz.ui.training.training_page import show_training

__all__ = ["choose_lanes", "choose_sweep", "choose_task", "show_sweep", "show_training"]
