"""What is below the maps: a unit's equations with their numbers, and the input at the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from gru_viz.analysis import Formula, work_out
from gru_viz.figures.view import choose_direction
from gru_viz.figures.view_parts import MOST_CURVES
from gru_viz.trace import Trace

__all__ = ["Reading", "WorkedFormulas", "work_out_units"]


class Reading(NamedTuple):
    """A value of each step, shown above the formulas.

    Attributes:
        symbol: such as ``"x"``.
        name: such as a feature's name; may be empty.
        values: numbers (time,), or a text for each step.
        original: (time,) the numbers in their own unit, if that differs.
    """

    symbol: str
    name: str
    values: np.ndarray | tuple[str, ...]
    original: np.ndarray | None = None


@dataclass(frozen=True)
class WorkedFormulas:
    """The equations below the maps, with the readings above them.

    Attributes:
        formulas: unit, counted from 0 → its formula; all of them share their lines.
        names: quantity → its name in words.
        readings: the input at each step, and other values of it.
        title: distinguishes it from another one beside it.
    """

    formulas: Mapping[int, Formula]
    names: dict[str, str]
    readings: Sequence[Reading]
    title: str = ""


def work_out_units(
    trace: Trace,
    unit: int,
    layer: int = 0,
    direction: Literal["forward", "backward"] = "forward",
    sequence: int = 0,
    title: str = "",
    more: Sequence[Reading] = (),
    budget: int = 200_000,
) -> WorkedFormulas:
    """Work out the formulas of one unit, or of all units where these fit: choosing another then needs no server.

    Args:
        trace: whose numbers.
        unit: counted from 0.
        layer: counted from 0.
        direction: ``"forward"`` or ``"backward"``.
        sequence: counted from 0.
        title: distinguishes it from another one beside it.
        more: further readings.
        budget: the most bytes for all units.

    Example:
        >>> import torch, gru_viz
        >>> worked = work_out_units(gru_viz.trace(torch.nn.GRU(1, 3), np.zeros((4, 1), np.float32)), unit=0)
        >>> list(worked.formulas), [(r.symbol, r.name) for r in worked.readings]
        ([0, 1, 2], [('x', 'x1')])
    """
    run = choose_direction(trace, layer, direction, sequence)
    one = work_out(run, unit, sequence)
    size = 4 * len(one.series) * trace.lengths[sequence]
    formulas = {unit: one}
    if size * run.weights.hidden <= budget:
        formulas = {u: work_out(run, u, sequence) for u in range(run.weights.hidden)}
    return WorkedFormulas(
        formulas=formulas,
        names={q.name: q.name.replace("_", " ") for q in run.convention.quantities},
        readings=[*(_inputs(trace, sequence) if layer == 0 else ()), *more],
        title=title,
    )


def _inputs(trace: Trace, sequence: int) -> list[Reading]:
    """Few features by name and number, many by the step's label."""
    values, labels = trace.inputs[sequence], trace.time[sequence]
    if values.shape[1] > MOST_CURVES:
        return [Reading("x", "", tuple(labels))] if labels else []
    scaled = trace.scaling is not None and trace.scaling.method != "none"
    original = trace.scaling.undo(values) if trace.scaling and scaled else None
    return [
        Reading("x", name, values[:, j], None if original is None else original[:, j])
        for j, name in enumerate(trace.features)
    ]
