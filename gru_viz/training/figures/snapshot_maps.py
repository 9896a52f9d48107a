"""Gates during training: the same probe traced at every snapshot of a network, as a figure or as bytes."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from plotly.colors import sample_colorscale

from gru_viz.analysis import order_units
from gru_viz.browser import Payload
from gru_viz.errors import TrainingError
from gru_viz.figures.picture import Picture, axis, base_layout, line_style
from gru_viz.figures.style import DIVERGING, SEQUENTIAL
from gru_viz.figures.view import inspect
from gru_viz.figures.view_parts import Panel
from gru_viz.trace import Trace

__all__ = ["LaneMaps", "SnapshotMaps", "Snapshots", "gather_maps", "snapshots_picture"]

Snapshots = Sequence[tuple[int, Trace]]
"""Of one lane: number of updates and trace of the probe, by rising update."""

MOST_UNITS, MOST_COLUMNS = 64, 200
NAN_CODE = 255
PAPER = (128, 128, 128)


@dataclass(frozen=True)
class LaneMaps:
    """The maps of one lane at its snapshots: its panels as at the last one; quantity → (snapshots, units, columns)."""

    name: str
    place: int
    updates: tuple[int, ...]
    panels: tuple[Panel, ...]
    values: Mapping[str, np.ndarray]

    def at(self, update: int) -> int:
        """Index of the newest snapshot up to an update."""
        return max(int(np.searchsorted(self.updates, update, "right")) - 1, 0)


@dataclass(frozen=True)
class SnapshotMaps:
    """The maps of all lanes, the updates of all their snapshots, and how many steps a column is the mean of."""

    lanes: tuple[LaneMaps, ...]
    updates: tuple[int, ...]
    steps: int
    probe: str


def gather_maps(snapshots: Mapping[str, Snapshots], order: str = "index", layer: int = 0) -> SnapshotMaps:
    """Collect the maps of every lane over its snapshots.

    A row is the same unit at all snapshots, in the order of the last one. Of more than 64 units every second, third …
    is drawn; of more than 200 steps the means of two, three … steps.

    Args:
        snapshots: lane → its snapshots by rising update.
        order: a name in ``analysis.ORDERS``.
        layer: from 0.

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
    """Draw every gate and state of every lane at one snapshot, lanes side by side.

    Args:
        snapshots: lane → its snapshots by rising update.
        update: draw each lane's newest snapshot up to this update; None: the last.
        order: a name in ``analysis.ORDERS``, taken at the last snapshot.
        layer: from 0.
    """
    maps = gather_maps(snapshots, order, layer)
    drawn = maps.updates[-1] if update is None else update
    layout: dict[str, Any] = base_layout(left=64) | {"uirevision": "snapshots"}
    layout |= {"annotations": [], "margin": layout["margin"] | {"t": 30}}
    height, data = max(len(lane.panels) for lane in maps.lanes) * 120, list[dict[str, Any]]()
    for column in range(len(maps.lanes)):
        _add_lane(maps, column, drawn, height, layout, data)
    binned = f" · each column is the mean of {maps.steps} steps" if maps.steps > 1 else ""
    caption = f"{maps.probe}, after {drawn:,} updates{binned}"
    return Picture("snapshots", "Gates during training", caption, f"{caption}.", data, layout, height, wide=True)


def _add_lane(
    maps: SnapshotMaps, column: int, update: int, height: int, layout: dict[str, Any], data: list[dict[str, Any]]
) -> None:
    """One column of heatmaps with its axes and titles."""
    lane, count, tag = maps.lanes[column], len(maps.lanes), f"{column + 1 if column else ''}"
    left, right = column / count + (0.05 if column else 0), (column + 1) / count - 0.01
    place, name = lane.at(update), "y"
    note = {"x": left, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    title = f"<b>{html.escape(lane.name)}</b>, after {lane.updates[place]:,} updates"
    layout["annotations"].append(note | {"text": title, "y": 1, "name": "lane"})
    for row, panel in enumerate(lane.panels):
        top = 1 - row / len(lane.panels) - 24 / height
        bottom = 1 - (row + 1) / len(lane.panels) + 8 / height
        name = f"y{len(data) + 1 if data else ''}"
        data.append(_heatmap(maps, lane, panel, place) | {"xaxis": f"x{tag}", "yaxis": name})
        own: dict[str, Any] = {"type": "category", "autorange": "reversed", "showgrid": False, "ticks": ""}
        own |= {"domain": [bottom, top], "anchor": f"x{tag}"}
        layout[name.replace("y", "yaxis")] = axis("unit" if column == 0 else "", **own)
        ends = html.escape(f"{panel.low_means} … {panel.high_means}")
        text = f"<b>{html.escape(panel.title)}</b> <i>{ends}</i>"
        layout["annotations"].append(note | {"text": text, "y": top, "name": "title"})
    layout[f"xaxis{tag}"] = axis("step", domain=[left, right], anchor=name, showgrid=False)


def _heatmap(maps: SnapshotMaps, lane: LaneMaps, panel: Panel, place: int) -> dict[str, Any]:
    style = line_style(lane.place)
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
        "hoverlabel": {"bordercolor": style.colour},
        "hovertemplate": "%{fullData.name}: <b>%{z:.2f}</b><br>unit %{y}, step %{x}<extra></extra>",
    }


def coded(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Round values between low and high to 0 … 254; 255 is NaN."""
    with np.errstate(invalid="ignore"):
        scaled = np.clip((values - low) / (high - low), 0, 1) * (NAN_CODE - 1)
    return np.where(np.isnan(values), NAN_CODE, np.rint(np.nan_to_num(scaled))).astype(np.uint8)


def _table(scale: list[Any]) -> np.ndarray:
    colours = sample_colorscale(scale, [i / (NAN_CODE - 1) for i in range(NAN_CODE)], colortype="tuple")
    return np.rint(np.array([*colours, tuple(c / 255 for c in PAPER)]) * 255).astype(np.uint8)


TABLES = {"sequential": _table(SEQUENTIAL), "diverging": _table(DIVERGING)}
"""A colour for each code, fixed by meaning."""


def pack_snapshots(snapshots: Mapping[str, Snapshots], order: str = "index", layer: int = 0) -> bytes:
    """Pack all maps of all snapshots for the browser.

    Args:
        snapshots: lane → its snapshots by rising update.
        order: how units are sorted at the last snapshot; a name in ``analysis.ORDERS``.
        layer: from 0.

    Raises:
        TrainingError: there is no snapshot.
    """
    every, payload = gather_maps(snapshots, order, layer), Payload()
    lanes = [_lane(lane, payload) for lane in every.lanes]
    tables = {name: {"array": payload.add_array(table.ravel())} for name, table in TABLES.items()}
    header = {"lanes": lanes, "updates": every.updates, "steps": every.steps, "probe": every.probe, "tables": tables}
    digest = blake2b(b"".join(payload.parts), digest_size=9)
    return payload.pack(header | {"digest": digest.hexdigest()})


def _lane(lane: LaneMaps, payload: Payload) -> dict[str, Any]:
    style = line_style(lane.place)
    maps = [
        {
            "title": panel.title,
            "meaning": panel.meaning,
            "low": panel.low,
            "high": panel.high,
            "lowMeans": panel.low_means,
            "highMeans": panel.high_means,
            "colours": panel.colours,
            "codes": {"array": payload.add_array(coded(lane.values[panel.key], panel.low, panel.high).ravel())},
        }
        for panel in lane.panels
    ]
    size = {"units": lane.panels[0].rows, "columns": lane.panels[0].values.shape[1]}
    own_style = {"colour": style.colour, "dash": style.dash, "symbol": style.symbol}
    return {"name": lane.name, "updates": lane.updates, "maps": maps} | own_style | size
