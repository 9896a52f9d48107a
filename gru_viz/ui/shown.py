"""What is on screen, for whoever saves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gru_viz.figures import View
from gru_viz.figures.inspector import Worked
from gru_viz.streaming import LongTrace
from gru_viz.trace import Trace

__all__ = ["Shown"]


@dataclass(frozen=True)
class Shown:
    """The picture, the formulas below it, and how to come to the numbers behind it.

    Attributes:
        made: what the network did: the trace, or the long trace of which the picture shows a part.
        view: the picture.
        worked: the formulas below it; none where columns hold many steps.
        unit: the unit that is worked out.
        steps: the first step in sight and the one after the last, counted from 0; None: all that there are.
        exact: gives the trace of what is in sight; None where that would be too large to save.
    """

    made: Trace | LongTrace
    view: View
    worked: tuple[Worked, ...]
    unit: int
    steps: tuple[int, int] | None
    exact: Callable[[], Trace] | None
