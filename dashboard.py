"""Page 1, the gate inspector: what a GRU does with a sequence, gate by gate, step by step.

Streamlit imports this file once to serve the pages, and runs it as ``__main__`` at every visit and choice.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from gru_viz import ui

if __name__ == "__main__":
    ui.open_page("Gates", "What does this GRU keep, and what does it overwrite?")
    sequences = ui.choose_sequences()
    model = ui.choose_model(sequences)
    comparison = ui.choose_comparison(sequences, model)
    ui.show_gates(sequences, model, comparison)
else:
    static = Path(__file__).parent / "static"
    app = st.App(__file__, lifespan=ui.lifespan, middleware=[Middleware(ui.QuickPage, static=static)])
