"""The page on which a GRU and an LSTM learn side by side."""

from gru_viz.ui.training.lane_choice import choose_lanes
from gru_viz.ui.training.show import show_training
from gru_viz.ui.training.sweep import choose_sweep, show_sweep
from gru_viz.ui.training.task_choice import choose_task

__all__ = ["choose_lanes", "choose_sweep", "choose_task", "show_sweep", "show_training"]
