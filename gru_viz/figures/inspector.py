"""What the inspector shows: a view, and a unit's equations with their numbers, packed into one block of bytes.

Heatmaps have 12 bits a value, series are float32.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import numpy as np

from gru_viz.analysis import Formula, Term, work_out
from gru_viz.browser import Payload
from gru_viz.figures import View
from gru_viz.figures.draw import describe
from gru_viz.figures.view import choose_direction
from gru_viz.figures.view_parts import MOST_CURVES
from gru_viz.trace import Trace

__all__ = ["Reading", "WorkedFormulas", "pack", "pack_heatmap", "unpack_heatmap", "work_out_units"]

NAN_CODE = 4095


class Reading(NamedTuple):
    """A value of each step, shown above the formulas.

    Attributes:
        symbol: such as ``"x"``.
        name: such as a feature's name; may be empty.
        values: numbers (time,), or a text for each step.
        original: (time,) the numbers in their own unit, if that differs.
    """

    symbol: str
    name: str
    values: np.ndarray | tuple[str, ...]
    original: np.ndarray | None = None


@dataclass(frozen=True)
class WorkedFormulas:
    """The equations below the maps, with the readings above them.

    Attributes:
        formulas: unit, counted from 0 → its formula; all of them share their lines.
        names: quantity → its name in words.
        readings: the input at each step, and other values of it.
        title: distinguishes it from another one beside it.
    """

    formulas: Mapping[int, Formula]
    names: dict[str, str]
    readings: Sequence[Reading]
    title: str = ""


def work_out_units(
    trace: Trace,
    unit: int,
    layer: int = 0,
    direction: Literal["forward", "backward"] = "forward",
    sequence: int = 0,
    title: str = "",
    more: Sequence[Reading] = (),
    budget: int = 200_000,
) -> WorkedFormulas:
    """Work out the formulas of one unit, or of all units where these fit: choosing another then needs no server.

    ``title`` distinguishes them from others beside them; ``more`` are further readings; ``budget`` is the most bytes
    for all units.
    """
    run = choose_direction(trace, layer, direction, sequence)
    one = work_out(run, unit, sequence)
    size = 4 * len(one.series) * trace.lengths[sequence]
    formulas = {unit: one}
    if size * run.weights.hidden <= budget:
        formulas = {u: work_out(run, u, sequence) for u in range(run.weights.hidden)}
    return WorkedFormulas(
        formulas=formulas,
        names={q.name: q.name.replace("_", " ") for q in run.convention.quantities},
        readings=[*(_inputs(trace, sequence) if layer == 0 else ()), *more],
        title=title,
    )


def _inputs(trace: Trace, sequence: int) -> list[Reading]:
    """Few features by name and number, many by the step's label."""
    values, labels = trace.inputs[sequence], trace.time[sequence]
    if values.shape[1] > MOST_CURVES:
        return [Reading("x", "", tuple(labels))] if labels else []
    scaled = trace.scaling is not None and trace.scaling.method != "none"
    original = trace.scaling.undo(values) if trace.scaling and scaled else None
    return [
        Reading("x", name, values[:, j], None if original is None else original[:, j])
        for j, name in enumerate(trace.features)
    ]


def pack(
    view: View,
    worked: Sequence[WorkedFormulas],
    unit: int,
    start: int,
    total: int,
    filename: str,
    zoom: tuple[int, int] | None = None,
    subject: str = "",
    single: int = 0,
    pixels: int = 0,
) -> bytes:
    """Pack a view and its formulas.

    Args:
        view: what is drawn.
        worked: the formulas, or two to be compared, for the same units; none where columns have many steps.
        unit: the unit whose formulas are shown when none has been chosen, counted from 0.
        start: the cursor's step when it has not been moved, counted from 1; 0 leaves the choice to the browser.
        total: how many steps the sequence has, shown or not.
        filename: the name of a saved picture.
        zoom: the first and the last step in sight at first, counted from 1; None: all of the view.
        subject: the same for all views of parts of one long sequence; empty where there are no others.
        single: how many steps can be drawn one by one, where columns have many; 0 where each has one.
        pixels: the width in pixels that the columns are meant for.

    Returns:
        The block that ``browser.INSPECTOR`` shows.
    """
    payload, figure = Payload(), describe(view)
    curves = list(_curves(view, figure["data"], payload))
    panels = list(_panels(view, figure["data"], payload))
    picture = {"figure": figure, "panels": panels, "curves": curves, "edges": view.edges}
    drawn = picture | {"labels": view.labels}  # the hover shows the labels between the ticks too
    digest = blake2b(json.dumps(drawn, default=_plain).encode(), digest_size=12)
    for part in payload.parts:
        digest.update(part)
    skipped = view.first - 1 - view.before
    steps = slice(skipped, skipped + view.steps)
    header = picture | {
        "picture": digest.hexdigest(),
        "first": view.first,
        "steps": view.steps,
        "columns": view.columns,
        "total": total,
        "zoom": zoom,
        "subject": subject,
        "single": single,
        "pixels": pixels,
        "labels": view.labels,
        "units": view.units,
        "unit": unit,
        "start": start,
        "filename": filename,
        "formulas": [_formula(each, steps, payload) for each in worked],
    }
    return payload.pack(header, default=_plain)


def _panels(view: View, drawn: list[dict[str, Any]], payload: Payload) -> Iterator[dict[str, Any]]:
    """Where each heatmap's numbers are; they are taken out of what is drawn."""
    heatmaps = [(i, each) for i, each in enumerate(drawn) if each["type"] == "heatmap"]
    for (i, each), panel in zip(heatmaps, view.panels, strict=True):
        each.pop("z")
        extremes = panel.extremes or ()
        low, high = _range((panel.values, *extremes), panel.low, panel.high)
        rows, columns = panel.values.shape
        offset, *limits = (payload.add(pack_heatmap(values, low, high)) for values in (panel.values, *extremes))
        about = {"trace": i, "rows": rows, "columns": columns, "low": low, "high": high, "offset": offset}
        yield about | {"units": panel.row_kind == "unit", "grouped": panel.grouped, "extremes": limits or None}


def _curves(view: View, drawn: list[dict[str, Any]], payload: Payload) -> Iterator[dict[str, Any]]:
    """Where each line's numbers are; what is sent as bytes is taken out of what is drawn."""
    lines = iter(enumerate(drawn))
    for curve in view.curves:
        pairs = [(curve.values, curve.original)]
        if curve.extremes:
            extremes = curve.extremes
            pairs = [(extremes.low, extremes.original_low), (extremes.high, extremes.original_high), *pairs]
        for values, original in pairs:
            i, each = next(lines)
            for key in ("x", "y", "customdata", "text"):  # the text is the labels, which the header has once
                each.pop(key, None)
            yield {"trace": i, "y": _series(payload, values), "original": _series(payload, original)}


def _series(payload: Payload, series: np.ndarray, size: int | None = None) -> int | list[float]:
    """Store a series as float32; one that never changes as its one value; a shorter one ends in NaN."""
    values = np.full(len(series) if size is None else size, np.nan, np.float32)
    values[: len(series)] = series
    if len(values) and np.isfinite(values[0]) and (values == values[0]).all():
        return [float(values[0])]
    return payload.add(values.tobytes())


def _formula(worked: WorkedFormulas, steps: slice, payload: Payload) -> dict[str, Any]:
    def add(values: np.ndarray) -> int | list[float]:
        return _series(payload, values[steps], steps.stop - steps.start)

    readings = [
        {
            "symbol": each.symbol,
            "name": each.name,
            "words": each.values[steps] if isinstance(each.values, tuple) else None,
            "drawn": None if isinstance(each.values, tuple) else add(each.values),
            "original": None if each.original is None else add(each.original),
        }
        for each in worked.readings
    ]
    units = {
        unit: {name: add(series) for name, series in formula.series.items()}
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
    """Round values between low and high to 12 bits, two in three bytes; NaN keeps a code of its own."""
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


def _range(maps: Sequence[np.ndarray], low: float, high: float) -> tuple[float, float]:
    """A range that holds every finite value, so that the hover never shows a clipped one."""
    for values in maps:
        finite = values[np.isfinite(values)]
        low, high = min(low, float(finite.min(initial=low))), max(high, float(finite.max(initial=high)))
    return low, high


def _plain(value: Any) -> Any:
    """What JSON has no form for: numpy as lists of short numbers, NaN and infinity as null."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return [float(f"{v:.6g}") if np.isfinite(v) else None for v in value.tolist()]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
