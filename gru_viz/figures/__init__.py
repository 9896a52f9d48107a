"""A trace in, a plotly figure out; the caller shows it."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from gru_viz.figures.draw import draw
from gru_viz.figures.view import compare, inspect
from gru_viz.figures.view_parts import InputCurve, Panel, View
from gru_viz.trace import Trace

__all__ = ["InputCurve", "Panel", "View", "compare", "comparison", "draw", "heatmaps", "inspect"]


def heatmaps(trace: Trace, **choices: Any) -> go.Figure:
    """Draw the input and every gate and state of a trace as heatmaps on one axis of steps.

    Args:
        trace: what to draw.
        **choices: which layer, direction, sequence, order and window; see ``inspect``.

    Example:
        >>> import numpy as np, torch, gru_viz
        >>> figure = heatmaps(gru_viz.trace(torch.nn.GRU(1, 3), np.zeros((9, 1), np.float32)), order="peak")
        >>> figure.data[2].name
        'update gate z'
    """
    return draw(inspect(trace, **choices))


def comparison(a: Trace, b: Trace, quantity: str = "hidden", **choices: Any) -> go.Figure:
    """Draw one quantity of two traces, and their difference.

    Args:
        a: the first trace.
        b: the second trace.
        quantity: a quantity that both have.
        **choices: names, layer, direction, sequences, order and window; see ``compare``.

    Example:
        >>> import numpy as np, gru_viz
        >>> w = gru_viz.random_weights("torch", features=1, hidden=3)
        >>> x = np.ones((9, 1), np.float32)
        >>> figure = comparison(gru_viz.trace(w, x), gru_viz.trace(w.read_as("d2l_equation"), x))
        >>> figure.data[-1].name
        'difference'
    """
    choices.setdefault("names", (a.convention.title, b.convention.title))
    return draw(compare(a, b, quantity, **choices))
