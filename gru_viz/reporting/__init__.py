"""A trace to be read by people: one HTML report that needs no server, and what a notebook shows of a trace."""

from gru_viz.reporting.notebook import card
from gru_viz.reporting.page import report

__all__ = ["card", "report"]
