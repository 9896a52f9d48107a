"""The predictions of every lane for the same held-out examples, beside the ground truth."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.figures.picture import INK, LETTER, Picture, axis, base_layout, line_style
from gru_viz.figures.style import PREDICTION
from gru_viz.training.tasks import Predictions

__all__ = ["predictions_picture"]

MOST_ROWS, MOST_DOTS, MOST_CLASSES, MOST_CELLS, MOST_STRIPS = 4, 400, 12, 60, 10
RIGHT, WRONG, TRUTH, PALE = "#d6e6f2", PREDICTION, "#e4e6e9", "#eef0f2"


def predictions_picture(by_lane: Mapping[str, Predictions], lanes: Sequence[str] = ()) -> Picture:
    """Draw the predictions of every lane beside the ground truth, by their kind.

    Args:
        by_lane: lane → its predictions for the same examples.
        lanes: every lane of the run in order, which decides its colour; empty: those of ``by_lane``.

    Raises:
        TrainingError: the lanes have different kinds, or an unknown one.
    """
    kinds = {each.kind for each in by_lane.values()}
    makers = {"curves": _curves, "scatter": _scatter, "classes": _classes, "symbols": _symbols}
    if len(kinds) > 1 or kinds - makers.keys():
        found, wanted = " and ".join(sorted(kinds)), f"one of {', '.join(makers)} for all models"
        raise TrainingError("predictions", found, wanted, "Draw one task at a time.")
    order = [*lanes, *(lane for lane in by_lane if lane not in lanes)]
    if not kinds:
        return Picture("predictions", "Predictions", "no predictions yet", "No predictions yet.", [], base_layout())
    return makers[kinds.pop()]({lane: by_lane[lane] for lane in order if lane in by_lane}, order)


def _title(by_lane: Mapping[str, Predictions]) -> str:
    title = next(iter(by_lane.values())).title
    return title[:1].upper() + title[1:] if title else "Predictions"


def _with_legend(**more: Any) -> dict[str, Any]:
    layout = base_layout(left=70) | {"showlegend": True} | more
    layout["margin"] = layout["margin"] | {"t": 34}
    return layout | {"legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"}}


def _short(name: str, most: int) -> str:
    return name if len(name) < most else f"{name[: most - 2]}…"


def _curves(by_lane: Mapping[str, Predictions], order: list[str]) -> Picture:
    """A row for each quantity: the ground truth wide and black, every lane over it."""
    first = next(iter(by_lane.values()))
    steps, columns = np.arange(1, len(first.truth) + 1), first.truth.shape[1]
    rows = min(columns, MOST_ROWS)
    names = first.names or tuple(f"{row + 1}" for row in range(rows))
    layout, data = _with_legend(hovermode="x unified", uirevision=f"{rows} {len(steps)}"), []
    labels = [html.escape(label) for label in first.labels] if len(first.labels) == len(steps) else None
    hover = "%{fullData.name}: <b>%{y:.5g}</b>" + (" · %{text}" if labels else "") + "<extra></extra>"
    shared = {"type": "scatter", "mode": "lines", "x": steps, "hovertemplate": hover}
    shared |= {"text": labels} if labels else {}
    for row in range(rows):
        axes = shared | {"xaxis": "x", "yaxis": f"y{row + 1 if row else ''}", "showlegend": row == 0}
        data.append(axes | {"name": "ground truth", "y": first.truth[:, row], "line": {"color": INK, "width": 3.5}})
        for lane, each in by_lane.items():
            style = line_style(order.index(lane))
            line = {"color": style.colour, "width": 2, "dash": style.dash}
            own = {"name": html.escape(lane), "y": each.predicted[:, row], "line": line, "legendgroup": lane}
            data.append(axes | own)
        top, bottom = 1 - row / rows, 1 - (row + 0.86) / rows
        own_axis = axis(_short(names[row], 16), domain=[max(bottom, 0), top], nticks=4, tickformat="~g")
        layout[f"yaxis{row + 1 if row else ''}"] = own_axis
    layout["xaxis"] = axis("step", anchor=f"y{rows if rows > 1 else ''}", tickformat="d")
    errors = (f"{lane} {np.sqrt(np.nanmean((each.predicted - each.truth) ** 2)):.3g}" for lane, each in by_lane.items())
    caption = "thick: ground truth (held out)" + (f" · the first {rows} of {columns}" if columns > rows else "")
    summary = f"Predictions and ground truth over {len(steps)} steps. RMSE: {', '.join(errors)}."
    return Picture("predictions", _title(by_lane), caption, summary, data, layout, height=max(270, 70 + 100 * rows))


def _scatter(by_lane: Mapping[str, Predictions], order: list[str]) -> Picture:
    """Predicted against actual values; perfect predictions are on the diagonal."""
    truths = np.concatenate([each.truth for each in by_lane.values()])
    ends = np.array([truths.min(), truths.max()]) if truths.size else np.zeros(2)
    diagonal = {"x": ends, "y": ends, "line": {"color": INK, "width": 1.5, "dash": "2px,4px"}, "hoverinfo": "skip"}
    data: list[dict[str, Any]] = [{"type": "scatter", "mode": "lines", "name": "predicted = actual"} | diagonal]
    hover = "%{fullData.name}: predicted <b>%{y:.4g}</b>, actual %{x:.4g}<extra></extra>"
    for lane, each in by_lane.items():
        style, some = line_style(order.index(lane)), slice(0, MOST_DOTS)
        marker = {"color": style.colour, "symbol": style.symbol, "size": 7, "opacity": 0.65}
        own = {"name": html.escape(lane), "x": each.truth[some], "y": each.predicted[some], "marker": marker}
        data.append({"type": "scatter", "mode": "markers", "hovertemplate": hover} | own)
    errors = (f"{lane} {np.nanmean(np.abs(each.predicted - each.truth)):.3g}" for lane, each in by_lane.items())
    axes = {"xaxis": axis("actual", tickformat="~g"), "yaxis": axis("predicted", tickformat="~g")}
    caption = "one dot per held-out example; dotted line: predicted = actual"
    summary = f"Mean absolute error: {', '.join(errors)}."
    layout = _with_legend(uirevision="scatter", **axes)
    return Picture("predictions", _title(by_lane), caption, summary, data, layout, height=300)


def _classes(by_lane: Mapping[str, Predictions], order: list[str]) -> Picture:
    """A confusion matrix for each lane; with many classes the examples themselves."""
    first = next(iter(by_lane.values()))
    names = first.names or tuple(map(str, range(first.predicted.shape[1])))
    if len(names) > MOST_CLASSES:
        strips = {
            lane: Predictions("symbols", each.truth[None], each.predicted.argmax(1)[None], names, (), each.title)
            for lane, each in by_lane.items()
        }
        return _symbols(strips, order, "example")
    layout, data, notes, results = base_layout(left=100) | {"uirevision": "classes"}, [], [], []
    count, short = len(by_lane), [html.escape(_short(name, 11)) for name in names]
    longest = max(map(len, short))
    wide = count * len(names) * longest * LETTER > 430
    crowded = count * len(names) * (longest + 1) * LETTER > (1100 if wide else 430)
    plain = {"showgrid": False, "type": "category", "ticks": "", "nticks": len(names)}
    for k, (lane, each) in enumerate(by_lane.items()):
        predicted = each.predicted.argmax(1)
        accuracy = float((predicted == each.truth).mean()) if len(predicted) else 0.0
        style, tag = line_style(order.index(lane)), str(k + 1) if k else ""
        axes = {"name": html.escape(lane), "xaxis": f"x{tag}", "yaxis": f"y{tag}", "x": short, "y": short}
        data.append(_matrix(each.truth, predicted, style.colour, len(names)) | axes)
        domain = [k / count + (0.02 if k else 0), (k + 1) / count - 0.02]
        across = {"domain": domain, "anchor": f"y{tag}", "tickangle": -90 if crowded else 0}
        upright = {"anchor": f"x{tag}", "showticklabels": k == 0, "autorange": "reversed"}
        layout[f"xaxis{tag}"] = axis("predicted", **across, **plain)
        layout[f"yaxis{tag}"] = axis("actual" if k == 0 else "", **upright, **plain)
        sign = f'<span style="color:{style.colour}">{style.sign}</span>'
        notes.append(
            {"text": f"{sign} <b>{html.escape(lane)}</b>  accuracy {accuracy:.0%}", "x": domain[0], "y": 1}
            | {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
            | {"name": "lane"}
        )
        results.append(f"{lane} {accuracy:.0%} of {len(predicted)}")
    bottom = 46 + int(LETTER * longest) * crowded
    layout["margin"], layout["annotations"] = layout["margin"] | {"t": 30, "b": bottom}, notes
    caption = "held-out examples by actual and predicted class; diagonal = correct"
    height, summary = 30 + bottom + 34 * max(len(names), 5), f"Accuracy: {'; '.join(results)}."
    return Picture("predictions", _title(by_lane), caption, summary, data, layout, height, wide)


def _matrix(truth: np.ndarray, predicted: np.ndarray, colour: str, classes: int) -> dict[str, Any]:
    """A confusion matrix as a heatmap: counts written, shares of each row as colour."""
    table = np.zeros((classes, classes))
    np.add.at(table, (truth, predicted), 1)
    hover = "actual: %{y}<br>predicted: %{x}<br><b>%{text} examples</b>, %{z:.0%} of this row<extra></extra>"
    return {
        "type": "heatmap",
        "z": table / np.maximum(table.sum(1, keepdims=True), 1),
        "text": [[f"{int(n)}" if n else "" for n in row] for row in table],
        "colorscale": [[0, PALE], [1, colour]],
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "texttemplate": "%{text}",
        "textfont": {"size": 14},
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": hover,
    }


@dataclass
class _Strips:
    """Rows of cells, one above the other: colours, text, hover text and tick labels."""

    names: tuple[str, ...]
    letters: int  # that fit into a cell; longer names are read by hovering
    z: list[np.ndarray] = field(default_factory=list)
    text: list[list[str]] = field(default_factory=list)
    hover: list[list[str]] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    ticks: list[str] = field(default_factory=list)

    def add(self, row: str, tick: str, z: np.ndarray, text: list[str], hover: list[str]) -> None:
        """Append a row."""
        self.rows.append(row)
        self.ticks.append(tick)
        self.z.append(z)
        self.text.append(text)
        self.hover.append(hover)

    def name(self, symbol: int) -> str:
        """A symbol's name; empty if it does not count."""
        return html.escape(self.names[symbol] if symbol < len(self.names) else str(symbol)) if symbol >= 0 else ""

    def written(self, symbol: int) -> str:
        """A symbol's name as it fits into a cell, blanks visible."""
        name = self.name(symbol)
        too_long = 0 <= symbol < len(self.names) and len(self.names[symbol]) > self.letters
        return "…" if too_long else {" ": "␣", "\n": "↵", "\t": "⇥"}.get(name, name)

    def add_truth(self, example: int, truth: np.ndarray) -> None:
        """The row of targets."""
        text, hover = [self.written(symbol) for symbol in truth], [f"actual: {self.name(symbol)}" for symbol in truth]
        self.add(f"truth {example}", "<b>actual</b>", np.where(truth >= 0, 0.0, np.nan), text, hover)

    def add_lane(self, example: int, lane: str, place: int, predicted: np.ndarray, truth: np.ndarray) -> None:
        """The row of a lane's predictions, wrong ones marked."""
        style, wrong = line_style(place), (predicted != truth) & (truth >= 0)
        tick = f'<span style="color:{style.colour}">{style.sign}</span> {html.escape(_short(lane, 15))}'
        z = np.where(truth < 0, np.nan, np.where(wrong, 2.0, 1.0))
        cells = list(zip(predicted, truth, wrong, strict=True))
        marked = [f"<b>{self.written(p)}</b>✕" if w else self.written(p) if t >= 0 else "" for p, t, w in cells]
        hover = [f"{html.escape(lane)}: predicted {self.name(p)}, actual {self.name(t)}" for p, t, _ in cells]
        self.add(f"{lane} {example}", tick, z, marked, hover)


def _symbols(by_lane: Mapping[str, Predictions], order: list[str], what: str = "step") -> Picture:
    """Rows of cells: the targets, and below them each lane's predictions; wrong ones are dark and crossed."""
    first = next(iter(by_lane.values()))
    counted = np.flatnonzero((first.truth >= 0).any(0))
    start, stop = (int(counted[0]), int(counted[-1]) + 1) if counted.size else (0, first.truth.shape[1])
    stop = min(stop, start + MOST_CELLS)
    window, examples = slice(start, stop), range(min(len(first.truth), max(1, MOST_STRIPS // (len(by_lane) + 2))))
    strips = _Strips(first.names, max(1, int((1000 / (stop - start) - 6) / 8)))
    for example in examples:
        if example:
            strips.add(f" {example}", "", np.full(stop - start, np.nan), [""] * (stop - start), [""] * (stop - start))
        strips.add_truth(example, first.truth[example, window])
        for lane, each in by_lane.items():
            predicted, truth = each.predicted[example, window], first.truth[example, window]
            strips.add_lane(example, lane, order.index(lane), predicted, truth)
    layout = base_layout(left=130) | {"uirevision": "symbols", "xaxis": axis(what, showgrid=False, tickformat="d")}
    ticks = {"tickmode": "array", "tickvals": strips.rows, "ticktext": strips.ticks}
    layout["yaxis"] = axis(showgrid=False, type="category", autorange="reversed", ticks="") | ticks
    accuracy = ", ".join(f"{lane} {_accuracy(each):.0%}" for lane, each in by_lane.items())
    data, height = [_cells(strips, what, start, stop)], 64 + 26 * len(strips.rows)
    caption, summary = f"dark and marked ✕: wrong · accuracy: {accuracy}", f"Accuracy: {accuracy}."
    return Picture("predictions", _title(by_lane), caption, summary, data, layout, height, wide=True)


def _accuracy(each: Predictions) -> float:
    counts = each.truth >= 0
    return float((each.predicted == each.truth)[counts].mean()) if counts.any() else 0.0


def _cells(strips: _Strips, what: str, start: int, stop: int) -> dict[str, Any]:
    colours = [[0, TRUTH], [0.33, TRUTH], [0.33, RIGHT], [0.67, RIGHT], [0.67, WRONG], [1, WRONG]]
    fits = (stop - start) * (6 + 8 * min(map(len, strips.names), default=1)) < 1000
    text = {"text": strips.text, "texttemplate": "%{text}", "textfont": {"size": 14}} if fits else {}
    return {
        "type": "heatmap",
        "name": "predictions",
        "z": np.array(strips.z),
        "x": np.arange(start + 1, stop + 1),
        "y": strips.rows,
        "hovertext": strips.hover,
        "hoverongaps": False,
        "colorscale": colours,
        "zmin": 0,
        "zmax": 2,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": f"{what} %{{x}}<br><b>%{{hovertext}}</b><extra></extra>",
    } | text
