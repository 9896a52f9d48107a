"""Page 3, the sweep: which size and which learning rate suit which model."""

from gru_viz import ui

ui.open_page("Sweep", "Does the result hold for other sizes and learning rates?")
task = ui.choose_task()
sweep = ui.choose_sweep(task)
ui.show_sweep(task, sweep)
