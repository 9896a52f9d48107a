"""gru_viz: see the gates of a GRU, step by step, with proof."""

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import ConventionError, DeviceError, GruVizError, SequenceError, TraceError
from gru_viz.initialisation import random_weights
from gru_viz.trace import Trace, trace
from gru_viz.weights import Weights, convert

__version__ = "0.1.0"

__all__ = [
    "CONVENTIONS",
    "ConventionError",
    "DeviceError",
    "GruVizError",
    "SequenceError",
    "Trace",
    "TraceError",
    "Weights",
    "convert",
    "random_weights",
    "trace",
]
