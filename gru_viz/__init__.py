"""gru_viz: see the gates of a GRU, step by step, with proof."""

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import (
    ConventionError,
    DeviceError,
    FormatError,
    GruVizError,
    SequenceError,
    TraceError,
    TrainingError,
)
from gru_viz.initialisation import random_weights
from gru_viz.sequences import open_table, read_table, read_text
from gru_viz.trace import Trace, trace
from gru_viz.weights import Weights, convert

__version__ = "0.1.0"

__all__ = [
    "CONVENTIONS",
    "ConventionError",
    "DeviceError",
    "FormatError",
    "GruVizError",
    "SequenceError",
    "Trace",
    "TraceError",
    "TrainingError",
    "Weights",
    "convert",
    "figures",
    "open_table",
    "random_weights",
    "read_table",
    "read_text",
    "trace",
    "training",
]


def __getattr__(name: str) -> object:
    """Load figures and training when they are first asked for; plotly is not everyone's import."""
    if name in ("figures", "training"):
        from importlib import import_module

        return import_module(f"gru_viz.{name}")
    raise AttributeError(f"module 'gru_viz' has no attribute {name!r}")
