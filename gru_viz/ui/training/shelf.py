"""All runs that are kept: open, rename, compare, save, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from gru_viz.errors import GruVizError
from gru_viz.figures.live import ASSETS, pack
from gru_viz.training import TASKS, Curve
from gru_viz.training.exports import tensorboard_zip, to_csv
from gru_viz.training.figures import PlotOptions, loss_picture
from gru_viz.training.runs import Run
from gru_viz.ui.messages import plain, show_error
from gru_viz.ui.training.controls import tell_refusal, try_to
from gru_viz.ui.workshop import follow, store, task_of

__all__ = ["offer_runs"]

MOST_LISTED = 200

_compared = st.components.v2.component(
    "gru_viz.compared", html=ASSETS["html"], css=ASSETS["css"], js=ASSETS["js"], isolate_styles=False
)


def offer_runs(shown: str) -> None:
    """List every run, newest first; what is marked can be opened, renamed, compared, saved and deleted.

    Args:
        shown: the key of the run that is on screen, or empty.
    """
    runs = store().runs()
    if not runs:
        return
    with st.expander(f"All runs ({len(runs):,})"):
        _shelf(shown)


@st.fragment
def _shelf(shown: str) -> None:
    runs = store().runs()[:MOST_LISTED]
    st.caption("Mark one to open, rename, save or delete it; mark several to compare their curves.")
    table = st.dataframe(
        [_row(run, shown) for run in runs],
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"runs_{len(runs)}",
        height=min(38 * (len(runs) + 1), 320),
        column_config={"started": st.column_config.DatetimeColumn(format="D MMM, HH:mm")},
    )
    marked = [runs[row] for row in table.selection.rows if row < len(runs)]
    tell_refusal("shelf")
    if len(marked) == 1:
        _offer_one(marked[0], shown)
    elif marked:
        _compare(marked)


def _row(run: Run, shown: str) -> dict[str, Any]:
    done = min((lane.update / lane.until for lane in run.lanes), default=0)
    return {
        "name": run.name + (" (on screen)" if run.id == shown else ""),
        "state": run.status,
        "task": TASKS[run.settings.task].title,
        "lanes": ", ".join(f"{lane.name} {run.settings.lane(lane.name).hidden}" for lane in run.lanes),
        "seeds": run.settings.seeds,
        "done": f"{done:.0%}",
        "started": run.created,
    }


def _offer_one(run: Run, shown: str) -> None:
    kept = store()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if run.id != shown and st.button("Open", key="open_run", type="primary"):
            st.query_params["run"] = run.id
            st.rerun()
        name = st.text_input("Name", run.name, key=f"name_{run.id}", width=320)
        if name.strip() and name != run.name:
            kept.rename(run.id, name.strip())
            st.rerun()
        _offer_files(run)

        def delete() -> None:
            kept.delete(run.id)
            if run.id == shown:
                del st.query_params["run"]

        with st.popover("Delete", disabled=run.active, help="A run has to be stopped first." if run.active else None):
            st.write("The run, its curves and its weights are removed for good.")
            if st.button("Delete it", key="delete_run", type="primary"):
                try_to("shelf", delete)
                st.rerun()


def _offer_files(run: Run) -> None:
    curves = follow(run.id).curves()
    if not curves:
        return
    stem = "".join(c if c.isalnum() else "_" for c in run.name)[:60]
    tokens = run.settings.batch * task_of(run.id).tokens

    def folder() -> bytes:
        return tensorboard_zip(curves, run.settings, tokens, began=run.created.timestamp())

    st.download_button("CSV", to_csv(curves, run.settings, tokens), f"{stem}.csv", "text/csv", on_click="ignore")
    st.download_button("TensorBoard", folder, f"{stem}_tensorboard.zip", "application/zip", on_click="ignore")


def _compare(runs: Sequence[Run]) -> None:
    """The held-out curves of several runs in one picture."""
    tasks = {(run.settings.task, repr(sorted(run.settings.options.items()))) for run in runs}
    if len(tasks) > 1:
        st.caption("These runs learnt different tasks, so their losses cannot be compared; their shapes can.")
    listed = " · ".join(f"**{k}** {plain(run.name)}, {run.created:%d %b %H:%M}" for k, run in enumerate(runs, 1))
    st.markdown(listed)
    curves = [
        Curve(f"{k} {curve.lane}", curve.measure, curve.updates, curve.seconds, curve.values)
        for k, run in enumerate(runs, 1)
        for curve in follow(run.id).curves()
        if curve.measure == "held_out"
    ]
    try:
        baselines = task_of(runs[0].id).baselines if len(tasks) == 1 else ()
        picture = loss_picture(curves, baselines, PlotOptions())
    except GruVizError as error:
        show_error(error, "Mark others.")
        return
    _compared(data=pack([picture]), key="compared")
