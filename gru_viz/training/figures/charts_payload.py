"""The block of bytes for the charts component: figures, lanes, and their numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from gru_viz.browser import Payload
from gru_viz.figures.picture import INK, PAPER, Picture, line_style

__all__ = ["LaneStatus", "pack_charts"]


@dataclass(frozen=True)
class LaneStatus:
    """The progress of a lane, a row of the table above the charts.

    Attributes:
        name: of the lane.
        title: its cell and size, such as ``"GRU, 32 units"``.
        parameters: their number.
        backend: of the recurrence.
        update: number of updates made.
        planned: number of updates in total.
        per_second: current updates per second; None if it does not run.
        seconds_left: None if unknown.
        loss: newest held-out loss.
        measure: newest value of the task's measure.
        learning_rate: of the next update.
        message: anything else, in a sentence: queued, paused, diverged.
    """

    name: str
    title: str
    parameters: int
    backend: str
    update: int
    planned: int
    per_second: float | None = None
    seconds_left: float | None = None
    loss: float | None = None
    measure: float | None = None
    learning_rate: float | None = None
    message: str = ""


def pack_charts(pictures: Iterable[Picture], lanes: Sequence[LaneStatus] = (), measure: str = "") -> bytes:
    """Pack figures and the strip of lanes above them.

    Args:
        pictures: in the order of the page; each key once.
        lanes: rows of the table; empty: no table.
        measure: the name of the task's measure; empty leaves its column out.

    Returns:
        The block that ``browser.CHARTS`` shows.

    Example:
        >>> empty = Picture("loss", "Loss", "", "", [], {})
        >>> pack_charts([empty]) == pack_charts([empty])
        True
    """
    payload, figures = Payload(), []
    for picture in pictures:
        digest = blake2b(digest_size=9)
        data = [_with_addresses(trace, payload, digest) for trace in picture.data]
        texts = {"key": picture.key, "title": picture.title, "caption": picture.caption, "summary": picture.summary}
        digest.update(json.dumps([picture.data, picture.layout, picture.height, texts], default=_hidden).encode())
        figure = {"data": data, "layout": picture.layout, "height": picture.height, "wide": picture.wide}
        figures.append(texts | figure | {"drawn": digest.hexdigest()})
    strip = [_strip(lane, place) for place, lane in enumerate(lanes)]
    columns = ["model", "progress", "updates/s", "time left", "held-out loss", measure, "learning rate"]
    header = {"figures": figures, "lanes": strip, "columns": columns, "ink": INK, "paper": PAPER}
    return payload.pack(header, default=lambda each: each.tolist())


def _with_addresses(value: Any, payload: Payload, digest: Any) -> Any:
    """The same with every array as its address."""
    if isinstance(value, np.ndarray):
        address = payload.add_array(value)
        digest.update(address["kind"].encode())
        digest.update(np.ascontiguousarray(value).tobytes())
        return {"array": address}
    if isinstance(value, dict):
        return {key: _with_addresses(each, payload, digest) for key, each in value.items()}
    return value


def _hidden(value: Any) -> Any:
    """Arrays are no part of a digest of the rest."""
    return None if isinstance(value, np.ndarray) else value.item()


def _strip(lane: LaneStatus, place: int) -> dict[str, Any]:
    """A lane's row of the table as text."""
    style = line_style(place)
    facts = (lane.title.removeprefix(f"{lane.name}, "), f"{lane.parameters:,} parameters", lane.backend)
    detail = " · ".join(filter(None, facts))
    return {
        "name": lane.name,
        "detail": detail,
        "colour": style.colour,
        "dash": style.dash,
        "symbol": style.symbol,
        "update": lane.update,
        "planned": lane.planned,
        "progress": f"{lane.update:,} of {lane.planned:,}",
        "cells": [
            _number(lane.per_second, 3),
            _duration(lane.seconds_left),
            _number(lane.loss),
            _number(lane.measure),
            "–" if lane.learning_rate is None else f"{lane.learning_rate:.3g}",
        ],
        "message": lane.message,
    }


def _number(value: float | None, digits: int = 4) -> str:
    """A number with a fixed count of digits, so that it does not jitter; a dash for None."""
    if value is None:
        return "–"
    if not np.isfinite(value):
        return "not finite"
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    before = len(str(int(size))) if size >= 1 else 0
    return f"{value:,.{max(0, digits - before)}f}"


def _duration(seconds: float | None) -> str:
    """Minutes and seconds, or hours and minutes."""
    if seconds is None or not np.isfinite(seconds):
        return "–"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"
