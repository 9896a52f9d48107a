"""A trace as one self-contained HTML report: facts, notices, proof, and every map, with a cursor that steps."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np
from plotly.offline import get_plotlyjs

from gru_viz.browser import INSPECTOR
from gru_viz.errors import TraceError
from gru_viz.exports import facts
from gru_viz.figures import inspect
from gru_viz.figures.inspector import pack, work_out_units
from gru_viz.formats import Head
from gru_viz.progress import Progress
from gru_viz.reporting import maps, words
from gru_viz.reporting.outputs import draw_outputs
from gru_viz.trace import Trace

__all__ = ["report"]

MOST_STEPS, MOST_CELLS, MOST_SEQUENCES = 2000, 2**18, 100
MOST_BYTES = 24 * 2**20
MOST_FORMULA_BYTES = 2**20
MOST_ROWS = 100
OVERVIEW_ROWS, OVERVIEW_COLUMNS = 64, 1200


@dataclass(frozen=True)
class _Extent:
    """What of a trace is in the report: for each sequence shown, its number, its first step and the one after its last.

    Attributes:
        spans: sequence → (start, stop), counted from 0.
        left_out: how many sequences with steps are not shown.
        shortened: whether a sequence is not shown whole.
    """

    spans: dict[int, tuple[int, int]]
    left_out: int
    shortened: bool


def report(
    trace: Trace,
    path: str | Path | None = None,
    *,
    title: str = "",
    notices: Iterable[str] = (),
    warnings: Iterable[str] = (),
    head: Head | None = None,
    sequences: Sequence[int] | None = None,
    window: tuple[int, int] | None = None,
    order: str = "index",
    progress: Progress | None = None,
) -> str:
    """Make one HTML file of a trace that opens without a server and without a network.

    It holds what ran on what, what the reader noticed, the proof, a table of what each quantity means, and every map
    of every layer and direction, with the cursor and the worked formulas of the dashboard. Of long or many sequences
    it holds a part, says so, and shows the whole averaged.

    Args:
        trace: what to report on.
        path: where to write it, in UTF-8; a file that is there is replaced.
        title: the heading; None makes one of the network and its data.
        notices: what a reader must know, such as ``Sequences.notices``.
        warnings: what a reader must not overlook, in a frame at the top.
        head: a linear layer whose output is drawn beside the gates.
        sequences: which are shown, counted from 0; None takes the first that fit.
        window: the first step shown and the one after the last, counted from 0; None takes the first that fit.
        order: how units are sorted, a name in ``analysis.ORDERS``.
        progress: called after each map with how many are done and how many there are.

    Raises:
        TraceError: there is no such sequence, step or order, or the head belongs to another network.

    Example:
        >>> import numpy as np, torch, gru_viz
        >>> page = report(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((9, 1))), title="Nine zeros")
        >>> "<h1>Nine zeros</h1>" in page
        True
    """
    extent = _choose(trace, sequences, window)
    outputs = None if head is None else head.outputs(trace)
    runs = words.runs(trace)
    total = max(len(extent.spans) * len(runs), 1)
    views = []
    for done, (key, packed) in enumerate(_views(trace, extent, order, head, outputs), 1):
        views.append(f'<script id="{key}" type="application/octet-stream">{base64.b64encode(packed).decode()}</script>')
        if progress:
            progress(done, total)
    title = title or f"{trace.convention.title} on {words.sequences(trace)}"
    page = _template("html").substitute(
        version=escape(facts(trace)["gru_viz"]),
        title=escape(title),
        about=escape(f"{words.network(trace.weights)}; {words.sequences(trace)}. {words.proof(trace)}"),
        verdict="proven" if trace.proof.holds else "unproven",
        badge=escape(words.badge(trace)),
        remarks=_remarks(list(warnings), list(notices)),
        extent=escape(_describe_extent(trace, extent)),
        sequence_options=_options((i, trace.names[i]) for i in extent.spans),
        run_options=_options((j, label) for j, (_, _, label) in enumerate(runs)),
        overview=_overview(trace, extent, order) if extent.shortened else "",
        meanings=_meanings(trace),
        facts=_facts(trace, head),
        scaling=_scaling(trace),
        inspector_css=INSPECTOR.css,
        css=_template("css").template,
        inspector_html=INSPECTOR.html,
        plotly=get_plotlyjs(),
        views="\n".join(views),
        inspector_js=INSPECTOR.script,
        js=_template("js").template,
    )
    if path is not None:
        Path(path).write_text(page, encoding="utf-8")
    return page


def _choose(trace: Trace, sequences: Sequence[int] | None, window: tuple[int, int] | None) -> _Extent:
    """Decide what is shown: what was chosen, else the first steps of the first sequences that fit."""
    known = range(len(trace.lengths))
    wrong = [i for i in sequences or () if i not in known]
    if wrong:
        raise TraceError("sequences", str(wrong[0]), f"0 to {len(known) - 1}", "Choose one of these.")
    if window is not None and not (0 <= window[0] < window[1] and window[0] < max(trace.lengths)):
        wanted = f"a first step and a later one, from 0 to {max(trace.lengths)}"
        raise TraceError("window", f"{window[0]} to {window[1]}", wanted, "Choose a window within the sequences.")
    units = [run.weights.hidden for layer in trace.layers for run in layer.directions]
    width = min(MOST_STEPS, max(200, MOST_CELLS // max(units)))
    rows = sum(units) * len(trace.convention.quantities)
    spans: dict[int, tuple[int, int]] = {}
    size = 0.0
    filled = [i for i in (known if sequences is None else dict.fromkeys(sequences)) if trace.lengths[i]]
    for i in filled:
        start, stop = window or (0, width)
        stop = min(stop, trace.lengths[i])
        if stop <= start:
            continue
        size += 1.5 * rows * (stop - start)
        if sequences is None and spans and (size > MOST_BYTES / 2 or len(spans) == MOST_SEQUENCES):
            break
        spans[i] = (start, stop)
    shortened = any(stop - start < trace.lengths[i] for i, (start, stop) in spans.items())
    return _Extent(spans, sum(n > 0 for n in trace.lengths) - len(spans), shortened)


def _views(
    trace: Trace, extent: _Extent, order: str, head: Head | None, outputs: np.ndarray | None
) -> Iterator[tuple[str, bytes]]:
    runs = words.runs(trace)
    budget = min(MOST_FORMULA_BYTES, MOST_BYTES // 2 // max(len(extent.spans) * len(runs), 1))
    for i, (start, stop) in extent.spans.items():
        for j, (k, direction, _) in enumerate(runs):
            view = inspect(trace, k, direction, i, order, (start, stop))
            if head is not None and outputs is not None:
                view = draw_outputs(view, head, outputs[i, start:stop])
            worked = work_out_units(trace, view.units[0], k, direction, i, budget=budget)
            first = view.first + view.steps // 3
            yield f"view-{i}-{j}", pack(view, [worked], view.units[0], first, trace.lengths[i], "gru_viz")


def _describe_extent(trace: Trace, extent: _Extent) -> str:
    """What is shown, and what of the trace is not."""
    if not extent.spans:
        return "No sequence has a step, so that there is nothing to show."
    sentences = ["The arrow keys step, up and down choose the unit; a click on a map does both."]
    if extent.left_out:
        count = len(extent.spans) + extent.left_out
        sentences.append(f"This file shows {len(extent.spans):,} of {count:,} sequences.")
    if extent.shortened:
        start, stop = max(extent.spans.values(), key=lambda span: span[1] - span[0])
        sentences.append(
            f"Of long sequences it shows steps {start + 1:,} to {stop:,}; all steps are averaged further down."
        )
    return " ".join(sentences)


def _overview(trace: Trace, extent: _Extent, order: str) -> str:
    """All steps of the longest sequence shown, averaged."""
    longest = max(extent.spans, key=lambda i: trace.lengths[i])
    parts: list[str] = []
    for k, direction, label in words.runs(trace):
        view = inspect(trace, k, direction, longest, order)
        averaged = f"{view.steps:,} steps in {min(view.steps, OVERVIEW_COLUMNS):,} columns"
        pictures = "".join(maps.heatmap(panel, OVERVIEW_ROWS, OVERVIEW_COLUMNS) for panel in view.panels)
        parts.append(
            f"<details{'' if parts else ' open'}><summary>{escape(f'{label}: {averaged}')}</summary>"
            f"{maps.curves(view, OVERVIEW_COLUMNS)}{pictures}</details>"
        )
    heading = f"All steps of {trace.names[longest]}, averaged"
    return (
        f'<section aria-labelledby="overview"><h2 id="overview">{escape(heading)}</h2>'
        f"<p>Neighbouring steps and units are averaged, so that short events can be lost.</p>{''.join(parts)}</section>"
    )


def _remarks(warnings: list[str], notices: list[str]) -> str:
    remarks = "".join(f'<p class="warning" role="note">{escape(each)}</p>' for each in warnings)
    if notices:
        listed = "".join(f"<li>{escape(each)}</li>" for each in notices)
        remarks += f'<section aria-labelledby="noticed"><h2 id="noticed">Noticed</h2><ul>{listed}</ul></section>'
    return remarks


def _meanings(trace: Trace) -> str:
    rows = []
    for q in trace.convention.quantities:
        span = "any number" if not q.bounded else f"{q.low:g} … {q.high:g}".replace("-", "−")
        rows.append((q.name.replace("_", " "), q.symbol, q.meaning, span, q.low_means, q.high_means))
    return _table(("quantity", "symbol", "what it is", "range", "at the low end", "at the high end"), rows)


def _facts(trace: Trace, head: Head | None) -> str:
    known, convention, proof = facts(trace), trace.convention, trace.proof
    rows = [
        ("network", words.network(trace.weights)),
        ("weights", trace.weights.origin),
        ("parameters", f"{trace.weights.parameters:,}"),
        ("variant", f"{convention.name}: {convention.source}"),
    ]
    if convention.reset:
        rows.append(("reset acts", f"{convention.reset} the recurrent product"))
    if convention.update:
        rows.append(("z = 1", {"keeps": "keeps the old state", "takes": "takes the new"}[convention.update]))
    if head:
        count = head.weight.shape[0]
        outputs = (
            f"{count:,} output{'s' * (count != 1)}, {head.activation or 'linear'}{', a hidden layer' * head.hidden}"
        )
        rows.append(("head", f"{head.name or 'unnamed'}: {outputs}"))
    rows += [
        ("features", _listed(trace.features)),
        ("sequences", _listed(f"{n} ({k:,})" for n, k in zip(trace.names, trace.lengths, strict=True))),
        ("ran by", f"{trace.backend} on {trace.device} in {trace.dtype}"),
        ("largest difference", f"{proof.difference!r} from {proof.witness}; tolerance {proof.bound:.1e}"),
        *trace.details.items(),
        ("versions", ", ".join(f"{name} {known[name]}" for name in ("gru_viz", "torch", "numpy", "python"))),
    ]
    return _table(None, rows)


def _scaling(trace: Trace) -> str:
    scaling = trace.scaling
    if scaling is None or scaling.method == "none":
        return "<p>The inputs were not scaled.</p>" if scaling else ""
    rows = [
        (name, f"{centre:.6g}", f"{scale:.6g}")
        for name, centre, scale in zip(scaling.features, scaling.centre, scaling.scale, strict=True)
    ]
    more = f"<p>… and {len(rows) - MOST_ROWS:,} more features.</p>" if len(rows) > MOST_ROWS else ""
    table = _table(("feature", "subtracted", "divided by"), rows[:MOST_ROWS])
    return f'<h3>Scaling of the inputs: {escape(scaling.method)}</h3><div class="wide">{table}</div>{more}'


def _table(heads: Sequence[str] | None, rows: Iterable[Sequence[str]]) -> str:
    names = "".join(f"<th scope=col>{escape(each)}</th>" for each in heads or ())
    top = f"<thead><tr>{names}</tr></thead>" if names else ""
    body = "".join(
        f"<tr><th scope=row>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    return f"<table>{top}<tbody>{body}</tbody></table>"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" … and {len(every) - MOST_ROWS:,} more" if len(every) > MOST_ROWS else ""
    return ", ".join(every[:MOST_ROWS]) + more


def _options(choices: Iterable[tuple[int, str]]) -> str:
    return "".join(f'<option value="{value}">{escape(label)}</option>' for value, label in choices)


def _template(kind: str) -> Template:
    return Template((files(__package__) / f"report.{kind}").read_text(encoding="utf-8"))
