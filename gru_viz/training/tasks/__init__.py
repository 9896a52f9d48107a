"""The tasks that a GRU and an LSTM are compared on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from gru_viz.errors import TrainingError
from gru_viz.sequences import LabelledSequences, Sequences
from gru_viz.training.settings import LIMITS, Settings
from gru_viz.training.tasks import classification, forecast, memory, text
from gru_viz.training.tasks.options import Option, complete
from gru_viz.training.tasks.task import Baseline, Examples, Measure, Shown, Task, Tensors

__all__ = ["TASKS", "Baseline", "Examples", "Measure", "Option", "Shown", "Task", "TaskKind", "Tensors", "make_task"]


@dataclass(frozen=True)
class TaskKind:
    """A task before its options and data are chosen.

    Attributes:
        title: what people call it.
        sentence: what is to be learnt, in one sentence for a beginner.
        needs: what data of the user's it takes: None, ``"sequences"``, ``"text"`` or ``"labelled"`` sequences.
        options: what can be chosen.
        make: builds the task from complete options and data.
    """

    title: str
    sentence: str
    needs: Literal["sequences", "text", "labelled"] | None
    options: tuple[Option, ...]
    make: Callable[[Mapping[str, Any], Any], Task]


VALIDATION = Option(
    "validation",
    "Share held out",
    0.2,
    0.05,
    0.5,
    help="Never trained on, it shows what was really learnt.",
)
LENGTH = Option("length", "Length, in steps", 50, 2, 1000)
DISTANCE = Option("distance", "Distance, in steps", 20, 1, 1000, help="How long a memory has to last.")

TASKS: Mapping[str, TaskKind] = MappingProxyType(
    {
        "sine": TaskKind(
            "A sine to be continued",
            "From a few steps of a wave, say its next value.",
            None,
            (
                Option("period", "Period, in steps", 25.0, 2.0, 500.0),
                Option("noise", "Noise, standard deviation", 0.05, 0.0, 1.0),
                Option("length", "Window, in steps", 20, 1, 500),
                VALIDATION,
            ),
            lambda options, _: forecast.Sine(**options),
        ),
        "forecast": TaskKind(
            "Forecast your own series",
            "From the last few steps of your own data, say what comes next.",
            "sequences",
            (
                Option(
                    "length", "Window, in steps", 0, 0, LIMITS.steps, help="0 lets the data choose, at most 32 steps."
                ),
                Option("horizon", "Steps ahead", 1, 1, 200, help="How many steps after the window the answer lies."),
                VALIDATION,
                Option("target", "Feature to forecast", "", help="A feature's name, or several; empty for all."),
                Option(
                    "says",
                    "What is said",
                    "value",
                    choices={"value": "the value itself", "change": "the change since the window's last step"},
                    help="A series that wanders far from where it began is better forecast by its change.",
                ),
            ),
            lambda options, data: forecast.Forecast(data, **options),
        ),
        "text": TaskKind(
            "Text, character by character",
            "After each character of a text, say which comes next; then write on by itself.",
            "text",
            (
                Option(
                    "length", "Window, in characters", 0, 0, 1000, help="0 lets the text choose, at most 64 characters."
                ),
                replace(VALIDATION, default=0.1),
            ),
            lambda options, data: text.Text(data, **options),
        ),
        "copy": TaskKind(
            "Copy after a pause",
            "Read a few symbols, wait, and say them again in the same order.",
            None,
            (DISTANCE, Option("symbols", "Symbols to remember", 10, 1, 50)),
            lambda options, _: memory.Copy(**options),
        ),
        "adding": TaskKind(
            "Adding two marked numbers",
            "Of a long row of numbers two are marked; at the end, say their sum.",
            None,
            (LENGTH,),
            lambda options, _: memory.Adding(**options),
        ),
        "recall": TaskKind(
            "Recall one symbol",
            "See one symbol, wait, and name it.",
            None,
            (
                DISTANCE,
                Option("symbols", "Number of symbols", 8, 2, 32),
                Option("noise", "Noise while waiting, standard deviation", 0.0, 0.0, 1.0),
            ),
            lambda options, _: memory.Recall(**options),
        ),
        "parity": TaskKind(
            "Odd or even",
            "Read bits, and say after each whether the number of ones so far is odd.",
            None,
            (replace(LENGTH, default=20),),
            lambda options, _: memory.Parity(**options),
        ),
        "digits": TaskKind(
            "Handwritten digits, row by row",
            "Read a picture of a digit from top to bottom, then say which digit it is.",
            None,
            (VALIDATION,),
            lambda options, _: classification.Digits(**options),
        ),
        "classify": TaskKind(
            "Classify your own sequences",
            "Read each of your own sequences to its end, then say which class it belongs to.",
            "labelled",
            (VALIDATION,),
            lambda options, data: classification.Classify(data, **options),
        ),
    }
)
"""Every task by name."""


def make_task(settings: Settings, data: Any = None) -> Task:
    """Build the task that settings name.

    Args:
        settings: of the training.
        data: the user's own, of the kind that the task needs.

    Raises:
        TrainingError: there is no such task, an option is out of its limits, or the data do not fit.

    Example:
        >>> make_task(Settings("adding", {"length": 10})).features
        2
    """
    if settings.task not in TASKS:
        raise TrainingError("task", repr(settings.task), f"one of {', '.join(TASKS)}", "Choose one of these.")
    kind = TASKS[settings.task]
    _check_data(settings.task, kind.needs, data)
    return kind.make(complete(settings.task, kind.options, settings.options), data)


DATA = {
    "sequences": (Sequences, "sequences, as read_table gives them", "Choose a file or an example first."),
    "text": (str, "text", "Paste a text, or give none for the built-in fables."),
    "labelled": (
        LabelledSequences,
        "sequences with a label each, as Table.labelled gives them",
        "Choose a file with a column of labels first.",
    ),
}
"""What each kind of need takes: the type, in words, and where to get it."""


def _check_data(task: str, needs: str | None, data: Any) -> None:
    if needs is None:
        if data is not None:
            remedy = "Leave the data out, or choose a task for your own."
            raise TrainingError(f"{task}, data", f"{type(data).__name__}", "none: it makes its own examples", remedy)
        return
    if needs == "text" and data is None:
        return
    kind, words, remedy = DATA[needs]
    if not isinstance(data, kind):
        found = "none" if data is None else type(data).__name__
        raise TrainingError(f"{task}, data", found, words, remedy)
