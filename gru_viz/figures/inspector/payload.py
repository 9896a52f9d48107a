"""One block of bytes for the inspector: a JSON header, then heatmaps in 12 bits a value and series in float32."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from gru_viz.analysis import Term
from gru_viz.figures import View
from gru_viz.figures.draw import describe
from gru_viz.figures.inspector.worked import Worked

__all__ = ["pack", "pack_heatmap", "unpack_heatmap"]

NAN_CODE = 4095


@dataclass
class _Blobs:
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    kept: dict[bytes, int] = field(default_factory=dict)

    def add(self, part: bytes) -> int:
        offset, self.size = self.size, self.size + len(part)
        self.parts.append(part)
        return offset

    def keep(self, series: np.ndarray, size: int | None = None) -> int | list[float]:
        """Store a series as float32, once; one that never changes as its one value; a shorter one ends in NaN."""
        values = np.full(len(series) if size is None else size, np.nan, np.float32)
        values[: len(series)] = series
        if len(values) and np.isfinite(values[0]) and (values == values[0]).all():
            return [float(values[0])]
        part = values.tobytes()
        if part not in self.kept:
            self.kept[part] = self.add(part)
        return self.kept[part]


def pack(
    view: View,
    worked: Sequence[Worked],
    unit: int,
    start: int,
    total: int,
    filename: str,
    zoom: tuple[int, int] | None = None,
    subject: str = "",
    single: int = 0,
    room: int = 0,
) -> bytes:
    """Everything the inspector shows, as it goes to the browser.

    Args:
        view: the picture.
        worked: the equations, or two to be compared, for the same units; none where columns hold many steps.
        unit: the unit worked out when none has been chosen, counted from 0.
        start: the step the cursor stands on when it has not been moved, counted from 1.
        total: how many steps the sequence has, shown or not.
        filename: what a saved picture is called.
        zoom: the first and the last step that are in sight at first, counted from 1; None: all that there are.
        subject: the same for all views that show parts of the same; empty where there are no others.
        room: for how many pixels of width the columns are meant.
        single: how many steps can be shown one by one, where a view has columns of many; 0 where this one has all.
    """
    blobs, panels = _Blobs(), []
    figure = describe(view)
    curves = list(_curves(view, figure["data"], blobs))
    heatmaps = [i for i, each in enumerate(figure["data"]) if each["type"] == "heatmap"]
    for i, panel in zip(heatmaps, view.panels, strict=True):
        figure["data"][i].pop("z")
        reach = panel.reach or ()
        low, high = _reach((panel.values, *reach), panel.low, panel.high)
        rows, columns = panel.values.shape
        offset, *limits = (blobs.add(pack_heatmap(each, low, high)) for each in (panel.values, *reach))
        about = {"trace": i, "rows": rows, "columns": columns, "low": low, "high": high, "offset": offset}
        panels.append(about | {"units": panel.row_kind == "unit", "grouped": panel.grouped, "reach": limits or None})
    skipped = view.first - 1 - view.before
    shown = slice(skipped, skipped + view.steps)
    picture = {"figure": figure, "panels": panels, "curves": curves, "edges": view.edges}
    drawn = picture | {"labels": view.labels}  # the hover shows the labels between the ticks too
    digest = blake2b(json.dumps(drawn, default=_plain).encode(), digest_size=12)
    for part in blobs.parts:
        digest.update(part)
    header = picture | {
        "picture": digest.hexdigest(),
        "first": view.first,
        "steps": view.steps,
        "columns": view.columns,
        "total": total,
        "zoom": zoom,
        "subject": subject,
        "single": single,
        "room": room,
        "labels": view.labels,
        "units": view.units,
        "unit": unit,
        "start": start,
        "filename": filename,
        "formulas": [_formula(each, shown, blobs) for each in worked],
    }
    text = json.dumps(header, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *blobs.parts])


def _curves(view: View, drawn: list[dict[str, Any]], blobs: _Blobs) -> Iterator[dict[str, Any]]:
    """Where each line's numbers are; what is sent as bytes is taken out of what is drawn."""
    lines = iter(enumerate(drawn))
    for curve in view.curves:
        kept = [(curve.values, curve.original)]
        if curve.reach:
            reach = curve.reach
            kept = [(reach.low, reach.original_low), (reach.high, reach.original_high), *kept]
        for values, original in kept:
            i, each = next(lines)
            for key in ("x", "y", "customdata", "text"):  # the text is the labels, which the header holds once
                each.pop(key, None)
            yield {"trace": i, "y": blobs.keep(values), "original": blobs.keep(original)}


def _formula(worked: Worked, shown: slice, blobs: _Blobs) -> dict[str, Any]:
    def keep(values: np.ndarray) -> int | list[float]:
        return blobs.keep(values[shown], shown.stop - shown.start)

    readings = [
        {
            "symbol": each.symbol,
            "name": each.name,
            "words": each.values[shown] if isinstance(each.values, tuple) else None,
            "drawn": None if isinstance(each.values, tuple) else keep(each.values),
            "original": None if each.original is None else keep(each.original),
        }
        for each in worked.readings
    ]
    units = {
        unit: {name: keep(series) for name, series in formula.series.items()}
        for unit, formula in worked.formulas.items()
    }
    lines = [
        {
            "quantity": line.quantity,
            "name": worked.names[line.quantity],
            "symbol": line.symbol,
            "tokens": [t._asdict() if isinstance(t, Term) else t for t in line.tokens],
        }
        for line in next(iter(worked.formulas.values())).lines
    ]
    return {"title": worked.title, "readings": readings, "lines": lines, "units": units}


def pack_heatmap(values: np.ndarray, low: float, high: float) -> bytes:
    """Round values between low and high to 12 bits, two in three bytes; NaN keeps a code of its own.

    Example:
        >>> z = np.array([[0.0, 0.25, np.nan], [1.0, 0.5, 0.75]])
        >>> unpack_heatmap(pack_heatmap(z, 0, 1), z.shape, 0, 1).round(3).tolist()
        [[0.0, 0.25, nan], [1.0, 0.5, 0.75]]
    """
    flat = np.asarray(values, np.float64).ravel()
    with np.errstate(invalid="ignore"):
        scaled = np.clip((flat - low) / (high - low), 0, 1) * (NAN_CODE - 1)
    codes = np.where(np.isnan(flat), NAN_CODE, np.rint(np.nan_to_num(scaled))).astype(np.uint16)
    pairs = np.append(codes, np.zeros(codes.size % 2, np.uint16)).reshape(-1, 2)
    first, second = pairs[:, 0], pairs[:, 1]
    packed = np.stack([first >> 4, ((first & 15) << 4) | (second >> 8), second & 255], 1)
    return packed.astype(np.uint8).tobytes()


def unpack_heatmap(packed: bytes, shape: tuple[int, int], low: float, high: float) -> np.ndarray:
    """The inverse of ``pack_heatmap``, to within (high − low) / 8188; the browser has the same in JavaScript."""
    a, b, c = np.frombuffer(packed, np.uint8).reshape(-1, 3).astype(np.uint16).T
    codes = np.stack([(a << 4) | (b >> 4), ((b & 15) << 8) | c], 1).ravel()[: shape[0] * shape[1]]
    values = low + codes * (high - low) / (NAN_CODE - 1)
    return np.where(codes == NAN_CODE, np.nan, values).reshape(shape)


def _reach(maps: Sequence[np.ndarray], low: float, high: float) -> tuple[float, float]:
    """A range that holds every finite value, so that the hover never shows a clipped one."""
    for values in maps:
        finite = values[np.isfinite(values)]
        low, high = min(low, float(finite.min(initial=low))), max(high, float(finite.max(initial=high)))
    return low, high


def _plain(value: Any) -> Any:
    """What JSON cannot say: numpy as lists of short numbers, NaN and infinity as null."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return [float(f"{v:.6g}") if np.isfinite(v) else None for v in value.tolist()]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
