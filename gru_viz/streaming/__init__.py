"""Sequences too long to keep: run in little memory, shown at any zoom, exact in any window."""

from gru_viz.streaming.long import LongTrace, TraceLike
from gru_viz.streaming.stream import stream

__all__ = ["LongTrace", "TraceLike", "stream"]
