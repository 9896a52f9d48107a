"""gru_viz: see the gates of a GRU, step by step, with proof."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import (
    ConventionError,
    DeviceError,
    FormatError,
    GruVizError,
    MissingPackageError,
    SequenceError,
    TraceError,
    TrainingError,
)
from gru_viz.initialisation import random_weights
from gru_viz.optional import optional_packages
from gru_viz.streaming import LongTrace, stream
from gru_viz.trace import Trace, trace
from gru_viz.watching import watch
from gru_viz.weights import Weights, convert

if TYPE_CHECKING:
    from gru_viz import exports, figures, formats, training
    from gru_viz.formats import read_model
    from gru_viz.reporting import report
    from gru_viz.sequences import open_table, read_table, read_text

__version__ = "0.1.0"

__all__ = [
    "CONVENTIONS",
    "ConventionError",
    "DeviceError",
    "FormatError",
    "GruVizError",
    "LongTrace",
    "MissingPackageError",
    "SequenceError",
    "Trace",
    "TraceError",
    "TrainingError",
    "Weights",
    "convert",
    "exports",
    "figures",
    "formats",
    "open_table",
    "random_weights",
    "read_model",
    "read_table",
    "read_text",
    "report",
    "stream",
    "trace",
    "training",
    "watch",
]

_ROOMS = ("exports", "figures", "formats", "training")
_HOMES = {
    "open_table": "sequences",
    "read_model": "formats",
    "read_table": "sequences",
    "read_text": "sequences",
    "report": "reporting",
}
"""Where each name lives that is loaded when it is first asked for: plotly and pandas are not everyone's import."""


def __getattr__(name: str) -> Any:
    if name not in (*_ROOMS, *_HOMES):
        raise AttributeError(f"module 'gru_viz' has no attribute {name!r}")
    with optional_packages(f"gru_viz.{name}"):
        module = import_module(f"gru_viz.{_HOMES.get(name, name)}")
    return module if name in _ROOMS else getattr(module, name)
