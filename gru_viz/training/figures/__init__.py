"""Charts of a training: losses, predictions, gates at each snapshot, and a sweep.

Functions that end in ``_picture`` return plain plotly data, which is fast and what the page sends; the others return
plotly figures for a notebook.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go

from gru_viz.training.curves import Curve
from gru_viz.training.figures.charts_payload import LaneStatus, pack_charts
from gru_viz.training.figures.line_charts import AXES, PlotOptions, gradient_picture, loss_picture, measure_picture
from gru_viz.training.figures.prediction_charts import predictions_picture
from gru_viz.training.figures.snapshot_maps import Snapshots, gather_maps, pack_snapshots, snapshots_picture
from gru_viz.training.figures.sweep_map import sweep_picture
from gru_viz.training.sweep import SweepPoint
from gru_viz.training.tasks import Baseline, Measure, Predictions

__all__ = [
    "AXES",
    "LaneStatus",
    "PlotOptions",
    "Snapshots",
    "gather_maps",
    "gradient_curves",
    "gradient_picture",
    "loss_curves",
    "loss_picture",
    "measure_curves",
    "measure_picture",
    "pack_charts",
    "pack_snapshots",
    "predictions",
    "predictions_picture",
    "snapshots",
    "snapshots_picture",
    "sweep",
    "sweep_picture",
]


def loss_curves(
    curves: Iterable[Curve], baselines: Sequence[Baseline] = (), options: PlotOptions | None = None
) -> go.Figure:
    """Draw the losses of a run: training thin and smoothed, held-out with markers.

    Args:
        curves: of the run; other measures are ignored.
        baselines: drawn as dotted lines.
        options: the axis, its scale, and smoothing.

    Example:
        >>> import numpy as np
        >>> loss = np.array([[1.0], [0.5], [0.25]])
        >>> figure = loss_curves([Curve("GRU", "train", np.arange(1, 4), np.arange(3.0), loss)])
        >>> [trace.name for trace in figure.data]
        ['GRU, training, as measured', 'GRU, training', 'names']
    """
    return loss_picture(curves, baselines, options).figure()


def measure_curves(
    curves: Iterable[Curve], measure: Measure, baselines: Sequence[Baseline] = (), options: PlotOptions | None = None
) -> go.Figure:
    """Draw the task's own measure of every lane on the held-out examples.

    Example:
        >>> import numpy as np
        >>> accuracy = Curve("GRU", "accuracy", np.arange(3), np.arange(3.0), np.array([[0.5], [0.7], [0.9]]))
        >>> measure_curves([accuracy], Measure("accuracy", "accuracy", "higher")).data[0].name
        'GRU, held-out'
    """
    return measure_picture(curves, measure, baselines, options).figure()


def gradient_curves(curves: Iterable[Curve], clip: float = 0.0, options: PlotOptions | None = None) -> go.Figure:
    """Draw the gradient norm of every lane before clipping, and the clipping threshold.

    Example:
        >>> import numpy as np
        >>> norm = Curve("GRU", "gradient", np.arange(3), np.arange(3.0), np.array([[2.0], [1.0], [0.5]]))
        >>> gradient_curves([norm], clip=1.0).layout.shapes[0].y0
        1.0
    """
    return gradient_picture(curves, clip, options).figure()


def predictions(by_lane: Mapping[str, Predictions]) -> go.Figure:
    """Draw every lane's predictions beside the ground truth: lines, dots, confusion matrices, or rows of symbols.

    Args:
        by_lane: lane → its predictions for the same held-out examples, from ``Task.predictions``.

    Example:
        >>> import numpy as np
        >>> figure = predictions({"GRU": Predictions("scatter", np.array([0.0, 1.0]), np.array([0.1, 0.8]))})
        >>> [trace.name for trace in figure.data]
        ['predicted = actual', 'GRU']
    """
    return predictions_picture(by_lane).figure()


def sweep(points: Iterable[SweepPoint]) -> go.Figure:
    """Draw the final held-out loss of every cell over its size and learning rate.

    Example:
        >>> sweep([SweepPoint("GRU", 8, 0.01, 0, 0.5, "run 1")]).data[0].text[0][0]
        '0.5'
    """
    return sweep_picture(points).figure()


def snapshots(by_lane: Mapping[str, Snapshots], update: int | None = None, order: str = "index") -> go.Figure:
    """Draw every gate and state of every lane on the same probe, at one snapshot of its training.

    Args:
        by_lane: lane → its snapshots, by rising update.
        update: draw each lane's newest snapshot up to this update; None: the last.
        order: how units are sorted at the last snapshot; a name in ``analysis.ORDERS``.

    Example:
        >>> import numpy as np, torch, gru_viz
        >>> trace = gru_viz.trace(torch.nn.GRU(1, 3), np.zeros((9, 1), np.float32))
        >>> [each.name for each in snapshots({"GRU": [(0, trace)]}).data][:2]
        ['GRU, reset gate r', 'GRU, update gate z']
    """
    return snapshots_picture(by_lane, update, order).figure()
