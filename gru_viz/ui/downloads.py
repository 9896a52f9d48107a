"""Downloads: the trace as CSV, Parquet or NPZ, the view as one HTML file, the model as a framework's file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from gru_viz.browser import INSPECTOR
from gru_viz.errors import GruVizError
from gru_viz.formats import convert_for, write_model
from gru_viz.trace import Trace
from gru_viz.ui.gate_view import GateView
from gru_viz.ui.messages import plain
from gru_viz.ui.widgets import pick
from gru_viz.weights import Weights

if TYPE_CHECKING:
    from gru_viz.formats import Head
    from gru_viz.formats.model_file import Format

__all__ = ["offer_downloads"]

MODELS: dict[Format, str] = {
    "PyTorch": "pt",
    "Keras": "keras",
    "ONNX": "onnx",
    "safetensors": "safetensors",
    "NPZ": "npz",
}
FORMATS = (("CSV", "csv"), ("Parquet", "parquet"), ("NPZ", "npz"))


def offer_downloads(gates: GateView, packed: bytes, notices: tuple[str, ...], head: Head | None) -> None:
    """Offer what is on screen as files, and the whole trace as a report; each is made when it is requested."""
    with st.popover("Save", icon=":material/download:"):
        st.caption(f"Trace: {_extent(gates)}, with variant, seed, versions and scaling inside")
        if gates.savable:
            with st.container(horizontal=True):
                for label, ending in FORMATS:
                    st.download_button(label, partial(_export, ending, gates), f"gru_viz.{ending}", on_click="ignore")
        else:
            st.caption("Too many steps for a file: zoom in, or use gru_viz.stream in a notebook.")
        st.caption("This view, or a report of every layer, as one self-contained HTML file")
        with st.container(horizontal=True):
            _offer_pages(gates, packed, notices, head)
        st.caption("Model file for another framework")
        with st.container(horizontal=True, vertical_alignment="center"):
            _offer_model(gates.trace.weights)
        st.caption("Images: the camera and disk icons at the top right of the maps save PNG and SVG.")


def _offer_pages(gates: GateView, packed: bytes, notices: tuple[str, ...], head: Head | None) -> None:
    pages: dict[str, tuple[str, Callable[[], str]]] = {"HTML": ("gru_viz.html", lambda: _page(gates, packed))}
    if gates.savable:
        pages["Report"] = (
            "gru_viz_report.html",
            lambda: _report(gates, notices, head),
        )
    for label, (name, write) in pages.items():
        st.download_button(label, write, name, "text/html", on_click="ignore")


def _page(gates: GateView, packed: bytes) -> str:
    trace, title = gates.trace, gates.view.title
    about = (
        f"{title}. {trace.weights.origin}. {trace.device}, {trace.dtype}. "
        f"The gates and states shown differ from {trace.proof.witness} "
        f"by at most {float(trace.proof):.1e}."
    )
    return INSPECTOR.page(packed, title, about)


def _offer_model(weights: Weights) -> None:
    kind = pick("Framework", "network_format", {name: name for name in MODELS}, labelled=False, width=175)
    try:
        convert_for(weights, kind)
    except GruVizError as error:
        st.caption(f"Not possible: found {plain(error.found)}; wanted {plain(error.wanted)}.")
    else:
        st.download_button("Model", partial(write_model, weights, kind), f"gru_viz.{MODELS[kind]}", on_click="ignore")


def _extent(gates: GateView) -> str:
    """What of the trace the files contain."""
    if not gates.choice.long:
        several = len(gates.trace.lengths) > 1
        return "every layer, sequence and step" if several else "every layer and step of this sequence"
    return f"every layer, visible steps {gates.choice.start + 1:,} to {gates.choice.stop:,}"


def _export(ending: str, gates: GateView) -> bytes:
    from gru_viz import exports

    export: Callable[[Trace, int], bytes] = getattr(exports, f"to_{ending}")
    return export(gates.exact_trace(), gates.choice.start if gates.choice.long else 0)


def _report(gates: GateView, notices: tuple[str, ...], head: Head | None) -> str:
    from gru_viz.reporting import report

    return report(gates.exact_trace(), notices=notices, warnings=_step_numbers(gates), head=head)


def _step_numbers(gates: GateView) -> tuple[str, ...]:
    """A report's warning that it numbers the steps of a part from 1."""
    if not gates.choice.long or not gates.choice.start:
        return ()
    return (f"Steps {gates.choice.start + 1:,} to {gates.choice.stop:,} of the sequence, counted from 1 here.",)
