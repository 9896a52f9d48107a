"""Draw a view with plotly: curves on top, heatmaps below, one shared axis of steps."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from gru_viz.figures.style import CURVES, DIVERGING, FONT, PLAIN, PREDICTION, SEQUENTIAL
from gru_viz.figures.view_parts import CurveExtremes, InputCurve, Panel, View

__all__ = ["describe", "draw"]

COLOURS: dict[str, list[Any]] = {"sequential": SEQUENTIAL, "diverging": DIVERGING, "plain": PLAIN}

TITLE, CURVES_HEIGHT, AXIS = 27, 72, 28
SWATCHES = [i / 10 for i in range(11)]
MAP_HEIGHT = {1: 260, 2: 160, 3: 118, 4: 84, 5: 76, 6: 66, 7: 60}
"""Pixels of a heatmap, by how many there are; the whole then fits a screen."""


@dataclass(frozen=True)
class _Row:
    panel: Panel | None
    bottom: float
    top: float


def draw(view: View) -> go.Figure:
    """Draw a view as a plotly figure, to be shown or saved by the caller.

    The axis counts steps from 1; a column of many steps covers them. Every heatmap has its meaning above it, with the
    words for both ends of its colours.

    Example:
        >>> import torch, gru_viz
        >>> from gru_viz.figures.view import inspect
        >>> t = gru_viz.trace(torch.nn.GRU(1, 3), np.zeros((9, 1), np.float32))
        >>> [trace.type for trace in draw(inspect(t)).data]
        ['scatter', 'heatmap', 'heatmap', 'heatmap', 'heatmap']
    """
    return go.Figure(**describe(view))


def describe(view: View) -> dict[str, Any]:
    """The same as plotly's own description, ``data`` and ``layout``; its objects take ten times as long to make."""
    rows, height = _rows(view)
    steps = _places(view) if view.columns else {}
    traces: list[dict[str, Any]] = []
    axes_of_rows: dict[str, Any] = {}
    for k, row in enumerate(rows, start=1):
        axes = {"xaxis": "x", "yaxis": f"y{k if k > 1 else ''}"}
        if row.panel is None:
            traces += [each for curve in view.curves for each in _lines(view, curve, axes)]
        else:
            traces.append(_heatmap(view, row.panel, steps, axes))
        axes_of_rows[f"yaxis{k if k > 1 else ''}"] = _row_axis(row, rows, view.curve_limits)
    layout = _layout(view, rows, height) | axes_of_rows
    return {"data": traces, "layout": layout}


def _layout(view: View, rows: list[_Row], height: int) -> dict[str, Any]:
    """The layout without the rows' axes."""
    return {
        "template": {},  # plotly's own weighs more than all of this
        "height": height,
        "margin": {"l": 64, "r": 16, "t": 4, "b": AXIS},
        "font": {"family": FONT, "size": 14},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "dragmode": "zoom",
        "annotations": [note for row in rows for note in _notes(row, view)],
        "legend": {
            "orientation": "h",
            "x": 0.24 if view.scaling else 0.09,
            "xanchor": "left",
            "y": rows[0].top,
            "yanchor": "bottom",
            "traceorder": "normal",
            "font": {"size": 14},
            "bgcolor": "rgba(0,0,0,0)",
        },
        "xaxis": {
            "range": [view.first - 0.5, view.first + max(view.steps, 1) - 0.5],
            "anchor": f"y{len(rows)}" if len(rows) > 1 else "y",
            "showgrid": False,
            "zeroline": False,
            "fixedrange": False,
            "minallowed": view.first - 0.5,
            "maxallowed": view.first + max(view.steps, 1) - 0.5,
            **_ticks(view),
        },
    }


def _rows(view: View) -> tuple[list[_Row], int]:
    heights = [CURVES_HEIGHT] * bool(view.curves) + [MAP_HEIGHT.get(len(view.panels), 56)] * len(view.panels)
    inner = sum(heights) + TITLE * len(heights)
    top, rows = float(inner), []
    panels: list[Panel | None] = [None] * bool(view.curves) + list(view.panels)
    for panel, height in zip(panels, heights, strict=True):
        top -= TITLE
        rows.append(_Row(panel, (top - height) / inner, top / inner))
        top -= height
    return rows, inner + 4 + AXIS


def _places(view: View) -> dict[str, Any]:
    """Where columns lie: evenly, also the last one, which may hold fewer steps, since plotly draws such maps fast."""
    width = 1 if view.edges is None else view.edges[1] - view.edges[0]
    return {"x0": view.first + (width - 1) / 2, "dx": width}


def _row_axis(row: _Row, rows: list[_Row], limits: tuple[float, float] | None) -> dict[str, Any]:
    axis: dict[str, Any] = {"domain": [max(row.bottom, 0), row.top], "anchor": "x", "zeroline": False}
    if row.panel is None:
        if limits:
            axis["range"] = limits
        return axis | {"fixedrange": True, "nticks": 4, "gridcolor": "rgba(128,128,128,0.25)"}
    axis |= {"type": "category", "autorange": "reversed", "nticks": 5, "showgrid": False, "ticks": ""}
    units = [f"y{k if k > 1 else ''}" for k, r in enumerate(rows, 1) if r.panel and r.panel.row_kind == "unit"]
    own = f"y{rows.index(row) + 1 if rows.index(row) else ''}"
    if row.panel.row_kind == "unit" and own != units[0]:
        axis["matches"] = units[0]
    return axis


def _lines(view: View, curve: InputCurve, axes: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The line of a curve; where its columns hold many steps, in the band that they fill."""
    dash = "dash" if curve.dashed else "solid"
    colour = PREDICTION if curve.colour is None else CURVES[curve.colour % len(CURVES)]
    own_unit = not np.array_equal(curve.values, curve.original)
    shared: dict[str, Any] = {"type": "scatter", **axes}
    if view.edges is None:
        shared |= {"x0": view.first, "dx": 1}
        hover = "step %{x:,d}"
    else:
        shared["x"] = (np.asarray(view.edges[:-1]) + np.asarray(view.edges[1:]) + 1) / 2
        hover = _about(view)
    if curve.extremes is not None:
        yield from _band(curve, curve.extremes, shared | {"line": {"color": colour, "width": 1, "dash": dash}})
    line = shared | {
        "y": curve.values,
        "name": html.escape(curve.name),
        "mode": "lines" if view.columns > 1 else "markers",
        "line": {"color": colour, "width": 2, "dash": dash},
        "hovertemplate": "%{fullData.name}: <b>%{"
        + ("customdata:.6g}</b> (drawn as %{y:.3f})" if own_unit else "y:.6g}</b>")
        + f"<br>{hover}"
        + (" · %{text}" if view.labels else "")
        + "<extra></extra>",
        "showlegend": len(view.curves) > 1,
    }
    if own_unit:
        line["customdata"] = curve.original
    if view.labels:
        line["text"] = [html.escape(label) for label in view.labels]
    yield line


def _band(curve: InputCurve, extremes: CurveExtremes, shared: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """From the lowest to the highest value of each column."""
    for values, fill in ((extremes.low, {}), (extremes.high, {"fill": "tonexty"})):
        about = {"y": values, "name": f"{html.escape(curve.name)}, reach", "mode": "lines", "opacity": 0.55}
        yield shared | about | fill | {"hoverinfo": "skip", "showlegend": False}


def _heatmap(view: View, panel: Panel, steps: dict[str, Any], axes: dict[str, str]) -> dict[str, Any]:
    where = "step %{x:,d}" if view.edges is None else _about(view)
    decimals = ".3f" if view.edges is None else ".2f"
    rows = f"{panel.row_kind}s" if panel.grouped > 1 else panel.row_kind
    return {
        "type": "heatmap",
        "y": [html.escape(row) for row in panel.rows],
        "z": panel.values,
        "zmin": panel.low,
        "zmax": panel.high,
        "colorscale": COLOURS[panel.colours],
        "showscale": False,
        "hoverongaps": False,
        "name": html.escape(panel.title),
        "hovertemplate": f"%{{fullData.name}}: <b>%{{z:{decimals}}}</b><br>{rows} %{{y}}, {where}<extra></extra>",
        **steps,
        **axes,
    }


def _about(view: View) -> str:
    """Where a column of many steps lies, in words."""
    assert view.edges is not None
    return f"mean or extreme of {view.edges[1] - view.edges[0]:,} steps about step %{{x:,.0f}}"


def _notes(row: _Row, view: View) -> Iterator[dict[str, Any]]:
    """What a row is, on its left, and what its colours mean, on its right."""
    shared = {"xref": "paper", "yref": "paper", "y": row.top, "yanchor": "bottom", "showarrow": False}
    title, meaning = (view.curves_title, view.scaling) if row.panel is None else (row.panel.title, row.panel.meaning)
    words = f"<b>{html.escape(title)}</b>" + (f"<i> · {html.escape(meaning)}</i>" if meaning else "")
    yield shared | {"name": "title", "text": words, "x": 0, "xanchor": "left", "font": {"size": 16}, "xshift": -4}
    if row.panel is not None:
        scale = COLOURS[row.panel.colours]
        swatches = sample_colorscale(scale, SWATCHES)
        blocks = "".join(f"<span style='color:{colour}'>█</span>" for colour in swatches)
        legend = f"{html.escape(row.panel.low_means)} {blocks} {html.escape(row.panel.high_means)}"
        yield shared | {"name": "legend", "text": legend, "x": 1, "xanchor": "right", "font": {"size": 14}, "xshift": 4}


def _ticks(view: View, most: int = 12) -> dict[str, Any]:
    """Name steps by their labels where they have some; plotly counts them otherwise.

    Characters are shown one by one or not at all, since every other letter reads as nonsense.
    """
    counted = {"nticks": most, "tickformat": ",d"}
    if view.labels is None:
        return counted
    longest = max((len(label) for label in view.labels), default=1)
    stride = max(1, int(-(-view.columns * (longest + 0.5) // 200)))
    if longest == 1 and stride > 1:
        return counted
    picked = range(0, view.columns, stride)
    first = [view.first + i for i in range(view.columns)] if view.edges is None else [e + 1 for e in view.edges]
    return counted | {
        "tickmode": "array",
        "tickvals": [first[i] for i in picked],
        "ticktext": [html.escape(view.labels[i]) for i in picked],
        "tickangle": 0,
    }
