"""Page 1: the maps of the gates, the cursor and the formulas, on one screen."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from gru_viz.browser import INSPECTOR
from gru_viz.errors import GruVizError
from gru_viz.figures.inspector import pack
from gru_viz.sequences import EXAMPLES
from gru_viz.streaming import TraceLike
from gru_viz.ui.background_work import finish
from gru_viz.ui.downloads import offer_downloads
from gru_viz.ui.gate_view import GateView, build_view
from gru_viz.ui.messages import UNCHANGED, plain, show_error, show_notices
from gru_viz.ui.model_choice import ModelChoice
from gru_viz.ui.sequence_choice import SequenceChoice
from gru_viz.ui.server import load_the_rest
from gru_viz.ui.table_choice import digest_of
from gru_viz.ui.trace_cache import TracedSequence, cached_traces
from gru_viz.ui.uploaded_model import UploadedModel
from gru_viz.ui.view_choice import (
    ComparisonChoice,
    ViewChoice,
    ask_view,
    current_sequence,
    linked_number,
    linked_range,
    linked_unit,
)
from gru_viz.ui.widgets import mount

__all__ = ["show_gates"]

_component = mount("inspector", INSPECTOR)


def show_gates(sequences: SequenceChoice, model: ModelChoice, comparison: ComparisonChoice | None) -> None:
    """Trace the sequences and show the gates; if that fails, show the error and the previous view."""
    choices: tuple[SequenceChoice, ModelChoice, ComparisonChoice | None] | None = None
    with st.container():  # always there, so that the view keeps its place, cursor and zoom
        try:
            sequences = model.fit(sequences)
            cached_traces("trace", sequences, model, comparison, current_sequence(sequences))
            choices = sequences, model, comparison
        except GruVizError as error:
            choices = st.session_state.get("last_choices")
            show_error(error, UNCHANGED if choices else "Change the choice on the left.")
    if choices is not None:
        st.session_state["last_choices"] = choices
        _inspector(*choices)


@st.fragment
def _inspector(sequences: SequenceChoice, model: ModelChoice, comparison: ComparisonChoice | None) -> None:
    """Ask what of the trace is shown, and show it; reruns without the rest of the page."""
    with st.container():
        _show_notices(sequences.sequences.notices)
    problem = st.container()
    with st.container(horizontal=True, vertical_alignment="center", key="view_choices"):
        summary = st.container(width="stretch")
        weights = model.weights(len(sequences.sequences.features))
        choice = ask_view(sequences, model, comparison, weights)
    with problem:
        try:
            traced = cached_traces("view", sequences, model, comparison, choice.sequence)
            gates = build_view(traced, model, choice, _names(sequences, comparison, choice, traced))
            packed = _pack(gates)
        except GruVizError as error:
            show_error(error, UNCHANGED)
            if "last_view" not in st.session_state:
                return
            gates, packed = st.session_state["last_view"]
    st.session_state["last_view"] = gates, packed
    traces = [each.trace for each in gates.traces]
    draw_summary = partial(_draw_summary, summary.empty(), _look_for(sequences, model), traces, model.file, sequences)
    draw_summary()
    ignore = {f"on_{name}_change": lambda: None for name in ("cursor", "range")}  # their values are read when needed
    result = _component(data=packed, key="inspector", **ignore)
    if result.cursor:
        st.query_params["step"], st.query_params["unit"] = str(result.cursor["step"]), str(result.cursor["unit"] + 1)
    offer_downloads(gates, packed, sequences.sequences.notices, model.output_layer)
    load_the_rest()
    if not all(trace.proof_ready for trace in traces):
        finish(lambda: [trace.proof for trace in traces], draw_summary)
        draw_summary()


def _draw_summary(
    place: Any, look_for: str, traces: list[TraceLike], file: UploadedModel | None, sequences: SequenceChoice
) -> None:
    """One sentence on what to look for, what the proof says as soon as it is there, and what it does not say."""
    beside, doubts = _doubts(file, sequences.scaled)
    if all(trace.proof_ready for trace in traces):
        badge, details = _badge(traces, file)
        place.markdown(f"{look_for} {badge}{beside}", help=details + doubts)
    else:
        details = "The gates on screen are being compared with an independent evaluation of every step."
        place.markdown(f"{look_for} :gray-badge[… checking every step]{beside}", help=details + doubts)


def _doubts(file: UploadedModel | None, scaled: str) -> tuple[str, str]:
    """Badges beside that of the proof on what the network reads, and their details."""
    if file is None:
        return "", ""
    doubts = file.doubts(scaled)
    badges = "".join(f" :orange-badge[{plain(doubt)}]" for doubt in doubts)
    if scaled == "training":
        badges = f" :green-badge[scaled as in training]{badges}"
    about = (
        "The proof is of these gates, weights and inputs. Whether the model was trained on such inputs, it cannot say."
    )
    return badges, f"\n\n{about}" if doubts else ""


def _names(
    sequences: SequenceChoice,
    comparison: ComparisonChoice | None,
    choice: ViewChoice,
    traces: tuple[TracedSequence, ...],
) -> tuple[str, str]:
    """Names of the two that are compared."""
    if comparison is None or comparison.sequence is None:
        return traces[0].trace.convention.title, traces[-1].trace.convention.title
    return sequences.sequences[choice.sequence].name, sequences.sequences[comparison.sequence].name


def _pack(gates: GateView) -> bytes:
    """The view as it is sent to the browser.

    What is sent must not follow the cursor, or all of it would be sent again whenever the cursor rests.
    """
    choice, view, formulas = gates.choice, gates.view, gates.formulas
    several = not formulas or len(formulas[0].formulas) > 1
    subject = digest_of(repr(([each.key for each in gates.traces], choice.subject)).encode())
    return pack(
        view,
        formulas,
        unit=linked_unit(gates.trace.weights.units[choice.layer]) if several else gates.unit,
        start=linked_number("step", 0 if choice.long else view.first + view.steps // 3),
        total=choice.length,
        filename="gru_viz",
        zoom=(choice.start + 1, choice.stop) if choice.long else linked_range(choice.length),
        subject=subject if choice.long else "",
        single=choice.drawable_steps if view.edges else 0,
        pixels=choice.width,
    )


def _look_for(sequences: SequenceChoice, model: ModelChoice) -> str:
    """One sentence on what to look for."""
    if model.snapshot:
        return "A training snapshot: choose an earlier or later one on the left to see what the gates have learned."
    if model.file:
        kind = model.file.weights.convention
        if kind.cell == "rnn":
            return f"Your network. A {kind.cell_title} has no gates: every step overwrites its whole state."
        gate = kind.quantity("update" if kind.cell == "gru" else "forget")
        return f"Your network. {gate.name.title()} gate: light {gate.high_means}, dark {gate.low_means}."
    example = EXAMPLES[sequences.example] if sequences.example else None
    if example and (model.trained or not example.pretrained):
        return example.look_for
    return "Random weights: the gates follow the input, but nothing has been learned."


def _show_notices(notices: tuple[str, ...]) -> None:
    """What reading the data decided or filled in; what changed numbers comes last, and is shown first."""
    if notices:
        more = f" … and {len(notices) - 1} more" if len(notices) > 1 else ""
        show_notices(f"Note: {plain(notices[-1])}{more}", notices[::-1])


def _badge(traces: list[TraceLike], file: UploadedModel | None) -> tuple[str, str]:
    """The badge, green where the proof holds for all that is shown and red otherwise; and its details."""
    distinct = list({id(trace): trace for trace in traces}.values())
    holds, worst = all(each.proof.holds for each in distinct), max(each.proof.difference for each in distinct)
    witnesses = " and ".join(dict.fromkeys(each.proof.reference for each in distinct))
    badge = f"{'✓ matches' if holds else '✗ differs from'} {witnesses} (max difference {worst:.0e})"
    if file and file.found.assumed and holds:  # the witness computes what was assumed, too
        badge = f"✓ rebuilt from the gates shown (max difference {worst:.0e})"
    details = [
        f"{each.convention.title} on {each.device}, {each.dtype}: the gates and states shown "
        f"differ from {each.proof.witness} by at most {float(each.proof):.1e}; tolerance {each.proof.bound:.0e}."
        for each in distinct
    ]
    check = file.check if file else None
    if check and not (file and file.found.assumed):
        name = check.framework.partition(" ")[0]
        badge += f", same in {name}" if check.agrees else f", but {name} differs by {check.difference:.0e}"
        details.append(
            f"On random inputs, the file's network in {check.framework} and in gru_viz differ by at most "
            f"{check.difference:.1e}; tolerance {check.bound:.0e}."
        )
        holds = holds and check.agrees
    return f":{'green' if holds else 'red'}-badge[{badge}]", "\n\n".join(details)
