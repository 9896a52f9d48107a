"""A sweep: the final loss of every model, size and learning rate."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import numpy as np

from gru_viz.figures.picture import Picture, axis, base_layout
from gru_viz.figures.style import SEQUENTIAL
from gru_viz.training.sweep import SweepPoint

__all__ = ["sweep_picture"]

Key = tuple[str, int, float]
"""Cell, units and learning rate."""


def sweep_picture(points: Iterable[SweepPoint]) -> Picture:
    """Draw a map for each cell, size across and learning rate upwards, of the median final loss over the seeds.

    All maps share a logarithmic colour scale; the lowest median has an outline. The ``customdata`` of a field are the
    ids of its runs.
    """
    groups: dict[Key, list[SweepPoint]] = {}
    for point in points:
        groups.setdefault((point.cell, point.hidden, point.learning_rate), []).append(point)
    medians = {key: _median([p.loss for p in group]) for key, group in groups.items()}
    cells, sizes = list(dict.fromkeys(key[0] for key in groups)), sorted({key[1] for key in groups})
    rates = sorted({key[2] for key in groups})
    best = min((key for key in medians if np.isfinite(medians[key])), key=lambda k: medians[k], default=None)
    layout, data = base_layout(left=80, right=90) | {"uirevision": "sweep", "coloraxis": _colour_axis(medians)}, []
    notes: list[dict[str, Any]] = []
    for k, cell in enumerate(cells):
        tag = str(k + 1) if k else ""
        keys = [[(cell, size, rate) for size in sizes] for rate in rates]
        axes = {"x": [str(size) for size in sizes], "y": [f"{rate:g}" for rate in rates]}
        data.append(_map(cell, keys, groups, medians) | axes | {"xaxis": f"x{tag}", "yaxis": f"y{tag}"})
        domain = [k / len(cells) + (0.015 if k else 0), (k + 1) / len(cells) - 0.015]
        plain = {"type": "category", "showgrid": False, "ticks": ""}
        layout[f"xaxis{tag}"] = axis("units", domain=domain, anchor=f"y{tag}", **plain)
        first = {"showticklabels": k == 0, "anchor": f"x{tag}"}
        layout[f"yaxis{tag}"] = axis("learning rate" if k == 0 else "", **plain, **first)
        notes.append(
            {"text": f"<b>{html.escape(cell)}</b>", "x": domain[0], "y": 1, "xref": "paper", "yref": "paper"}
            | {"xanchor": "left", "yanchor": "bottom", "showarrow": False, "name": "cell"}
        )
        notes += _diverged(keys, medians, tag)
    shapes, summary = [], "No training of the sweep has ended yet."
    if best:
        tag = str(cells.index(best[0]) + 1) if cells.index(best[0]) else ""
        shapes.append(_outline(sizes.index(best[1]), rates.index(best[2]), tag))
        summary = f"Lowest: {best[0]} with {best[1]} units at rate {best[2]:g}, held-out loss {medians[best]:.3g}."
    layout |= {"annotations": notes, "shapes": shapes, "margin": layout["margin"] | {"t": 30}}
    caption = "median over seeds · brighter = lower; outline = best · click a field to open its trainings"
    height = 110 + 46 * max(len(rates), 3)
    return Picture("sweep", "Final held-out loss", caption, summary, data, layout, height, wide=True)


def _map(
    cell: str, keys: list[list[Key]], groups: dict[Key, list[SweepPoint]], medians: dict[Key, float]
) -> dict[str, Any]:
    """The heatmap of one cell; a field without a finite positive median has no colour."""
    values = np.array([[medians.get(key, np.nan) for key in row] for row in keys], float).reshape(len(keys), -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.log10(values)
    return {
        "type": "heatmap",
        "name": html.escape(cell),
        "z": np.where(np.isfinite(z), z, np.nan),
        "coloraxis": "coloraxis",
        "xgap": 2,
        "ygap": 2,
        "text": [[_short(medians[key]) if key in medians else "" for key in row] for row in keys],
        "texttemplate": "%{text}",
        "textfont": {"size": 14},
        "hovertext": [[_spread(groups.get(key, [])) for key in row] for row in keys],
        "hovertemplate": "%{fullData.name}, %{x} units, rate %{y}<br><b>%{hovertext}</b><extra></extra>",
        "customdata": [[[p.run_id for p in groups[key]] if key in groups else None for key in row] for row in keys],
    }


def _diverged(keys: list[list[Key]], medians: dict[Key, float], tag: str) -> list[dict[str, Any]]:
    """Labels of fields without a colour, in which plotly writes no text."""
    return [
        {"text": _short(medians[key]), "x": column, "y": row, "xref": f"x{tag}", "yref": f"y{tag}"}
        | {"showarrow": False, "name": "diverged"}
        for row, line in enumerate(keys)
        for column, key in enumerate(line)
        if key in medians and not (np.isfinite(medians[key]) and medians[key] > 0)
    ]


def _outline(x: int, y: int, tag: str) -> dict[str, Any]:
    corners = {"x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
    line = {"color": "#d6006c", "width": 3}
    return {"type": "rect", "xref": f"x{tag}", "yref": f"y{tag}", "line": line, "name": "best"} | corners


def _colour_axis(medians: dict[Key, float]) -> dict[str, Any]:
    finite = [value for value in medians.values() if np.isfinite(value) and value > 0]
    low, high = (np.log10(min(finite)), np.log10(max(finite))) if finite else (0.0, 1.0)
    marks = [low, (low + high) / 2, high] if high > low else [low]
    bar: dict[str, Any] = {"tickmode": "array", "tickvals": marks, "ticktext": [f"{10**mark:.2g}" for mark in marks]}
    bar |= {"title": {"text": "loss", "side": "top"}, "thickness": 14, "outlinewidth": 0, "x": 1.01}
    limits: dict[str, Any] = {"cmin": low, "cmax": high if high > low else low + 1}
    return limits | {"colorscale": SEQUENTIAL, "reversescale": True, "colorbar": bar}


def _median(losses: list[float]) -> float:
    """The median; a diverged training counts as an infinite loss."""
    return float(np.median([loss if np.isfinite(loss) else np.inf for loss in losses]))


def _short(loss: float) -> str:
    return f"{loss:.2g}" if np.isfinite(loss) else "diverged"


def _spread(points: list[SweepPoint]) -> str:
    if not points:
        return "not trained"
    losses = [point.loss for point in points]
    good = [loss for loss in losses if np.isfinite(loss)]
    lost = f", {len(losses) - len(good)} diverged" if len(good) < len(losses) else ""
    if len(losses) == 1 or not good:
        return f"{_short(losses[0])}, seed {points[0].seed}" if len(losses) == 1 else f"{len(losses)} diverged"
    return f"{_short(_median(losses))}, {len(losses)} seeds: {min(good):.3g} … {max(good):.3g}{lost}"
