"""What a notebook shows of a trace: one piece of HTML, small, without scripts, readable on any background."""

from __future__ import annotations

from html import escape

from gru_viz.figures import View, inspect
from gru_viz.reporting import maps, words
from gru_viz.trace import Direction, Trace

__all__ = ["card"]

MOST_PIXELS, MOST_ROWS, MOST_COLUMNS, MOST_RUNS = 120_000, 64, 600, 12
BADGE = "border-radius:.6em;padding:.1em .6em;white-space:nowrap;font-weight:600;color:#fff;background:"


def card(trace: Trace) -> str:
    """Facts, proof and a small map of every quantity, for the first sequence; long data are averaged.

    Example:
        >>> import numpy as np, torch, gru_viz
        >>> card(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1)))).count("<figure")
        5
    """
    runs = words.runs(trace)
    listed = runs[:MOST_RUNS]
    pixels = MOST_PIXELS // (len(listed) * len(trace.convention.quantities))
    parts = [_run(trace, k, direction, label, pixels, first=i == 0) for i, (k, direction, label) in enumerate(listed)]
    if len(runs) > len(listed):
        parts.append(f"<p>{len(runs) - len(listed)} more layers and directions are in the trace.</p>")
    colour = "#1a7f37" if trace.proof.holds else "#b42318"
    origin = f"Weights: {trace.weights.origin}. Ran on {trace.device} in {trace.dtype}."
    return (
        f'<div class="gru_viz-trace" style="max-width:64em;font-size:.95em;color:inherit">'
        f"<p><b>{escape(words.network(trace.weights))}</b>; {escape(words.sequences(trace))} "
        f'<span style="{BADGE}{colour}">{escape(words.badge(trace))}</span><br>'
        f"<small>{escape(origin)} {escape(words.proof(trace))}</small></p>{''.join(parts)}</div>"
    )


def _run(trace: Trace, layer: int, direction: Direction, label: str, pixels: int, *, first: bool) -> str:
    view = inspect(trace, layer, direction)
    which = f", 1 of {len(trace.names):,}" if len(trace.names) > 1 else ""
    rows = max(1, min(len(view.units), MOST_ROWS, pixels // 64))
    columns = max(1, min(MOST_COLUMNS, pixels // rows))
    title = f"{label}: {trace.names[0]}{which}{_reduced(view, rows, columns)}"
    pictures = "".join(maps.heatmap(panel, rows, columns) for panel in view.panels)
    return (
        f"<details{' open' if first else ''}><summary>{escape(title)}</summary>"
        f"{maps.curves(view, columns)}{pictures}</details>"
    )


def _reduced(view: View, rows: int, columns: int) -> str:
    """That neighbours were averaged, where they were."""
    parts = [f"{view.steps:,} steps averaged to {columns:,}"] if view.steps > columns else []
    parts += [f"{len(view.units):,} units averaged to {rows:,}"] if len(view.units) > rows else []
    return f" ({', '.join(parts)})" if parts else ""
