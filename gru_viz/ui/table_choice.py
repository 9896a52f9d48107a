"""How a table is parsed, and which of its columns are used how."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from gru_viz.errors import SequenceError
from gru_viz.progress import Progress
from gru_viz.sequences import Sequences, read_scaling
from gru_viz.ui.background_work import run_in_background
from gru_viz.ui.messages import CONTROLS, plain
from gru_viz.ui.widgets import pick

if TYPE_CHECKING:
    from gru_viz.sequences import Table

__all__ = ["ask_columns", "build_sequences", "digest_of", "digest_of_upload", "open_with_options"]

MAX_PRESELECTED = 24

DIALECT: dict[str, dict[Any, str]] = {
    "delimiter": {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "spaces"},
    "decimal": {".": "point", ",": "comma"},
    "thousands": {"": "none", ",": "comma", ".": "point", " ": "space", "'": "apostrophe"},
    "header": {True: "first row", False: "none"},
    "comment": {"#": "#", "%": "%", "//": "//"},
    "day_first": {True: "day first", False: "month first"},
    "rows": {"steps": "a step", "series": "a series of its own", "features": "a feature"},
    "encoding": {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Latin-1 (Windows)"},
}
"""Parsing options that can be overridden, and their values."""

MISSING = {"forward": "forward fill", "interpolate": "linear interpolation", "drop": "drop the row"}
SCALES = {
    "standardise": "standardise",
    "minmax": "min–max",
    "robust": "robust",
    "given": "a scaler's numbers",
    "none": "none",
}


def open_with_options(data: bytes, name: str, digest: str) -> tuple[Table, str]:
    """Parse a table, show how it was parsed, and offer to override the parsing options.

    Returns:
        The table, and a fingerprint of data and options.
    """
    with st.expander("Parsing options"):
        found = st.container()
        specified = _ask_dialect(digest)
    one_of = f"table_{digest[:6]}"
    if st.session_state.get(one_of) is not None:
        specified["table"] = st.session_state[one_of]
    options = tuple(sorted(specified.items()))
    opened = digest_of(repr((digest, name, options)).encode())
    table = run_in_background(
        "reading",
        f"Reading {plain(name)}",
        opened,
        lambda progress: _open(digest, name, options, data, progress),
    )
    found.caption(plain(table.dialect.describe()))
    found.dataframe(table.preview(6), hide_index=True)
    if table.tables:
        names: dict[int | None, str] = {None: "auto", **dict(enumerate(table.tables))}
        st.selectbox(CONTROLS["table"], list(names), format_func=names.__getitem__, key=one_of)
    return table, opened


def _ask_dialect(digest: str) -> dict[str, Any]:
    """The options that are specified rather than detected; a choice belongs to one file."""
    specified: dict[str, Any] = {}
    for argument, options in DIALECT.items():
        names = {None: "auto", **options}
        choice = st.selectbox(
            CONTROLS[argument], list(names), format_func=names.__getitem__, key=f"{argument}_{digest[:6]}"
        )
        if choice is not None:
            specified[argument] = choice
    marks = st.text_input(
        CONTROLS["missing_values"],
        placeholder="auto",
        key=f"missing_values_{digest[:6]}",
        help="Numbers or words with commas between them, such as -9999, M; “none” takes every number as it is.",
    )
    if marks.strip():
        words = tuple(mark.strip() for mark in marks.replace(";", ",").split(",") if mark.strip())
        specified["missing_values"] = () if words == ("none",) else words
    return specified


def ask_columns(table: Table) -> dict[str, Any]:
    """Ask which columns are used how; returns the arguments of ``Table.sequences``.

    Raises:
        SequenceError: no column is selected.
    """
    key = digest_of(repr([c.name for c in table.columns]).encode())[:6]
    suggested = table.suggested
    for offer in table.offers:
        st.info(plain(offer), icon=":material/help:")
    features = _ask_features(table, key)
    roles: dict[str | None, str] = {None: "none", **{c.name: c.name for c in table.columns}}
    time = pick(CONTROLS["time"], f"time_{key}", roles, suggested.time)
    identity = pick(CONTROLS["id"], f"id_{key}", roles, suggested.id)
    texts = [c.name for c in table.columns if c.kind == "text"]
    one_hot = st.multiselect(CONTROLS["one_hot"], texts, key=f"one_hot_{key}", bind="query-params") if texts else []
    gaps = sum(c.missing for c in table.columns if c.name in features)
    missing = "forward"
    if gaps:
        missing = st.radio(
            f"{CONTROLS['missing']} ({gaps:,})",
            list(MISSING),
            format_func=MISSING.__getitem__,
            key=f"missing_{key}",
            bind="query-params",
        )
    scale: Any = pick(CONTROLS["scale"], f"scale_{key}", SCALES)
    if scale == "given":
        scale = _ask_scaler(features, key)
    if not features and not one_hot:
        remedy = "Select a feature, or a text column as one-hot."
        raise SequenceError("features", "no column selected", "at least one", remedy)
    return {
        # The suggestion itself is left to the reader, which then reports what it leaves out.
        "features": None if tuple(features) == suggested.features and not one_hot else tuple(features),
        "time": time or False,
        "id": identity or False,
        "one_hot": tuple(one_hot),
        "missing": missing,
        "scale": scale,
    }


def _ask_scaler(features: list[str], key: str) -> dict[str, tuple[float, float]]:
    """The numbers of the scaler that a model was trained with, pasted or typed: feature → offset and divisor."""
    pasted = st.text_area(
        "Paste a scaler",
        placeholder="feature,mean,std\ntemperature,20,5",
        key=f"scaler_{key}",
        bind="query-params",
        help="CSV or JSON with mean and std, min and max, or offset and divisor of each feature.",
    )
    offsets, divisors = [0.0] * len(features), [1.0] * len(features)
    if pasted.strip():
        scaling = read_scaling(pasted.encode(), features)
        offsets, divisors = scaling.centre.tolist(), scaling.scale.tolist()
    typed: Any = st.data_editor(
        {"feature": features, "offset": offsets, "divisor": divisors},
        disabled=["feature"],
        hide_index=True,
        key=f"scaler_{key}_{digest_of(repr((features, pasted)).encode())[:6]}",
    )
    numbers = zip(typed["offset"], typed["divisor"], strict=True)
    return {name: (float(offset), float(divisor)) for name, (offset, divisor) in zip(features, numbers, strict=True)}


def _ask_features(table: Table, key: str) -> list[str]:
    suggested = table.suggested.features
    numbers = [c.name for c in table.columns if c.kind == "number" or c.name in suggested]
    start = list(suggested[:MAX_PRESELECTED])
    features = st.multiselect(CONTROLS["features"], numbers, default=start, key=f"features_{key}", bind="query-params")
    if len(suggested) > MAX_PRESELECTED:
        st.caption(f"{MAX_PRESELECTED} of {len(suggested):,} numeric columns are preselected; choose others above.")
    return features


@st.cache_resource(max_entries=4, show_spinner=False)
def _open(digest: str, name: str, options: tuple[tuple[str, Any], ...], _data: bytes, _progress: Progress) -> Table:
    from gru_viz.sequences import open_table

    return open_table(_data, name=name, progress=_progress, **dict(options))


@st.cache_resource(max_entries=8, show_spinner=False)
def build_sequences(fingerprint: str, _table: Table, _columns: dict[str, Any]) -> Sequences:
    """The sequences of a table, cached by a fingerprint of the table and of ``_columns``, from ``ask_columns``."""
    return _table.sequences(**_columns)


def digest_of_upload(upload: UploadedFile) -> str:
    """A digest of an upload's bytes, computed once and not at every rerun."""
    known: dict[str, str] = st.session_state.setdefault("digests", {})
    if upload.file_id not in known:
        known[upload.file_id] = digest_of(upload.getvalue())
    return known[upload.file_id]


def digest_of(data: bytes) -> str:
    """A digest of bytes, for cache keys."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
