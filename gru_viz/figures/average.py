"""A view of the average of many sequences, step by step; it has no formulas, since it is of no single sequence."""

from __future__ import annotations

import numpy as np

from gru_viz.analysis import Population
from gru_viz.conventions import Convention
from gru_viz.figures.view_parts import InputCurve, View, quantity_panel

__all__ = ["average_view"]


def average_view(population: Population, convention: Convention) -> View:
    """Make a view of the mean of every quantity over all sequences that reach a step, below the number of these.

    Args:
        population: from ``analysis.survey``.
        convention: of the network.

    Example:
        >>> import gru_viz
        >>> from gru_viz.analysis import survey
        >>> many = gru_viz.read_table(b"who,x\\na,1\\na,2\\nb,5\\nb,4\\nb,2\\n", id="who")
        >>> w = gru_viz.random_weights("torch", features=1, hidden=4)
        >>> view = average_view(survey(w, many), w.convention)
        >>> view.title, view.curves[0].values.tolist(), len(view.panels)
        ('average over 2 sequences, aligned at their start', [2.0, 2.0, 1.0], 4)
    """
    reach = population.reach.astype(np.float32)
    steps, count = len(reach), len(population.names)
    units = np.arange(len(next(iter(population.average.values()))))
    panels = tuple(
        quantity_panel(kind, population.average[kind.name].astype(np.float32), units) for kind in convention.quantities
    )
    return View(
        title=f"average over {count:,} sequences, aligned at their start",
        curves=(InputCurve("sequences", reach, reach, colour=0),),
        scaling="",
        panels=panels,
        first=1,
        steps=steps,
        labels=None,
        units=tuple(units.tolist()),
        curve_limits=(0.0, float(count)),
        curves_title="sequences that reach the step",
    )
