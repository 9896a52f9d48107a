"""Colours and type, chosen once: safe for colour-blind eyes, and fixed by meaning rather than by the data."""

from __future__ import annotations

from plotly.colors import get_colorscale

__all__ = ["CURVES", "DIVERGING", "FONT", "PLAIN", "PREDICTION", "SEQUENTIAL"]

# Cividis (Nuñez, Anderton and Renslow 2018): perceptually uniform, and alike to all kinds of colour vision.
SEQUENTIAL = get_colorscale("Cividis")
"""Gates: dark is 0, bright is 1."""

DIVERGING = [
    [0.0, "#0b3c7d"],
    [0.25, "#5b95cf"],
    [0.5, "#f5f4f0"],
    [0.75, "#eb9a45"],
    [1.0, "#8f3d00"],
]
"""States and differences: blue is negative, pale is 0, orange is positive; equally dark at both ends."""

PLAIN = [[0.0, "#eef0f2"], [1.0, "#33475b"]]
"""One-hot inputs: pale is 0, dark is 1."""

# Okabe and Ito 2008, without the two that are too close to the cursor and to the page.
CURVES = ("#0072b2", "#e69f00", "#009e73", "#56b4e9", "#8c6bb1", "#7f7f7f")
"""Input curves."""

PREDICTION = "#d55e00"
"""The predictions of a network, drawn over its input."""

FONT = "'Source Sans', 'Source Sans Pro', 'DejaVu Sans', sans-serif"
