"""The instrument: the maps, the cursor and the worked formula, on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from gru_viz.analysis import ORDERS
from gru_viz.errors import GruVizError, TraceError
from gru_viz.figures import compare, inspect
from gru_viz.figures.inspector import ASSETS, Reading, pack, work_out_units
from gru_viz.pretrained import load_pretrained
from gru_viz.reporting.answers import draw_answers, read_head
from gru_viz.sequences import EXAMPLES
from gru_viz.trace import Trace
from gru_viz.ui.compare_choice import Comparison
from gru_viz.ui.downloads import offer_downloads
from gru_viz.ui.messages import plain, show_error
from gru_viz.ui.model_choice import Model
from gru_viz.ui.model_file import FromFile
from gru_viz.ui.sequence_choice import Chosen
from gru_viz.ui.shown import Shown
from gru_viz.ui.widgets import pick

__all__ = ["show_gates"]

MOST_STEPS, MOST_CELLS = 2000, 2**18
MOST_TRACED = 60_000_000
DIRECTIONS = {"forward": "reading forward", "backward": "reading backward"}
SMALL: dict[str, Any] = {"labelled": False, "width": 175}

_component = st.components.v2.component(
    "gru_viz.inspector", html=ASSETS["html"], css=ASSETS["css"], js=ASSETS["js"], isolate_styles=False
)


def show_gates(chosen: Chosen, model: Model, comparison: Comparison | None) -> None:
    """Trace the sequences and show the gates; where that fails, say why and show the last that worked."""
    wanted: tuple[Chosen, Model, Comparison | None] | None = None
    with st.container():  # there with or without a message, so that the instrument keeps its place, cursor and zoom
        try:
            with st.spinner("Tracing every gate …"):
                chosen = model.fit(chosen)
                wanted = chosen, model, comparison
                _trace_all(chosen, model, comparison)
        except GruVizError as error:
            wanted = st.session_state.get("last_shown")
            show_error(error, "The view below stays as it was." if wanted else "Change the choice on the left.")
    if wanted is None:
        return
    st.session_state["last_shown"] = wanted
    _instrument(*wanted)


def _trace_all(chosen: Chosen, model: Model, comparison: Comparison | None) -> tuple[Trace, Trace | None]:
    """The trace, and the other one where two are compared; both come from the cache once they have been made."""
    sequences = chosen.sequences
    steps = sum(sequences.lengths)
    if steps * model.states > MOST_TRACED:
        raise TraceError(
            sequences.source or "the sequences",
            f"{steps:,} steps × {model.states:,} units",
            f"at most {MOST_TRACED:,} of both together on this page",
            "Choose fewer units, layers or rows.",
        )
    first = model.trace(chosen)
    if comparison is None:
        return first, None
    return first, model.trace(chosen, read_as=comparison.variant) if comparison.variant else first


def _sentence(chosen: Chosen, model: Model) -> str:
    """What to look for."""
    if model.snapshot:
        return (
            "A moment of a training: choose an earlier or a later one on the left, and see what the gates have learnt."
        )
    if model.file:
        kind = model.file.weights.convention
        if kind.cell == "rnn":
            return "Your network. A tanh RNN has no gates: every step overwrites all of its state."
        gate = kind.quantity("update" if kind.cell == "gru" else "forget")
        return f"Your network. {gate.name.title()} gate: light {gate.high_means}, dark {gate.low_means}."
    example = EXAMPLES[chosen.example] if chosen.example else None
    if example and (model.trained or not example.pretrained):
        return example.look_for
    return "These weights are random, so the gates follow the input without a purpose."


def _tell_notices(notices: tuple[str, ...]) -> None:
    """What reading the data decided or filled in; what changed the numbers comes last, and is shown first."""
    if notices:
        first, *more = (plain(notice) for notice in reversed(notices))
        with st.expander(f"Noticed: {first}" + (f" … and {len(more)} more" if more else "")):
            st.markdown("\n".join(f"- {notice}" for notice in (first, *more)))


@st.fragment
def _instrument(chosen: Chosen, model: Model, comparison: Comparison | None) -> None:
    """Choose what of the trace is shown, show it, and take note of where the cursor rests; runs without the rest."""
    trace, other = _trace_all(chosen, model, comparison)
    with st.container():
        _tell_notices(chosen.sequences.notices)
    with st.container(horizontal=True, vertical_alignment="center", key="view_choices"):
        badge, proof = _badge(trace, other, model.file)
        st.markdown(f"{_sentence(chosen, model)} {badge}", help=proof, width="stretch")
        choices = _ask_view(trace)
        quantity = _ask_quantity(trace) if comparison else None
    try:
        shown = _build(chosen, model, trace, other, comparison, choices, quantity)
    except GruVizError as error:
        show_error(error, "Choose another.")
        return
    # What is sent must not follow the cursor, or all of it would be sent again whenever the cursor rests.
    arrived = st.session_state.setdefault("arrived_at", dict(st.query_params))
    packed = pack(
        shown.view,
        shown.worked,
        unit=_unit(arrived, trace.weights.units[choices["layer"]]) if len(shown.worked[0].formulas) > 1 else shown.unit,
        start=_number(arrived.get("step"), shown.view.first + shown.view.steps // 3),
        total=trace.lengths[choices["sequence"]],
        filename="gru_viz",
    )
    result = _component(data=packed, key="inspector", on_cursor_change=lambda: None)
    if result.cursor:
        st.query_params["step"], st.query_params["unit"] = str(result.cursor["step"]), str(result.cursor["unit"] + 1)
    head = model.file.answers_by if model.file else None
    offer_downloads(shown, packed, chosen.sequences.notices, head)


def _ask_view(trace: Trace) -> dict[str, Any]:
    """Which sequence, layer, direction, order and window; each asked only where there is a choice."""
    sequence, layer, direction = 0, 0, "forward"
    if len(trace.names) > 1:
        # By name, not by number: another data's sequence of the same number is another choice.
        sequence = trace.names.index(pick("Sequence", "sequence", {name: name for name in trace.names}, **SMALL))
    if len(trace.layers) > 1:
        layer = pick("Layer", "layer", {k: f"layer {k + 1}" for k in range(len(trace.layers))}, **SMALL)
    if trace.weights.bidirectional:
        direction = pick("Direction", "direction", DIRECTIONS, **SMALL)
    order = pick("Units sorted by", "order", {name: f"units by {words}" for name, words in ORDERS.items()}, **SMALL)
    return {
        "sequence": sequence,
        "layer": layer,
        "direction": direction,
        "order": order,
        "window": _ask_window(trace.lengths[sequence], trace.weights.units[layer]),
    }


def _ask_window(steps: int, units: int) -> tuple[int, int]:
    """All steps where the screen and the wire can take them, else as many as they can, from a step of choice."""
    width = min(MOST_STEPS, max(200, MOST_CELLS // units))
    if steps <= width:
        return 0, steps
    label = f"First of the {width:,} steps shown, of {steps:,}"
    first = st.number_input(label, 1, steps, 1, step=width // 2, key="from", bind="query-params", width=190)
    start = min(int(first), steps - width + 1) - 1
    return start, start + width


def _ask_quantity(trace: Trace) -> str:
    names = [q.name for q in reversed(trace.convention.quantities)]
    return pick("Compared", "quantity", {name: f"compared: {name.replace('_', ' ')}" for name in names}, **SMALL)


def _badge(trace: Trace, other: Trace | None, file: FromFile | None) -> tuple[str, str]:
    """The proof, always: green where it holds for all that is shown, red where it does not; and what it says."""
    shown = [trace] if other is None or other is trace else [trace, other]
    worst = max(each.proof for each in shown)
    colour, mark = ("green", "✓ proven") if all(each.proven for each in shown) else ("red", "✗ not proven")
    told = [
        f"{each.convention.title} on {each.device}, {each.dtype}: rebuilt from the gates shown here, the hidden state "
        f"differs from that of {each.witness} by at most {each.proof:.1e}; rounding may reach {each.bound:.0e}."
        for each in shown
    ]
    said = f"{mark} {worst:.0e}"
    check = file.checked if file else None
    if check:
        told.append(
            f"On a probe of random numbers the network of the file, run by {check.framework}, and gru_viz's reading of "
            f"it differ by at most {check.difference:.1e}; rounding may reach {check.bound:.0e}."
        )
        colour = colour if check.agrees else "red"
        name = check.framework.partition(" ")[0]
        said += f", as in {name}" if check.agrees else f", but {name} differs by {check.difference:.0e}"
    return f":{colour}-badge[{said}]", "\n\n".join(told)


def _build(
    chosen: Chosen,
    model: Model,
    trace: Trace,
    other: Trace | None,
    comparison: Comparison | None,
    choices: dict[str, Any],
    quantity: str | None,
) -> Shown:
    cursor = (st.session_state.get("inspector") or {}).get("cursor") or {}
    units = trace.weights.units[choices["layer"]]
    unit = min(cursor.get("unit", _unit(st.query_params, units)), units - 1)
    sequence = choices["sequence"]
    place = {key: choices[key] for key in ("layer", "direction")}
    if comparison is None or other is None or quantity is None:
        curves, guesses = _answers(model, trace, sequence)
        view = inspect(trace, **choices, answers=curves)
        head = model.file.answers_by if model.file else None
        if head:
            view = draw_answers(view, head, read_head(trace, head)[sequence, slice(*choices["window"])])
        return Shown(trace, view, (work_out_units(trace, unit, sequence=sequence, more=guesses, **place),), unit)
    against = comparison.sequence if comparison.sequence is not None else sequence
    names = (trace.convention.title, other.convention.title)
    if comparison.sequence is not None:
        names = (trace.names[sequence], trace.names[against])
    rows = {key: choices[key] for key in ("order", "window")}
    view = compare(trace, other, quantity, names, sequences=(sequence, against), **place, **rows)
    worked = tuple(
        work_out_units(each, unit, sequence=s, title=name, **place)
        for each, s, name in zip((trace, other), (sequence, against), names, strict=True)
    )
    return Shown(trace, view, worked, unit)


def _answers(model: Model, trace: Trace, sequence: int) -> tuple[np.ndarray | None, list[Reading]]:
    """What the trained head says at every step: numbers are a curve, guesses at the next character a reading."""
    if model.trained is None:
        return None, []
    network = load_pretrained(model.trained)
    if network.training.alphabet is None:
        return network.answers(trace)[sequence], []
    return None, [Reading("expects next", "", network.guesses(trace)[sequence])]


def _unit(link: Mapping[str, str], units: int) -> int:
    """The unit a link names, counted from 0; the nearest there is."""
    return min(max(_number(link.get("unit"), 1), 1), units) - 1


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else otherwise
