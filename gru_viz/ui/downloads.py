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
from gru_viz.trace import Trace
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
    made, exact = shown.made, shown.exact
    about = (
        f"{shown.view.title}. {made.weights.origin}. {made.device}, {made.dtype}. "
        f"The gates shown rebuild the hidden states of {made.witness} to {made.proof:.1e}."
    )
    with st.popover("Save", icon=":material/download:"):
        st.caption(f"The trace, {_extent(shown)}, with variant, seed, versions and scaling inside")
        pages: dict[str, tuple[str, Callable[[], str]]] = {
            "HTML": ("gru_viz.html", lambda: standalone(packed, shown.view.title, about))
        }
        if exact is None:
            st.caption("These are too many steps for a file: zoom in, or use gru_viz.stream in a notebook.")
        else:
            with st.container(horizontal=True):
                for label, ending, export in FORMATS:
                    st.download_button(label, partial(_export, export, shown), f"gru_viz.{ending}", on_click="ignore")
            pages["Report"] = (
                "gru_viz_report.html",
                lambda: report(exact(), notices=notices, warnings=_counted(shown), head=head),
            )
        st.caption("This view, or a report of every layer, as one file that needs no server and no network")
        with st.container(horizontal=True):
            for label, (name, write) in pages.items():
                st.download_button(label, write, name, "text/html", on_click="ignore")
        st.caption("The network, for the framework of your choice")
        with st.container(horizontal=True, vertical_alignment="center"):
            kind = pick("Framework", "network_format", {name: name for name in NETWORKS}, labelled=False, width=175)
            try:
                data = _written(_digest(made.weights), kind, made.weights)
            except GruVizError as refusal:
                st.caption(f"Not possible: found {plain(refusal.found)}; wanted {plain(refusal.wanted)}.")
            else:
                st.download_button("Network", data, f"gru_viz.{NETWORKS[kind]}", on_click="ignore")
        st.caption("A picture: the camera and the disk at the top right of the maps save PNG and SVG.")


def _extent(shown: Shown) -> str:
    """What of the trace the files hold."""
    if shown.steps is None:
        several = isinstance(shown.made, Trace) and len(shown.made.lengths) > 1
        return "every layer, sequence and step" if several else "every layer and step of this sequence"
    start, stop = shown.steps
    return f"every layer, of the steps in sight: {start + 1:,} to {stop:,}"


def _export(export: Callable[[Trace, int], bytes], shown: Shown) -> bytes:
    assert shown.exact is not None
    return export(shown.exact(), shown.steps[0] if shown.steps else 0)


def _counted(shown: Shown) -> tuple[str, ...]:
    """What a reader of a report must not overlook, where it is of a part."""
    if shown.steps is None or not shown.steps[0]:
        return ()
    start, stop = shown.steps
    return (f"Steps {start + 1:,} to {stop:,} of the sequence, counted from 1 here.",)


def _digest(weights: Weights) -> str:
    matrices = (array for layer in weights.layers for cell in layer for array in cell.matrices.values())
    return digest_of(b"".join([weights.convention.name.encode(), *(array.tobytes() for array in matrices)]))


@st.cache_resource(max_entries=8, show_spinner=False)
def _written(digest: str, kind: Format, _weights: Weights) -> bytes:
    return write_model(_weights, kind)
