"""The measured values of a run as lines over its updates: losses, the task's own measure, gradient norms."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.figures.picture import INK, LETTER, LineStyle, Picture, axis, base_layout, line_style, rgba
from gru_viz.training import Curve, Diverged, RateChange
from gru_viz.training.figures.thinning import MOST_DRAWN, bin_ends, extremes, smooth
from gru_viz.training.tasks import Baseline, Measure

__all__ = ["AXES", "PlotOptions", "gradient_picture", "loss_picture", "measure_picture"]

Axis = Literal["updates", "tokens", "seconds"]
AXES: Mapping[str, str] = {"updates": "updates", "tokens": "time steps", "seconds": "training time (s)"}
"""Horizontal axes: name → title."""

CLOSE = 17
"""Pixels between two labels that do not touch."""


@dataclass(frozen=True)
class PlotOptions:
    """How curves are drawn.

    Attributes:
        lanes: every lane of the run in order, which decides its colour; empty: as in the curves.
        axis: a name in ``AXES``.
        tokens: time steps per update: the batch times the task's tokens.
        log: whether losses and gradients have a logarithmic scale.
        smoothing: 0 … 0.99, weight of the past in the exponential moving average.
        events: lane → its changes of the learning rate, and divergence.

    Raises:
        TrainingError: the axis is unknown, or the smoothing out of its limits.
    """

    lanes: Sequence[str] = ()
    axis: Axis = "updates"
    tokens: int = 1
    log: bool = True
    smoothing: float = 0.9
    events: Mapping[str, Sequence[RateChange | Diverged]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise TrainingError("axis", repr(self.axis), f"one of {', '.join(AXES)}", "Choose one of these.")
        if not 0 <= self.smoothing <= 0.99:
            raise TrainingError("smoothing", f"{self.smoothing:g}", "0 to 0.99", "Choose within these limits.")

    def along(self, curve: Curve) -> np.ndarray:
        """(points,) positions of a curve on the axis."""
        if self.axis == "seconds":
            return curve.seconds
        return curve.updates * self.tokens if self.axis == "tokens" else curve.updates

    def place(self, update: float, curve: Curve) -> float:
        """The position of an update on the axis, for a curve's lane."""
        return float(np.interp(update, curve.updates, self.along(curve))) if len(curve.updates) else 0.0


def loss_picture(
    curves: Iterable[Curve],
    baselines: Sequence[Baseline] = (),
    options: PlotOptions | None = None,
) -> Picture:
    """Draw the loss of every lane: training thin, held-out with markers."""
    lines = _Lines(curves, options, ("train", "held_out"))
    lines.log = lines.options.log
    for lane, curve in lines.of("train"):
        lines.add_train(lane, curve, "training")
    for lane, curve in lines.of("held_out"):
        lines.add_measured(lane, curve, "held-out")
    lines.add_baselines((each.title, each.loss) for each in baselines)
    smoothed = f", smoothed {lines.options.smoothing:g}" if lines.options.smoothing else ""
    return lines.picture("loss", "Loss", f"markers: held-out · thin: training{smoothed}", "held_out")


def measure_picture(
    curves: Iterable[Curve],
    measure: Measure,
    baselines: Sequence[Baseline] = (),
    options: PlotOptions | None = None,
) -> Picture:
    """Draw the task's own measure of every lane on the held-out examples."""
    lines = _Lines(curves, options, (measure.name,))
    for lane, curve in lines.of(measure.name):
        lines.add_measured(lane, curve, "held-out")
    lines.add_baselines((each.title, each.measure) for each in baselines)
    title = measure.title[:1].upper() + measure.title[1:]
    return lines.picture("measure", title, f"held-out · {measure.better} is better", measure.name)


def gradient_picture(curves: Iterable[Curve], clip: float = 0.0, options: PlotOptions | None = None) -> Picture:
    """Draw the gradient norm of every lane before clipping."""
    lines = _Lines(curves, options, ("gradient",))
    lines.log = lines.options.log
    for lane, curve in lines.of("gradient"):
        lines.add_train(lane, curve, "gradient")
    if clip:
        lines.add_baselines([(f"clipped at {clip:g}", clip)])
    return lines.picture("gradient", "Gradient norm", "before clipping", "gradient")


class _Lines:
    """The traces of one chart, collected lane by lane."""

    def __init__(self, curves: Iterable[Curve], options: PlotOptions | None, measures: Sequence[str]) -> None:
        self.options = options or PlotOptions()
        every = list(curves)
        self.lanes = list(self.options.lanes or dict.fromkeys(curve.lane for curve in every))
        self.lanes += [curve.lane for curve in every if curve.lane not in self.lanes]
        self.curves = {(c.measure, c.lane): c for c in every if c.measure in measures and len(c.updates)}
        self.layers: dict[str, list[dict[str, Any]]] = {"raw": [], "band": [], "line": [], "measured": []}
        self.notes: list[dict[str, Any]] = []
        self.shapes: list[dict[str, Any]] = []
        self.ends: dict[str, tuple[float, float]] = {}
        self.diverged: set[str] = set()
        self.baselines: list[tuple[str, float]] = []
        self.changed: list[tuple[float, int]] = []
        self.log = False
        self.low, self.high = np.inf, -np.inf

    def of(self, measure: str) -> list[tuple[str, Curve]]:
        """The curves of a measure, in the order of the lanes."""
        return [(lane, self.curves[measure, lane]) for lane in self.lanes if (measure, lane) in self.curves]

    def style(self, lane: str) -> LineStyle:
        """The style of a lane."""
        return line_style(self.lanes.index(lane))

    def add_train(self, lane: str, curve: Curve, what: str) -> None:
        """A noisy curve: pale as measured, and smoothed above it."""
        x, style, memory = self.options.along(curve), self.style(lane), self.options.smoothing
        values = self._drawable(curve.values)
        middle = _median(values)
        raw = extremes(x, middle)
        if memory and len(x) > 2:
            line = {"color": rgba(style.colour, 0.28), "width": 1}
            self._line("raw", f"{lane}, {what}, as measured", raw, line, hover=False)
            values = smooth(values, memory)
            drawn = bin_ends(len(x))
            raw = x[drawn], _median(values[drawn])
        drawn = bin_ends(len(x), MOST_DRAWN // 3)
        self._band(lane, x[drawn], values[drawn], style)
        width = 1.5 if what == "training" else 2
        self._line("line", f"{lane}, {what}", raw, {"color": style.colour, "width": width, "dash": style.dash})
        self._end(lane, *raw)

    def add_measured(self, lane: str, curve: Curve, what: str) -> None:
        """A curve that is measured now and then: with markers, and the seeds' band."""
        drawn = bin_ends(len(curve.updates))
        x, values, style = self.options.along(curve)[drawn], self._drawable(curve.values[drawn]), self.style(lane)
        self._band(lane, x, values, style)
        line = {"color": style.colour, "width": 2.5, "dash": style.dash}
        marker = {"symbol": style.symbol, "size": 8, "color": style.colour, "maxdisplayed": 14}
        self._line("measured", f"{lane}, {what}", (x, _median(values)), line, marker=marker)
        self._end(lane, x, _median(values))

    def _drawable(self, values: np.ndarray) -> np.ndarray:
        """Values that are not on the scale become gaps."""
        good = np.isfinite(values) & (values > 0) if self.log else np.isfinite(values)
        return np.where(good, values, np.nan)

    def _line(
        self,
        layer: str,
        name: str,
        points: tuple[np.ndarray, np.ndarray],
        line: dict[str, Any],
        marker: dict[str, Any] | None = None,
        hover: bool = True,
    ) -> None:
        x, y = points
        finite = y[np.isfinite(y)]
        if finite.size:
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
        mode = "lines+markers" if marker or len(x) == 1 else "lines"
        about: dict[str, Any] = (
            {"hovertemplate": "%{fullData.name}: <b>%{y:.4g}</b><extra></extra>"} if hover else {"hoverinfo": "skip"}
        )
        if marker:
            about["marker"] = marker
        drawn = {"type": "scatter", "name": html.escape(name), "x": x, "y": y, "mode": mode, "line": line}
        uid = hashlib.blake2b(name.encode(), digest_size=6).hexdigest()  # plotly makes a selector of it
        self.layers[layer].append(drawn | {"uid": uid} | about)

    def _band(self, lane: str, x: np.ndarray, values: np.ndarray, style: LineStyle) -> None:
        """The 80 % band across seeds: a closed outline for every part without a gap."""
        if values.shape[1] < 2:
            return
        low, high = np.quantile(values, [0.1, 0.9], axis=1)
        there = np.isfinite(low)
        breaks = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
        across: list[Any] = []
        up: list[Any] = []
        for start, stop in breaks.reshape(-1, 2):
            part, gap = slice(start, stop), [np.nan] if across else []
            across += [gap, x[part], x[part][::-1]]
            up += [gap, low[part], high[part][::-1]]
        if not across:
            return
        self.low, self.high = min(self.low, float(np.nanmin(low))), max(self.high, float(np.nanmax(high)))
        shared = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "fill": "toself"}
        outline = {"x": np.concatenate(across), "y": np.concatenate(up), "fillcolor": rgba(style.colour, 0.18)}
        self.layers["band"].append(
            shared | outline | {"name": f"{html.escape(lane)}, 80 % band across {values.shape[1]} seeds"}
        )

    def _end(self, lane: str, x: np.ndarray, y: np.ndarray) -> None:
        """Record where a line ends, to write the lane's name there."""
        there = np.flatnonzero(np.isfinite(y))
        if there.size:
            self.ends[lane] = float(x[there[-1]]), float(y[there[-1]])

    def add_baselines(self, lines: Iterable[tuple[str, float]]) -> None:
        """Add horizontal reference lines."""
        good = [(title, value) for title, value in lines if np.isfinite(value) and (value > 0 or not self.log)]
        for _, value in good:
            self.low, self.high = min(self.low, value), max(self.high, value)
        self.baselines += good

    def _draw_baselines(self) -> None:
        """Dotted lines, each label where it covers the least: above or below, right, left or in the middle."""
        taken: list[tuple[float, float, float]] = []
        for title, value in sorted(self.baselines, key=lambda each: each[1]):
            at = self._pixel(value)
            share, above = self._freest(at, len(title), taken)
            wide = LETTER * len(title) / 450  # of the width of the chart
            taken.append((at + (CLOSE if above else -CLOSE) / 2, share * (1 - wide), share * (1 - wide) + wide))
            line = {"color": INK, "width": 1.5, "dash": "2px,4px"}
            self.shapes.append(
                {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": value, "y1": value, "line": line}
                | {"name": html.escape(title), "layer": "below"}
            )
            where = {"x": share, "xanchor": {0: "left", 0.5: "center", 1: "right"}[share], "xref": "paper"}
            where |= {"yanchor": "bottom" if above else "top"}
            self.notes.append(self._note(html.escape(title), value) | where | {"name": "baseline"})

    def _freest(self, at: float, letters: int, taken: list[tuple[float, float, float]]) -> tuple[float, bool]:
        """Where a baseline's label covers no line and no other label: share of the width, and whether above."""
        lines = [each for name in ("line", "measured") for each in self.layers[name] if each["mode"] != "text"]
        if not lines:
            return 1, True
        first, last = min(float(each["x"][0]) for each in lines), max(float(each["x"][-1]) for each in lines)
        letter = (last - first) * LETTER / 450
        wide, gaps = letter * letters or 1.0, {}
        words = [(x, x + letter * (len(lane) + 2), self._pixel(y)) for lane, (x, y) in self.ends.items()]
        words += [(x, x + letter * 9, 200 - CLOSE * (row + 0.5)) for x, row in self.changed]
        for share, above in ((1, True), (0, True), (0.5, True), (1, False), (0, False), (0.5, False)):
            start, middle = first + share * (last - first - wide), at + (CLOSE if above else -CLOSE) / 2
            near = [each["y"][(each["x"] >= start) & (each["x"] <= start + wide)] for each in lines]
            values = np.concatenate([*near, [np.nan]])
            values = values[np.isfinite(values)]
            gaps[share, above] = float(np.abs(self._pixel(values) - middle).min(initial=3 * CLOSE))
            left = share * (1 - LETTER * letters / 450)
            right = left + LETTER * letters / 450
            crowded = any(abs(middle - other) < CLOSE and left < b and right > a for other, a, b in taken)
            covered = any(a < start + wide + 3 * letter and b > start and abs(y - middle) < CLOSE for a, b, y in words)
            if crowded or covered or middle < 0:
                gaps[share, above] -= 100 if crowded else 50
            if gaps[share, above] > CLOSE:  # the first good one, so that it does not move
                return share, above
        return max(gaps, key=gaps.__getitem__)

    def _note(self, text: str, value: float) -> dict[str, Any]:
        y = float(np.log10(value)) if self.log else value  # plotly places annotations of a log axis at the exponent
        return {"text": text, "y": y, "yref": "y", "showarrow": False, "borderpad": 0}

    def _pixel(self, value: Any, height: float = 200) -> Any:
        """Approximate height of a value."""
        low, high = (np.log10(self.low), np.log10(self.high)) if self.log else (self.low, self.high)
        return height * ((np.log10(value) if self.log else value) - low) / ((high - low) or 1)

    def _add_events(self, measure: str) -> None:
        """Changes of the rate as vertical lines; a lane that diverged ends in a cross."""
        changes: dict[tuple[int, float], str] = {}
        for lane, events in self.options.events.items():
            curve = self.curves.get((measure, lane)) or next(
                (c for (_, n), c in self.curves.items() if n == lane), None
            )
            if curve is None or lane not in self.ends:
                continue
            for event in events:
                if isinstance(event, RateChange):
                    changes.setdefault((event.update, event.rate), lane)
                else:
                    self.diverged.add(lane)
        named = sorted(changes)[-3:]
        for update, rate in changes:
            lane = changes[update, rate]
            curve = next(c for (_, n), c in self.curves.items() if n == lane)
            x = self.options.place(update, curve)
            line = {"color": INK, "width": 1, "dash": "1px,3px"}
            self.shapes.append(
                {"type": "line", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line, "layer": "below"}
                | {"name": f"rate {rate:g}"}
            )
            if (update, rate) in named:
                self.changed.append((x, named.index((update, rate)) % 3))
                self.notes.append(
                    {"text": f"rate {rate:g}", "x": x, "y": 1, "yref": "paper", "yanchor": "top", "xanchor": "left"}
                    | {"showarrow": False, "name": "rate", "borderpad": 0, "xshift": 2}
                    | {"yshift": -CLOSE * (named.index((update, rate)) % 3)}
                )

    def _add_names(self) -> int:
        """Each lane's name where its line ends, moved apart if they would touch. Returns the margin on the right."""
        order = sorted(self.ends, key=lambda lane: self._pixel(self.ends[lane][1]))
        places = ["middle"] * len(order)
        heights = [self._pixel(self.ends[lane][1]) for lane in order]
        for k in range(len(order) - 1):
            if heights[k + 1] - heights[k] < CLOSE:
                places[k] = "bottom" if places[k] == "middle" and (k == 0 or places[k - 1] != "bottom") else places[k]
                places[k + 1] = "top"
        if len(order) == 3 and heights[2] - heights[0] < 1.5 * CLOSE:
            places = ["bottom", "middle", "top"]
        names = {lane: lane if len(lane) < 15 else f"{lane[:13]}…" for lane in order}
        text = []
        for lane, name in names.items():
            sign = "✕" if lane in self.diverged else self.style(lane).sign
            words = html.escape(name) + (" diverged" if lane in self.diverged else "")
            text.append(f'<span style="color:{self.style(lane).colour}">{sign}</span> {words}')
        if order:
            x, y = np.array([self.ends[lane] for lane in order]).T
            self.layers["measured"].append(
                {"type": "scatter", "mode": "text", "x": x, "y": y, "text": text, "cliponaxis": False}
                | {"textposition": [f"{place} right" for place in places], "hoverinfo": "skip", "name": "names"}
            )
        last = max((end[0] for end in self.ends.values()), default=0.0)
        stopped = {lane for lane in self.diverged if lane in self.ends and self.ends[lane][0] > 0.7 * last}
        longest = max((len(name) + 9 * (lane in stopped) for lane, name in names.items()), default=0)
        return 26 + int(LETTER * longest)

    def picture(self, key: str, title: str, caption: str, main: str) -> Picture:
        """The chart with its summary in words."""
        options = self.options
        self._add_events(main)
        self._draw_baselines()
        layout = base_layout(right=self._add_names())
        layout |= {
            "hovermode": "x unified",
            "hoverdistance": -1,  # the hover also works between sparse points
            "uirevision": f"{options.axis} {self.log}",
            "annotations": self.notes,
            "shapes": self.shapes,
            "xaxis": axis(AXES[options.axis], exponentformat="SI", separatethousands=True),
            "yaxis": axis(tickformat="~g")
            | ({"type": "log", "minorloglabels": "complete", "nticks": 4} if self.log else {}),
        }
        seeds = max((curve.seeds for curve in self.curves.values()), default=1)
        if seeds > 1:
            caption += f" · median and 80 % band of {seeds} seeds"
        finals = [
            f"{lane} {_median(curve.values)[-1]:.3g} after {int(curve.updates[-1]):,} updates"
            for lane, curve in self.of(main)
        ]
        summary = f"{title} over {AXES[options.axis]}. " + ("; ".join(finals) or "Nothing measured yet") + "."
        return Picture(key, title, caption, summary, [t for layer in self.layers.values() for t in layer], layout)


def _median(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.shape[1] == 1 else np.median(values, axis=1)
