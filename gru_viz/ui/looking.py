"""What of a run is looked at: sequence, layer, direction, order and part; and the view of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import streamlit as st

from gru_viz.analysis import ORDERS
from gru_viz.figures import View, compare, inspect
from gru_viz.figures.budget import choose_window, most_steps
from gru_viz.figures.inspector import Reading, Worked, work_out_units
from gru_viz.figures.overview import compare_overviews, extent, heights, order_long, overview
from gru_viz.pretrained import load_pretrained
from gru_viz.reporting.answers import draw_answers, read_head
from gru_viz.streaming import LongTrace
from gru_viz.trace import Trace
from gru_viz.ui.compare_choice import Comparison
from gru_viz.ui.kept import kept
from gru_viz.ui.model_choice import Model
from gru_viz.ui.part import Part, linked_unit
from gru_viz.ui.sequence_choice import Chosen
from gru_viz.ui.sequence_list import MANY, choose_listed, listed
from gru_viz.ui.shown import Shown
from gru_viz.ui.tracing import Run, outputs, run_network
from gru_viz.ui.widgets import pick
from gru_viz.weights import Weights

__all__ = ["SMALL", "Choices", "ask_view", "look", "run_both", "sequence_before", "single_steps"]

DIRECTIONS = {"forward": "reading forward", "backward": "reading backward"}
SMALL: dict[str, Any] = {"labelled": False, "width": 175}
MOST_SAVED = 60_000_000
"""The most values of the state, steps × units × layers × directions, that are written to a file."""


@dataclass(frozen=True)
class Choices:
    """What is looked at.

    Attributes:
        sequence, layer: counted from 0.
        direction: ``"forward"`` or ``"backward"``.
        order: a name in ``analysis.ORDERS``.
        most: how many steps are shown one by one at most.
    """

    sequence: int
    layer: int
    direction: Literal["forward", "backward"]
    order: str
    most: int


def sequence_before(chosen: Chosen) -> int:
    """The sequence that was looked at last or that a link names, as far as it is among these; else the first."""
    names = [item.name for item in chosen.sequences]
    if len(names) >= MANY:
        return listed(names)
    name = st.session_state.get("sequence", st.query_params.get("sequence"))
    return names.index(name) if name in names else 0


def ask_view(chosen: Chosen, model: Model, weights: Weights) -> Choices:
    """Ask for sequence, layer, direction and order; each only where there is a choice."""
    names = [item.name for item in chosen.sequences]
    sequence, layer, direction = 0, 0, "forward"
    if len(names) >= MANY:
        sequence = choose_listed(chosen, model, weights)
    elif len(names) > 1:
        # By name, not by number: another data's sequence of the same number is another choice.
        sequence = names.index(pick("Sequence", "sequence", {name: name for name in names}, **SMALL))
    if len(weights.layers) > 1:
        layer = pick("Layer", "layer", {k: f"layer {k + 1}" for k in range(len(weights.layers))}, **SMALL)
    if weights.bidirectional:
        direction = pick("Direction", "direction", DIRECTIONS, **SMALL)
    order = pick("Units sorted by", "order", {name: f"units by {words}" for name, words in ORDERS.items()}, **SMALL)
    most = most_steps(weights, chosen.sequences.features, outputs(model))
    return Choices(sequence, layer, "backward" if direction == "backward" else "forward", order, most)


def run_both(name: str, chosen: Chosen, model: Model, comparison: Comparison | None, sequence: int) -> tuple[Run, ...]:
    """The run over a sequence, and the other one where two are compared.

    Raises:
        GruVizError: one of them cannot be, or was cancelled.
    """
    first = run_network(name, chosen, model, sequence)
    if comparison is None:
        return (first,)
    if comparison.variant:
        return first, run_network(f"other {name}", chosen, model, sequence, comparison.variant)
    against = sequence if comparison.sequence is None else comparison.sequence
    return first, run_network(f"other {name}", chosen, model, against)


def look(
    chosen: Chosen,
    model: Model,
    comparison: Comparison | None,
    choices: Choices,
    quantity: str | None,
    runs: tuple[Run, ...],
    part: Part,
) -> Shown:
    """The view of a part: step by step with formulas, or, where these are too many, columns of many steps.

    Raises:
        GruVizError: there is none, such as of two networks that have nothing to compare.
    """
    place: dict[str, Any] = {"layer": choices.layer, "direction": choices.direction}
    first, names = runs[0], _names(chosen, comparison, choices, runs)
    order = choices.order if isinstance(first.made, Trace) else _order(first.made, first, choices)
    window = _window(part, choices)
    units = first.made.weights.units[choices.layer]
    unit = min(_cursor().get("unit", linked_unit(units)), units - 1)
    steps = (part.start, part.stop) if part.long else None
    shown = partial(Shown, made=first.made, unit=unit, steps=steps, exact=_exact(first.made, part))
    if window is None:
        made = [run.made for run in runs if isinstance(run.made, LongTrace)]
        wanted: dict[str, Any] = {"order": order, "window": steps, "columns": part.width, **place}
        if quantity is None:
            return shown(view=overview(made[0], **wanted), worked=())
        return shown(view=compare_overviews(made[0], made[1], quantity, names, **wanted), worked=())
    traces = [run.steps(*window) for run in runs]
    whole = _known_of_the_whole(runs, choices, window[0])
    worked: list[Worked] = []
    if quantity is None:
        trace, sequence = traces[0]
        curves, guesses = _answers(model, trace, sequence)
        view = inspect(trace, sequence=sequence, order=order, answers=curves, **place, **whole)
        head = model.file.answers_by if model.file else None
        if head:
            view = draw_answers(view, head, read_head(trace, head)[sequence, : trace.lengths[sequence]])
        worked.append(work_out_units(trace, unit, sequence=sequence, more=guesses, **place))
    else:
        (a, i), (b, j) = traces
        view = compare(a, b, quantity, names, sequences=(i, j), order=order, **place, **whole)
        worked += [
            work_out_units(each, unit, sequence=at, title=name, **place)
            for (each, at), name in zip(traces, names, strict=True)
        ]
    return shown(view=_with_heights(view, runs), worked=tuple(worked))


def single_steps(part: Part, choices: Choices) -> int:
    """How many steps in sight are shown one by one: no more than there are pixels, or some would be left out."""
    return min(choices.most, part.width)


def _window(part: Part, choices: Choices) -> tuple[int, int] | None:
    """The steps that are shown one by one; None where columns hold many."""
    if not part.long:
        return 0, part.length
    if part.stop - part.start > single_steps(part, choices):
        return None
    return choose_window(part.start, part.stop, part.length, choices.most)


def _names(chosen: Chosen, comparison: Comparison | None, choices: Choices, runs: tuple[Run, ...]) -> tuple[str, str]:
    """What the two that are compared are called."""
    first, last = runs[0].made.weights.convention.title, runs[-1].made.weights.convention.title
    if comparison is None or comparison.sequence is None:
        return first, last
    return chosen.sequences[choices.sequence].name, chosen.sequences[comparison.sequence].name


def _order(long: LongTrace, run: Run, choices: Choices) -> np.ndarray:
    """The order of the units over the whole sequence, so that a row stays the same unit while one zooms."""
    key = ("order", run.key, choices.order, choices.layer, choices.direction)
    return kept().make(
        key,
        lambda _: order_long(long, choices.order, choices.layer, choices.direction),
        lambda units: units.nbytes,
        lambda done, total: None,
    )


def _known_of_the_whole(runs: tuple[Run, ...], choices: Choices, before: int) -> dict[str, Any]:
    """What keeps colours and counting the same in every window of a long sequence."""
    found: dict[str, float] = {}
    for run in runs:
        if isinstance(run.made, LongTrace):
            for name, value in extent(run.made, choices.layer, choices.direction).items():
                found[name] = max(found.get(name, 0.0), value)
    return {"before": before, "largest": found}


def _with_heights(view: View, runs: tuple[Run, ...]) -> View:
    """The view with the axis of the curves that the whole sequence needs."""
    found = [each for run in runs if isinstance(run.made, LongTrace) and (each := heights(run.made))]
    if not found or not view.curves or any(curve.colour is None for curve in view.curves):
        return view
    return replace(view, heights=(min(low for low, _ in found), max(high for _, high in found)))


def _exact(made: Trace | LongTrace, part: Part) -> Any:
    if isinstance(made, Trace):
        return lambda: made
    states = sum(cell.hidden for layer in made.weights.layers for cell in layer)
    if (part.stop - part.start) * states > MOST_SAVED:
        return None
    return partial(made.window, part.start, part.stop)


def _answers(model: Model, trace: Trace, sequence: int) -> tuple[np.ndarray | None, list[Reading]]:
    """What the trained head says at every step: numbers are a curve, guesses at the next character a reading."""
    if model.trained is None:
        return None, []
    network = load_pretrained(model.trained)
    if network.training.alphabet is None:
        return network.answers(trace)[sequence], []
    return None, [Reading("expects next", "", network.guesses(trace)[sequence])]


def _cursor() -> dict[str, int]:
    return (st.session_state.get("inspector") or {}).get("cursor") or {}
