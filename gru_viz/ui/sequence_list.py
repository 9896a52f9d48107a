"""Many sequences: a list to search and sort, one of them to look at, and the average of all."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from gru_viz.analysis import Population, survey
from gru_viz.errors import GruVizError
from gru_viz.figures.average import average_view
from gru_viz.figures.draw import draw
from gru_viz.sequences import Sequences
from gru_viz.ui.kept import kept
from gru_viz.ui.messages import show_error
from gru_viz.ui.model_choice import Model
from gru_viz.ui.progress import Progress, long_work
from gru_viz.ui.sequence_choice import Chosen
from gru_viz.weights import Weights

__all__ = ["MANY", "choose_listed", "listed"]

MANY = 50
"""From so many sequences on they are listed, where a menu of them all would be sent to the browser at every run."""

AVERAGED = 150_000
"""The most values of all quantities that the average's picture has, so that it stays below a megabyte."""


def listed(names: list[str]) -> int:
    """The place of the sequence that was chosen from the list or that a link names; the first otherwise."""
    name = st.session_state.get("listed", st.query_params.get("listed"))
    return names.index(name) if name in names else 0


def choose_listed(chosen: Chosen, model: Model, weights: Weights) -> int:
    """Show which of many sequences is looked at, with a button that opens the list of all."""
    names = [item.name for item in chosen.sequences]
    at = listed(names)
    said = f"{names[at]} ({at + 1:,} of {len(names):,})"
    asked = st.button(said, key="list", icon=":material/list:", help="List, search and sort all sequences, or average")
    if asked:
        st.session_state["listing"] = chosen.fingerprint
    if st.session_state.get("listing") == chosen.fingerprint:
        try:
            found = _survey(chosen, model, weights)
        except GruVizError as error:
            show_error(error, "The view stays as it was.")
        else:
            del st.session_state["listing"]
            _show_list(found, weights)
    return at


def _survey(chosen: Chosen, model: Model, weights: Weights) -> Population:
    key = ("survey", model, chosen.fingerprint)
    found: Population | None = kept().find(key)
    if found is not None:
        return found
    steps = max(AVERAGED // (weights.units[0] * len(weights.convention.quantities)), 100)
    work = partial(_measure, weights, chosen.sequences, model, steps)
    label = f"Measuring {len(chosen.sequences):,} sequences"
    return long_work("survey", label, repr(key), lambda progress: kept().make(key, work, _weigh, progress))


def _measure(weights: Weights, sequences: Sequences, model: Model, steps: int, progress: Progress) -> Population:
    return survey(weights, sequences, backend=model.backend, device=model.device, most_steps=steps, progress=progress)


def _weigh(found: Population) -> int:
    return sum(each.nbytes for each in found.average.values()) + 128 * len(found.names)


@st.dialog("All sequences", width="large")
def _show_list(found: Population, weights: Weights) -> None:
    """The list, and the average; choosing a row closes it."""
    one, all_of_them = st.tabs(["One of them", "Average of all"])
    with one:
        st.caption(
            "Means are over all steps and units of the first layer; saturated is the share of gate values below 0.1 or "
            "above 0.9; travelled is the length of the hidden state's path. Choose a row to look at it."
        )
        times = st.session_state.get("listed_times", 0)
        picked = st.dataframe(
            _table(found), hide_index=True, on_select="rerun", selection_mode="single-row", key=f"rows_{times}"
        )
        rows = picked.selection.rows
        if rows:
            st.session_state["listed_times"] = times + 1  # a list of its own, with nothing chosen yet
            st.session_state["listed"] = found.names[rows[0]]
            st.query_params["listed"] = found.names[rows[0]]
            st.rerun()
    with all_of_them:
        view = average_view(found, weights.convention)
        proof = "all of them proven" if found.proven else "not all of them proven"
        steps = f"the first {view.steps:,} of up to" if view.steps < found.lengths.max() else "up to"
        st.caption(
            f"The average of {len(found.names):,} traces, {proof}, over {steps} {found.lengths.max():,} steps of the "
            "first layer. It is no trace: no formula leads from one of its steps to the next."
        )
        st.plotly_chart(draw(view), key="average")


def _table(found: Population) -> pd.DataFrame:
    """The numbers in the precision that is read, which is half of what would be sent."""
    return pd.DataFrame(
        {
            name: cells.round(4).astype("float32") if getattr(cells, "dtype", None) == "float64" else cells
            for name, cells in found.columns().items()
        }
    )
