"""What a trace says: the worked formula of a step, time-scales, the order of units; and what many of them say."""

from gru_viz.analysis.formula import Formula, Line, Term, work_out
from gru_viz.analysis.ordering import ORDERS, order_units, time_scales
from gru_viz.analysis.population import Population, survey

__all__ = ["ORDERS", "Formula", "Line", "Population", "Term", "order_units", "survey", "time_scales", "work_out"]
