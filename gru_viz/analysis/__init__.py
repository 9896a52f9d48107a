"""What a trace says: the worked formula of a step, time-scales, the order of units."""

from gru_viz.analysis.formula import Formula, Line, Term, work_out
from gru_viz.analysis.ordering import ORDERS, order_units, time_scales

__all__ = ["ORDERS", "Formula", "Line", "Term", "order_units", "time_scales", "work_out"]
