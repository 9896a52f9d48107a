"""The gates while they learn: the same probe read by one network at one snapshot after the other."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gru_viz.analysis import order_units
from gru_viz.errors import TrainingError
from gru_viz.figures.picture import Picture, axis, base_layout, look
from gru_viz.figures.style import DIVERGING, SEQUENTIAL
from gru_viz.figures.view import inspect
from gru_viz.figures.view_parts import Panel
from gru_viz.trace import Trace

__all__ = ["LaneMaps", "SnapshotMaps", "Snapshots", "gather_maps", "snapshots_picture"]

Snapshots = Sequence[tuple[int, Trace]]
"""Of one lane: how many updates had been made, and the probe as it was read then."""

MOST_UNITS, MOST_COLUMNS = 64, 200


@dataclass(frozen=True)
class LaneMaps:
    """The maps of one lane at all its snapshots.

    Attributes:
        name: of the lane.
        place: of the lane among all, which gives it its colour.
        updates: of each snapshot.
        panels: a map of each gate and state, as it stands at the last snapshot, on a scale that holds them all.
        values: quantity → (snapshots, units, columns).
    """

    name: str
    place: int
    updates: tuple[int, ...]
    panels: tuple[Panel, ...]
    values: Mapping[str, np.ndarray]

    def at(self, update: int) -> int:
        """The place of the newest snapshot that is not after an update."""
        return max(int(np.searchsorted(self.updates, update, "right")) - 1, 0)


@dataclass(frozen=True)
class SnapshotMaps:
    """All lanes, and what their rows and columns are.

    Attributes:
        lanes: in the order of the run.
        updates: of all snapshots of all lanes, rising.
        steps: how many steps each column is the mean of.
        probe: what is read.
    """

    lanes: tuple[LaneMaps, ...]
    updates: tuple[int, ...]
    steps: int
    probe: str


def gather_maps(snapshots: Mapping[str, Snapshots], order: str = "index", layer: int = 0) -> SnapshotMaps:
    """Gather the maps of every lane over its snapshots.

    A row is the same unit from first to last, so that one sees it change: units are numbered as they are, or sorted
    as ``order`` finds them at the last snapshot. Of more than 64 units every second, third … is shown; of more than
    200 steps the means of two, three … at a time.

    Args:
        snapshots: lane → its snapshots, rising.
        order: a name in ``analysis.ORDERS``.
        layer: counted from 0.

    Raises:
        TrainingError: there is no snapshot.
    """
    filled = {name: list(each) for name, each in snapshots.items() if len(each)}
    if not filled:
        raise TrainingError("snapshots", "no snapshot", "one or more", "Wait for the first, or start the training.")
    last = next(iter(filled.values()))[-1][1]
    bins = max(1, -(-last.lengths[0] // MOST_COLUMNS))
    places = {name: place for place, name in enumerate(snapshots)}
    lanes = tuple(_lane_maps(name, places[name], each, order, layer, bins) for name, each in filled.items())
    updates = tuple(sorted({update for lane in lanes for update in lane.updates}))
    return SnapshotMaps(lanes, updates, bins, last.names[0])


def _lane_maps(name: str, place: int, snapshots: Snapshots, order: str, layer: int, bins: int) -> LaneMaps:
    last = snapshots[-1][1]
    run = last.layers[layer].forward
    units = order_units(run, order)
    units = units[:: max(1, -(-len(units) // MOST_UNITS))]
    views = [inspect(trace, layer=layer).panels for _, trace in snapshots]
    panels, values = [], {}
    for panel in (each for each in views[-1] if each.row_kind == "unit"):
        frames = [next(p for p in view if p.key == panel.key) for view in views]
        widest = max(frames, key=lambda frame: frame.high)
        rows = tuple(str(unit + 1) for unit in units)
        stacked = np.stack([_binned(frame.values[units], bins) for frame in frames])
        scale = replace(panel, low=widest.low, high=widest.high)
        words = replace(scale, low_means=widest.low_means, high_means=widest.high_means)
        panels.append(replace(words, values=stacked[-1], rows=rows))
        values[panel.key] = stacked
    return LaneMaps(name, place, tuple(update for update, _ in snapshots), tuple(panels), values)


def _binned(values: np.ndarray, bins: int) -> np.ndarray:
    if bins == 1:
        return values
    whole = np.full((len(values), -(-values.shape[1] // bins) * bins), np.nan)
    whole[:, : values.shape[1]] = values
    parts = whole.reshape(len(values), -1, bins)
    there = np.isfinite(parts)
    sums, counts = np.where(there, parts, 0).sum(2), there.sum(2)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def snapshots_picture(
    snapshots: Mapping[str, Snapshots], update: int | None = None, order: str = "index", layer: int = 0
) -> Picture:
    """Every gate and state of every lane at one snapshot, lanes side by side.

    Args:
        snapshots: lane → its snapshots, rising.
        update: show each lane's newest snapshot that is not after it; None: the last.
        order: a name in ``analysis.ORDERS``, taken at the last snapshot.
        layer: counted from 0.
    """
    maps = gather_maps(snapshots, order, layer)
    shown = maps.updates[-1] if update is None else update
    layout, data, notes = base_layout(left=64) | {"uirevision": "snapshots"}, [], []
    count, k = len(maps.lanes), 0
    height = max(len(lane.panels) for lane in maps.lanes) * 120
    for column, lane in enumerate(maps.lanes):
        left, right = column / count + (0.05 if column else 0), (column + 1) / count - 0.01
        place, tag = lane.at(shown), f"{column + 1 if column else ''}"
        for row, panel in enumerate(lane.panels):
            k += 1
            top = 1 - row / len(lane.panels) - 24 / height
            bottom = 1 - (row + 1) / len(lane.panels) + 8 / height
            name = f"y{k if k > 1 else ''}"
            data.append(_heatmap(maps, lane, panel, place) | {"xaxis": f"x{tag}", "yaxis": name})
            own: dict[str, Any] = {"type": "category", "autorange": "reversed", "showgrid": False, "ticks": ""}
            layout[name.replace("y", "yaxis")] = axis(
                "unit" if column == 0 else "", domain=[bottom, top], anchor=f"x{tag}", **own
            )
            ends = f"{panel.low_means} … {panel.high_means}"
            words = f"<b>{html.escape(panel.title)}</b> <i>{html.escape(ends)}</i>"
            if row == 0:
                lead = f"<b>{html.escape(lane.name)}</b>, after {lane.updates[place]:,} updates"
                notes.append(
                    {"text": lead, "x": left, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left"}
                    | {"yanchor": "bottom", "showarrow": False, "name": "lane"}
                )
            notes.append(
                {"text": words, "x": left, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left"}
                | {"yanchor": "bottom", "showarrow": False, "name": "title"}
            )
        lowest = f"y{k if k > 1 else ''}"
        layout[f"xaxis{tag}"] = axis("step", domain=[left, right], anchor=lowest, showgrid=False)
    layout["annotations"], layout["margin"] = notes, layout["margin"] | {"t": 30}
    caption = f"{maps.probe}, as read after {shown:,} updates" + (
        f" · each column is the mean of {maps.steps} steps" if maps.steps > 1 else ""
    )
    return Picture("snapshots", "Gates while they learn", caption, f"{caption}.", data, layout, height, wide=True)


def _heatmap(maps: SnapshotMaps, lane: LaneMaps, panel: Panel, place: int) -> dict[str, Any]:
    looks = look(lane.place)
    return {
        "type": "heatmap",
        "name": html.escape(f"{lane.name}, {panel.title}"),
        "z": lane.values[panel.key][place],
        "x0": 1 + (maps.steps - 1) / 2,
        "dx": maps.steps,
        "y": list(panel.rows),
        "zmin": panel.low,
        "zmax": panel.high,
        "colorscale": SEQUENTIAL if panel.colours == "sequential" else DIVERGING,
        "showscale": False,
        "hoverongaps": False,
        "hoverlabel": {"bordercolor": looks.colour},
        "hovertemplate": "%{fullData.name}: <b>%{z:.2f}</b><br>unit %{y}, step %{x}<extra></extra>",
    }
