"""Choice 3, a comparison: the same weights under two variants, or two sequences under the same network."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.ui.model_choice import Model
from gru_viz.ui.sequence_choice import Chosen

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
        kind = st.selectbox(
            "With",
            list(KINDS),
            format_func=KINDS.__getitem__,
            key="compare",
            bind="query-params",
            label_visibility="collapsed",
        )
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
    default = "d2l_equation" if "d2l_equation" in others else others[0]
    name = st.selectbox(
        "The same weights, read as",
        others,
        index=others.index(default),
        format_func=lambda key: CONVENTIONS[key].title,
        key="other_variant",
        bind="query-params",
        persist_state="session",
    )
    return Comparison(variant=name)


def _sequence(chosen: Chosen) -> Comparison | None:
    names = [item.name for item in chosen.sequences]
    if len(names) < 2:
        st.caption("There is one sequence. Choose a column that tells several apart, or another example.")
        return None
    index = st.selectbox(
        "The same network, reading",
        range(len(names)),
        index=1,
        format_func=names.__getitem__,
        key="other_sequence",
        bind="query-params",
    )
    return Comparison(sequence=index)
