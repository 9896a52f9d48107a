"""The parts of a view: input curves, heatmaps and the axis of steps, before anything is drawn.

A notebook's plotly figure and the page's component are made from the same view, so they cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gru_viz.conventions import Quantity
from gru_viz.sequences import Scaling

__all__ = [
    "MOST_CURVES",
    "CurveExtremes",
    "InputCurve",
    "Panel",
    "View",
    "difference_panel",
    "feature_panel",
    "quantity_panel",
    "round_scale",
    "scaled",
]

Colours = Literal["sequential", "diverging", "plain"]
MOST_CURVES = 6


@dataclass(frozen=True)
class CurveExtremes:
    """The lowest and the highest value within each column (columns,), as drawn and in the feature's own unit."""

    low: np.ndarray
    high: np.ndarray
    original_low: np.ndarray
    original_high: np.ndarray


@dataclass(frozen=True)
class InputCurve:
    """A line in the input row.

    Attributes:
        name: in the legend.
        values: (columns,) as drawn; means where a column has many steps.
        original: (columns,) the same in the feature's own unit, for the hover.
        colour: index of a colour in ``style.CURVES``; None for a prediction of the network.
        dashed: whether it belongs to the second of two sequences, or to no input.
        extremes: where a column has many steps, their lowest and highest value.
    """

    name: str
    values: np.ndarray
    original: np.ndarray
    colour: int | None
    dashed: bool = False
    extremes: CurveExtremes | None = None


@dataclass(frozen=True)
class Panel:
    """A heatmap.

    Attributes:
        key: the quantity's name.
        title: such as "update gate z".
        meaning: the quantity's meaning in a few words.
        values: (rows, columns).
        rows: the label of each row.
        row_kind: ``"unit"`` or ``"feature"``.
        colours: which colour scale.
        low, high: the values at both ends of the colours.
        low_means, high_means: what these mean, in words beside the colours.
        extremes: (rows, columns) each column's lowest and highest value, where it has many steps.
        grouped: how many neighbouring units share a row.
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
    extremes: tuple[np.ndarray, np.ndarray] | None = None
    grouped: int = 1


@dataclass(frozen=True)
class View:
    """Curves and heatmaps on one shared axis of steps.

    Attributes:
        title: one line.
        curves: lines in the top row; none where the input is a heatmap.
        scaling: how the curves were scaled, in a word; empty if they were not.
        panels: heatmaps from top to bottom.
        first: the first step of the view, counted from 1.
        steps: the number of steps.
        labels: a label for each column, that of its first step, or None.
        units: the units from top to bottom, counted from 0.
        edges: where columns have many steps, the step at which each begins and the one after the last, counted
            from 0; None where each step has its column.
        before: the number of steps of the sequence before the trace that this is a view of.
        curve_limits: the lowest and the highest value of the curves' axis; None: as the curves need.
        curves_title: what the curves are.
    """

    title: str
    curves: tuple[InputCurve, ...]
    scaling: str
    panels: tuple[Panel, ...]
    first: int
    steps: int
    labels: tuple[str, ...] | None
    units: tuple[int, ...]
    edges: tuple[int, ...] | None = None
    before: int = 0
    curve_limits: tuple[float, float] | None = None
    curves_title: str = "input x"

    @property
    def columns(self) -> int:
        """How many columns a heatmap has."""
        return self.steps if self.edges is None else len(self.edges) - 1


def quantity_panel(
    q: Quantity,
    values: np.ndarray,
    units: np.ndarray,
    key: str = "",
    title: str = "",
    largest: float | None = None,
    extremes: tuple[np.ndarray, np.ndarray] | None = None,
    grouped: int = 1,
) -> Panel:
    """A heatmap of a quantity: ``values`` (rows, columns) of these units, from top to bottom, counted from 0.

    ``key`` and ``title`` replace the quantity's own. ``largest`` is its largest absolute value in the whole sequence,
    where ``values`` are a part of it, so that the scale of a cell state does not change while one zooms; see ``Panel``
    for ``extremes`` and ``grouped``.
    """
    kind = " gate" if q.kind == "gate" else " state" if q.name in ("hidden", "cell") else ""
    bound = q.high if q.bounded else round_scale(values, 1.0, largest)
    low, high = (0.0, 1.0) if q.kind == "gate" else (-bound, bound)
    words = (f"0 {q.low_means}", f"1 {q.high_means}") if q.kind == "gate" else (f"−{bound:g}", f"{bound:g}")
    return Panel(
        key=key or q.name,
        title=title or f"{q.name.replace('_', ' ')}{kind} {q.symbol}",
        meaning=q.meaning,
        values=values,
        rows=tuple(_row_name(units[i : i + grouped]) for i in range(0, len(units), grouped)),
        row_kind="unit",
        colours="sequential" if q.kind == "gate" else "diverging",
        low=low,
        high=high,
        low_means=words[0],
        high_means=words[1],
        extremes=extremes,
        grouped=grouped,
    )


def _row_name(units: np.ndarray) -> str:
    first = str(units[0] + 1)
    if len(units) == 1:
        return first
    neighbours = (np.diff(units) == 1).all()
    return f"{first}–{units[-1] + 1}" if neighbours else f"{first} and {len(units) - 1} more"


def feature_panel(values: np.ndarray, features: tuple[str, ...], largest: float | None, **more: Any) -> Panel:
    """The input as a heatmap, where it has too many features for curves: values (features, columns)."""
    one_hot = bool(np.isin(values, (0, 1)).all())
    bound = 1.0 if one_hot else round_scale(values, 1.0, largest)
    return Panel(
        key="x",
        title="input x",
        meaning="a row for each feature",
        values=values,
        rows=features,
        row_kind="feature",
        colours="plain" if one_hot else "diverging",
        low=0.0 if one_hot else -bound,
        high=bound,
        low_means="0" if one_hot else f"−{bound:g}",
        high_means=f"{bound:g}",
        **more,
    )


def difference_panel(difference: np.ndarray, like: Panel, means: bool = False) -> Panel:
    """First − second, on a scale of its own that is named beside its colours."""
    bound = round_scale(difference, floor=0.01)
    largest = float(np.abs(difference[~np.isnan(difference)]).max(initial=0.0))
    of = "first − second, of the means of each column" if means else "first − second"
    return replace(
        like,
        key="difference",
        title="difference",
        meaning=f"{of}, at most {largest:.2g}",
        values=difference,
        colours="diverging",
        low=-bound,
        high=bound,
        low_means=f"−{bound:g} second is higher",
        high_means=f"{bound:g} first is higher",
        extremes=None,
    )


def scaled(scaling: Scaling | None) -> str:
    """How the curves were scaled, in a word; empty where they were not."""
    words = {
        "standardise": "standardised",
        "minmax": "scaled to 0 … 1",
        "robust": "scaled by quartiles",
        "given": "scaled by given numbers",
    }
    return words.get(scaling.method, "") if scaling else ""


def round_scale(values: np.ndarray, floor: float, largest: float | None = None) -> float:
    """The smallest of floor · 1, 2, 5, 10, 20 … that no value, or not the largest that is known of, exceeds."""
    largest = (
        largest if largest is not None else float(np.nanmax(np.abs(values), initial=0.0, where=np.isfinite(values)))
    )
    bound, factors = floor, (2, 2.5, 2)
    for k in range(60):
        if largest <= bound:
            break
        bound *= factors[k % 3]
    return float(f"{bound:.6g}")
