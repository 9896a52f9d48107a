"""A sweep: every cell with every size and learning rate, and where each of them ends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import GruVizError
from gru_viz.figures.live import ASSETS, pack
from gru_viz.training import LIMITS, Lane
from gru_viz.training.figures import sweep_picture
from gru_viz.training.sweep import Sweep, resume_sweep, start_sweep, sweep_points, sweeps
from gru_viz.ui.messages import plain, show_error
from gru_viz.ui.training.controls import tell_refusal, try_to
from gru_viz.ui.training.task_choice import Assignment
from gru_viz.ui.workshop import engine, store

__all__ = ["choose_sweep", "show_sweep"]

SIZES = (4, 8, 16, 32, 64, 128, 256)
RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
REFRESH_SECONDS = 1.0

_picture = st.components.v2.component(
    "gru_viz.sweep", html=ASSETS["html"], css=ASSETS["css"], js=ASSETS["js"], isolate_styles=False
)


def choose_sweep(assignment: Assignment | None) -> Sweep | None:
    """Ask in the sidebar what is crossed with what."""
    if assignment is None:
        return None
    with st.sidebar:
        st.header("2 Combinations", anchor=False)
        names = {name: Lane(cell=name).title.partition(",")[0] for name in CONVENTIONS}
        cells = st.multiselect(
            "Cells",
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
    settings = replace(assignment.settings, seeds=seeds, updates=updates)
    try:
        sweep = Sweep(tuple(cells), tuple(sorted(sizes)), tuple(sorted(rates)), settings)
    except GruVizError as error:
        show_error(error, "Choose on the left.")
        return None
    with st.sidebar:
        st.caption(f"{len(sweep):,} trainings: every cell with every size, rate and seed.")
    return sweep


def show_sweep(assignment: Assignment | None, sweep: Sweep | None) -> None:
    """Start a sweep, and show where its trainings end as they do."""

    def begin() -> None:
        assert sweep is not None
        assert assignment is not None
        st.query_params["sweep"] = start_sweep(store(), engine(), sweep, assignment.data)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            "One training says little about a cell: with another size or learning rate, another may be ahead.",
            width="stretch",
        )
        off = sweep is None
        st.button(
            "Start", type="primary", icon=":material/play_arrow:", disabled=off, on_click=try_to, args=("start", begin)
        )
    tell_refusal("start")
    known = {each.key: each for each in sweeps(store())}
    key = st.query_params.get("sweep", "")
    if known:
        labels = {name: f"{each.name}, {each.created:%d %b %H:%M}" for name, each in known.items()}
        keys = list(known)
        at = keys.index(key) if key in known else 0
        key = st.selectbox("Sweep", keys, at, format_func=labels.__getitem__, key=f"sweep_{len(keys)}_{at}", width=480)
        st.query_params["sweep"] = key
        active = known[key].active
        st.fragment(_watch, run_every=REFRESH_SECONDS if active else None)(key, active)


def _watch(key: str, active: bool) -> None:
    now = next((each for each in sweeps(store()) if each.key == key), None)
    if now is None or now.active != active:
        st.rerun()
    st.progress(now.done / now.total, f"{now.done:,} of {now.total:,} trainings have ended")
    with st.container(horizontal=True):
        if active:
            st.button(
                "Cancel the rest",
                key="cancel_sweep",
                on_click=try_to,
                args=("sweep", lambda: engine().cancel_sweep(key)),
            )
        elif now.resumable:
            go_on = partial(resume_sweep, store(), engine(), key)
            st.button(f"Go on with {now.resumable:,}", key="resume_sweep", on_click=try_to, args=("sweep", go_on))
    tell_refusal("sweep")
    points = sweep_points(store(), key)
    if not points:
        st.caption("The first field appears when the first training ends.")
        return
    result = _picture(data=pack([sweep_picture(points)]), key="sweep_picture", on_picked_change=lambda: None)
    if result.picked:
        for run in [store().run(one) for one in result.picked]:
            st.page_link("pages/GRU_against_LSTM.py", label=plain(run.name), query_params={"run": run.id})
