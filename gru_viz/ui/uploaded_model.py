"""A trained model in an uploaded file: which network in it, and how the sequences are fed to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from gru_viz.errors import FormatError
from gru_viz.formats import Embedding, FoundModel, FrameworkCheck, Head, ModelFile, fit, read_model
from gru_viz.sequences import Sequences
from gru_viz.ui.messages import plain, show_notices
from gru_viz.ui.sequence_choice import SequenceChoice
from gru_viz.ui.table_choice import digest_of
from gru_viz.ui.widgets import pick
from gru_viz.weights import Weights

__all__ = ["UploadedModel", "choose_uploaded_model", "describe"]

MAX_BYTES = 400 * 2**20
"""The server's limit, ``server.maxUploadSize``."""
MAX_OUTPUTS = 256
OWN_SCALINGS = ("standardise", "minmax", "robust")
"""The scalings by a table's own statistics."""
ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}


@dataclass(frozen=True)
class UploadedModel:
    """A network of an uploaded file.

    Attributes:
        digest: of the file.
        file: its name.
        network: the network's path in it.
        convention: how its matrices are interpreted.
        embedding, head: their paths; empty for none.
        alphabet: the characters it reads, in order; empty where the sequences are not text.
        front: which of the layers that may stand in front of it do, counted from 0.
        scaling: the numbers in the file by which the sequences are scaled; empty for their own scaling.
    """

    digest: str
    file: str
    network: str
    convention: str
    embedding: str = ""
    head: str = ""
    alphabet: str = ""
    front: int = 0
    scaling: str = ""

    @property
    def found(self) -> FoundModel:
        """The network as the file describes it, behind the layers that were chosen."""
        found = _read(self.digest, self.file, _bytes_of(self.digest)).model(self.network)
        return found.with_front(found.fronts[self.front]) if self.front else found

    @property
    def weights(self) -> Weights:
        """Its matrices, under its convention."""
        return self.found.read_as(self.convention).weights

    @property
    def check(self) -> FrameworkCheck | None:
        """How far these weights agree with the file's own framework on random inputs."""
        return self.found.read_as(self.convention).check

    @property
    def output_layer(self) -> Head | None:
        """The linear layer whose outputs are drawn."""
        return next((head for head in self.found.heads if head.name == self.head), None)

    def fit(self, choice: SequenceChoice) -> SequenceChoice:
        """The sequences as this network reads them.

        Raises:
            FormatError: they do not fit it.
        """
        fitted = _fit(self, choice.fingerprint, choice)
        scaled = "" if _is_text(choice) or self.embedding else choice.sequences.scaling.method
        return replace(
            choice,
            sequences=fitted,
            fingerprint=digest_of(repr((choice.fingerprint, self)).encode()),
            scaled="training" if self.scaling else scaled,
        )

    def doubts(self, scaled: str) -> list[str]:
        """What may make its inputs or states other than those of the model in use, each in a few words."""
        found, doubts = self.found, list[str]()
        if scaled in OWN_SCALINGS:
            doubts.append("scaled by this file, not by your training")
        if found.unapplied:
            doubts.append(f"in front of it and not applied: {found.unapplied}")
        if found.assumed and self.convention == found.weights.convention.name:
            doubts.append(found.assumed)
        return doubts


def choose_uploaded_model(sequences: SequenceChoice) -> UploadedModel | None:
    """Ask for a file, and for what it leaves open; None while there is no file yet.

    Raises:
        FormatError: the file cannot be read.
    """
    upload = st.file_uploader("PyTorch, safetensors, ONNX, Keras or NPZ", key="model_file")
    if upload is None:
        st.caption("Files are parsed as data; no code in them is executed. Random weights are used until then.")
        return None
    if upload.size > MAX_BYTES:
        size, wanted = f"{upload.size / 2**20:,.0f} MiB", f"at most {MAX_BYTES / 2**20:.0f} MiB on this page"
        raise FormatError(upload.name, size, wanted, "Use gru_viz.read_model in a notebook.")
    data = upload.getvalue()
    digest = digest_of(data)
    _store_bytes(digest, data)
    with st.spinner("Searching for recurrent layers …"):
        file = _read(digest, upload.name, data)
    network = file.names[0]
    if len(file.names) > 1:
        named = {model.name: f"{model.name or 'whole file'}: {describe(model.weights)}" for model in file.models}
        network = pick("Network", f"network_{digest[:6]}", named)
    found = file.model(network)
    model = UploadedModel(digest, upload.name, network, found.weights.convention.name)
    model = _ask(model, found, file, sequences)
    notices = (*file.notices, *found.notices)
    show_notices(f"Notes on the file ({len(notices)})", notices)
    return model


def describe(weights: Weights) -> str:
    """A network in a few words, such as 'GRU, 2 layers of 16 units, bidirectional'."""
    units = ", ".join(map(str, dict.fromkeys(weights.units)))
    layers = f"{len(weights.layers)} layers of {units}" if len(weights.layers) > 1 else units
    both = ", bidirectional" if weights.bidirectional else ""
    return f"{weights.convention.cell_title}, {layers} units{both}"


def _ask(model: UploadedModel, found: FoundModel, file: ModelFile, sequences: SequenceChoice) -> UploadedModel:
    """Ask for what the file leaves open."""
    key, count = model.digest[:6], found.features
    st.caption(plain(f"{describe(found.weights)}; {count} input feature{'s' * (count != 1)}. {file.format}."))
    if found.alternatives:
        names = (found.weights.convention.name, *found.alternatives)
        convention = pick("Weights interpreted as", f"meant_{key}", {name: found.title_of(name) for name in names})
        model = replace(model, convention=convention)
    at = digest_of(model.network.encode())[:4]
    if found.fronts:
        fronts = {k: str(front) or "nothing" for k, front in enumerate(found.fronts)}
        model = replace(model, front=pick("In front of the network", f"front_{key}{at}", fronts))
        found = found.with_front(found.fronts[model.front])
    if found.scalings and not _is_text(sequences) and len(sequences.sequences.features) == found.features:
        own = {"": "as chosen for the table"}
        numbers = {name: f"by the file: {name}" for name in found.scalings}
        given = sequences.sequences.scaling.method == "given"
        options = {**own, **numbers} if given else {**numbers, **own}
        model = replace(model, scaling=pick("Inputs scaled", f"scaled_{key}{at}", options))
    embedding = _likeliest_embedding(found, sequences)
    if embedding:
        model = replace(model, embedding=embedding.name)
    symbols = len(embedding.matrix) if embedding else count
    if _is_text(sequences) and symbols != len(sequences.sequences.features):
        model = replace(model, alphabet=_ask_alphabet(symbols, sequences, embedding, key))
    heads = [head for head in found.heads if len(head.weight) <= MAX_OUTPUTS]
    if heads:
        named = {head.name: _describe_head(head) for head in heads}
        model = replace(model, head=pick("Output layer", f"head_{key}", {**named, "": "none"}))
    if len(heads) < len(found.heads):
        st.caption(f"Layers with more than {MAX_OUTPUTS} outputs are not drawn here.")
    return model


def _describe_head(head: Head) -> str:
    more = ", a hidden layer" if head.hidden else f" ({head.assumed})" if head.assumed else ""
    return f"{head.name}: {len(head.weight)} output{'s' * (len(head.weight) != 1)}{more}"


def _ask_alphabet(symbols: int, sequences: SequenceChoice, embedding: Embedding | None, key: str) -> str:
    own = "".join(sorted(sequences.sequences.details["alphabet"]))
    written = st.text_input(
        f"The {symbols} characters it was trained with, in order",
        value=own if embedding else "",
        key=f"alphabet_{key}",
        help=r"Write \n for a newline and \t for a tab.",
    )
    if written == own:
        st.caption("This is the text's own alphabet, sorted. Predictions are meaningful only with the model's own.")
    for escape, character in ESCAPES.items():
        written = written.replace(escape, character)
    return written


def _is_text(sequences: SequenceChoice) -> bool:
    return "alphabet" in sequences.sequences.details


def _likeliest_embedding(found: FoundModel, sequences: SequenceChoice) -> Embedding | None:
    """The embedding to use, where the sequences cannot be read without one."""
    fits = not _is_text(sequences) and len(sequences.sequences.features) == found.features
    return None if fits or not found.embeddings else found.embeddings[0]


def _store_bytes(digest: str, data: bytes) -> None:
    """Store the file, and those of the previous view and choice, which stay while it is refused."""
    before: list[Any] = [st.session_state.get("last_model"), *(st.session_state.get("last_choices") or ())]
    needed = {digest, *(each.file.digest for each in before if getattr(each, "file", None))}
    stored: dict[str, bytes] = st.session_state.get("model_bytes", {}) | {digest: data}
    st.session_state["model_bytes"] = {each: stored[each] for each in needed}


def _bytes_of(digest: str) -> bytes:
    stored: dict[str, bytes] = st.session_state["model_bytes"]
    return stored[digest]


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(digest: str, name: str, _data: bytes) -> ModelFile:
    return read_model(_data, name)


@st.cache_resource(max_entries=8, show_spinner=False)
def _fit(model: UploadedModel, fingerprint: str, _choice: SequenceChoice) -> Sequences:
    found = model.found
    embedding = next((each for each in found.embeddings if each.name == model.embedding), None)
    alone = replace(found, embeddings=(embedding,) if embedding else ())
    scaling = found.scalings[model.scaling] if model.scaling else None
    return fit(alone, _choice.sequences, model.alphabet or None, scaling=scaling)
