"""A whole comparison in this process, for a notebook."""

from __future__ import annotations

from typing import Any

from gru_viz.training.curves import Curve
from gru_viz.training.settings import Settings
from gru_viz.training.tasks import make_task
from gru_viz.training.trainer import Trainer
from gru_viz.training.training_records import Point

__all__ = ["train"]


def train(settings: Settings, data: Any = None) -> list[Curve]:
    """Train every lane, one after the other.

    To follow a training, save its weights or resume it, iterate over a ``Trainer`` instead.

    Args:
        settings: task, lanes and length.
        data: the user's data, of the kind that the task needs.

    Returns:
        A curve per lane and measure; a lane that diverges has shorter ones.

    Raises:
        TrainingError: the settings or the data do not make a training.

    Example:
        >>> curves = train(Settings("adding", {"length": 5}, updates=3))
        >>> [(curve.lane, curve.values.shape) for curve in curves if curve.measure == "train"]
        [('GRU', (3, 1)), ('LSTM', (3, 1))]
    """
    task, curves = make_task(settings, data), []
    for lane in settings.lanes:
        points = [record for record in Trainer(task, settings, lane.name) if isinstance(record, Point)]
        measures = dict.fromkeys(point.measure for point in points)
        curves += [Curve.gather(lane.name, measure, points) for measure in measures]
    return curves
