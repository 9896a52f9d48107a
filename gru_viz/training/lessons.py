"""Example comparisons, each with one sentence on what to look for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gru_viz.training.settings import Lane, Settings

__all__ = ["LESSONS", "Lesson"]


@dataclass(frozen=True)
class Lesson:
    """An example comparison.

    Attributes:
        title: on the page.
        look_for: one sentence on what to watch.
        settings: of the training.
    """

    title: str
    look_for: str
    settings: Settings


def _lanes(hidden: int, rate: float, *, recurrent: bool = False, **more: Any) -> tuple[Lane, ...]:
    """A GRU and an LSTM that differ in the cell only; and a tanh RNN if the lesson is about the need for gates."""
    cells = {"GRU": "torch", "LSTM": "torch_lstm"} | ({"RNN": "torch_rnn"} if recurrent else {})
    return tuple(Lane(name, cell=cell, hidden=hidden, learning_rate=rate, **more) for name, cell in cells.items())


def _recall(distance: int) -> Settings:
    lanes = _lanes(32, 0.005, recurrent=True, initialisation="chrono")  # time scales of up to a hundred steps
    return Settings("recall", {"distance": distance, "noise": 0.2}, lanes, updates=800, seeds=3)


LESSONS: Mapping[str, Lesson] = MappingProxyType(
    {
        "sine": Lesson(
            "Continue a sine",
            "Both learn it within seconds: watch which one crosses the dotted baselines first.",
            Settings("sine", {}, _lanes(32, 0.005), updates=600, seeds=3),
        ),
        "memory_10": Lesson(
            "Remember over 10 steps",
            "All three cells remember over ten noisy steps; watch which one needs the fewest updates.",
            _recall(10),
        ),
        "memory_100": Lesson(
            "Remember over 100 steps",
            "The same over ten times the distance: gates preserve the memory, the tanh RNN stays near chance level.",
            _recall(100),
        ),
        "own_data": Lesson(
            "Forecast your own data",
            "A network whose loss stays above a dotted line does worse than a naive baseline.",
            Settings("forecast", {}, _lanes(32, 0.005), updates=600, seeds=3),
        ),
        "text": Lesson(
            "Generate text, character by character",
            "Read the generated text as it improves: first letter frequencies, then syllables, then words.",
            Settings("text", {}, _lanes(64, 0.005, schedule="cosine"), updates=600, seeds=3),
        ),
        "adding": Lesson(
            "Add two marked numbers",
            "The loss stays at the baseline until a network finds the marks; then it falls steeply.",
            Settings("adding", {"length": 100}, _lanes(32, 0.01, recurrent=True), updates=1500, seeds=3),
        ),
        "copy": Lesson(
            "Copy symbols after a pause",
            "Five symbols must be remembered through a pause: below the dotted line is better than chance.",
            Settings("copy", {"distance": 10, "symbols": 5}, _lanes(64, 0.01), updates=1500, seeds=3),
        ),
        "parity": Lesson(
            "Count ones, odd or even",
            "One bit of memory is enough, but every one must flip it: long nothing, then a sudden fall.",
            Settings("parity", {"length": 10}, _lanes(32, 0.01, recurrent=True), updates=800, seeds=3),
        ),
        "digits": Lesson(
            "Read handwritten digits",
            "Eight rows of eight pixels, one row per step: watch which digits stay confused longest.",
            Settings("digits", {}, _lanes(32, 0.01), updates=600, seeds=3),
        ),
        "own_classes": Lesson(
            "Classify your own sequences",
            "Accuracy above the dotted line is better than always predicting the majority class.",
            Settings("classify", {}, _lanes(32, 0.005), updates=800, seeds=3),
        ),
    }
)
"""By name, in the order in which to try them."""
