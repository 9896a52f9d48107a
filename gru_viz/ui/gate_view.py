"""From traces and a view choice to the picture of the gates and the formulas below it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gru_viz.figures import View, compare, inspect
from gru_viz.figures.inspector import Reading, WorkedFormulas, work_out_units
from gru_viz.figures.overview import compare_overviews, input_limits, largest_values, order_long, overview
from gru_viz.pretrained import load_pretrained
from gru_viz.streaming import TraceLike
from gru_viz.trace import Trace
from gru_viz.ui.model_choice import ModelChoice
from gru_viz.ui.result_cache import result_cache
from gru_viz.ui.trace_cache import TracedSequence
from gru_viz.ui.view_choice import ViewChoice, cursor_unit

__all__ = ["GateView", "build_view"]

MAX_SAVED = 60_000_000
"""The most values of the state, steps × units × layers × directions, that are written to a file."""


@dataclass(frozen=True)
class GateView:
    """What is on screen.

    Attributes:
        traces: the traced sequence, and the one it is compared with.
        choice: what of it is shown.
        view: the picture.
        formulas: the formulas below it; none where each column is many steps.
        unit: the unit of the formulas.
    """

    traces: tuple[TracedSequence, ...]
    choice: ViewChoice
    view: View
    formulas: tuple[WorkedFormulas, ...]
    unit: int

    @property
    def trace(self) -> TraceLike:
        """The trace that is saved."""
        return self.traces[0].trace

    @property
    def savable(self) -> bool:
        """Whether the visible steps are few enough for a file."""
        if self.trace.complete:
            return True
        states = sum(cell.hidden for layer in self.trace.weights.layers for cell in layer)
        return (self.choice.stop - self.choice.start) * states <= MAX_SAVED

    def exact_trace(self) -> Trace:
        """The trace of the visible steps; of all steps where the sequence is not long."""
        return self.trace.complete or self.trace.window(self.choice.start, self.choice.stop)


def build_view(
    traces: tuple[TracedSequence, ...], model: ModelChoice, choice: ViewChoice, names: tuple[str, str]
) -> GateView:
    """Draw the visible steps: one by one with formulas, or, where there are too many, columns of many steps.

    ``traces`` are one, or the two that are compared, with their ``names``.

    Raises:
        GruVizError: nothing can be drawn, such as of two networks that cannot be compared.
    """
    unit = cursor_unit(traces[0].trace.weights.units[choice.layer])
    draw = _draw_columns if choice.window is None else _draw_steps
    view, formulas = draw(traces, model, choice, names, unit)
    return GateView(traces, choice, view, formulas, unit)


def _draw_columns(
    traces: tuple[TracedSequence, ...], model: ModelChoice, choice: ViewChoice, names: tuple[str, str], unit: int
) -> tuple[View, tuple[WorkedFormulas, ...]]:
    options: dict[str, Any] = {
        "order": _order(traces[0], choice),
        "window": (choice.start, choice.stop),
        "columns": choice.width,
        "layer": choice.layer,
        "direction": choice.direction,
    }
    if choice.quantity is None:
        return overview(traces[0].trace, **options), ()
    return compare_overviews(traces[0].trace, traces[1].trace, choice.quantity, names, **options), ()


def _draw_steps(
    traces: tuple[TracedSequence, ...], model: ModelChoice, choice: ViewChoice, names: tuple[str, str], unit: int
) -> tuple[View, tuple[WorkedFormulas, ...]]:
    assert choice.window is not None
    place: dict[str, Any] = {"layer": choice.layer, "direction": choice.direction}
    windows = [each.window(*choice.window) for each in traces]
    options: dict[str, Any] = {"order": _order(traces[0], choice), **place, **_whole_sequence(traces, choice)}
    if choice.quantity is None:
        trace, sequence = windows[0]
        curves, readings = _predictions(model, trace, sequence)
        view = inspect(trace, sequence=sequence, predictions=curves, **options)
        head = model.output_layer
        if head:
            from gru_viz.reporting.outputs import draw_outputs

            view = draw_outputs(view, head, head.outputs(trace)[sequence, : trace.lengths[sequence]])
        formulas = [work_out_units(trace, unit, sequence=sequence, more=readings, **place)]
    else:
        (a, i), (b, j) = windows
        view = compare(a, b, choice.quantity, names, sequences=(i, j), **options)
        formulas = [
            work_out_units(trace, unit, sequence=sequence, title=name, **place)
            for (trace, sequence), name in zip(windows, names, strict=True)
        ]
    return _with_heights(view, traces), tuple(formulas)


def _order(traced: TracedSequence, choice: ViewChoice) -> str | np.ndarray:
    """The order of the units over the whole sequence, so that a row stays the same unit while zooming."""
    if traced.trace.complete:
        return choice.order
    found: np.ndarray = result_cache().get_or_compute(
        ("order", traced.key, choice.order, choice.layer, choice.direction),
        lambda _: order_long(traced.trace, choice.order, choice.layer, choice.direction),
        lambda units: units.nbytes,
        lambda done, total: None,
    )
    return found


def _whole_sequence(traces: tuple[TracedSequence, ...], choice: ViewChoice) -> dict[str, Any]:
    """What makes colours and step numbers the same in every window of a long sequence."""
    largest: dict[str, float] = {}
    for each in traces:
        if not each.trace.complete:
            for name, value in largest_values(each.trace, choice.layer, choice.direction).items():
                largest[name] = max(largest.get(name, 0.0), value)
    return {"before": choice.window[0] if choice.window else 0, "largest": largest}


def _with_heights(view: View, traces: tuple[TracedSequence, ...]) -> View:
    """The view with the curves' axis that the whole sequence needs."""
    ranges = [each for run in traces if not run.trace.complete and (each := input_limits(run.trace))]
    if not ranges or not view.curves or any(curve.colour is None for curve in view.curves):
        return view
    return replace(view, curve_limits=(min(low for low, _ in ranges), max(high for _, high in ranges)))


def _predictions(model: ModelChoice, trace: Trace, sequence: int) -> tuple[np.ndarray | None, list[Reading]]:
    """The pretrained network's output at every step: numbers as a curve, the next character as a reading."""
    if model.trained is None:
        return None, []
    network = load_pretrained(model.trained)
    if network.training.alphabet is None:
        return network.predictions(trace)[sequence], []
    return None, [Reading("predicted next", "", network.top_predictions(trace)[sequence])]
