"""Views of sequences that are longer than a screen is wide: each column has many steps, and hides no extreme."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gru_viz.analysis import order_units
from gru_viz.bins import Bins
from gru_viz.errors import TraceError
from gru_viz.figures.budget import ColumnBudget, most_bins
from gru_viz.figures.view_parts import (
    MOST_CURVES,
    CurveExtremes,
    InputCurve,
    Panel,
    View,
    difference_panel,
    feature_panel,
    quantity_panel,
    scaled,
)
from gru_viz.streaming import TraceLike
from gru_viz.trace import Direction, DirectionTrace

__all__ = ["compare_overviews", "input_limits", "largest_values", "order_long", "overview"]

COARSE = 512
"""Bins of a whole sequence that are enough to order its units, and to know its extremes."""


def overview(
    long: TraceLike,
    layer: int = 0,
    direction: Direction = "forward",
    order: str | np.ndarray = "index",
    window: tuple[int, int] | None = None,
    columns: int | None = None,
) -> View:
    """Make a view of every quantity of one layer and direction over many steps, in columns of many steps.

    A column shows the mean of its steps, or their extreme where it stands out of its row, so that a single step is
    visible however many there are; see ``Bins.with_spikes``. Where there are more units than rows of pixels,
    neighbouring units share a row by the same rule.

    ``columns`` is their largest number; None: as many as a view may have. The other arguments are those of ``inspect``.

    Raises:
        TraceError: there is no such layer, direction, window or order.
    """
    start, stop = window or (0, long.lengths[0])
    kinds = long.weights.convention.quantities
    budget = most_bins(len(kinds), long.weights.units[layer], long.features, columns)
    units = order if isinstance(order, np.ndarray) else order_long(long, order, layer, direction)
    largest = largest_values(long, layer, direction)
    panels, edges = [], np.zeros(1, np.int64)
    for kind in kinds:
        bins = _group(long.bins(kind.name, start, stop, budget.columns, layer, direction), units, budget.grouped)
        edges = bins.edges
        panels.append(
            quantity_panel(
                kind,
                bins.with_spikes(),
                units,
                largest=largest.get(kind.name),
                extremes=(bins.low, bins.high) if budget.extremes else None,
                grouped=budget.grouped,
            )
        )
    curves, strip = _input(long, start, stop, budget)
    return _view(long, f"{long.weights.convention.title}, {long.names[0]}", curves, (*strip, *panels), edges, units)


def compare_overviews(
    a: TraceLike,
    b: TraceLike,
    quantity: str,
    names: tuple[str, str],
    layer: int = 0,
    direction: Direction = "forward",
    order: str | np.ndarray = "index",
    window: tuple[int, int] | None = None,
    columns: int | None = None,
) -> View:
    """Make a view of one quantity of two long traces and the difference of their columns' means.

    Steps are those that both have; the input is that of ``a``. A difference of means can be smaller than that of single
    steps, so the heading says which it is.

    Raises:
        TraceError: one of them lacks this quantity, they have different numbers of units, or their columns cannot
            be brought to the same steps.
    """
    _check_comparable(a, b, quantity, names, layer)
    start, stop = window or (0, min(a.lengths[0], b.lengths[0]))
    budget = most_bins(3, a.weights.units[layer], a.features, columns)
    units = order if isinstance(order, np.ndarray) else order_long(a, order, layer, direction)
    both = [
        _group(each.bins(quantity, start, stop, budget.columns, layer, direction), units, budget.grouped)
        for each in (a, b)
    ]
    both = _alike(*both)
    largest = max(largest_values(each, layer, direction).get(quantity, 0.0) for each in (a, b)) or None
    panels = [
        quantity_panel(
            each.weights.convention.quantity(quantity),
            bins.with_spikes(),
            units,
            key=f"{quantity}.{i}",
            title=name,
            largest=largest,
            extremes=(bins.low, bins.high) if budget.extremes else None,
            grouped=budget.grouped,
        )
        for i, (each, bins, name) in enumerate(zip((a, b), both, names, strict=True))
    ]
    panels.append(difference_panel(both[0].mean - both[1].mean, panels[0], means=True))
    curves, strip = _input(a, start, stop, budget)
    title = f"{a.weights.convention.quantity(quantity).name.replace('_', ' ')}: {names[0]} against {names[1]}"
    return _view(a, title, curves, (*strip, *panels), both[0].edges, units)


def _check_comparable(a: LongTrace, b: LongTrace, quantity: str, names: tuple[str, str], layer: int) -> None:
    for each, name in ((a, names[0]), (b, names[1])):
        if quantity not in (q.name for q in each.weights.convention.quantities):
            raise TraceError("compare", f"no {quantity} in {name}", "the same quantity in both", "Choose another pair.")
    if a.weights.units[layer] != b.weights.units[layer]:
        found = f"{a.weights.units[layer]} and {b.weights.units[layer]} units"
        raise TraceError("compare", found, "as many units in both", "Choose another pair.")


def order_long(long: TraceLike, by: str, layer: int = 0, direction: Direction = "forward") -> np.ndarray:
    """Sort the units of a long trace, by the means of wide bins.

    A unit peaks in the bin that has its largest \\|h\\|. A tanh RNN has no gates to estimate time-scales from, so these
    come from its first single steps.

    Raises:
        TraceError: there is no such order.
    """
    weights, kind = long.weights.layers[layer][direction == "backward"], long.weights.convention
    if by == "time_scale" and kind.cell == "rnn":
        first = long.window(0, min(long.lengths[0], 2000)).layers[layer].directions[direction == "backward"]
        return order_units(first, by)
    bins = {q.name: long.bins(q.name, 0, long.lengths[0], COARSE, layer, direction) for q in kind.quantities}
    values = {name: each.mean for name, each in bins.items()}
    if by == "peak":
        hidden = bins["hidden"]
        values["hidden"] = np.where(hidden.high > -hidden.low, hidden.high, hidden.low)
    count = values["hidden"].shape[1]
    run = DirectionTrace(
        weights=weights,
        quantities={name: np.array(each.T[None]) for name, each in values.items()},
        inputs=np.zeros((1, count, weights.features), values["hidden"].dtype),
        initial={state: np.zeros((1, weights.hidden), values["hidden"].dtype) for state in kind.states},
        lengths=(count,),
    )
    return order_units(run, by)


def largest_values(long: TraceLike, layer: int, direction: Direction) -> Mapping[str, float]:
    """Return the largest absolute value in the whole sequence of ``cell``, if there is one, and of ``inputs``.

    These have no fixed scale. Values that are not finite are left out.
    """
    found: dict[str, float] = {}
    for name in ("inputs", *(q.name for q in long.weights.convention.quantities if not q.bounded)):
        bins = long.bins(name, 0, long.lengths[0], COARSE, layer, direction)
        both = np.abs([bins.low, bins.high])
        found[name] = float(both.max(initial=0.0, where=np.isfinite(both)))
    return found


def input_limits(long: TraceLike) -> tuple[float, float] | None:
    """Return the limits of an axis for the inputs that does not change while one zooms; None if none is finite."""
    bins = long.bins("inputs", 0, long.lengths[0], COARSE)
    low = float(bins.low.min(initial=np.inf, where=np.isfinite(bins.low)))
    high = float(bins.high.max(initial=-np.inf, where=np.isfinite(bins.high)))
    if low > high:
        return None
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def _alike(a: Bins, b: Bins) -> list[Bins]:
    """The columns that both have, so that each is compared with the one of the same steps."""
    n = min(len(a.edges), len(b.edges)) - 1
    n -= int(n > 1 and a.edges[n] != b.edges[n])  # where one sequence ends, the other's column goes on
    if not np.array_equal(a.edges[:n], b.edges[:n]):
        found = f"columns of {a.width:,} and of {b.width:,} steps"
        raise TraceError("compare", found, "columns of the same steps", "Zoom in a little, or out.")
    return [Bins(each.low[:, :n], each.high[:, :n], each.mean[:, :n], each.edges[: n + 1]) for each in (a, b)]


def _group(bins: Bins, units: np.ndarray, grouped: int) -> Bins:
    """Bins of rows: their units in order, ``grouped`` neighbours to a row."""
    low, high, mean = bins.low[units], bins.high[units], bins.mean[units]
    if grouped > 1:
        first = np.arange(0, len(units), grouped)
        sizes = np.diff(first, append=len(units))[:, None]
        low, high = np.minimum.reduceat(low, first, 0), np.maximum.reduceat(high, first, 0)
        mean = np.add.reduceat(mean, first, 0) / sizes
    return Bins(low, high, mean, bins.edges)


def _input(
    long: TraceLike, start: int, stop: int, budget: ColumnBudget
) -> tuple[tuple[InputCurve, ...], tuple[Panel, ...]]:
    """A few features are curves with the band that they fill, many are a heatmap."""
    bins = long.bins("inputs", start, stop, budget.columns)
    if len(long.features) > MOST_CURVES:
        extremes = (bins.low, bins.high) if budget.extremes else None
        largest = largest_values(long, 0, "forward")["inputs"]
        return (), (feature_panel(bins.with_spikes(), long.features, largest, extremes=extremes),)

    def undo(values: np.ndarray) -> np.ndarray:
        return long.scaling.undo(values.T).T if long.scaling else values

    low, high, mean = undo(bins.low), undo(bins.high), undo(bins.mean)
    return tuple(
        InputCurve(name, bins.mean[j], mean[j], j, extremes=CurveExtremes(bins.low[j], bins.high[j], low[j], high[j]))
        for j, name in enumerate(long.features)
    ), ()


def _view(
    long: TraceLike,
    title: str,
    curves: tuple[InputCurve, ...],
    panels: tuple[Panel, ...],
    edges: np.ndarray,
    units: np.ndarray,
) -> View:
    first, last, labels = int(edges[0]), int(edges[-1]), long.time[0]
    return View(
        title=title,
        curves=curves,
        scaling=scaled(long.scaling),
        panels=panels,
        first=first + 1,
        steps=last - first,
        labels=None if labels is None else tuple(labels[int(step)] for step in edges[:-1]),
        units=tuple(int(u) for u in units),
        edges=tuple(int(step) for step in edges),
        curve_limits=input_limits(long) if curves else None,
    )
