"""A sweep: the final loss of every cell, size and learning rate."""

from __future__ import annotations

import html
from collections.abc import Iterable

import numpy as np

from gru_viz.figures.picture import Picture, axis, base_layout
from gru_viz.figures.style import SEQUENTIAL
from gru_viz.training.sweep import SweepPoint

__all__ = ["SweepPoint", "sweep_picture"]


def sweep_picture(points: Iterable[SweepPoint]) -> Picture:
    """A map for each cell, size across and learning rate upwards: in every field the median of the final losses.

    All maps share one logarithmic scale of colours, and the lowest median has a frame. ``customdata`` of a field are
    the ids of the runs behind it.
    """
    every = list(points)
    cells = list(dict.fromkeys(point.cell for point in every))
    sizes = sorted({point.hidden for point in every})
    rates = sorted({point.learning_rate for point in every})
    groups: dict[tuple[str, int, float], list[SweepPoint]] = {}
    for point in every:
        groups.setdefault((point.cell, point.hidden, point.learning_rate), []).append(point)
    medians = {key: _median([p.loss for p in group]) for key, group in groups.items()}
    finite = [value for value in medians.values() if np.isfinite(value) and value > 0]
    low, high = (np.log10(min(finite)), np.log10(max(finite))) if finite else (0.0, 1.0)
    best = min((key for key in medians if np.isfinite(medians[key])), key=lambda k: medians[k], default=None)
    data, notes, shapes = [], [], []
    layout = base_layout(left=80, right=90) | {"uirevision": "sweep"}
    layout["coloraxis"] = {
        "colorscale": SEQUENTIAL,
        "cmin": low,
        "cmax": high if high > low else low + 1,
        "reversescale": True,
        "colorbar": _colour_bar(low, high),
    }
    run_ids = {key: [point.run_id for point in group] for key, group in groups.items()}
    for k, cell in enumerate(cells):
        tag = str(k + 1) if k else ""
        keys = [[(cell, size, rate) for size in sizes] for rate in rates]
        shown = [[medians.get(key, np.nan) for key in row] for row in keys]
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.log10(np.array(shown, float).reshape(len(rates), len(sizes)))
        data.append(
            {"type": "heatmap", "name": html.escape(cell), "xaxis": f"x{tag}", "yaxis": f"y{tag}"}
            | {"z": np.where(np.isfinite(z), z, np.nan), "coloraxis": "coloraxis", "xgap": 2, "ygap": 2}
            | {"x": [str(size) for size in sizes], "y": [f"{rate:g}" for rate in rates]}
            | {"texttemplate": "%{text}", "textfont": {"size": 14}}
            | {"text": [[_short(medians[key]) if key in medians else "" for key in row] for row in keys]}
            | {"hovertext": [[_spread(groups.get(key, [])) for key in row] for row in keys]}
            | {"customdata": [[run_ids.get(key) for key in row] for row in keys]}
            | {"hovertemplate": "%{fullData.name}, %{x} units, rate %{y}<br><b>%{hovertext}</b><extra></extra>"}
        )
        domain = [k / len(cells) + (0.015 if k else 0), (k + 1) / len(cells) - 0.015]
        plain = {"type": "category", "showgrid": False, "ticks": ""}
        layout[f"xaxis{tag}"] = axis("units", domain=domain, anchor=f"y{tag}", **plain)
        first = {"showticklabels": k == 0, "anchor": f"x{tag}"}
        layout[f"yaxis{tag}"] = axis("learning rate" if k == 0 else "", **plain, **first)
        notes.append(
            {"text": f"<b>{html.escape(cell)}</b>", "x": domain[0], "y": 1, "xref": "paper", "yref": "paper"}
            | {"xanchor": "left", "yanchor": "bottom", "showarrow": False, "name": "cell"}
        )
        for row, column in np.argwhere(~np.isfinite(z)):
            key = keys[row][column]
            if key in medians:  # what has no colour has no number written in it either
                notes.append(
                    {
                        "text": _short(medians[key]),
                        "x": int(column),
                        "y": int(row),
                        "xref": f"x{tag}",
                        "yref": f"y{tag}",
                    }
                    | {"showarrow": False, "name": "diverged"}
                )
        if best and best[0] == cell:
            x, y = sizes.index(best[1]), rates.index(best[2])
            shapes.append(
                {"type": "rect", "xref": f"x{tag}", "yref": f"y{tag}", "x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5}
                | {"y1": y + 0.5, "line": {"color": "#d6006c", "width": 3}, "name": "best"}
            )
    layout |= {"annotations": notes, "shapes": shapes}
    layout["margin"] = layout["margin"] | {"t": 30}
    summary = "No training of the sweep has ended yet."
    if best:
        summary = f"Lowest: {best[0]} with {best[1]} units at rate {best[2]:g}, held-out loss {medians[best]:.3g}."
    caption = "median over the seeds · bright is low, the frame the lowest · click a field to open its trainings"
    height = 110 + 46 * max(len(rates), 3)
    return Picture("sweep", "Final held-out loss", caption, summary, data, layout, height, wide=True)


def _median(losses: list[float]) -> float:
    """The middle; who diverged has the highest loss of all."""
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


def _colour_bar(low: float, high: float) -> dict[str, object]:
    marks = [low, (low + high) / 2, high] if high > low else [low]
    words = {"tickmode": "array", "tickvals": marks, "ticktext": [f"{10**mark:.2g}" for mark in marks]}
    return words | {"title": {"text": "loss", "side": "top"}, "thickness": 14, "outlinewidth": 0, "x": 1.01}
