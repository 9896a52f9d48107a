"""Choice 1, the sequence: a built-in example, a file, a pasted table, text, or the probe of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import streamlit as st

from gru_viz.errors import GruVizError, SequenceError
from gru_viz.sequences import EXAMPLES, Sequences, read_text
from gru_viz.ui.messages import UNCHANGED, showing_errors
from gru_viz.ui.resources import store, task_of
from gru_viz.ui.server import expect_table
from gru_viz.ui.table_choice import ask_columns, build_sequences, digest_of, digest_of_upload, open_with_options
from gru_viz.ui.widgets import ask_number, pick, switch

__all__ = ["SequenceChoice", "SnapshotRef", "ask_sequences", "choose_sequences", "last_sequences"]

SOURCES = {"example": "Example", "file": "File", "table": "Table", "text": "Text", "run": "Training"}
TABLE = "step,sensor\n1,0.2\n2,0.9\n3,0.4\n4,-0.3\n5,-0.8\n6,-0.1\n7,0.6\n8,0.9\n9,0.1\n10,-0.6"
TEXT = "the cat sat on the mat and the dog sat on the cat."
LONGEST_LINK = 4000

SCALING_FORMULAS = {
    "none": "scaled = value",
    "standardise": "scaled = (value − mean) / std",
    "minmax": "scaled = (value − min) / (max − min)",
    "robust": "scaled = (value − median) / interquartile range",
    "given": "scaled = (value − offset) / divisor, with the numbers given",
}


class SnapshotRef(NamedTuple):
    """One lane of a training run after so many updates."""

    run: str
    lane: str
    update: int


@dataclass(frozen=True)
class SequenceChoice:
    """The sequences to be traced.

    Attributes:
        sequences: the data.
        fingerprint: identifies the data, for caches.
        example: the built-in example they are, or None.
        snapshot: the training snapshot whose probe they are, or None.
        scaled: how their numbers were scaled before a network of a file read them, a ``Scaling.method``; ``""`` where
            that does not matter.
    """

    sequences: Sequences
    fingerprint: str
    example: str | None = None
    snapshot: SnapshotRef | None = None
    scaled: str = ""


def choose_sequences() -> SequenceChoice:
    """Ask for sequences in the sidebar; if they cannot be read, show the error and return the previous ones."""
    chosen = None
    with showing_errors(UNCHANGED), st.sidebar:
        st.header("1 Sequence", anchor=False)
        chosen = ask_sequences(tuple(SOURCES))
    if chosen is None:
        return last_sequences() or _load_example(next(iter(EXAMPLES)))
    st.session_state["last_sequences"] = chosen
    return chosen


def last_sequences() -> SequenceChoice | None:
    """The sequences that this visitor viewed last."""
    chosen: SequenceChoice | None = st.session_state.get("last_sequences")
    return chosen


def ask_sequences(sources: tuple[str, ...]) -> SequenceChoice | None:
    """Ask for sequences from one of these sources; None while there are none yet.

    Raises:
        GruVizError: they cannot be read.
    """
    source = switch("From", "source", {name: SOURCES[name] for name in sources})
    return {"example": _example, "file": _file, "table": _pasted_table, "text": _text, "run": _run}[source]()


def _example() -> SequenceChoice:
    return _load_example(pick("Example", "example", {name: each.title for name, each in EXAMPLES.items()}))


@st.cache_resource(show_spinner=False)
def _load_example(name: str) -> SequenceChoice:
    return SequenceChoice(EXAMPLES[name].load(), f"example {name}", name)


def _file() -> SequenceChoice | None:
    upload = st.file_uploader("CSV, text, Excel, Parquet or JSON, also zipped", key="file")
    if upload is None:
        expect_table()
        st.caption("No file yet; the previous data are used. A link does not include the file.")
        return None
    from gru_viz.sequences import MAX_BYTES, open_table

    if upload.size > MAX_BYTES:
        open_table(upload, name=upload.name)  # raises the error about its size, unread
    return _from_table(upload.getvalue(), upload.name, digest_of_upload(upload))


def _pasted_table() -> SequenceChoice:
    text = st.text_area(
        "Paste or type a table, one row per step",
        value=TABLE,
        key="table",
        bind="query-params",
        height=180,
        help="Cells copied from a spreadsheet work as they are.",
    )
    _warn_long_link(text)
    return _from_table(text.encode(), "pasted table", digest_of(text.encode()))


def _text() -> SequenceChoice:
    text = st.text_area("Type or paste text, one character per step", value=TEXT, key="text", bind="query-params")
    _warn_long_link(text)
    return SequenceChoice(read_text(text), f"text {digest_of(text.encode())}")


def _run() -> SequenceChoice | None:
    """A training run's probe sequence, with the weights of one of its snapshots."""
    from gru_viz.training.runs import probe_sequences

    trained = [run for run in store().runs() if any(store().snapshots(run.run_id, lane.name) for lane in run.lanes)]
    runs = {run.run_id: run for run in trained}
    linked, missing = st.query_params.get("run", ""), None
    if linked and linked not in runs:
        try:
            runs |= {linked: store().run(linked)}
        except GruVizError as error:
            missing = error
    if not runs:
        if missing:
            raise missing
        st.caption("No trained run yet. Start one on page 2.")
        return None
    names = {run.run_id: f"{run.name}, {run.created:%d %b %H:%M}" for run in runs.values()}
    run_id = _linked("Run", "run", names, None if missing else 0)
    if run_id is None:
        raise missing or SequenceError("Run", "none selected", "one of the list", "Select one.")
    lane = _linked("Model", "lane", {lane.name: lane.name for lane in runs[run_id].lanes})
    assert lane is not None  # it has a default, as the snapshot has
    saved = store().snapshots(run_id, lane)
    if not saved:
        raise SequenceError(f"Model {lane}", "no snapshot yet", "at least one", "Wait until it has trained a little.")
    update = _linked("After updates", "snapshot", {str(update): f"{update:,}" for update in saved}, len(saved) - 1)
    assert update is not None
    sequences, snapshot = probe_sequences(task_of(run_id)), SnapshotRef(run_id, lane, int(update))
    return SequenceChoice(sequences, f"probe {run_id}", snapshot=snapshot)


def _linked(label: str, name: str, options: dict[str, str], default: int | None = 0) -> str | None:
    """Choose one of several whose keys a link may contain; None while there is no default and none was chosen."""
    keys, linked = list(options), st.query_params.get(name, "")
    at = keys.index(linked) if linked in keys else default
    chosen = st.selectbox(
        label, keys, at, format_func=options.__getitem__, key=f"{name}_{digest_of(repr(keys).encode())[:6]}"
    )
    if chosen is not None:
        st.query_params[name] = chosen
    return chosen


def _warn_long_link(text: str) -> None:
    if len(text) > LONGEST_LINK:
        st.caption(f"Over {LONGEST_LINK:,} characters: a copied link may be too long for some programs.")


def _from_table(data: bytes, name: str, digest: str) -> SequenceChoice:
    table, opened = open_with_options(data, name, digest)
    columns = ask_columns(table)
    fingerprint = digest_of(repr((opened, sorted(columns.items()))).encode())
    with st.spinner("Building sequences …"):
        sequences = build_sequences(fingerprint, table, columns)
    scaling = sequences.scaling
    with st.expander("Scaling parameters"):
        st.dataframe(
            {"feature": list(sequences.features), "offset": scaling.centre, "divisor": scaling.scale},
            hide_index=True,
        )
        st.caption(SCALING_FORMULAS[scaling.method])
    return _cut(SequenceChoice(sequences, fingerprint))


def _cut(chosen: SequenceChoice) -> SequenceChoice:
    """Offer to cut the sequences into windows, as networks are trained that never see more steps."""
    key = digest_of(repr(chosen.sequences.features).encode())[:6]
    steps = ask_number(
        "Window (steps)",
        f"window_{key}",
        0,
        10**9,
        0,
        help="Each window is read with a fresh state, as many networks are trained; 0 reads whole sequences.",
    )
    if steps == 0:
        return chosen
    every = ask_number("A window every … steps", f"every_{key}", 1, 10**9, steps)
    fingerprint = f"{chosen.fingerprint} windows {steps} {every}"
    return SequenceChoice(_windows(fingerprint, steps, every, chosen.sequences), fingerprint)


@st.cache_resource(max_entries=4, show_spinner=False)
def _windows(fingerprint: str, steps: int, every: int, _sequences: Sequences) -> Sequences:
    return _sequences.windows(steps, every)
