"""Choice 1, the sequence: a built-in example, a file, a pasted table, or text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from gru_viz.errors import GruVizError, SequenceError
from gru_viz.sequences import EXAMPLES, MAX_BYTES, Sequences, Table, open_table, read_text
from gru_viz.training.runs import probe_of
from gru_viz.ui.messages import CONTROLS, plain, show_error
from gru_viz.ui.progress import Progress, long_work
from gru_viz.ui.widgets import pick, switch
from gru_viz.ui.workshop import store, task_of

__all__ = [
    "Chosen",
    "Moment",
    "ask_columns",
    "ask_opening",
    "ask_sequences",
    "choose_sequences",
    "digest_of",
    "digest_of_upload",
    "last_chosen",
]

SOURCES = {"example": "Example", "file": "File", "table": "Table", "text": "Text", "run": "Training"}
TABLE = "step,sensor\n1,0.2\n2,0.9\n3,0.4\n4,-0.3\n5,-0.8\n6,-0.1\n7,0.6\n8,0.9\n9,0.1\n10,-0.6"
TEXT = "the cat sat on the mat and the dog sat on the cat."
LONGEST_LINK = 4000
MOST_CHOSEN = 24

DIALECT: dict[str, dict[Any, str]] = {
    "delimiter": {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "spaces"},
    "decimal": {".": "point", ",": "comma"},
    "thousands": {"": "none", ",": "comma", ".": "point", " ": "space", "'": "apostrophe"},
    "header": {True: "first row has the names", False: "no names"},
    "comment": {"#": "#", "%": "%", "//": "//"},
    "day_first": {True: "day first", False: "month first"},
    "encoding": {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Latin-1 (Windows)"},
}
"""What of a file's writing can be corrected, and to what."""

MISSING = {"forward": "repeat the last value", "interpolate": "draw a line across", "drop": "drop the row"}
SCALES = {"standardise": "standardise", "minmax": "min–max", "robust": "robust", "none": "none"}


class Moment(NamedTuple):
    """A lane of a run after so many updates."""

    run: str
    lane: str
    update: int


@dataclass(frozen=True)
class Chosen:
    """The sequences to be traced.

    Attributes:
        sequences: the data.
        fingerprint: the same for the same data, for caches.
        example: the built-in example they are, or None.
        snapshot: the moment of a training whose probe they are, or None.
    """

    sequences: Sequences
    fingerprint: str
    example: str | None = None
    snapshot: Moment | None = None


def choose_sequences() -> Chosen:
    """Ask for sequences in the sidebar; where they cannot be read, say why and give the last ones that could."""
    chosen, refused = None, None
    with st.sidebar:
        st.header("1 Sequence", anchor=False)
        try:
            chosen = ask_sequences(tuple(SOURCES))
        except GruVizError as error:
            refused = error
    with st.container():  # there with or without a message, so that what follows keeps its place and is not drawn anew
        if refused:
            show_error(refused, "The view below stays as it was.")
    if chosen is None:
        return last_chosen() or _load_example(next(iter(EXAMPLES)))
    st.session_state["last_chosen"] = chosen
    return chosen


def last_chosen() -> Chosen | None:
    """What this visitor looked at last."""
    chosen: Chosen | None = st.session_state.get("last_chosen")
    return chosen


def ask_sequences(sources: tuple[str, ...]) -> Chosen | None:
    """Ask for sequences from one of these sources; None while there is no file yet.

    Raises:
        GruVizError: they cannot be read.
    """
    source = switch("From", "source", {name: SOURCES[name] for name in sources})
    return {"example": _example, "file": _file, "table": _pasted_table, "text": _text, "run": _run}[source]()


def _example() -> Chosen:
    name = pick("Example", "example", {name: each.title for name, each in EXAMPLES.items()})
    return _load_example(name)


@st.cache_resource(show_spinner=False)
def _load_example(name: str) -> Chosen:
    return Chosen(EXAMPLES[name].load(), f"example {name}", name)


def _file() -> Chosen | None:
    upload = st.file_uploader("CSV, TSV, text or Parquet", key="file")
    if upload is None:
        st.caption("Until there is a file, what was there before is used. A link does not carry a file along.")
        return None
    if upload.size > MAX_BYTES:
        open_table(upload, name=upload.name)  # refuses it by its size, unread
    return _from_table(upload.getvalue(), upload.name, digest_of_upload(upload))


def _pasted_table() -> Chosen:
    text = st.text_area(
        "Paste or type a table, one row a step",
        value=TABLE,
        key="table",
        bind="query-params",
        height=180,
        help="Cells copied from a spreadsheet work as they are.",
    )
    _warn_long_link(text)
    return _from_table(text.encode(), "pasted table", digest_of(text.encode()))


def _text() -> Chosen:
    text = st.text_area("Type or paste text, one character a step", value=TEXT, key="text", bind="query-params")
    _warn_long_link(text)
    return Chosen(read_text(text), f"text {digest_of(text.encode())}")


def _run() -> Chosen:
    """A training's probe sequence, with the weights of one of its snapshots."""
    runs = {run.id: run for run in store().runs() if any(store().snapshots(run.id, lane.name) for lane in run.lanes)}
    linked, gone = st.query_params.get("run", ""), None
    if linked and linked not in runs:
        try:
            runs |= {linked: store().run(linked)}
        except GruVizError as error:
            gone = error
    if gone and not runs:
        raise gone
    if not runs:
        remedy = "Start one on the page “GRU against LSTM”."
        raise SequenceError("Training", "no run with a snapshot", "one that has trained", remedy)
    names = {run.id: f"{run.name}, {run.created:%d %b %H:%M}" for run in runs.values()}
    key = _linked("Run", "run", names, None if gone else 0)
    if key is None:
        raise gone or SequenceError("Run", "none chosen", "one of the list", "Choose one.")
    lane = _linked("Lane", "lane", {lane.name: lane.name for lane in runs[key].lanes})
    assert lane is not None  # it has a default, as the moment has
    kept = store().snapshots(key, lane)
    if not kept:
        raise SequenceError(f"lane {lane}", "no snapshot yet", "one", "Wait until it has trained a little.")
    moments = {str(update): f"{update:,}" for update in kept}
    update = _linked("After updates", "snapshot", moments, len(kept) - 1)
    assert update is not None
    sequences = probe_of(task_of(key))
    return Chosen(sequences, f"probe {key}", snapshot=Moment(key, lane, int(update)))


def _linked(label: str, name: str, options: dict[str, str], default: int | None = 0) -> str | None:
    """Choose one of several that a link names by their keys; None while there is no default and none was chosen."""
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


def _from_table(data: bytes, name: str, digest: str) -> Chosen:
    table, opened = ask_opening(data, name, digest)
    choices = ask_columns(table)
    fingerprint = digest_of(repr((opened, sorted(choices.items()))).encode())
    with st.spinner("Cutting it into sequences …"):
        sequences = _build(fingerprint, table, choices)
    with st.expander("Scaling numbers"):
        st.dataframe(
            {
                "feature": list(sequences.features),
                "centre": sequences.scaling.centre,
                "scale": sequences.scaling.scale,
            },
            hide_index=True,
        )
        st.caption("drawn = (value − centre) / scale")
    return Chosen(sequences, fingerprint)


def ask_opening(data: bytes, name: str, digest: str) -> tuple[Table, str]:
    """Open a table as the reader finds it or as it is told to, and show how; the second is the same for the same."""
    with st.expander("How it was read"):
        found = st.container()
        told = tuple(sorted(_ask_dialect(digest).items()))
    opened = digest_of(repr((digest, name, told)).encode())
    table = long_work("reading", f"Reading {plain(name)}", opened, lambda said: _open(digest, name, told, data, said))
    found.caption(plain(table.dialect.describe()))
    found.dataframe(table.preview(6), hide_index=True)
    return table, opened


def _ask_dialect(digest: str) -> dict[str, Any]:
    """What the reader is told instead of finding it; a choice belongs to one file."""
    told: dict[str, Any] = {}
    for argument, options in DIALECT.items():
        names = {None: "found by itself", **options}
        choice = st.selectbox(
            CONTROLS[argument], list(names), format_func=names.__getitem__, key=f"{argument}_{digest[:6]}"
        )
        if choice is not None:
            told[argument] = choice
    return told


def ask_columns(table: Table) -> dict[str, Any]:
    """Which columns play which part, as the arguments of ``Table.sequences``.

    Raises:
        SequenceError: no column is read.
    """
    key = digest_of(repr([c.name for c in table.columns]).encode())[:6]
    suggested = table.suggested
    numbers = [c.name for c in table.columns if c.kind == "number"]
    words = [c.name for c in table.columns if c.kind == "text"]
    names = [c.name for c in table.columns]
    start = list(suggested.features[:MOST_CHOSEN])
    features = st.multiselect(CONTROLS["features"], numbers, default=start, key=f"features_{key}", bind="query-params")
    if len(suggested.features) > MOST_CHOSEN:
        st.caption(
            f"{MOST_CHOSEN} of {len(suggested.features):,} columns of numbers to begin with; choose others above."
        )
    roles: dict[str | None, str] = {None: "none", **{name: name for name in names}}
    time = pick(CONTROLS["time"], f"time_{key}", roles, list(roles).index(suggested.time))
    identity = pick(CONTROLS["id"], f"id_{key}", roles, list(roles).index(suggested.id))
    one_hot = st.multiselect(CONTROLS["one_hot"], words, key=f"one_hot_{key}", bind="query-params") if words else []
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
    scale = pick(CONTROLS["scale"], f"scale_{key}", SCALES)
    if not features and not one_hot:
        raise SequenceError(
            "features", "no column chosen", "at least one", "Choose a feature, or a text column as one-hot."
        )
    return {
        # The suggestion itself is left to the reader, which then says what it leaves out.
        "features": None if tuple(features) == suggested.features and not one_hot else tuple(features),
        "time": time or False,
        "id": identity or False,
        "one_hot": tuple(one_hot),
        "missing": missing,
        "scale": scale,
    }


@st.cache_resource(max_entries=4, show_spinner=False)
def _open(digest: str, name: str, told: tuple[tuple[str, Any], ...], _data: bytes, _progress: Progress) -> Table:
    return open_table(_data, name=name, progress=_progress, **dict(told))


@st.cache_resource(max_entries=8, show_spinner=False)
def _build(fingerprint: str, _table: Table, _choices: dict[str, Any]) -> Sequences:
    return _table.sequences(**_choices)


def digest_of_upload(upload: UploadedFile) -> str:
    """A name for the bytes of an upload; they are gone through once, not whenever the page runs."""
    known: dict[str, str] = st.session_state.setdefault("digests", {})
    if upload.file_id not in known:
        known[upload.file_id] = digest_of(upload.getvalue())
    return known[upload.file_id]


def digest_of(data: bytes) -> str:
    """A name for bytes: the same for the same."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
