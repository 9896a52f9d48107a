"""A view: what a picture of a trace shows, before anything is drawn.

The plotly figure of a notebook and the dashboard's component are both made from a view, so they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gru_viz.analysis import order_units
from gru_viz.conventions import Quantity
from gru_viz.errors import TraceError
from gru_viz.trace import DirectionTrace, Trace

__all__ = ["Curve", "Panel", "View", "compare", "inspect"]

Colours = Literal["sequential", "diverging", "plain"]
MOST_CURVES = 6


@dataclass(frozen=True)
class Curve:
    """A line in the input row: drawn values (time,), and the same in the feature's own unit for the hover.

    Attributes:
        colour: a place in the list of curve colours, or None for what is no input: an answer of the network.
        dashed: whether it belongs to the second of two sequences, or to no input.
    """

    name: str
    values: np.ndarray
    original: np.ndarray
    colour: int | None
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """A heatmap: values (rows, time), what its rows are, and what its colours mean.

    Attributes:
        key: the quantity's name.
        title: such as "update gate z".
        meaning: a few words that say what one sees.
        low, high: the values at both ends of the colours.
        low_means, high_means: the same in words, as they stand beside the colours.
    """

    key: str
    title: str
    meaning: str
    values: np.ndarray
    rows: tuple[str, ...]
    row_kind: str
    colours: Colours
    low: float
    high: float
    low_means: str
    high_means: str


@dataclass(frozen=True)
class View:
    """Curves and heatmaps on one shared axis of steps.

    Attributes:
        title: what is shown, in a line.
        curves: lines in the top row; none where the input is a heatmap.
        scaling: how the curves were scaled, in a word; empty where they were not.
        panels: heatmaps from top to bottom.
        first: the number of the first step shown, counted from 1.
        steps: how many steps are shown.
        labels: a label for each step shown, or None.
        units: the unit in each row, counted from 0.
    """

    title: str
    curves: tuple[Curve, ...]
    scaling: str
    panels: tuple[Panel, ...]
    first: int
    steps: int
    labels: tuple[str, ...] | None
    units: tuple[int, ...]


def inspect(
    trace: Trace,
    layer: int = 0,
    direction: Literal["forward", "backward"] = "forward",
    sequence: int = 0,
    order: str = "index",
    window: tuple[int, int] | None = None,
    answers: np.ndarray | None = None,
) -> View:
    """Look at every quantity of one layer and direction while it reads one sequence.

    Args:
        trace: what to look at.
        layer: counted from 0.
        direction: ``"forward"`` or ``"backward"``.
        sequence: counted from 0.
        order: how the units are sorted, a name in ``analysis.ORDERS``.
        window: first step and the step after the last, counted from 0; all of them where None.
        answers: (time, outputs) what a head on top of the network says, drawn over the input.

    Raises:
        TraceError: there is no such layer, direction, sequence or order.
    """
    run = choose_direction(trace, layer, direction, sequence)
    start, stop = window or (0, trace.lengths[sequence])
    units = order_units(run, order, sequence)
    panels = [
        _quantity_panel(q, run.quantities[q.name][sequence, start:stop].T[units], units)
        for q in trace.convention.quantities
    ]
    curves, strip = _input(trace, sequence, slice(start, stop))
    if answers is not None and curves:
        curves += tuple(_answer(trace, answers[start:stop, j], j) for j in range(answers.shape[1]))
    return View(
        title=f"{trace.convention.title}, {trace.names[sequence]}",
        curves=curves,
        scaling=_scaled(trace),
        panels=(*strip, *panels),
        first=start + 1,
        steps=stop - start,
        labels=_labels(trace, sequence, slice(start, stop)),
        units=tuple(int(u) for u in units),
    )


def compare(
    a: Trace,
    b: Trace,
    quantity: str,
    names: tuple[str, str],
    layer: int = 0,
    direction: Literal["forward", "backward"] = "forward",
    sequences: tuple[int, int] = (0, 0),
    order: str = "index",
    window: tuple[int, int] | None = None,
) -> View:
    """Put one quantity of two traces above each other, and below them their difference.

    Rows and steps are those both have; units are sorted as in ``a``. The difference has a scale of its own, one of
    0.01, 0.02, 0.05, 0.1 …, named beside its colours, so that rounding never looks like a difference.

    Raises:
        TraceError: one of them has not this quantity, or they have different numbers of units.
    """
    runs = [choose_direction(t, layer, direction, s) for t, s in zip((a, b), sequences, strict=True)]
    missing = [n for run, n in zip(runs, names, strict=True) if quantity not in run.quantities]
    if missing or runs[0].weights.hidden != runs[1].weights.hidden:
        found = (
            f"no {quantity} in {missing[0]}"
            if missing
            else f"{runs[0].weights.hidden} and {runs[1].weights.hidden} units"
        )
        raise TraceError("compare", found, "the same quantity and as many units in both", "Choose another pair.")
    start, stop = window or (0, max(a.lengths[sequences[0]], b.lengths[sequences[1]]))
    stop = min(stop, a.lengths[sequences[0]], b.lengths[sequences[1]])
    if start and stop <= start:
        raise TraceError("window", f"from step {start + 1}", f"a step that both have, up to {stop}", "Start earlier.")
    units = order_units(runs[0], order, sequences[0])
    values = [run.quantities[quantity][s, start:stop].T[units] for run, s in zip(runs, sequences, strict=True)]
    kinds = [t.convention.quantity(quantity) for t in (a, b)]
    panels = [
        _quantity_panel(kind, value, units, key=f"{quantity}.{i}", title=name)
        for i, (kind, value, name) in enumerate(zip(kinds, values, names, strict=True))
    ]
    difference = values[0] - values[1]
    bound = _round_scale(difference, floor=0.01)
    largest = float(np.abs(difference[~np.isnan(difference)]).max(initial=0.0))
    panels.append(
        Panel(
            key="difference",
            title="difference",
            meaning=f"first − second, at most {largest:.2g}",
            values=difference,
            rows=panels[0].rows,
            row_kind="unit",
            colours="diverging",
            low=-bound,
            high=bound,
            low_means=f"−{bound:g} second is higher",
            high_means=f"{bound:g} first is higher",
        )
    )
    curves, strip = _input(a, sequences[0], slice(start, stop))
    if sequences[0] != sequences[1] or a.inputs is not b.inputs:
        other, _ = _input(b, sequences[1], slice(start, stop))
        same = all(np.array_equal(p.values, q.values) for p, q in zip(curves, other, strict=False))
        if not same:
            second = b.names[sequences[1]]
            curves += tuple(replace(c, name=f"{c.name}, {second}", dashed=True) for c in other)
    return View(
        title=f"{kinds[0].name.replace('_', ' ')}: {names[0]} against {names[1]}",
        curves=curves,
        scaling=_scaled(a),
        panels=(*strip, *panels),
        first=start + 1,
        steps=stop - start,
        labels=_labels(a, sequences[0], slice(start, stop)),
        units=tuple(int(u) for u in units),
    )


def choose_direction(trace: Trace, layer: int, direction: str, sequence: int) -> DirectionTrace:
    """Pick one layer and direction of a trace, saying what there is where it is not there."""
    if not 0 <= layer < len(trace.layers):
        raise TraceError("layer", str(layer), f"0 to {len(trace.layers) - 1}", "Choose one of these.")
    if not 0 <= sequence < len(trace.lengths):
        raise TraceError("sequence", str(sequence), f"0 to {len(trace.lengths) - 1}", "Choose one of these.")
    run = {"forward": trace.layers[layer].forward, "backward": trace.layers[layer].backward}.get(direction)
    if run is None:
        there = " or ".join(("forward", "backward")[: len(trace.layers[layer].directions)])
        raise TraceError("direction", repr(direction), there, "Choose a direction the network has.")
    return run


def _quantity_panel(q: Quantity, values: np.ndarray, units: np.ndarray, key: str = "", title: str = "") -> Panel:
    kind = " gate" if q.kind == "gate" else " state" if q.name in ("hidden", "cell") else ""
    bound = _round_scale(values, floor=1.0) if q.name == "cell" else q.high
    low, high = (0.0, 1.0) if q.kind == "gate" else (-bound, bound)
    words = (f"0 {q.low_means}", f"1 {q.high_means}") if q.kind == "gate" else (f"−{bound:g}", f"{bound:g}")
    return Panel(
        key=key or q.name,
        title=title or f"{q.name.replace('_', ' ')}{kind} {q.symbol}",
        meaning=q.meaning,
        values=values,
        rows=tuple(str(u + 1) for u in units),
        row_kind="unit",
        colours="sequential" if q.kind == "gate" else "diverging",
        low=low,
        high=high,
        low_means=words[0],
        high_means=words[1],
    )


def _input(trace: Trace, sequence: int, steps: slice) -> tuple[tuple[Curve, ...], tuple[Panel, ...]]:
    """A few features are curves, many are a heatmap."""
    values = trace.inputs[sequence, steps]
    original = trace.scaling.undo(values) if trace.scaling else values
    if values.shape[1] <= MOST_CURVES:
        return tuple(Curve(n, values[:, j], original[:, j], j) for j, n in enumerate(trace.features)), ()
    one_hot = bool(np.isin(values, (0, 1)).all())
    bound = 1.0 if one_hot else _round_scale(values, floor=1.0)
    panel = Panel(
        key="x",
        title="input x",
        meaning="a row for each feature",
        values=values.T,
        rows=trace.features,
        row_kind="feature",
        colours="plain" if one_hot else "diverging",
        low=0.0 if one_hot else -bound,
        high=bound,
        low_means="0" if one_hot else f"−{bound:g}",
        high_means=f"{bound:g}",
    )
    return (), (panel,)


def _answer(trace: Trace, values: np.ndarray, j: int) -> Curve:
    name = "the network's answer" if j == 0 else f"the network's answer {j + 1}"
    original = trace.scaling.undo(np.repeat(values[:, None], len(trace.features), 1))[:, 0] if trace.scaling else values
    return Curve(name, values, original, colour=None, dashed=True)


def _scaled(trace: Trace) -> str:
    words = {"standardise": "standardised", "minmax": "scaled to 0 … 1", "robust": "scaled by quartiles"}
    return words.get(trace.scaling.method, "") if trace.scaling else ""


def _labels(trace: Trace, sequence: int, steps: slice) -> tuple[str, ...] | None:
    labels = trace.time[sequence]
    return None if labels is None else labels[steps]


def _round_scale(values: np.ndarray, floor: float) -> float:
    """The smallest of floor · 1, 2, 5, 10, 20 … that no value exceeds."""
    largest = float(np.nanmax(np.abs(values), initial=0.0, where=np.isfinite(values)))
    bound, factors = floor, (2, 2.5, 2)
    for k in range(60):
        if largest <= bound:
            break
        bound *= factors[k % 3]
    return float(f"{bound:.6g}")
