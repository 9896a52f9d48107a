"""Views in which each step has its column: all quantities of a direction, one of two traces, or averages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from gru_viz.analysis import order_units
from gru_viz.conventions import Convention
from gru_viz.errors import TraceError
from gru_viz.figures.view_parts import (
    MOST_CURVES,
    InputCurve,
    Panel,
    View,
    difference_panel,
    feature_panel,
    quantity_panel,
    scaled,
)
from gru_viz.trace import DirectionTrace, Trace

if TYPE_CHECKING:
    from gru_viz.analysis import Population

__all__ = ["choose_direction", "compare", "inspect", "sort_units"]


def inspect(
    trace: Trace,
    layer: int = 0,
    direction: Literal["forward", "backward"] = "forward",
    sequence: int = 0,
    order: str | np.ndarray = "index",
    window: tuple[int, int] | None = None,
    predictions: np.ndarray | None = None,
    before: int = 0,
    largest: Mapping[str, float] | None = None,
) -> View:
    """Make a view of every quantity of one layer and direction over one sequence.

    Args:
        trace: what to show.
        layer: counted from 0.
        direction: ``"forward"`` or ``"backward"``.
        sequence: counted from 0.
        order: how the units are sorted, a name in ``analysis.ORDERS``; or the units themselves, from top to bottom.
        window: first step and the step after the last, counted from 0; all of them where None.
        predictions: (time, outputs) of a head on top of the network, drawn over the input.
        before: the number of steps of the sequence before the trace, where the trace is of a window.
        largest: quantity → its largest absolute value in the whole sequence, where the trace is of a window: a
            quantity without a fixed scale, such as an LSTM's cell, then has the same colours in every window.

    Raises:
        TraceError: there is no such layer, direction, sequence or order.
    """
    run = choose_direction(trace, layer, direction, sequence)
    start, stop = window or (0, trace.lengths[sequence])
    units, largest = sort_units(run, order, sequence), largest or {}
    panels = [
        quantity_panel(q, run.quantities[q.name][sequence, start:stop].T[units], units, largest=largest.get(q.name))
        for q in trace.convention.quantities
    ]
    curves, strip = _input(trace, sequence, slice(start, stop), largest.get("inputs"))
    if predictions is not None and curves:
        curves += tuple(_prediction(trace, predictions[start:stop, j], j) for j in range(predictions.shape[1]))
    return View(
        title=f"{trace.convention.title}, {trace.names[sequence]}",
        curves=curves,
        scaling=scaled(trace.scaling),
        panels=(*strip, *panels),
        first=before + start + 1,
        steps=stop - start,
        labels=_labels(trace, sequence, slice(start, stop)),
        units=tuple(int(u) for u in units),
        before=before,
    )


def compare(
    a: Trace,
    b: Trace,
    quantity: str,
    names: tuple[str, str],
    layer: int = 0,
    direction: Literal["forward", "backward"] = "forward",
    sequences: tuple[int, int] = (0, 0),
    order: str | np.ndarray = "index",
    window: tuple[int, int] | None = None,
    before: int = 0,
    largest: Mapping[str, float] | None = None,
) -> View:
    """Make a view of one quantity of two traces and their difference.

    Steps are those that both have; units are sorted as in ``a``. The difference has its own scale, one of 0.01, 0.02,
    0.05, 0.1 …, named beside its colours, so that rounding never looks like a difference.

    Args:
        a: the first trace.
        b: the second trace.
        quantity: a quantity that both have.
        names: what the two are called.
        layer: counted from 0.
        direction: ``"forward"`` or ``"backward"``.
        sequences: of each trace, counted from 0.
        order, window, before, largest: see ``inspect``.

    Raises:
        TraceError: one of them lacks this quantity, or they have different numbers of units.
    """
    runs = [choose_direction(t, layer, direction, s) for t, s in zip((a, b), sequences, strict=True)]
    _check_comparable(runs, names, quantity)
    start, stop = window or (0, max(a.lengths[sequences[0]], b.lengths[sequences[1]]))
    stop = min(stop, a.lengths[sequences[0]], b.lengths[sequences[1]])
    if start and stop <= start:
        raise TraceError("window", f"from step {start + 1}", f"a step that both have, up to {stop}", "Start earlier.")
    units, largest = sort_units(runs[0], order, sequences[0]), largest or {}
    values = [run.quantities[quantity][s, start:stop].T[units] for run, s in zip(runs, sequences, strict=True)]
    kinds = [t.convention.quantity(quantity) for t in (a, b)]
    panels = [
        quantity_panel(kind, value, units, key=f"{quantity}.{i}", title=name, largest=largest.get(quantity))
        for i, (kind, value, name) in enumerate(zip(kinds, values, names, strict=True))
    ]
    panels.append(difference_panel(values[0] - values[1], panels[0]))
    curves, strip = _input(a, sequences[0], slice(start, stop), largest.get("inputs"))
    if sequences[0] != sequences[1] or a.inputs is not b.inputs:
        curves += _other_curves(curves, b, sequences[1], slice(start, stop))
    return View(
        title=f"{kinds[0].name.replace('_', ' ')}: {names[0]} against {names[1]}",
        curves=curves,
        scaling=scaled(a.scaling),
        panels=(*strip, *panels),
        first=before + start + 1,
        steps=stop - start,
        labels=_labels(a, sequences[0], slice(start, stop)),
        units=tuple(int(u) for u in units),
        before=before,
    )


def average_view(population: Population, convention: Convention) -> View:
    """Make a view of the mean of every quantity over all sequences that reach a step, below the number of these.

    It has no formulas, since it is of no single sequence.
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


def _check_comparable(runs: list[DirectionTrace], names: tuple[str, str], quantity: str) -> None:
    missing = [n for run, n in zip(runs, names, strict=True) if quantity not in run.quantities]
    sizes = [run.weights.hidden for run in runs]
    if missing or sizes[0] != sizes[1]:
        found = f"no {quantity} in {missing[0]}" if missing else f"{sizes[0]} and {sizes[1]} units"
        raise TraceError("compare", found, "the same quantity and as many units in both", "Choose another pair.")


def _other_curves(curves: tuple[InputCurve, ...], b: Trace, sequence: int, steps: slice) -> tuple[InputCurve, ...]:
    """The second trace's input, dashed, if it differs from the first one's."""
    other, _ = _input(b, sequence, steps, None)
    if all(np.array_equal(p.values, q.values) for p, q in zip(curves, other, strict=False)):
        return ()
    return tuple(replace(c, name=f"{c.name}, {b.names[sequence]}", dashed=True) for c in other)


def choose_direction(trace: Trace, layer: int, direction: str, sequence: int) -> DirectionTrace:
    """Return one layer and direction of a trace.

    Raises:
        TraceError: there is no such layer, direction or sequence.
    """
    if not 0 <= layer < len(trace.layers):
        raise TraceError("layer", str(layer), f"0 to {len(trace.layers) - 1}", "Choose one of these.")
    if not 0 <= sequence < len(trace.lengths):
        raise TraceError("sequence", str(sequence), f"0 to {len(trace.lengths) - 1}", "Choose one of these.")
    run = {"forward": trace.layers[layer].forward, "backward": trace.layers[layer].backward}.get(direction)
    if run is None:
        there = " or ".join(("forward", "backward")[: len(trace.layers[layer].directions)])
        raise TraceError("direction", repr(direction), there, "Choose a direction the network has.")
    return run


def sort_units(run: DirectionTrace, order: str | np.ndarray, sequence: int = 0) -> np.ndarray:
    """Return the units from top to bottom: by a name in ``analysis.ORDERS``, or the given ones."""
    return order_units(run, order, sequence) if isinstance(order, str) else order


def _input(
    trace: Trace, sequence: int, steps: slice, largest: float | None
) -> tuple[tuple[InputCurve, ...], tuple[Panel, ...]]:
    """A few features are curves, many are a heatmap."""
    values = trace.inputs[sequence, steps]
    original = trace.scaling.undo(values) if trace.scaling else values
    if values.shape[1] <= MOST_CURVES:
        return tuple(InputCurve(n, values[:, j], original[:, j], j) for j, n in enumerate(trace.features)), ()
    return (), (feature_panel(values.T, trace.features, largest),)


def _prediction(trace: Trace, values: np.ndarray, j: int) -> InputCurve:
    name = "the network's prediction" if j == 0 else f"the network's prediction {j + 1}"
    original = trace.scaling.undo(np.repeat(values[:, None], len(trace.features), 1))[:, 0] if trace.scaling else values
    return InputCurve(name, values, original, colour=None, dashed=True)


def _labels(trace: Trace, sequence: int, steps: slice) -> tuple[str, ...] | None:
    labels = trace.time[sequence]
    return None if labels is None else tuple(labels[steps])
