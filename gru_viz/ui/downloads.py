"""The way out: the trace as CSV, Parquet or NPZ, and the view as one HTML file."""

from __future__ import annotations

from functools import partial

import streamlit as st

from gru_viz.exports import to_csv, to_npz, to_parquet
from gru_viz.figures.inspector import standalone
from gru_viz.ui.shown import Shown

__all__ = ["offer_downloads"]

FORMATS = (("CSV", "csv", to_csv), ("Parquet", "parquet", to_parquet), ("NPZ", "npz", to_npz))


def offer_downloads(shown: Shown, packed: bytes) -> None:
    """Offer what is on screen as files; each is made when it is asked for."""
    trace = shown.trace
    about = (
        f"{shown.view.title}. {trace.weights.origin}. {trace.device}, {trace.dtype}. "
        f"The gates shown rebuild the hidden states of {trace.witness} to {trace.proof:.1e}."
    )
    with st.popover("Save", icon=":material/download:"):
        st.caption("The trace, every layer, sequence and step, with variant, seed, versions and scaling inside")
        with st.container(horizontal=True):
            for label, ending, write in FORMATS:
                st.download_button(label, partial(write, trace), f"gru_viz.{ending}", on_click="ignore")
        st.caption("This view, stepping included, as one file that needs no server and no network")
        st.download_button(
            "HTML", lambda: standalone(packed, shown.view.title, about), "gru_viz.html", "text/html", on_click="ignore"
        )
        st.caption("A picture: the camera and the disk at the top right of the maps save PNG and SVG.")
