"""The gates while they learn: every snapshot's maps of one held-out sequence, and the way from there to page 1."""

from __future__ import annotations

import streamlit as st

from gru_viz.analysis import ORDERS
from gru_viz.figures.live import FILM_ASSETS
from gru_viz.trace import Trace, trace
from gru_viz.training.figures import Snapshots, pack_snapshots
from gru_viz.training.runs import learnt, probe_of
from gru_viz.ui.messages import plain
from gru_viz.ui.widgets import pick
from gru_viz.ui.workshop import store, task_of

__all__ = ["show_film"]

REFRESH_SECONDS = 2.0

_film = st.components.v2.component(
    "gru_viz.film",
    html=FILM_ASSETS["html"],
    css=FILM_ASSETS["css"],
    js=FILM_ASSETS["js"],
    isolate_styles=False,
)


def show_film(key: str) -> None:
    """Show how the gates of every lane change over the training; a new snapshot appears by itself."""
    active = store().run(key).active
    st.fragment(_show, run_every=REFRESH_SECONDS if active else None)(key)


def _show(key: str) -> None:
    run = store().run(key)
    taken = {lane.name: store().snapshots(key, lane.name) for lane in run.lanes}
    snapshots = {name: _snapshots(key, name, updates) for name, updates in taken.items()}
    if not any(snapshots.values()):
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="film_choices"):
        st.subheader("Gates while they learn", anchor=False, width="stretch")
        layers = min(run.settings.lane(name).layers for name in snapshots)
        layer = 0
        if layers > 1:
            layer = pick("Layer", "film_layer", {k: f"layer {k + 1}" for k in range(layers)}, labelled=False, width=150)
        orders = {name: f"units by {words}" for name, words in ORDERS.items()}
        order = pick("Units sorted by", "film_order", orders, labelled=False, width=210)
    result = _film(
        data=_packed(key, tuple(taken.items()), order, layer, snapshots),
        key="film",
        on_frame_change=lambda: None,
    )
    _offer_inspector(key, result.frame, taken)


@st.cache_resource(max_entries=4, show_spinner=False)
def _packed(key: str, taken: object, order: str, layer: int, _snapshots: dict[str, Snapshots]) -> bytes:
    return pack_snapshots(_snapshots, order, layer)


def _snapshots(key: str, lane: str, updates: tuple[int, ...]) -> Snapshots:
    return [(update, _read(key, lane, update)) for update in updates]


@st.cache_resource(max_entries=512, show_spinner=False)
def _read(key: str, lane: str, update: int) -> Trace:
    """The probe as the network read it after so many updates."""
    task = task_of(key)
    network = learnt(store(), key, lane, task, update)
    assert network is not None  # a snapshot that is not there is an error of the store's
    return trace(network.weights(), probe_of(task))


def _offer_inspector(key: str, frame: dict[str, object] | None, taken: dict[str, tuple[int, ...]]) -> None:
    """For each lane a way to the moment the slider shows, with every number and formula of it."""
    shown = (frame or {}).get("updates") or {lane: updates[-1] for lane, updates in taken.items() if updates}
    with st.container(horizontal=True, key="open_in_inspector"):
        for lane, update in dict(shown).items():  # type: ignore[call-overload]
            query = {"source": "Training", "run": key, "lane": lane, "snapshot": str(update)}
            label = f"Open {plain(lane)} after {update:,} updates in the inspector"
            st.page_link("dashboard.py", label=label, icon=":material/grid_on:", query_params=query)
