"""What a trace says: the worked formula of a step, time-scales, the order of units; and what many of them say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru_viz.analysis.formula import Formula, Line, Term, work_out
from gru_viz.analysis.ordering import ORDERS, order_units, time_scales

if TYPE_CHECKING:
    from gru_viz.analysis.population import Population, survey

__all__ = ["ORDERS", "Formula", "Line", "Population", "Term", "order_units", "survey", "time_scales", "work_out"]


def __getattr__(name: str) -> Any:
    if name not in ("Population", "survey"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gru_viz.analysis import population  # it imports torch

    return getattr(population, name)
