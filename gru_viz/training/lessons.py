"""Comparisons worth making first: each with one sentence on what to look for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gru_viz.training.settings import Lane, Settings

__all__ = ["LESSONS", "Lesson"]


@dataclass(frozen=True)
class Lesson:
    """A comparison to begin with.

    Attributes:
        title: what it is called.
        look_for: one sentence on what to watch.
        settings: what is trained.
    """

    title: str
    look_for: str
    settings: Settings


SLOW = {"initialisation": "chrono"}
"""First gates that stay open or shut for up to a hundred steps; with torch's, a memory halves at every step."""


def _lanes(hidden: int, rate: float, *, recurrent: bool = False, **more: Any) -> tuple[Lane, ...]:
    """A GRU and an LSTM, equal but for the cell; and a tanh RNN where the lesson is about what gates are for."""
    cells = {"GRU": "torch", "LSTM": "torch_lstm"} | ({"RNN": "torch_rnn"} if recurrent else {})
    return tuple(Lane(name, cell=cell, hidden=hidden, learning_rate=rate, **more) for name, cell in cells.items())


LESSONS: Mapping[str, Lesson] = MappingProxyType(
    {
        "sine": Lesson(
            "Continue a sine",
            "Both learn it within seconds: see who crosses the dotted lines of the simple guesses first.",
            Settings("sine", {}, _lanes(32, 0.005), updates=600, seeds=3),
        ),
        "memory_10": Lesson(
            "Remember over 10 steps",
            "All three cells remember over ten noisy steps; see which of them needs the fewest updates.",
            Settings(
                "recall",
                {"distance": 10, "noise": 0.2},
                _lanes(32, 0.005, recurrent=True, **SLOW),
                updates=800,
                seeds=3,
            ),
        ),
        "memory_100": Lesson(
            "Remember over 100 steps",
            "The same, ten times as far: gates carry the memory across, the plain RNN stays near the dotted line.",
            Settings(
                "recall",
                {"distance": 100, "noise": 0.2},
                _lanes(32, 0.005, recurrent=True, **SLOW),
                updates=800,
                seeds=3,
            ),
        ),
        "own_data": Lesson(
            "Forecast your own data",
            "A network that stays above the dotted lines has learned less than a simple guess knows.",
            Settings("forecast", {}, _lanes(32, 0.005), updates=600, seeds=3),
        ),
        "text": Lesson(
            "Continue a text, letter by letter",
            "Read the continuations as they improve: first the letters' frequencies, then syllables, then words.",
            Settings("text", {}, _lanes(64, 0.005, schedule="cosine"), updates=600, seeds=3),
        ),
        "adding": Lesson(
            "Add two marked numbers",
            "The loss rests at the dotted line until a cell finds the marks; then it falls steeply.",
            Settings("adding", {"length": 100}, _lanes(32, 0.01, recurrent=True), updates=1500, seeds=3),
        ),
        "copy": Lesson(
            "Copy symbols after a pause",
            "Five symbols have to be kept through a pause: below the dotted line, something is remembered.",
            Settings("copy", {"distance": 10, "symbols": 5}, _lanes(64, 0.01), updates=1500, seeds=3),
        ),
        "parity": Lesson(
            "Count ones, odd or even",
            "One bit of memory would do, but every one has to flip it: nothing for long, then all at once.",
            Settings("parity", {"length": 10}, _lanes(32, 0.01, recurrent=True), updates=800, seeds=3),
        ),
        "digits": Lesson(
            "Read handwritten digits",
            "Eight rows of eight pixels, one row a step: see which digits are told apart last.",
            Settings("digits", {}, _lanes(32, 0.01), updates=600, seeds=3),
        ),
        "own_classes": Lesson(
            "Classify your own sequences",
            "Above the dotted line of the commonest class, something about the sequences has been learned.",
            Settings("classify", {}, _lanes(32, 0.005), updates=800, seeds=3),
        ),
    }
)
"""By name, in the order in which to try them."""
