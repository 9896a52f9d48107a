"""What every lane answers to the same held-out examples, over the truth."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.figures.picture import INK, LETTER, Picture, axis, base_layout, look
from gru_viz.figures.style import ANSWER
from gru_viz.training.tasks import Shown

__all__ = ["predictions_picture"]

MOST_ROWS, MOST_DOTS, MOST_CLASSES, MOST_CELLS, MOST_STRIPS = 4, 400, 12, 60, 10
RIGHT, WRONG, TRUTH, PALE = "#d6e6f2", ANSWER, "#e4e6e9", "#eef0f2"


def predictions_picture(shown: Mapping[str, Shown], lanes: Sequence[str] = ()) -> Picture:
    """Draw the answers of every lane over the truth, in the way that their kind asks for.

    Args:
        shown: lane → what it answers to the same examples.
        lanes: every lane of the run in its order, which gives each its colour; empty: as in ``shown``.

    Raises:
        TrainingError: the lanes show different kinds, or one that is not known.
    """
    kinds = {each.kind for each in shown.values()}
    makers = {"curves": _curves, "scatter": _scatter, "classes": _classes, "symbols": _symbols}
    if len(kinds) > 1 or kinds - makers.keys():
        found = " and ".join(sorted(kinds))
        raise TrainingError("answers", found, f"one of {', '.join(makers)} for all lanes", "Show one task at a time.")
    order = [*lanes, *(lane for lane in shown if lane not in lanes)]
    if not kinds:
        return Picture("answers", "Answers", "nothing answered yet", "Nothing answered yet.", [], base_layout())
    return makers[kinds.pop()]({lane: shown[lane] for lane in order if lane in shown}, order)


def _named(shown: Mapping[str, Shown]) -> str:
    title = next(iter(shown.values())).title
    return title[:1].upper() + title[1:] if title else "Answers over the truth"


def _curves(shown: Mapping[str, Shown], order: list[str]) -> Picture:
    """A row for each quantity: the truth wide and dark, every lane over it."""
    first = next(iter(shown.values()))
    rows = min(first.truth.shape[1], MOST_ROWS)
    names = first.names or tuple(f"{row + 1}" for row in range(rows))
    layout, data = base_layout(left=70) | {"showlegend": True, "hovermode": "x unified"}, []
    layout |= {"legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"}}
    layout["margin"] = layout["margin"] | {"t": 34}
    steps = np.arange(1, len(first.truth) + 1)
    labels = [html.escape(label) for label in first.labels] if len(first.labels) == len(steps) else None
    for row in range(rows):
        axes = {"xaxis": "x", "yaxis": "y" if row == 0 else f"y{row + 1}"}
        shared: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": steps, "showlegend": row == 0} | axes
        if labels:
            shared["text"] = labels
        hover = "%{fullData.name}: <b>%{y:.5g}</b>" + (" · %{text}" if labels else "") + "<extra></extra>"
        truth = {
            "name": "truth",
            "y": first.truth[:, row],
            "line": {"color": INK, "width": 3.5},
            "hovertemplate": hover,
        }
        data.append(shared | truth)
        for lane, each in shown.items():
            looks = look(order.index(lane))
            line = {"color": looks.colour, "width": 2, "dash": looks.dash}
            about = {"name": html.escape(lane), "y": each.answer[:, row], "line": line, "hovertemplate": hover}
            data.append(shared | {"legendgroup": lane} | about)
        top, bottom = 1 - row / rows, 1 - (row + 0.86) / rows
        title = names[row] if len(names[row]) < 16 else f"{names[row][:14]}…"
        layout[f"yaxis{row + 1 if row else ''}"] = axis(title, domain=[max(bottom, 0), top], nticks=4, tickformat="~g")
    layout["xaxis"] = axis("step", anchor=f"y{rows if rows > 1 else ''}", tickformat="d")
    layout["uirevision"] = f"{rows} {len(steps)}"
    wrong = (
        f"{lane} is off by {np.sqrt(np.nanmean((each.answer - each.truth) ** 2)):.3g}" for lane, each in shown.items()
    )
    more = f" · the first {rows} of {first.truth.shape[1]}" if first.truth.shape[1] > rows else ""
    caption = f"dark: the truth, never trained on{more}"
    summary = f"Answers over the truth, {len(steps)} steps; root mean square error: {', '.join(wrong)}."
    return Picture("answers", _named(shown), caption, summary, data, layout, height=max(270, 70 + 100 * rows))


def _scatter(shown: Mapping[str, Shown], order: list[str]) -> Picture:
    """What is said against what is true; who is right lies on the diagonal."""
    data: list[dict[str, Any]] = []
    every = np.concatenate([np.concatenate([each.truth, each.answer]) for each in shown.values()])
    every = every[np.isfinite(every)]
    truths = np.concatenate([each.truth for each in shown.values()])
    ends = np.array([truths.min(), truths.max()]) if truths.size else np.zeros(2)
    line = {"color": INK, "width": 1.5, "dash": "2px,4px"}
    data.append(
        {"type": "scatter", "mode": "lines", "x": ends, "y": ends, "line": line, "name": "right", "hoverinfo": "skip"}
    )
    said = []
    for lane, each in shown.items():
        looks, some = look(order.index(lane)), slice(0, MOST_DOTS)
        marker = {"color": looks.colour, "symbol": looks.symbol, "size": 7, "opacity": 0.65}
        hover = "%{fullData.name} says <b>%{y:.4g}</b>, true is %{x:.4g}<extra></extra>"
        about = {"name": html.escape(lane), "x": each.truth[some], "y": each.answer[some], "marker": marker}
        data.append({"type": "scatter", "mode": "markers", "hovertemplate": hover} | about)
        said.append(f"{lane} is off by {np.nanmean(np.abs(each.answer - each.truth)):.3g} on average")
    layout = base_layout(left=70) | {"showlegend": True, "uirevision": "scatter"}
    layout |= {"legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"}}
    layout["margin"] = layout["margin"] | {"t": 34}
    layout |= {"xaxis": axis("true", tickformat="~g"), "yaxis": axis("said", tickformat="~g")}
    caption = "a dot for each held-out example; who is right lies on the dotted line"
    return Picture("answers", _named(shown), caption, f"{'; '.join(said)}.", data, layout, height=300)


def _classes(shown: Mapping[str, Shown], order: list[str]) -> Picture:
    """A matrix for each lane, truth in rows and answers in columns; with many classes the examples themselves."""
    first = next(iter(shown.values()))
    names = first.names or tuple(map(str, range(first.answer.shape[1])))
    if len(names) > MOST_CLASSES:
        strips = {
            lane: Shown("symbols", each.truth[None], each.answer.argmax(1)[None], names, (), each.title)
            for lane, each in shown.items()
        }
        return _symbols(strips, order, "example")
    data: list[dict[str, Any]] = []
    layout, said, notes = base_layout(left=100) | {"uirevision": "classes"}, [], []
    count, short = len(shown), [html.escape(n if len(n) < 11 else f"{n[:9]}…") for n in names]
    longest = max(map(len, short))
    wide = count * len(names) * longest * LETTER > 430
    crowded = count * len(names) * (longest + 1) * LETTER > (1100 if wide else 430)
    turned = {"tickangle": -90 if crowded else 0}
    for k, (lane, each) in enumerate(shown.items()):
        guessed = each.answer.argmax(1)
        table = np.zeros((len(names), len(names)))
        np.add.at(table, (each.truth, guessed), 1)
        share = table / np.maximum(table.sum(1, keepdims=True), 1)
        right = float((guessed == each.truth).mean()) if len(guessed) else 0.0
        looks, tag = look(order.index(lane)), str(k + 1) if k else ""
        colours = [[0, PALE], [1, looks.colour]]
        hover = "true: %{y}<br>said: %{x}<br><b>%{text} examples</b>, %{z:.0%} of this row<extra></extra>"
        cells = {"z": share, "x": short, "y": short, "text": [[f"{int(n)}" if n else "" for n in row] for row in table]}
        look_of = {"colorscale": colours, "zmin": 0, "zmax": 1, "showscale": False, "texttemplate": "%{text}"}
        data.append(
            {"type": "heatmap", "name": html.escape(lane), "xaxis": f"x{tag}", "yaxis": f"y{tag}", "xgap": 2, "ygap": 2}
            | cells
            | look_of
            | {"hovertemplate": hover, "textfont": {"size": 14}}
        )
        domain = [k / count + (0.02 if k else 0), (k + 1) / count - 0.02]
        plain = {"showgrid": False, "type": "category", "ticks": ""}
        layout[f"xaxis{tag}"] = axis("said", domain=domain, anchor=f"y{tag}", **plain, **turned, nticks=len(names))
        own = {"showticklabels": k == 0, "autorange": "reversed", "nticks": len(names)}
        layout[f"yaxis{tag}"] = axis("true" if k == 0 else "", anchor=f"x{tag}", **plain, **own)
        text = f'<span style="color:{looks.colour}">{looks.sign}</span> <b>{html.escape(lane)}</b>  {right:.0%} right'
        notes.append(
            {"text": text, "x": domain[0], "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left"}
            | {"yanchor": "bottom", "showarrow": False, "name": "lane"}
        )
        said.append(f"{lane} has {right:.0%} of {len(guessed)} right")
    bottom = 46 + int(LETTER * longest) * crowded
    layout["margin"], layout["annotations"] = layout["margin"] | {"t": 30, "b": bottom}, notes
    caption = "how many held-out examples of each class were called what; the diagonal is right"
    height = 30 + bottom + 34 * max(len(names), 5)
    return Picture("answers", _named(shown), caption, f"{'; '.join(said)}.", data, layout, height, wide)


def _symbols(shown: Mapping[str, Shown], order: list[str], what: str = "step") -> Picture:
    """Rows of cells: the truth, and below it what each lane says; what is wrong is dark and crossed."""
    first = next(iter(shown.values()))
    counted = np.flatnonzero((first.truth >= 0).any(0))
    start, stop = (int(counted[0]), int(counted[-1]) + 1) if counted.size else (0, first.truth.shape[1])
    stop = min(stop, start + MOST_CELLS)
    window, examples = slice(start, stop), range(min(len(first.truth), max(1, MOST_STRIPS // (len(shown) + 2))))
    names = first.names
    room = max(1, int((1000 / (stop - start) - 6) / 8))  # letters of a cell; what is longer is read by pointing at it
    z: list[np.ndarray] = []
    text: list[list[str]] = []
    hover: list[list[str]] = []
    rows: list[str] = []
    ticks: list[str] = []

    def word(symbol: int) -> str:
        return html.escape(names[symbol] if 0 <= symbol < len(names) else str(symbol)) if symbol >= 0 else ""

    def written(symbol: int) -> str:
        said = names[symbol] if 0 <= symbol < len(names) else ""
        return _visible(word(symbol)) if len(said) <= room else "…"

    for example in examples:
        truth = first.truth[example, window]
        rows.append(f"truth {example}")
        ticks.append("<b>truth</b>")
        z.append(np.where(truth >= 0, 0.0, np.nan))
        text.append([written(symbol) for symbol in truth])
        hover.append([f"true: {word(symbol)}" for symbol in truth])
        for lane, each in shown.items():
            looks, answer = look(order.index(lane)), each.answer[example, window]
            wrong = (answer != truth) & (truth >= 0)
            rows.append(f"{lane} {example}")
            name = html.escape(lane if len(lane) < 15 else f"{lane[:13]}…")
            ticks.append(f'<span style="color:{looks.colour}">{looks.sign}</span> {name}')
            z.append(np.where(truth < 0, np.nan, np.where(wrong, 2.0, 1.0)))
            text.append([_marked(written(a), w, t >= 0) for a, w, t in zip(answer, wrong, truth, strict=True)])
            hover.append(
                [f"{html.escape(lane)} says {word(a)}, true is {word(t)}" for a, t in zip(answer, truth, strict=True)]
            )
        if example != examples[-1]:
            rows.append(f" {example}")
            ticks.append("")
            z.append(np.full(stop - start, np.nan))
            text.append([""] * (stop - start))
            hover.append([""] * (stop - start))
    colours = [[0, TRUTH], [0.33, TRUTH], [0.33, RIGHT], [0.67, RIGHT], [0.67, WRONG], [1, WRONG]]
    fits = (stop - start) * (6 + 8 * min(map(len, names), default=1)) < 1000
    cells = {"z": np.array(z), "x": np.arange(start + 1, stop + 1), "y": rows, "hovertext": hover, "hoverongaps": False}
    looks_like = {"colorscale": colours, "zmin": 0, "zmax": 2, "showscale": False, "xgap": 1, "ygap": 1}
    data = [
        {"type": "heatmap", "name": "answers"}
        | cells
        | looks_like
        | {"hovertemplate": f"{what} %{{x}}<br><b>%{{hovertext}}</b><extra></extra>"}
        | ({"text": text, "texttemplate": "%{text}", "textfont": {"size": 14}} if fits else {})
    ]
    layout = base_layout(left=130) | {"uirevision": "symbols"}
    layout["xaxis"] = axis(what, showgrid=False, tickformat="d")
    layout["yaxis"] = axis(showgrid=False, type="category", autorange="reversed", ticks="") | {
        "tickmode": "array",
        "tickvals": rows,
        "ticktext": ticks,
    }
    said = []
    for lane, each in shown.items():
        there = each.truth >= 0
        said.append(f"{lane} {(each.answer == each.truth)[there].mean() if there.any() else 0:.0%}")
    caption = f"dark and marked ✕ is wrong · right: {', '.join(said)}"
    height = 64 + 26 * len(rows)
    return Picture("answers", _named(shown), caption, f"Right: {', '.join(said)}.", data, layout, height, wide=True)


def _visible(word: str) -> str:
    """A blank is shown as one."""
    return {" ": "␣", "\n": "↵", "\t": "⇥"}.get(word, word)


def _marked(word: str, wrong: bool, counts: bool) -> str:
    if not counts:
        return ""
    return f"<b>{_visible(word)}</b>✕" if wrong else _visible(word)
