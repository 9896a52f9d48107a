"""Many sequences: a list to search and sort, one of them to view, and the average of all."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from gru_viz.errors import GruVizError
from gru_viz.figures.draw import draw
from gru_viz.figures.view import average_view
from gru_viz.progress import Progress
from gru_viz.sequences import Sequences
from gru_viz.ui.messages import show_error
from gru_viz.ui.model_choice import ModelChoice
from gru_viz.ui.result_cache import cached
from gru_viz.ui.sequence_choice import SequenceChoice
from gru_viz.weights import Weights

if TYPE_CHECKING:
    import pandas as pd

    from gru_viz.analysis import Population

__all__ = ["MANY", "choose_from_list", "listed_sequence"]

MANY = 50
"""From so many sequences on they are listed; a menu of them all would be sent to the browser at every rerun."""

AVERAGED = 150_000
"""The most values of all quantities in the picture of the average, so that it stays below a megabyte."""


def listed_sequence(names: list[str]) -> int:
    """The index of the sequence chosen from the list or named in a link; 0 otherwise."""
    name = st.session_state.get("listed", st.query_params.get("listed"))
    return names.index(name) if name in names else 0


def choose_from_list(sequences: SequenceChoice, model: ModelChoice, weights: Weights) -> int:
    """Show which of many sequences is viewed, with a button that opens the list of all."""
    names = [item.name for item in sequences.sequences]
    at = listed_sequence(names)
    label, action = f"{names[at]} ({at + 1:,} of {len(names):,})", "List, search, sort or average all sequences"
    if st.button(label, key="list", icon=":material/list:", help=action):
        st.session_state["listing"] = sequences.fingerprint
    if st.session_state.get("listing") == sequences.fingerprint:
        try:
            found = _survey(sequences, model, weights)
        except GruVizError as error:
            show_error(error, "The view is unchanged.")
        else:
            del st.session_state["listing"]
            _show_list(found, weights)
    return at


def _survey(choice: SequenceChoice, model: ModelChoice, weights: Weights) -> Population:
    key = ("survey", model, choice.fingerprint)
    steps = max(AVERAGED // (weights.units[0] * len(weights.convention.quantities)), 100)
    measure = partial(_measure, weights, choice.sequences, model, steps)
    return cached("survey", f"Measuring {len(choice.sequences):,} sequences", key, measure, _size)


def _measure(weights: Weights, sequences: Sequences, model: ModelChoice, steps: int, progress: Progress) -> Population:
    from gru_viz.analysis import survey

    return survey(weights, sequences, backend=model.backend, device=model.device, most_steps=steps, progress=progress)


def _size(found: Population) -> int:
    return sum(each.nbytes for each in found.average.values()) + 128 * len(found.names)


@st.dialog("All sequences", width="large")
def _show_list(found: Population, weights: Weights) -> None:
    """The list, and the average; selecting a row closes it."""
    one, average = st.tabs(["One sequence", "Average of all"])
    with one:
        _show_rows(found)
    with average:
        view = average_view(found, weights.convention)
        proof = "every trace within tolerance" if found.proven else "not every trace within tolerance"
        steps = f"the first {view.steps:,} of up to" if view.steps < found.lengths.max() else "up to"
        st.caption(
            f"Average of {len(found.names):,} traces ({proof}) over {steps} {found.lengths.max():,} steps of the first "
            "layer. It is not a trace itself: no formula leads from one of its steps to the next."
        )
        st.plotly_chart(draw(view), key="average")


def _show_rows(found: Population) -> None:
    st.caption(
        "Means are over all steps and units of the first layer; saturated: share of gate values below 0.1 or above "
        "0.9; travelled: length of the hidden state's path. Select a row to view it."
    )
    times = st.session_state.get("listed_times", 0)
    selected = st.dataframe(
        _table(found), hide_index=True, on_select="rerun", selection_mode="single-row", key=f"rows_{times}"
    )
    rows = selected.selection.rows
    if rows:
        st.session_state["listed_times"] = times + 1  # a new list, with nothing selected yet
        st.session_state["listed"] = found.names[rows[0]]
        st.query_params["listed"] = found.names[rows[0]]
        st.rerun()


def _table(found: Population) -> pd.DataFrame:
    """The numbers in the precision that is read, which is half of what would be sent."""
    import pandas as pd

    return pd.DataFrame(
        {
            name: cells.round(4).astype("float32") if getattr(cells, "dtype", None) == "float64" else cells
            for name, cells in found.columns().items()
        }
    )
