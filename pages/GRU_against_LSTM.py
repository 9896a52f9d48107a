"""Page 2, the comparison: a GRU and an LSTM learn the same task, side by side, under equal conditions."""

from gru_viz import ui

ui.open_page("Training", "Which learns it better, a GRU or an LSTM?")
task = ui.choose_task()
settings = ui.choose_lanes(task)
ui.show_training(task, settings)
