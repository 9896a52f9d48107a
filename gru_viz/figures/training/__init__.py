"""A training in pictures: its curves, its answers, its gates while they learn, and a sweep.

Every function that ends in ``_picture`` describes a picture as plain plotly, which is quick and what the page sends;
the functions of ``gru_viz.figures`` make the figure of a notebook of it.
"""

from gru_viz.figures.training.answers import answers_picture
from gru_viz.figures.training.film import Snapshots, film_picture, shoot
from gru_viz.figures.training.lines import AXES, Reading, gradient_picture, loss_picture, measure_picture
from gru_viz.figures.training.picture import INK, PAPER, Look, Picture, look
from gru_viz.figures.training.sweep import SweepPoint, sweep_picture

__all__ = [
    "AXES",
    "INK",
    "PAPER",
    "Look",
    "Picture",
    "Reading",
    "Snapshots",
    "SweepPoint",
    "answers_picture",
    "film_picture",
    "gradient_picture",
    "look",
    "loss_picture",
    "measure_picture",
    "shoot",
    "sweep_picture",
]
