"""Page 3, a sweep: every cell with every size and learning rate, and the final loss of each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from gru_viz.browser import CHARTS
from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import GruVizError
from gru_viz.training import LIMITS, Lane
from gru_viz.training.figures import pack_charts, sweep_picture
from gru_viz.training.sweep import Sweep, resume_sweep, start_sweep, sweep_points, sweeps
from gru_viz.ui.messages import plain, show_error
from gru_viz.ui.resources import engine, store
from gru_viz.ui.training.run_controls import attempt, show_refusal
from gru_viz.ui.training.task_choice import TaskChoice
from gru_viz.ui.widgets import mount

__all__ = ["choose_sweep", "show_sweep"]

SIZES = (4, 8, 16, 32, 64, 128, 256)
RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
REFRESH_SECONDS = 1.0

_picture = mount("sweep", CHARTS)


def choose_sweep(task: TaskChoice | None) -> Sweep | None:
    """Ask for the grid in the sidebar; None if it cannot be trained, which is shown."""
    if task is None:
        return None
    with st.sidebar:
        st.header("2 Grid", anchor=False)
        names = {name: Lane(cell=name).title.partition(",")[0] for name in CONVENTIONS}
        cells = st.multiselect(
            "Models",
            list(names),
            ["torch", "torch_lstm"],
            format_func=names.__getitem__,
            key="cells",
            bind="query-params",
        )
        sizes = st.multiselect("Units", SIZES, [8, 16, 32], key="sizes", bind="query-params")
        rates = st.multiselect(
            "Learning rates", RATES, [0.001, 0.003, 0.01], key="rates", format_func="{:g}".format, bind="query-params"
        )
        left, right = st.columns(2)
        seeds = int(left.number_input("Seeds", 1, LIMITS.seeds, 2, key="sweep_seeds", bind="query-params"))
        updates = int(
            right.number_input("Updates", 1, LIMITS.updates, 300, 100, key="sweep_updates", bind="query-params")
        )
    settings = replace(task.settings, seeds=seeds, updates=updates)
    try:
        sweep = Sweep(tuple(cells), tuple(sorted(sizes)), tuple(sorted(rates)), settings)
    except GruVizError as error:
        show_error(error, "Change the grid on the left.")
        return None
    with st.sidebar:
        st.caption(f"{len(sweep):,} runs: every model × size × learning rate × seed.")
    return sweep


def show_sweep(task: TaskChoice | None, sweep: Sweep | None) -> None:
    """Start a sweep, and show the final loss of each of its runs as they finish."""

    def begin() -> None:
        assert sweep is not None
        assert task is not None
        st.query_params["sweep"] = start_sweep(store(), engine(), sweep, task.data)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            "One run says little about a model: with another size or learning rate, another may be better.",
            width="stretch",
        )
        off = sweep is None
        st.button(
            "Start", type="primary", icon=":material/play_arrow:", disabled=off, on_click=attempt, args=("start", begin)
        )
    show_refusal("start")
    known = {each.sweep_id: each for each in sweeps(store())}
    key = st.query_params.get("sweep", "")
    if known:
        labels = {name: f"{each.name}, {each.created:%d %b %H:%M}" for name, each in known.items()}
        keys = list(known)
        at = keys.index(key) if key in known else 0
        key = st.selectbox("Sweep", keys, at, format_func=labels.__getitem__, key=f"sweep_{len(keys)}_{at}", width=480)
        st.query_params["sweep"] = key
        active = known[key].active
        st.fragment(_show, run_every=REFRESH_SECONDS if active else None)(key, active)


def _show(key: str, active: bool) -> None:
    now = next((each for each in sweeps(store()) if each.sweep_id == key), None)
    if now is None or now.active != active:
        st.rerun()
    st.progress(now.done / now.total, f"{now.done:,} of {now.total:,} runs done")
    with st.container(horizontal=True):
        if active:
            cancel = ("sweep", lambda: engine().cancel_sweep(key))
            st.button("Cancel remaining runs", key="cancel_sweep", on_click=attempt, args=cancel)
        elif now.resumable:
            resume = ("sweep", partial(resume_sweep, store(), engine(), key))
            st.button(f"Resume {now.resumable:,} runs", key="resume_sweep", on_click=attempt, args=resume)
    show_refusal("sweep")
    points = sweep_points(store(), key)
    if not points:
        st.caption("The first result appears when the first run finishes.")
        return
    result = _picture(data=pack_charts([sweep_picture(points)]), key="sweep_picture", on_picked_change=lambda: None)
    if result.picked:
        for run in [store().run(run_id) for run_id in result.picked]:
            st.page_link("pages/GRU_against_LSTM.py", label=plain(run.name), query_params={"run": run.run_id})
