"""Small pictures of a view that need no JavaScript: heatmaps as PNG, curves as SVG, in the colours of the figures."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from functools import cache
from html import escape

import numpy as np
from plotly.colors import sample_colorscale

from gru_viz.figures import Panel, View
from gru_viz.figures.draw import COLOURS
from gru_viz.figures.style import CURVES

__all__ = ["curves", "heatmap", "png", "shrink"]

SHADES = 255
"""Colours of a map; one more says that there is no number."""


def shrink(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Average neighbours until there are at most so many rows and columns; what is no number does not count."""
    for axis, most in enumerate((rows, columns)):
        size = values.shape[axis]
        if size > most:
            edges = np.arange(most) * size // most
            finite = np.isfinite(values)
            totals = np.add.reduceat(np.where(finite, values, 0.0), edges, axis)
            counts = np.add.reduceat(finite.astype(np.int64), edges, axis)
            values = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    return values


def png(values: np.ndarray, low: float, high: float, colours: str) -> bytes:
    """A heatmap as a PNG of a pixel a value, in the figures' colour map of that name; no number is transparent."""
    share = np.clip((values - low) / (high - low), 0, 1)
    codes = np.where(np.isnan(share), SHADES, np.rint(np.nan_to_num(share) * (SHADES - 1))).astype(np.uint8)
    rows, columns = codes.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), codes], 1).tobytes()  # each line begins with its filter
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", _palette(colours)),
        (b"tRNS", b"\xff" * SHADES + b"\0"),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


@cache
def _palette(colours: str) -> bytes:
    sampled = sample_colorscale(COLOURS[colours], [i / (SHADES - 1) for i in range(SHADES)])
    shades = [tuple(round(float(part)) for part in re.findall(r"[\d.]+", colour)) for colour in sampled]
    return b"".join(bytes(shade) for shade in shades) + b"\0\0\0"


def heatmap(panel: Panel, rows: int, columns: int) -> str:
    """A panel as HTML: its title, its meaning, the words for both ends of its colours, and the map."""
    small = shrink(panel.values, rows, columns)
    size = f"{panel.values.shape[0]:,} × {panel.values.shape[1]:,}"
    finite = panel.values[np.isfinite(panel.values)]
    summary = f"mean {finite.mean():.2f}, {finite.min():.2f} to {finite.max():.2f}" if finite.size else "no numbers"
    alt = f"{panel.title}, {panel.row_kind}s × steps: {size}; {summary}"
    words = " ".join(filter(None, (f"<b>{escape(panel.title)}</b>", panel.meaning and f"· {escape(panel.meaning)}")))
    scale = png(np.linspace(panel.low, panel.high, 64)[None], panel.low, panel.high, panel.colours)
    swatch = f'<img alt="to" src="{_data(scale)}" style="width:5em;height:.8em;vertical-align:baseline">'
    height = int(np.clip(4 * small.shape[0], 24, 96))
    picture = (
        f'<img alt="{escape(alt)}" src="{_data(png(small, panel.low, panel.high, panel.colours))}" '
        f'style="display:block;width:100%;height:{height}px;image-rendering:pixelated">'
        if small.size
        else "no steps"
    )
    return (
        '<figure style="margin:0 0 .5em"><figcaption style="display:flex;flex-wrap:wrap;justify-content:space-between;'
        f'gap:0 1em"><span>{words}</span><span>{escape(panel.low_means)} {swatch} {escape(panel.high_means)}</span>'
        f"</figcaption>{picture}</figure>"
    )


def curves(view: View, columns: int) -> str:
    """The input of a view as HTML: one line a feature, all on one scale; empty where the input is a heatmap."""
    if not view.curves or not view.steps:
        return ""
    lines = [shrink(curve.values[None], 1, columns)[0] for curve in view.curves]
    finite = np.concatenate(lines)[np.isfinite(np.concatenate(lines))]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    span = (high - low) or 1.0
    paths, keys = [], []
    for curve, line in zip(view.curves, lines, strict=True):
        colour = CURVES[(curve.colour or 0) % len(CURVES)]
        ys = 38 - 36 * (line - low) / span
        points = " ".join(f"{i + 0.5:g},{y:.1f}" for i, y in enumerate(ys) if np.isfinite(y))
        paths.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5" '
            'vector-effect="non-scaling-stroke"/>'
        )
        keys.append(f'<span><span style="color:{colour}" aria-hidden="true">▬</span> {escape(curve.name)}</span>')
    named = ", ".join(curve.name for curve in view.curves)
    return (
        '<figure style="margin:0 0 .5em"><figcaption style="display:flex;flex-wrap:wrap;gap:0 1em"><span><b>input x</b>'
        f"{' · ' + escape(view.scaling) if view.scaling else ''}</span>{' '.join(keys)}</figcaption>"
        f'<svg role="img" aria-label="{escape(f"input: {named}; {low:.3g} to {high:.3g}")}" '
        f'viewBox="0 0 {len(lines[0])} 40" preserveAspectRatio="none" style="display:block;width:100%;height:56px">'
        f"{''.join(paths)}</svg></figure>"
    )


def _data(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
