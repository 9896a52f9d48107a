"""The gates during training: every snapshot's maps of one held-out sequence, and links to page 1."""

from __future__ import annotations

import streamlit as st

from gru_viz.analysis import ORDERS
from gru_viz.backends import compiled
from gru_viz.browser import SNAPSHOTS
from gru_viz.trace import Trace, trace
from gru_viz.training.figures import Snapshots, pack_snapshots
from gru_viz.training.runs import probe_sequences, trained_network
from gru_viz.ui.messages import plain
from gru_viz.ui.resources import is_training, store, task_of
from gru_viz.ui.trace_cache import is_small
from gru_viz.ui.widgets import mount, pick

__all__ = ["show_snapshots"]

REFRESH_SECONDS = 2.0

_snapshots = mount("snapshots", SNAPSHOTS)


def show_snapshots(run_id: str) -> None:
    """Show how the gates of every lane change during training; new snapshots appear by themselves."""
    seconds = REFRESH_SECONDS if is_training(store().run(run_id)) else None
    st.fragment(_show, run_every=seconds)(run_id)


def _show(run_id: str) -> None:
    run = store().run(run_id)
    updates = {lane.name: store().snapshots(run_id, lane.name) for lane in run.lanes}
    traces: dict[str, Snapshots] = {
        name: [(update, _trace(run_id, name, update)) for update in each] for name, each in updates.items()
    }
    if not any(traces.values()):
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="gates_choices"):
        st.subheader("Gates during training", anchor=False, width="stretch")
        layers = min(run.settings.lane(name).layers for name in traces)
        layer = 0
        if layers > 1:
            layer = pick(
                "Layer", "gates_layer", {k: f"layer {k + 1}" for k in range(layers)}, labelled=False, width=150
            )
        orders = {name: f"units by {words}" for name, words in ORDERS.items()}
        order = pick("Units sorted by", "gates_order", orders, labelled=False, width=210)
    packed = _pack(run_id, tuple(updates.items()), order, layer, traces)
    result = _snapshots(data=packed, key="snapshots", on_frame_change=lambda: None)
    _link_to_inspector(run_id, result.frame, updates)


@st.cache_resource(max_entries=4, show_spinner=False)
def _pack(run_id: str, updates: object, order: str, layer: int, _traces: dict[str, Snapshots]) -> bytes:
    return pack_snapshots(_traces, order, layer)


@st.cache_resource(max_entries=512, show_spinner=False)
def _trace(run_id: str, lane: str, update: int) -> Trace:
    """The trace of the probe by the network after so many updates."""
    task = task_of(run_id)
    weights = trained_network(store(), run_id, lane, task, update).weights()
    probe = probe_sequences(task)
    quick = is_small(weights, probe) or not compiled.is_ready(weights.convention, "trace")
    return trace(weights, probe, backend="loop" if quick else "auto")


def _link_to_inspector(run_id: str, frame: dict[str, object] | None, updates: dict[str, tuple[int, ...]]) -> None:
    """For each lane a link that opens the snapshot at the slider on page 1."""
    visible = (frame or {}).get("updates") or {lane: each[-1] for lane, each in updates.items() if each}
    with st.container(horizontal=True, key="open_in_inspector"):
        for lane, update in dict(visible).items():  # type: ignore[call-overload]
            query = {"source": "Training", "run": run_id, "lane": lane, "snapshot": str(update)}
            label = f"Open {plain(lane)} after {update:,} updates in the inspector"
            st.page_link("dashboard.py", label=label, icon=":material/grid_on:", query_params=query)
