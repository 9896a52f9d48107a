"""Choice 3, a comparison: the same weights under two variants, or two sequences under the same network."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.ui.messages import plain
from gru_viz.ui.model_choice import Model
from gru_viz.ui.sequence_choice import Chosen
from gru_viz.ui.sequence_list import MANY
from gru_viz.ui.widgets import pick

__all__ = ["Comparison", "choose_comparison"]

KINDS = {"off": "Nothing", "variants": "Another variant", "sequences": "Another sequence"}


@dataclass(frozen=True)
class Comparison:
    """What the trace is held against: a variant that reads the same weights, or another of the sequences."""

    variant: str | None = None
    sequence: int | None = None


def choose_comparison(chosen: Chosen, model: Model) -> Comparison | None:
    """Ask in the sidebar what to compare with; None for nothing."""
    with st.sidebar:
        st.header("3 Compare", anchor=False)
        kind = pick("With", "compare", KINDS, labelled=False)
        if kind == "variants":
            return _variant(model)
        if kind == "sequences":
            return _sequence(chosen)
    return None


def _variant(model: Model) -> Comparison | None:
    own = CONVENTIONS[model.variant]
    others = [name for name, c in CONVENTIONS.items() if c.cell == own.cell and name != own.name]
    if not others:
        st.caption(f"{own.title} has one variant here; choose a GRU to compare two.")
        return None
    titles = {name: CONVENTIONS[name].title for name in others}
    default = others.index("d2l_equation") if "d2l_equation" in others else 0
    name = pick("The same weights, read as", "other_variant", titles, default)
    return Comparison(variant=name)


def _sequence(chosen: Chosen) -> Comparison | None:
    names = [item.name for item in chosen.sequences]
    if len(names) < 2:
        st.caption("There is one sequence. Choose a column that tells several apart, or another example.")
        return None
    if len(names) >= MANY:
        label = f"The same network, reading sequence 1 to {len(names):,}"
        number = st.number_input(label, 1, len(names), 2, key="other_number")
        st.caption(plain(names[number - 1]))
        return Comparison(sequence=number - 1)
    index = names.index(pick("The same network, reading", "other_sequence", {name: name for name in names}, 1))
    return Comparison(sequence=index)
