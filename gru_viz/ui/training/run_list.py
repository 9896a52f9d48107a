"""All saved runs: open, rename, compare, download, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from gru_viz.browser import CHARTS
from gru_viz.errors import GruVizError
from gru_viz.training import TASKS, Curve
from gru_viz.training.exports import tensorboard_zip, to_csv
from gru_viz.training.figures import PlotOptions, loss_picture, pack_charts
from gru_viz.training.runs import TrainingRun
from gru_viz.ui.messages import plain, show_error
from gru_viz.ui.resources import follower, store, task_of
from gru_viz.ui.training.run_controls import attempt, show_refusal
from gru_viz.ui.widgets import mount

__all__ = ["show_run_list"]

MAX_LISTED = 200

_compared = mount("compared", CHARTS)


def show_run_list(open_id: str) -> None:
    """List every run, newest first; selected ones can be opened, renamed, compared, downloaded and deleted.

    Args:
        open_id: the run that is on screen, or empty.
    """
    runs = store().runs()
    if runs:
        with st.expander(f"All runs ({len(runs):,})"):
            _list(open_id)


@st.fragment
def _list(open_id: str) -> None:
    runs = store().runs()[:MAX_LISTED]
    st.caption("Select one run to open, rename, download or delete it; select several to compare their curves.")
    table = st.dataframe(
        [_row(run, open_id) for run in runs],
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"runs_{len(runs)}",
        height=min(38 * (len(runs) + 1), 320),
        column_config={"started": st.column_config.DatetimeColumn(format="D MMM, HH:mm")},
    )
    selected = [runs[row] for row in table.selection.rows if row < len(runs)]
    show_refusal("runs")
    if len(selected) == 1:
        _offer_one(selected[0], open_id)
    elif selected:
        _compare(selected)


def _row(run: TrainingRun, open_id: str) -> dict[str, Any]:
    done = min((lane.update / lane.until for lane in run.lanes), default=0)
    return {
        "name": run.name + (" (on screen)" if run.run_id == open_id else ""),
        "status": run.status,
        "task": TASKS[run.settings.task].title,
        "models": ", ".join(f"{lane.name} {run.settings.lane(lane.name).hidden}" for lane in run.lanes),
        "seeds": run.settings.seeds,
        "progress": f"{done:.0%}",
        "started": run.created,
    }


def _offer_one(run: TrainingRun, open_id: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if run.run_id != open_id and st.button("Open", key="open_run", type="primary"):
            st.query_params["run"] = run.run_id
            st.rerun()
        name = st.text_input("Name", run.name, key=f"name_{run.run_id}", width=320)
        if name.strip() and name != run.name:
            store().rename(run.run_id, name.strip())
            st.rerun()
        _offer_files(run)

        def delete() -> None:
            store().delete(run.run_id)
            if run.run_id == open_id:
                del st.query_params["run"]

        with st.popover("Delete", disabled=run.active, help="Stop the run first." if run.active else None):
            st.write("The run, its curves and its weights are deleted permanently.")
            if st.button("Delete it", key="delete_run", type="primary"):
                attempt("runs", delete)
                st.rerun()


def _offer_files(run: TrainingRun) -> None:
    curves = follower(run.run_id).curves()
    if not curves:
        return
    stem = "".join(c if c.isalnum() else "_" for c in run.name)[:60]
    tokens = run.settings.batch * task_of(run.run_id).tokens

    def folder() -> bytes:
        return tensorboard_zip(curves, run.settings, tokens, began=run.created.timestamp())

    st.download_button("CSV", to_csv(curves, run.settings, tokens), f"{stem}.csv", "text/csv", on_click="ignore")
    st.download_button("TensorBoard", folder, f"{stem}_tensorboard.zip", "application/zip", on_click="ignore")


def _compare(runs: Sequence[TrainingRun]) -> None:
    """The held-out curves of several runs in one picture."""
    tasks = {(run.settings.task, repr(sorted(run.settings.options.items()))) for run in runs}
    if len(tasks) > 1:
        st.caption("These runs have different tasks: compare the shapes of their curves, not the losses.")
    listed = " · ".join(f"**{k}** {plain(run.name)}, {run.created:%d %b %H:%M}" for k, run in enumerate(runs, 1))
    st.markdown(listed)
    curves = [
        Curve(f"{k} {curve.lane}", curve.measure, curve.updates, curve.seconds, curve.values)
        for k, run in enumerate(runs, 1)
        for curve in follower(run.run_id).curves()
        if curve.measure == "held_out"
    ]
    try:
        baselines = task_of(runs[0].run_id).baselines if len(tasks) == 1 else ()
        picture = loss_picture(curves, baselines, PlotOptions())
    except GruVizError as error:
        show_error(error, "Select other runs.")
        return
    _compared(data=pack_charts([picture]), key="compared")
