"""Page 1, the gate inspector: what a GRU does with a sequence, gate by gate, step by step."""

from gru_viz import ui

ui.open_page("Gates", "What does this GRU keep, and what does it overwrite?")
sequences = ui.choose_sequences()
model = ui.choose_model(sequences)
comparison = ui.choose_comparison(sequences, model)
ui.show_gates(sequences, model, comparison)
