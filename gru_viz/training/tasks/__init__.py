"""The tasks that a GRU and an LSTM are compared on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from gru_viz.errors import TrainingError
from gru_viz.sequences import LabelledSequences, Sequences
from gru_viz.training.settings import LIMITS, Settings
from gru_viz.training.tasks import classification, forecast, memory_tasks, text_task
from gru_viz.training.tasks.base_task import Baseline, Examples, Measure, Predictions, Task
from gru_viz.training.tasks.task_options import Option, complete

__all__ = ["TASKS", "Baseline", "Examples", "Measure", "Option", "Predictions", "Task", "TaskKind", "make_task"]


@dataclass(frozen=True)
class TaskKind:
    """A task before its options and data are chosen.

    Attributes:
        title: on the page.
        sentence: what is to be learnt, for a beginner.
        needs: the user's data that it takes: None, ``"sequences"``, ``"text"`` or ``"labelled"`` sequences.
        options: what can be chosen.
        make: builds the task from complete options and data.
    """

    title: str
    sentence: str
    needs: Literal["sequences", "text", "labelled"] | None
    options: tuple[Option, ...]
    make: Callable[[Mapping[str, Any], Any], Task]


VALIDATION = Option("validation", "Held-out share", 0.2, 0.05, 0.5, help="Never trained on: measures generalisation.")
LENGTH = Option("length", "Length, in steps", 50, 2, 1000)
DISTANCE = Option("distance", "Distance, in steps", 20, 1, 1000, help="For how many steps the memory has to last.")

TASKS: Mapping[str, TaskKind] = MappingProxyType(
    {
        "sine": TaskKind(
            "Sine wave",
            "From a few steps of a wave, predict the next value.",
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
            "From the last few steps of your own data, predict the next value.",
            "sequences",
            (
                Option("length", "Window, in steps", 0, 0, LIMITS.steps, help="0: chosen from the data, at most 32."),
                Option("horizon", "Steps ahead", 1, 1, 200, help="Steps from the window's end to the target."),
                VALIDATION,
                Option("target", "Feature to forecast", "", help="The name of a feature, or several; empty for all."),
                Option(
                    "predict",
                    "Target",
                    "value",
                    choices={"value": "the value", "change": "the change since the window's last step"},
                    help="A series that drifts far from its start is forecast better by its change.",
                ),
            ),
            lambda options, data: forecast.Forecast(data, **options),
        ),
        "text": TaskKind(
            "Text, character by character",
            "After each character of a text, predict the next; then generate text.",
            "text",
            (
                Option("length", "Window, in characters", 0, 0, 1000, help="0: chosen from the text, at most 64."),
                replace(VALIDATION, default=0.1),
            ),
            lambda options, data: text_task.Text(data, **options),
        ),
        "copy": TaskKind(
            "Copy after a pause",
            "Read a few symbols, wait, and output them in the same order.",
            None,
            (DISTANCE, Option("symbols", "Symbols to remember", 10, 1, 50)),
            lambda options, _: memory_tasks.Copy(**options),
        ),
        "adding": TaskKind(
            "Adding two marked numbers",
            "Two of many numbers are marked; at the end, predict their sum.",
            None,
            (LENGTH,),
            lambda options, _: memory_tasks.Adding(**options),
        ),
        "recall": TaskKind(
            "Recall one symbol",
            "Read one symbol, wait, and predict it.",
            None,
            (
                DISTANCE,
                Option("symbols", "Number of symbols", 8, 2, 32),
                Option("noise", "Noise while waiting, standard deviation", 0.0, 0.0, 1.0),
            ),
            lambda options, _: memory_tasks.Recall(**options),
        ),
        "parity": TaskKind(
            "Odd or even",
            "Read bits, and predict after each whether the number of ones so far is odd.",
            None,
            (replace(LENGTH, default=20),),
            lambda options, _: memory_tasks.Parity(**options),
        ),
        "digits": TaskKind(
            "Handwritten digits, row by row",
            "Read an image of a digit from top to bottom, then predict which digit it is.",
            None,
            (VALIDATION,),
            lambda options, _: classification.Digits(**options),
        ),
        "classify": TaskKind(
            "Classify your own sequences",
            "Read each of your own sequences to its end, then predict its class.",
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
        data: the user's data, of the kind that the task needs.

    Raises:
        TrainingError: the task is unknown, an option is out of its limits, or the data do not fit.

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
    "sequences": (Sequences, "sequences, as read_table returns them", "Choose a file or an example first."),
    "text": (str, "text", "Paste a text, or none for the built-in fables."),
    "labelled": (
        LabelledSequences,
        "sequences with a label each, as Table.labelled returns them",
        "Choose a file with a column of labels first.",
    ),
}
"""For each kind of data: its type, the type in words, and the remedy if it is missing."""


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
