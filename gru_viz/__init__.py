"""gru_viz: see the gates of a GRU, step by step, with proof."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
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
from gru_viz.trace import OUTPUTS, Trace, trace
from gru_viz.version import __version__
from gru_viz.weights import Weights, convert

if TYPE_CHECKING:
    from gru_viz import exports, figures, formats, training
    from gru_viz.formats import read_model
    from gru_viz.reporting import report
    from gru_viz.sequences import open_table, read_table, read_text
    from gru_viz.watching import watch

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
    "__version__",
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

_MODULES = ("exports", "figures", "formats", "training")
_MODULE_OF = {
    "open_table": "sequences",
    "read_model": "formats",
    "read_table": "sequences",
    "read_text": "sequences",
    "report": "reporting",
    "watch": "watching",
}
"""The module of each name that is imported on first use: not everyone needs torch, plotly and pandas."""


def _load(module: str, needed_by: str) -> ModuleType:
    with optional_packages(needed_by):
        return import_module(f"gru_viz.{module}")


def __getattr__(name: str) -> Any:
    if name not in (*_MODULES, *_MODULE_OF):
        raise AttributeError(f"module 'gru_viz' has no attribute {name!r}")
    module = _load(_MODULE_OF.get(name, name), f"gru_viz.{name}")
    return module if name in _MODULES else getattr(module, name)


OUTPUTS.update(
    to_tidy=lambda trace: _load("exports", "trace.to_tidy").to_tidy(trace),
    to_xarray=lambda trace: _load("exports", "trace.to_xarray").to_xarray(trace),
    html=lambda trace: _load("reporting", "a trace in a notebook").card(trace),
)
