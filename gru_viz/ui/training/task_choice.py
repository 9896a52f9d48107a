"""Choice 1, the task: a lesson, its options, and the user's own data where the task takes some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from gru_viz.errors import SequenceError
from gru_viz.sequences import LabelledSequences, Sequences
from gru_viz.training import TASKS, Settings, Task, make_task
from gru_viz.training.lessons import LESSONS, Lesson
from gru_viz.training.tasks import Option
from gru_viz.ui.messages import plain, show_notices, showing_errors
from gru_viz.ui.resources import engine
from gru_viz.ui.sequence_choice import ask_sequences, last_sequences
from gru_viz.ui.table_choice import ask_columns, digest_of, digest_of_upload, open_with_options
from gru_viz.ui.widgets import ask_number, pick

__all__ = ["BLOCKED", "TaskChoice", "choose_task", "show_task"]

BLOCKED = "Training cannot start until this is fixed."


@dataclass(frozen=True)
class TaskChoice:
    """What is learned.

    Attributes:
        name: the lesson's.
        lesson: what to look for, and the default settings.
        settings: the lesson's, with the options chosen.
        data: the user's own, or None.
        task: built from both.
    """

    name: str
    lesson: Lesson
    settings: Settings
    data: Any
    task: Task


def choose_task() -> TaskChoice | None:
    """Ask for the task in the sidebar; if its data cannot be read, show the error and return None."""
    engine()  # its workers start while the task is being chosen
    with st.sidebar:
        st.header("1 Task", anchor=False)
        name = pick("Lesson", "lesson", {name: lesson.title for name, lesson in LESSONS.items()})
    lesson = LESSONS[name]
    kind = TASKS[lesson.settings.task]
    with showing_errors(BLOCKED):
        data, fingerprint = _ask_data(kind.needs)
        with st.sidebar, st.expander("Task options"):
            options = _ask_options(kind.options, lesson, name, data)
        settings = replace(lesson.settings, options={**lesson.settings.options, **options})
        task = _build(settings.task, repr(sorted(settings.options.items())), fingerprint, settings, data)
        return TaskChoice(name, lesson, settings, data, task)
    return None


@st.cache_resource(max_entries=16, show_spinner=False)
def _build(name: str, options: str, fingerprint: str, _settings: Settings, _data: Any) -> Task:
    return make_task(_settings, _data)


def _ask_options(options: Sequence[Option], lesson: Lesson, name: str, data: Any) -> dict[str, Any]:
    return {option.name: _ask_option(option, lesson, f"{option.name}_{name}", data) for option in options}


def _ask_option(option: Option, lesson: Lesson, key: str, data: Any) -> Any:
    default = lesson.settings.options.get(option.name, option.default)
    if option.name == "target" and isinstance(data, Sequences):
        features = {"": "all features"} | {feature: feature for feature in data.features}
        return pick(option.title, f"{key}_{digest_of(repr(data.features).encode())[:6]}", features)
    if option.choices:
        return pick(option.title, key, option.choices, default)
    if option.least is None or option.most is None:
        return st.text_input(option.title, default, key=key, bind="query-params", help=option.help or None)
    kind = type(default)
    step, text = 1 if kind is int else 0.05, option.help or None
    return ask_number(option.title, key, kind(option.least), kind(option.most), default, step=step, help=text)


def _ask_data(needs: str | None) -> tuple[Any, str]:
    """The user's own data, of the kind the task takes, and their fingerprint."""
    with st.sidebar:
        if needs == "sequences":
            return _ask_series()
        if needs == "text":
            return _ask_text()
        if needs == "labelled":
            return _ask_labelled()
    return None, ""


def _ask_series() -> tuple[Sequences, str]:
    chosen = ask_sequences(("example", "file", "table"))
    if chosen is None:
        chosen = last_sequences()
        if chosen is None or chosen.example or chosen.snapshot:
            wanted = "a CSV with one row per step"
            raise SequenceError("Your own data", "no file yet", wanted, "Upload one on the left, or choose an example.")
        st.caption(f"Using {plain(chosen.sequences.source)}, as on page 1.")
    return chosen.sequences, chosen.fingerprint


def _ask_text() -> tuple[str | None, str]:
    upload = st.file_uploader("Your own text (.txt, optional)", type=["txt", "md"], key="text_file")
    if upload is not None:
        data = upload.getvalue()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
        return text, digest_of(data)
    typed = st.text_area("… or paste text", key="own_text", placeholder="Empty: built-in fables", height=90)
    return (typed, digest_of(typed.encode())) if typed.strip() else (None, "")


def _ask_labelled() -> tuple[LabelledSequences, str]:
    upload = st.file_uploader("CSV with a sequence ID and a label column", key="labelled_file")
    if upload is None:
        raise SequenceError(
            "Your own sequences",
            "no file yet",
            "a CSV with a sequence ID column and a label column",
            "Upload one on the left.",
        )
    from gru_viz.sequences import MAX_BYTES, open_table

    if upload.size > MAX_BYTES:
        open_table(upload, name=upload.name)  # raises the error about its size, unread
    table, opened = open_with_options(upload.getvalue(), upload.name, digest_of_upload(upload))
    names = [column.name for column in table.columns]
    fitting = table.label_columns() or names
    label = pick("Label column", f"label_{opened[:6]}", {name: name for name in fitting})
    columns = ask_columns(table)
    if columns["features"] is not None:
        columns["features"] = tuple(feature for feature in columns["features"] if feature != label)
    if not columns["id"]:
        raise SequenceError(table.name, "no sequence ID column", "one", "Select it on the left.")
    fingerprint = digest_of(repr((opened, label, sorted(columns.items()))).encode())
    return _labelled(fingerprint, table, label, columns), fingerprint


@st.cache_resource(max_entries=8, show_spinner=False)
def _labelled(fingerprint: str, _table: Any, _label: str, _columns: dict[str, Any]) -> LabelledSequences:
    return _table.labelled(_label, **_columns)


def show_task(choice: TaskChoice) -> None:
    """What is learned, and what to look for."""
    st.markdown(f"{plain(choice.task.sentence)} **{choice.lesson.look_for}**")
    notices = choice.task.notices
    if notices:
        show_notices(f"Note: {plain(notices[-1])}", notices)
