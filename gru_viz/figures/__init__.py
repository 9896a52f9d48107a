"""A trace in, a plotly figure out; the caller shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from gru_viz.figures.draw import draw
from gru_viz.figures.parts import Curve, Panel, View
from gru_viz.figures.training import (
    Reading,
    Snapshots,
    SweepPoint,
    answers_picture,
    film_picture,
    gradient_picture,
    loss_picture,
    measure_picture,
    sweep_picture,
)
from gru_viz.figures.view import compare, inspect
from gru_viz.trace import Trace
from gru_viz.training import Curve as Measured
from gru_viz.training.tasks import Baseline, Measure, Shown

__all__ = [
    "Curve",
    "Panel",
    "Reading",
    "SweepPoint",
    "View",
    "answers",
    "compare",
    "comparison",
    "draw",
    "film",
    "gradient_curves",
    "heatmaps",
    "inspect",
    "loss_curves",
    "measure_curves",
    "sweep",
]


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


def loss_curves(
    curves: Iterable[Measured], baselines: Sequence[Baseline] = (), reading: Reading | None = None
) -> go.Figure:
    """Draw the losses of a run: training, thin and smoothed over what was measured; held-out, with markers.

    Args:
        curves: of the run; those of other measures are left out.
        baselines: what is reached without learning, as dotted lines.
        reading: along what, on what scale, how smooth; see ``Reading``.

    Example:
        >>> import numpy as np
        >>> loss = np.array([[1.0], [0.5], [0.25]])
        >>> figure = loss_curves([Measured("GRU", "train", np.arange(1, 4), np.arange(3.0), loss)])
        >>> [trace.name for trace in figure.data]
        ['GRU, training, as measured', 'GRU, training', 'names']
    """
    return loss_picture(curves, baselines, reading).figure()


def measure_curves(
    curves: Iterable[Measured], measure: Measure, baselines: Sequence[Baseline] = (), reading: Reading | None = None
) -> go.Figure:
    """Draw the task's own measure of every lane, on examples it never saw.

    Example:
        >>> import numpy as np
        >>> accuracy = Measured("GRU", "accuracy", np.arange(3), np.arange(3.0), np.array([[0.5], [0.7], [0.9]]))
        >>> measure_curves([accuracy], Measure("accuracy", "accuracy", "higher")).data[0].name
        'GRU, held-out'
    """
    return measure_picture(curves, measure, baselines, reading).figure()


def gradient_curves(curves: Iterable[Measured], clip: float = 0.0, reading: Reading | None = None) -> go.Figure:
    """Draw the norm of every lane's gradient before clipping, and where it is clipped.

    Example:
        >>> import numpy as np
        >>> norm = Measured("GRU", "gradient", np.arange(3), np.arange(3.0), np.array([[2.0], [1.0], [0.5]]))
        >>> gradient_curves([norm], clip=1.0).layout.shapes[0].y0
        1.0
    """
    return gradient_picture(curves, clip, reading).figure()


def answers(shown: Mapping[str, Shown]) -> go.Figure:
    """Draw what every lane answers over the truth: curves, dots, tables of classes, or rows of symbols.

    Args:
        shown: lane → what it answers to the same held-out examples, as ``Task.shown`` gives it.

    Example:
        >>> import numpy as np
        >>> figure = answers({"GRU": Shown("scatter", np.array([0.0, 1.0]), np.array([0.1, 0.8]))})
        >>> [trace.name for trace in figure.data]
        ['right', 'GRU']
    """
    return answers_picture(shown).figure()


def sweep(points: Iterable[SweepPoint]) -> go.Figure:
    """Draw the final held-out loss of every cell over its size and learning rate.

    Example:
        >>> sweep([SweepPoint("GRU", 8, 0.01, 0, 0.5, "run 1")]).data[0].text[0][0]
        '0.5'
    """
    return sweep_picture(points).figure()


def film(snapshots: Mapping[str, Snapshots], update: int | None = None, order: str = "index") -> go.Figure:
    """Draw every gate and state of every lane as it read the same probe at one snapshot of its training.

    Args:
        snapshots: lane → its snapshots, rising: after how many updates, and the trace of the probe.
        update: show each lane's newest snapshot that is not after it; None: the last.
        order: how units are sorted, by the last snapshot, so that a row is one unit at all of them.

    Example:
        >>> import numpy as np, torch, gru_viz
        >>> trace = gru_viz.trace(torch.nn.GRU(1, 3), np.zeros((9, 1), np.float32))
        >>> [each.name for each in film({"GRU": [(0, trace)]}).data][:2]
        ['GRU, reset gate r', 'GRU, update gate z']
    """
    return film_picture(snapshots, update, order).figure()
