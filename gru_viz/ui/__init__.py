"""The building blocks of the pages: choices, views, downloads. The only package that imports Streamlit.

Each is imported on first use: the first page begins without what only the pages about training need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gru_viz.ui.frame import open_page
    from gru_viz.ui.inspector_page import show_gates
    from gru_viz.ui.model_choice import ModelChoice, choose_model
    from gru_viz.ui.quick_page import QuickPage
    from gru_viz.ui.sequence_choice import SequenceChoice, choose_sequences
    from gru_viz.ui.server import lifespan
    from gru_viz.ui.training import choose_lanes, choose_sweep, choose_task, show_sweep, show_training
    from gru_viz.ui.view_choice import ComparisonChoice, choose_comparison

__all__ = [
    "ComparisonChoice",
    "ModelChoice",
    "QuickPage",
    "SequenceChoice",
    "choose_comparison",
    "choose_lanes",
    "choose_model",
    "choose_sequences",
    "choose_sweep",
    "choose_task",
    "lifespan",
    "open_page",
    "show_gates",
    "show_sweep",
    "show_training",
]

_MODULES = {
    "ComparisonChoice": "view_choice",
    "ModelChoice": "model_choice",
    "QuickPage": "quick_page",
    "SequenceChoice": "sequence_choice",
    "choose_comparison": "view_choice",
    "choose_model": "model_choice",
    "choose_sequences": "sequence_choice",
    "lifespan": "server",
    "open_page": "frame",
    "show_gates": "inspector_page",
}
"""Public name → its module; those that are not here are in ``training``."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'training')}"), name)
