"""How the outputs of a linear layer on top of a network are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gru_viz.figures import InputCurve, Panel, View
from gru_viz.formats import Head

__all__ = ["draw_outputs"]

MOST_CURVES = 6
SHARES = ("softmax", "sigmoid")


def draw_outputs(view: View, head: Head, outputs: np.ndarray) -> View:
    """Add a head's outputs, (time, outputs), to a view: a few as curves over the input, many or shares as a heatmap."""
    name = head.name or "head"
    if view.curves and head.activation not in SHARES and outputs.shape[1] <= MOST_CURVES:
        numbers = [f" {j + 1}" for j in range(outputs.shape[1])] if outputs.shape[1] > 1 else [""]
        lines = [
            InputCurve(f"output of {name}{number}", outputs[:, j], outputs[:, j], colour=None, dashed=True)
            for j, number in enumerate(numbers)
        ]
        return replace(view, curves=(*view.curves, *lines))
    shares = head.activation in SHARES
    largest = float(np.nanmax(np.abs(outputs), initial=0.0, where=np.isfinite(outputs)))
    bound = 1.0 if shares else max(1.0, float(np.ceil(largest)))
    panel = Panel(
        key="output",
        title=f"output of {name}",
        meaning=head.activation or "a row for each output",
        values=outputs.T,
        rows=tuple(str(j + 1) for j in range(outputs.shape[1])),
        row_kind="output",
        colours="sequential" if shares else "diverging",
        low=0.0 if shares else -bound,
        high=bound,
        low_means="0" if shares else f"−{bound:g}",
        high_means=f"{bound:g}",
    )
    return replace(view, panels=(*view.panels, panel))
