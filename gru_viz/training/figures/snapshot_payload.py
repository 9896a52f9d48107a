"""The block of bytes for the snapshots component: every map of every snapshot in a byte a value."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from plotly.colors import sample_colorscale

from gru_viz.browser import Payload
from gru_viz.figures.picture import line_style
from gru_viz.figures.style import DIVERGING, SEQUENTIAL
from gru_viz.training.figures.snapshot_maps import LaneMaps, Snapshots, gather_maps

__all__ = ["coded", "pack_snapshots"]

NAN_CODE = 255
PAPER = (128, 128, 128)


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
