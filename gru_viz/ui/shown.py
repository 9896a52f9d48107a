"""What is on screen, for whoever saves it."""

from __future__ import annotations

from dataclasses import dataclass

from gru_viz.figures import View
from gru_viz.figures.inspector import Worked
from gru_viz.trace import Trace

__all__ = ["Shown"]


@dataclass(frozen=True)
class Shown:
    """A trace, the picture made of it, and the formulas below the picture."""

    trace: Trace
    view: View
    worked: tuple[Worked, ...]
    unit: int
