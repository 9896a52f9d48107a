"""Choice 3, a comparison: the same weights under two variants, or two sequences under the same model."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.ui.messages import plain
from gru_viz.ui.model_choice import ModelChoice
from gru_viz.ui.sequence_choice import SequenceChoice
from gru_viz.ui.sequence_list import MANY
from gru_viz.ui.widgets import pick

__all__ = ["ComparisonChoice", "choose_comparison"]

KINDS = {"off": "Nothing", "variants": "Another variant", "sequences": "Another sequence"}


@dataclass(frozen=True)
class ComparisonChoice:
    """What the trace is compared with: the same weights under another variant, or another of the sequences."""

    variant: str | None = None
    sequence: int | None = None


def choose_comparison(sequences: SequenceChoice, model: ModelChoice) -> ComparisonChoice | None:
    """Ask in the sidebar what to compare with; None for nothing."""
    with st.sidebar:
        st.header("3 Compare", anchor=False)
        kind = pick("Compare with", "compare", KINDS, labelled=False)
        if kind == "variants":
            return _variant(model)
        if kind == "sequences":
            return _sequence(sequences)
    return None


def _variant(model: ModelChoice) -> ComparisonChoice | None:
    own = CONVENTIONS[model.variant]
    others = [name for name, c in CONVENTIONS.items() if c.cell == own.cell and name != own.name]
    if not others:
        st.caption(f"{own.title} is the only variant of its cell; choose a GRU to compare two.")
        return None
    titles = {name: CONVENTIONS[name].title for name in others}
    return ComparisonChoice(variant=pick("Same weights, other variant", "other_variant", titles, "d2l_equation"))


def _sequence(sequences: SequenceChoice) -> ComparisonChoice | None:
    names = [item.name for item in sequences.sequences]
    if len(names) < 2:
        st.caption("There is only one sequence. Choose a sequence ID column, or another example.")
        return None
    if len(names) >= MANY:
        label = f"Same model, other sequence (1 to {len(names):,})"
        number = st.number_input(label, 1, len(names), 2, key="other_number")
        st.caption(plain(names[number - 1]))
        return ComparisonChoice(sequence=number - 1)
    name = pick("Same model, other sequence", "other_sequence", {name: name for name in names}, names[1])
    return ComparisonChoice(sequence=names.index(name))
