"""The instrument: the maps, the cursor and the worked formula, on one screen."""

from __future__ import annotations

import streamlit as st

from gru_viz.errors import GruVizError
from gru_viz.figures.inspector import ASSETS, pack
from gru_viz.sequences import EXAMPLES
from gru_viz.streaming import LongTrace
from gru_viz.trace import Trace
from gru_viz.ui.compare_choice import Comparison
from gru_viz.ui.downloads import offer_downloads
from gru_viz.ui.looking import SMALL, Choices, ask_view, look, run_both, sequence_before, single_steps
from gru_viz.ui.messages import plain, show_error
from gru_viz.ui.model_choice import Model
from gru_viz.ui.model_file import FromFile
from gru_viz.ui.part import Part, arrival, linked_range, linked_unit, number, part_in_sight
from gru_viz.ui.progress import CancelledError
from gru_viz.ui.sequence_choice import Chosen, digest_of
from gru_viz.ui.shown import Shown
from gru_viz.ui.widgets import pick
from gru_viz.weights import Weights

__all__ = ["show_gates"]

_component = st.components.v2.component(
    "gru_viz.inspector", html=ASSETS["html"], css=ASSETS["css"], js=ASSETS["js"], isolate_styles=False
)


def show_gates(chosen: Chosen, model: Model, comparison: Comparison | None) -> None:
    """Trace the sequences and show the gates; where that fails, say why and show the last that worked."""
    wanted: tuple[Chosen, Model, Comparison | None] | None = None
    with st.container():  # there with or without a message, so that the instrument keeps its place, cursor and zoom
        try:
            chosen = model.fit(chosen)
            run_both("trace", chosen, model, comparison, sequence_before(chosen))
            wanted = chosen, model, comparison
        except GruVizError as error:
            wanted = st.session_state.get("last_shown")
            _tell_failure(error, "The view below stays as it was." if wanted else "Change the choice on the left.")
    if wanted is None:
        return
    st.session_state["last_shown"] = wanted
    _instrument(*wanted)


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


def _tell_failure(error: GruVizError, consequence: str) -> None:
    """What went wrong, or that the visitor did not want to wait, and what is on screen instead."""
    if isinstance(error, CancelledError):
        st.info(f"Cancelled. {consequence}", icon=":material/cancel:")
    else:
        show_error(error, consequence)


@st.fragment
def _instrument(chosen: Chosen, model: Model, comparison: Comparison | None) -> None:
    """Choose what of the trace is shown, show it, and take note of where the hand rests; runs without the rest."""
    with st.container():
        _tell_notices(chosen.sequences.notices)
    trouble = st.container()
    weights = model.weights(len(chosen.sequences.features))
    with st.container(horizontal=True, vertical_alignment="center", key="view_choices"):
        said = st.container(width="stretch")
        choices = ask_view(chosen, model, weights)
        quantity = _ask_quantity(weights) if comparison else None
    with trouble:
        try:
            runs = run_both("view", chosen, model, comparison, choices.sequence)
            part = part_in_sight(min(run.length for run in runs), choices.most)
            shown = look(chosen, model, comparison, choices, quantity, runs, part)
            subject = digest_of(repr(([run.key for run in runs], choices, quantity)).encode())
            packed = _pack(shown, part, choices, subject)
        except GruVizError as error:
            _tell_failure(error, "The view below stays as it was.")
            if "last_seen" not in st.session_state:
                return
            shown, packed, runs = st.session_state["last_seen"]
    st.session_state["last_seen"] = shown, packed, runs
    with said:
        badge, proof = _badge([run.made for run in runs], model.file)
        st.markdown(f"{_sentence(chosen, model)} {badge}", help=proof)
    result = _component(data=packed, key="inspector", on_cursor_change=_nothing, on_range_change=_nothing)
    if result.cursor:
        st.query_params["step"], st.query_params["unit"] = str(result.cursor["step"]), str(result.cursor["unit"] + 1)
    offer_downloads(shown, packed, chosen.sequences.notices, model.file.answers_by if model.file else None)


def _nothing() -> None:
    """The component's values are read where they are needed."""


def _pack(shown: Shown, part: Part, choices: Choices, subject: str) -> bytes:
    """The view as it goes to the browser.

    What is sent must not follow the cursor, or all of it would be sent again whenever the cursor rests.
    """
    units = shown.made.weights.units[choices.layer]
    several = not shown.worked or len(shown.worked[0].formulas) > 1
    return pack(
        shown.view,
        shown.worked,
        unit=linked_unit(units) if several else shown.unit,
        start=number(arrival().get("step"), 0 if part.long else shown.view.first + shown.view.steps // 3),
        total=part.length,
        filename="gru_viz",
        zoom=(part.start + 1, part.stop) if part.long else linked_range(part.length),
        subject=subject if part.long else "",
        single=single_steps(part, choices) if shown.view.edges else 0,
        room=part.width,
    )


def _ask_quantity(weights: Weights) -> str:
    names = [q.name for q in reversed(weights.convention.quantities)]
    return pick("Compared", "quantity", {name: f"compared: {name.replace('_', ' ')}" for name in names}, **SMALL)


def _badge(runs: list[Trace | LongTrace], file: FromFile | None) -> tuple[str, str]:
    """The proof, always: green where it holds for all that is shown, red where it does not; and what it says."""
    shown = list({id(run): run for run in runs}.values())
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
