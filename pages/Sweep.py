"""Page 3, the sweep: which size and which learning rate suit which cell."""

from gru_viz import ui

ui.open_page("Sweep", "Does the answer hold for other sizes and learning rates?")
task = ui.choose_task()
sweep = ui.choose_sweep(task)
ui.show_sweep(task, sweep)
