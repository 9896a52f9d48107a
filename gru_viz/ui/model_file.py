"""A trained model of the visitor's own: its file, which network in it, and how it meets the sequences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import FormatError
from gru_viz.formats import Check, Embedding, FoundModel, Head, ModelFile, fit, read_model
from gru_viz.sequences import Sequences
from gru_viz.ui.messages import plain
from gru_viz.ui.sequence_choice import Chosen, digest_of
from gru_viz.ui.widgets import pick
from gru_viz.weights import Weights

__all__ = ["FromFile", "choose_network"]

MAX_BYTES = 400 * 2**20
"""What the server takes; ``server.maxUploadSize``."""
MOST_OUTPUTS = 256
CELLS = {"gru": "GRU", "lstm": "LSTM", "rnn": "tanh RNN"}
LETTERS = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}


@dataclass(frozen=True)
class FromFile:
    """A network of an uploaded file, by what names it.

    Attributes:
        digest: of the file.
        file: its name.
        network: the network's path in it.
        convention: what its matrices are taken to be.
        embedding, head: their paths; empty for none.
        alphabet: the characters it reads, in order; empty where the sequences are not text.
    """

    digest: str
    file: str
    network: str
    convention: str
    embedding: str = ""
    head: str = ""
    alphabet: str = ""

    @property
    def found(self) -> FoundModel:
        """What the file says of it."""
        return _read(self.digest, self.file, _bytes_of(self.digest)).model(self.network)

    @property
    def weights(self) -> Weights:
        """Its matrices, as they are taken."""
        return self.found.meant_as(self.convention).weights

    @property
    def checked(self) -> Check | None:
        """What the file's own framework says on a probe, of the matrices as they are taken."""
        return self.found.meant_as(self.convention).check

    @property
    def answers_by(self) -> Head | None:
        """The linear layer whose answers are drawn."""
        return next((head for head in self.found.heads if head.name == self.head), None)

    def fit(self, chosen: Chosen) -> Chosen:
        """The sequences as this network reads them.

        Raises:
            FormatError: they do not fit it.
        """
        fitted = _fit(self, chosen.fingerprint, chosen)
        return replace(chosen, sequences=fitted, fingerprint=digest_of(repr((chosen.fingerprint, self)).encode()))


def choose_network(chosen: Chosen) -> FromFile | None:
    """Ask for a file, and for what is open in it; None while there is no file yet.

    Raises:
        FormatError: the file cannot be read.
    """
    upload = st.file_uploader("PyTorch, safetensors, ONNX, Keras or NPZ", key="model_file")
    if upload is None:
        st.caption("Files are read as data; nothing in them is run. Until there is one, random weights are shown.")
        return None
    if upload.size > MAX_BYTES:
        size, wanted = f"{upload.size / 2**20:,.0f} MiB", f"at most {MAX_BYTES / 2**20:.0f} MiB on this page"
        raise FormatError(upload.name, size, wanted, "Use gru_viz.read_model in a notebook.")
    data = upload.getvalue()
    digest = digest_of(data)
    _keep_bytes(digest, data)
    with st.spinner("Looking for recurrent networks …"):
        file = _read(digest, upload.name, data)
    network = file.names[0]
    if len(file.names) > 1:
        named = {model.name: f"{model.name or 'the file itself'}: {describe(model.weights)}" for model in file.models}
        network = pick("Network", f"network_{digest[:6]}", named)
    found = file.model(network)
    return _ask(FromFile(digest, upload.name, network, found.weights.convention.name), found, file, chosen)


def describe(weights: Weights) -> str:
    """A network in a few words: its cell, layers, units and directions.

    Example:
        >>> from gru_viz.initialisation import random_weights
        >>> describe(random_weights("torch", 3, 16, layers=2, bidirectional=True))
        'GRU, 2 layers of 16 units, both ways'
    """
    units = ", ".join(map(str, dict.fromkeys(weights.units)))
    layers = f"{len(weights.layers)} layers of {units}" if len(weights.layers) > 1 else units
    both = ", both ways" if weights.bidirectional else ""
    return f"{CELLS[weights.convention.cell]}, {layers} units{both}"


def _ask(taken: FromFile, found: FoundModel, file: ModelFile, chosen: Chosen) -> FromFile:
    """What the file leaves open."""
    key, weights = taken.digest[:6], found.weights
    count = weights.features
    reads = f"reads {count} feature{'s' * (count != 1)} a step"
    st.caption(plain(f"{describe(weights)}; {reads}. {file.format}."))
    if found.alternatives:
        names = (weights.convention.name, *found.alternatives)
        meant = pick("Its matrices are", f"meant_{key}", {name: CONVENTIONS[name].title for name in names})
        taken = replace(taken, convention=meant)
    text = "alphabet" in chosen.sequences.details
    embedding = _likeliest_embedding(found, chosen, text)
    if embedding:
        taken = replace(taken, embedding=embedding.name)
    symbols = len(embedding.matrix) if embedding else count
    if text and symbols != len(chosen.sequences.features):
        own = "".join(sorted(chosen.sequences.details["alphabet"]))
        written = st.text_input(
            f"Its {symbols} characters, in the order in which it learnt them",
            value=own if embedding else "",
            key=f"alphabet_{key}",
            help=r"Write \n for a line's end and \t for a tab.",
        )
        if written == own:
            st.caption("These are the text's own, sorted. The answers mean something once they are the network's.")
        for mark, letter in LETTERS.items():
            written = written.replace(mark, letter)
        taken = replace(taken, alphabet=written)
    heads = [head for head in found.heads if len(head.weight) <= MOST_OUTPUTS]
    if heads:
        said = {head.name: f"{head.name}: {len(head.weight)} output{'s' * (len(head.weight) != 1)}" for head in heads}
        taken = replace(taken, head=pick("Its answers are read by", f"head_{key}", {**said, "": "nothing"}))
    if len(heads) < len(found.heads):
        st.caption(f"Layers of more than {MOST_OUTPUTS} outputs are not drawn here.")
    notices = (*file.notices, *found.notices)
    if notices:
        with st.expander(f"Noticed in the file ({len(notices)})"):
            st.markdown("\n".join(f"- {plain(notice)}" for notice in notices))
    return taken


def _likeliest_embedding(found: FoundModel, chosen: Chosen, text: bool) -> Embedding | None:
    """The embedding to go through, where the sequences cannot be read without one."""
    if not found.embeddings or (not text and len(chosen.sequences.features) == found.weights.features):
        return None
    return found.embeddings[0]


def _keep_bytes(digest: str, data: bytes) -> None:
    """Keep the file, and those of the view and the choice before it, which stay while it is refused."""
    before: list[Any] = [st.session_state.get("last_model"), *(st.session_state.get("last_shown") or ())]
    needed = {digest, *(each.file.digest for each in before if getattr(each, "file", None))}
    kept: dict[str, bytes] = st.session_state.get("model_bytes", {}) | {digest: data}
    st.session_state["model_bytes"] = {each: kept[each] for each in needed}


def _bytes_of(digest: str) -> bytes:
    kept: dict[str, bytes] = st.session_state["model_bytes"]
    return kept[digest]


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(digest: str, name: str, _data: bytes) -> ModelFile:
    return read_model(_data, name)


@st.cache_resource(max_entries=8, show_spinner=False)
def _fit(taken: FromFile, fingerprint: str, _chosen: Chosen) -> Sequences:
    found = taken.found
    embedding = next((each for each in found.embeddings if each.name == taken.embedding), None)
    alone = replace(found, embeddings=(embedding,) if embedding else ())
    return fit(alone, _chosen.sequences, taken.alphabet or None)
