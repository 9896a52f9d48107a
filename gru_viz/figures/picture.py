"""A chart as plain plotly data, from which a notebook's figure and the page's block are made."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from gru_viz.figures.style import CURVES, FONT

__all__ = ["INK", "LETTER", "PAPER", "LineStyle", "Picture", "axis", "base_layout", "line_style", "rgba"]

INK = "#1b1f24"
"""Ground truth and baselines; the component draws it in the colour of the page's text."""

PAPER = "#fffffe"
"""Background of labels over lines; the component draws it in the colour of the page."""

GRID = "rgba(128,128,128,0.25)"
SMALL = 14
LETTER = 8.2
"""Average width of a small letter in pixels."""


@dataclass(frozen=True)
class LineStyle:
    """How a lane is drawn, distinguishable with and without colours."""

    colour: str
    dash: str
    symbol: str
    sign: str


LINE_STYLES = tuple(
    LineStyle(colour, dash, symbol, sign)
    for (colour, dash, symbol, sign) in zip(
        CURVES,
        ("solid", "9px,3px", "4px,3px", "12px,3px,3px,3px", "solid", "9px,3px"),
        ("circle", "square", "diamond", "triangle-up", "triangle-down", "star"),
        ("●", "■", "◆", "▲", "▼", "★"),
        strict=True,
    )
)


def line_style(place: int) -> LineStyle:
    """The style of the lane at a place, from 0: blue, orange, green, …"""
    return LINE_STYLES[place % len(LINE_STYLES)]


def rgba(colour: str, opacity: float) -> str:
    """Convert ``#rrggbb`` and an opacity to plotly's ``rgba``."""
    return "rgba({},{},{},{})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)), opacity)


@dataclass(frozen=True)
class Picture:
    """One chart, before plotly checks it.

    Attributes:
        key: its name among the charts of a page, stable from one refresh to the next.
        title: its heading.
        caption: how to read it, in a few words.
        summary: its content as text, for screen readers.
        data: plotly traces; their numbers as numpy arrays.
        layout: plotly's, without a title.
        height: pixels.
        wide: whether it needs the whole width.
    """

    key: str
    title: str
    caption: str
    summary: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int = 245
    wide: bool = False

    def figure(self) -> go.Figure:
        """Make a plotly figure with title and caption."""
        words: dict[str, Any] = {"text": f"<b>{html.escape(self.title)}</b>", "x": 0.01, "y": 0.98, "yanchor": "top"}
        if self.caption:
            words["subtitle"] = {"text": html.escape(self.caption)}
        margin = {**self.layout["margin"], "t": self.layout["margin"]["t"] + 60}
        layout = {**self.layout, "template": go.layout.Template(), "title": words, "margin": margin}
        return go.Figure(self.data, {**layout, "height": self.height + 90})


def base_layout(right: int = 16, left: int = 60) -> dict[str, Any]:
    """The layout that all charts share: font, margins, transparent background."""
    return {
        "font": {"family": FONT, "size": SMALL},
        "margin": {"l": left, "r": right, "t": 10, "b": 46},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "hoverlabel": {"font": {"family": FONT, "size": SMALL, "color": INK}, "bgcolor": PAPER},
        "dragmode": "zoom",
        "showlegend": False,
    }


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis without a range: it follows its data, and a zoom survives new data."""
    words = {"title": {"text": html.escape(title), "standoff": 6, "font": {"size": SMALL}}} if title else {}
    return {"gridcolor": GRID, "zeroline": False, "showline": False, "nticks": 6, **words, **more}
