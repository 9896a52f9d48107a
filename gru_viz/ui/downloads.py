"""The way out: the trace as CSV, Parquet or NPZ, the view as one HTML file, the network as a framework's file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from gru_viz.errors import GruVizError
from gru_viz.exports import to_csv, to_npz, to_parquet
from gru_viz.figures.inspector import standalone
from gru_viz.formats import write_model
from gru_viz.formats.found import Format, Head
from gru_viz.reporting import report
from gru_viz.ui.messages import plain
from gru_viz.ui.sequence_choice import digest_of
from gru_viz.ui.shown import Shown
from gru_viz.ui.widgets import pick
from gru_viz.weights import Weights

__all__ = ["offer_downloads"]

NETWORKS: dict[Format, str] = {
    "PyTorch": "pt",
    "Keras": "keras",
    "ONNX": "onnx",
    "safetensors": "safetensors",
    "NPZ": "npz",
}
FORMATS = (("CSV", "csv", to_csv), ("Parquet", "parquet", to_parquet), ("NPZ", "npz", to_npz))


def offer_downloads(shown: Shown, packed: bytes, notices: tuple[str, ...], head: Head | None) -> None:
    """Offer what is on screen as files, and all of the trace as a report; each is made when it is asked for."""
    trace = shown.trace
    about = (
        f"{shown.view.title}. {trace.weights.origin}. {trace.device}, {trace.dtype}. "
        f"The gates shown rebuild the hidden states of {trace.witness} to {trace.proof:.1e}."
    )
    with st.popover("Save", icon=":material/download:"):
        st.caption("The trace, every layer, sequence and step, with variant, seed, versions and scaling inside")
        with st.container(horizontal=True):
            for label, ending, export in FORMATS:
                st.download_button(label, partial(export, trace), f"gru_viz.{ending}", on_click="ignore")
        st.caption("This view, or a report of every layer, as one file that needs no server and no network")
        with st.container(horizontal=True):
            pages: tuple[tuple[str, str, Callable[[], str]], ...] = (
                ("HTML", "gru_viz.html", lambda: standalone(packed, shown.view.title, about)),
                ("Report", "gru_viz_report.html", lambda: report(trace, notices=notices, head=head)),
            )
            for label, name, write in pages:
                st.download_button(label, write, name, "text/html", on_click="ignore")
        st.caption("The network, for the framework of your choice")
        with st.container(horizontal=True, vertical_alignment="center"):
            kind = pick("Framework", "network_format", {name: name for name in NETWORKS}, labelled=False, width=175)
            try:
                data = _written(_digest(trace.weights), kind, trace.weights)
            except GruVizError as refusal:
                st.caption(f"Not possible: found {plain(refusal.found)}; wanted {plain(refusal.wanted)}.")
            else:
                st.download_button("Network", data, f"gru_viz.{NETWORKS[kind]}", on_click="ignore")
        st.caption("A picture: the camera and the disk at the top right of the maps save PNG and SVG.")


def _digest(weights: Weights) -> str:
    matrices = (array for layer in weights.layers for cell in layer for array in cell.matrices.values())
    return digest_of(b"".join([weights.convention.name.encode(), *(array.tobytes() for array in matrices)]))


@st.cache_resource(max_entries=8, show_spinner=False)
def _written(digest: str, kind: Format, _weights: Weights) -> bytes:
    return write_model(_weights, kind)
