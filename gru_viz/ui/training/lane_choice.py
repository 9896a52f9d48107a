"""Choices 2 and 3, the models (lanes) and their training: equal by default, each can be changed on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import streamlit as st

from gru_viz.backends.compiled.kernel_cache import is_compiling, seconds_left
from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import TrainingError
from gru_viz.initialisation import INITIALISATIONS
from gru_viz.inputs import check_device
from gru_viz.training import Lane, Settings, Task, count_parameters, equal_hidden
from gru_viz.training.recurrence import choose_for_run, why_not
from gru_viz.training.settings import BACKENDS, LIMITS, OPTIMISERS, SCHEDULES
from gru_viz.training.trainer import check_memory
from gru_viz.ui.messages import showing_errors
from gru_viz.ui.resources import engine
from gru_viz.ui.training.run_charts import BACKEND_NAMES
from gru_viz.ui.training.task_choice import BLOCKED, TaskChoice
from gru_viz.ui.widgets import LINKED, ask_number, pick, switch

__all__ = ["choose_lanes"]

GRUS = {name: each.title for name, each in CONVENTIONS.items() if each.cell == "gru"}
EQUAL = {"hidden": "Equal units", "parameters": "Equal parameters"}
T = TypeVar("T", int, float)
RATES = 1e-6, 10.0
RATE_FORMAT: dict[str, Any] = {"step": 0.001, "format": "%.4g"}
SEEDS_HELP = "Each seed trains its own model, with its own initial weights and batches; a verdict needs at least three."


def choose_lanes(choice: TaskChoice | None) -> Settings | None:
    """Ask for lanes and training in the sidebar, starting from the lesson's settings; choices are per lesson.

    Returns:
        The settings; None if they cannot be trained, which is shown.
    """
    with showing_errors(BLOCKED):
        if choice is not None:
            settings = _ask(choice)
            _check(settings, choice.task)
            return settings
    return None


def _check(settings: Settings, task: Task) -> None:
    """Raise for what would fail once it is started."""
    local = engine().state.kind == "local"  # the devices of a cluster's workers are not known here
    for lane in settings.lanes:
        reason = None if lane.backend == "auto" else why_not(lane.backend, lane)
        if reason:
            remedy = "Choose another under “Advanced settings”."
            raise TrainingError(f"Backend of {lane.name}", reason, "a backend that supports this variant", remedy)
        check_memory(task, settings, lane.name)
        if local:
            check_device(lane.device)


def _ask(choice: TaskChoice) -> Settings:
    task, lesson, start = choice.task, choice.name, choice.settings
    with st.sidebar:
        st.header("2 Models", anchor=False)
        third = st.toggle(
            "Also train a tanh RNN", value=len(start.lanes) > 2, key=f"third_{lesson}", bind="query-params"
        )
        equal = switch("Equal size", f"equal_{lesson}", EQUAL)
        common = _ask_common(start.lanes[0], lesson)
        lanes = [replace(common, name="GRU"), replace(common, name="LSTM", cell="torch_lstm")]
        lanes += [replace(common, name="RNN", cell="torch_rnn")] if third else []
        if equal == "parameters":
            lanes = _equalise(lanes, task)
        st.header("3 Training", anchor=False)
        left, right = st.columns(2)
        updates = ask_number("Updates", f"updates_{lesson}", 1, LIMITS.updates, start.updates, left)
        seeds = ask_number("Seeds", f"seeds_{lesson}", 1, LIMITS.seeds, start.seeds, right, help=SEEDS_HELP)
        rate = ask_number("Learning rate", f"rate_{lesson}", *RATES, start.lanes[0].learning_rate, left, **RATE_FORMAT)
        batch = ask_number("Batch size", f"batch_{lesson}", 1, LIMITS.batch, start.batch, right)
        lanes = [replace(lane, learning_rate=rate) for lane in lanes]
        with st.expander("Advanced settings"):
            lanes = _ask_more(lanes, lesson)
            first_seed = ask_number("First seed", f"first_seed_{lesson}", 0, 10**6, start.first_seed, st)
        with st.expander("Per-model settings"):
            lanes = [_ask_own(lane, lesson) for lane in lanes]
        _show_sizes(lanes, task)
    return replace(start, lanes=tuple(lanes), updates=updates, batch=batch, seeds=seeds, first_seed=first_seed)


def _ask_common(start: Lane, lesson: str) -> Lane:
    left, right = st.columns(2)
    hidden = ask_number("Units", f"units_{lesson}", 1, LIMITS.hidden, start.hidden, left)
    layers = ask_number("Layers", f"layers_{lesson}", 1, LIMITS.layers, start.layers, right)
    variant = pick("GRU variant", f"gru_{lesson}", GRUS)
    return replace(start, cell=variant, hidden=hidden, layers=layers)


def _equalise(lanes: Sequence[Lane], task: Task) -> list[Lane]:
    """As many parameters as the first lane, as closely as whole units allow."""
    first = lanes[0]
    aim = count_parameters(first.cell, task.features, first.hidden, first.layers, task.outputs)
    return [
        first,
        *(
            replace(lane, hidden=equal_hidden(lane.cell, task.features, lane.layers, task.outputs, aim))
            for lane in lanes[1:]
        ),
    ]


def _ask_more(lanes: Sequence[Lane], lesson: str) -> list[Lane]:
    """Settings a beginner need not know, the same for all lanes."""
    start, key = lanes[0], lesson
    changed: dict[str, Any] = {
        "initialisation": pick("Weight initialisation", f"initialisation_{key}", INITIALISATIONS, start.initialisation),
        "optimiser": pick("Optimiser", f"optimiser_{key}", OPTIMISERS, start.optimiser),
        "schedule": pick("Learning-rate schedule", f"schedule_{key}", SCHEDULES, start.schedule),
    }
    left, right = st.columns(2)
    text = "Maximum gradient norm; 0 disables clipping."
    changed["clip"] = ask_number("Clip norm", f"clip_{key}", 0.0, 1000.0, start.clip, left, step=0.5, help=text)
    if start.layers > 1:
        changed["dropout"] = ask_number("Dropout", f"dropout_{key}", 0.0, 0.95, start.dropout, right, step=0.05)
    changed["backend"] = pick("Backend", f"backend_{key}", BACKENDS)
    changed["device"] = pick("Device", f"device_{key}", {"cpu": "CPU", "cuda": "CUDA"})
    if changed["backend"] == "torch" and changed["device"] == "cpu":
        changed["onednn"] = st.toggle(
            "Use oneDNN for torch's LSTM",
            value=True,
            key=f"onednn_{key}",
            bind="query-params",
            help="On a CPU, torch runs its LSTM with oneDNN but has no such kernel for its GRU; without it the kernels "
            "are alike, and seconds can be compared.",
        )
    return [replace(lane, **changed) for lane in lanes]


def _ask_own(lane: Lane, lesson: str) -> Lane:
    """A lane's own settings, where they differ from the others'; empty fields follow the common ones."""
    key = f"{lane.name}_{lesson}"
    if not st.toggle(f"Custom settings for {lane.name}", key=f"own_{key}", bind="query-params"):
        return lane
    left, right = st.columns(2)
    own = replace(
        lane,
        hidden=_own_number(left, "Units", f"units_{key}", 1, LIMITS.hidden, lane.hidden),
        layers=_own_number(right, "Layers", f"layers_{key}", 1, LIMITS.layers, lane.layers),
        learning_rate=_own_number(st, "Learning rate", f"rate_{key}", *RATES, lane.learning_rate, **RATE_FORMAT),
        initialisation=_own_pick(
            "Weight initialisation", f"initialisation_{key}", INITIALISATIONS, lane.initialisation
        ),
        optimiser=_own_pick("Optimiser", f"optimiser_{key}", OPTIMISERS, lane.optimiser),
        schedule=_own_pick("Learning-rate schedule", f"schedule_{key}", SCHEDULES, lane.schedule),
    )
    return replace(own, backend=_own_pick("Backend", f"backend_{key}", BACKENDS, lane.backend))


def _own_number(where: Any, label: str, key: str, least: T, most: T, common: T, **more: Any) -> T:
    """A number for one lane; empty, with the common one in grey, while it follows the others."""
    placeholder = f"{common:g}" if isinstance(common, float) else str(common)
    own = where.number_input(label, least, most, None, placeholder=placeholder, key=key, **LINKED, **more)
    return common if own is None else type(common)(own)


def _own_pick(label: str, key: str, options: Mapping[str, str], common: str) -> str:
    return pick(label, key, {"": "same as all", **options}) or common


def _show_sizes(lanes: Sequence[Lane], task: Task) -> None:
    """Units, parameters and backend of each lane."""
    lines, chosen = [], choose_for_run(lanes)
    for lane in lanes:
        parameters = count_parameters(lane.cell, task.features, lane.hidden, lane.layers, task.outputs)
        reason = None if lane.backend == "auto" else why_not(lane.backend, lane)
        backend = (reason or BACKEND_NAMES[chosen[lane.name]]).rstrip(".")
        lines.append(f"**{lane.name}** {lane.hidden} units, {parameters:,} parameters, {backend}")
    st.caption("  \n".join(lines))
    open_ones = [CONVENTIONS[lane.cell] for lane in lanes if lane.backend == "auto" and lane.device == "cpu"]
    seconds = max((seconds_left(convention, "training") for convention in open_ones), default=0.0)
    if seconds and is_compiling():
        st.caption(f"Faster kernels are being compiled, once: about {seconds:.0f} s more. A run keeps its backend.")
