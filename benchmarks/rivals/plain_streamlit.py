"""The rival: the same four maps as a plain Streamlit page, one ``st.plotly_chart`` each, redrawn on every step.

Tracing is cached and nothing else is done, so that only the way of drawing is compared.
"""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st  # noqa: TID251
import torch

import gru_viz
from benchmarks.data import STEPS, UNITS, csv


@st.cache_resource
def traced(seed: int) -> gru_viz.Trace:
    torch.set_num_threads(1)
    sequences = gru_viz.read_table(csv())
    weights = gru_viz.random_weights("torch", features=len(sequences.features), hidden=UNITS, seed=seed)
    return gru_viz.trace(weights, sequences)


st.set_page_config(layout="wide")
step = st.slider("Step", 1, STEPS, 1)
seed = st.number_input("Seed", 0, 1000, 0)
trace = traced(int(seed))
for name in ("reset", "update", "candidate", "hidden"):
    figure = go.Figure(go.Heatmap(z=getattr(trace, name)[0].T, x0=1, dx=1, showscale=False))
    figure.add_vline(step)
    figure.update_layout(height=170, margin={"l": 40, "r": 10, "t": 30, "b": 20}, title=f"{name} {step} seed {seed}")
    st.plotly_chart(figure, key=name)
