"""Choice 2, the model: pretrained for the example, random, from a file or from a training run; and where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.formats import Head
from gru_viz.initialisation import INITIALISATIONS, random_weights
from gru_viz.pretrained import load_pretrained
from gru_viz.sequences import EXAMPLES
from gru_viz.trace import BackendName
from gru_viz.ui.messages import UNCHANGED, plain, showing_errors
from gru_viz.ui.resources import store, task_of
from gru_viz.ui.sequence_choice import SequenceChoice, SnapshotRef
from gru_viz.ui.uploaded_model import UploadedModel, choose_uploaded_model
from gru_viz.ui.widgets import ask_number, pick, switch
from gru_viz.weights import Weights

__all__ = ["ModelChoice", "choose_model"]

WEIGHTS = {"trained": "Pretrained", "random": "Random", "file": "File"}
BACKENDS = {
    "auto": "auto",
    "compiled": "compiled kernels (numba)",
    "torch": "torch.nn",
    "loop": "numpy, step by step",
    "scratch": "reference equations, step by step",
}
MAX_UNITS, MAX_LAYERS = 1024, 8


@dataclass(frozen=True)
class ModelChoice:
    """Everything that decides a network and where it runs; equal choices always produce equal numbers.

    Attributes:
        trained: name of the pretrained network, or None.
        variant, units, layers, bidirectional, seed, initialisation, dtype: of random weights.
        backend, device: where it runs.
        snapshot: the training snapshot it is, or None.
        file: the uploaded model it is, or None.
    """

    trained: str | None = None
    variant: str = "torch"
    units: int = 16
    layers: int = 1
    bidirectional: bool = False
    seed: int = 0
    initialisation: str = "torch"
    backend: BackendName = "auto"
    device: str = "cpu"
    dtype: str = "float32"
    snapshot: SnapshotRef | None = None
    file: UploadedModel | None = None

    @property
    def output_layer(self) -> Head | None:
        """The output layer whose predictions are drawn, of an uploaded model."""
        return self.file.output_layer if self.file else None

    @property
    def outputs(self) -> int:
        """How many rows its predictions take in the view."""
        return len(self.output_layer.weight) if self.output_layer else 0

    def weights(self, features: int) -> Weights:
        """The network, for sequences of so many features."""
        if self.snapshot:
            return _snapshot_weights(self.snapshot)
        if self.file:
            return self.file.weights
        return load_pretrained(self.trained).weights if self.trained else _random(self, features)

    def fit(self, sequences: SequenceChoice) -> SequenceChoice:
        """The sequences as the network reads them.

        Raises:
            GruVizError: they do not fit it.
        """
        return self.file.fit(sequences) if self.file else sequences


@st.cache_resource(max_entries=32, show_spinner=False)
def _snapshot_weights(snapshot: SnapshotRef) -> Weights:
    from gru_viz.training.runs import trained_network

    return trained_network(store(), snapshot.run, snapshot.lane, task_of(snapshot.run), snapshot.update).weights()


@st.cache_resource(max_entries=32, show_spinner=False)
def _random(model: ModelChoice, features: int) -> Weights:
    shape = model.units, model.layers, model.bidirectional
    return random_weights(model.variant, features, *shape, model.seed, model.initialisation, model.dtype)


def choose_model(sequences: SequenceChoice) -> ModelChoice:
    """Ask for the model in the sidebar; if its file cannot be read, show the error and return the previous model."""
    model = None
    with showing_errors(UNCHANGED), st.sidebar:
        st.header("2 Model", anchor=False)
        model = _choose(sequences)
    if model is None:
        previous: ModelChoice = st.session_state.get("last_model") or ModelChoice()
        return previous
    st.session_state["last_model"] = model
    return model


def _choose(sequences: SequenceChoice) -> ModelChoice:
    if sequences.snapshot:
        lane, update = sequences.snapshot.lane, sequences.snapshot.update
        st.caption(f"{plain(lane)} after {update:,} training updates.")
        return _ask(snapshot=sequences.snapshot)
    fitting = EXAMPLES[sequences.example].pretrained if sequences.example else None
    options = {key: label for key, label in WEIGHTS.items() if fitting or key != "trained"}
    kind = switch("Weights", "weights" if fitting else "own_weights", options)
    if kind == "file":
        return _ask(file=choose_uploaded_model(sequences))
    trained = fitting if kind == "trained" else None
    if trained:
        summary, _, how = load_pretrained(trained).training.description.partition(". ")
        st.caption(f"{summary.removesuffix('.')}.", help=how or None)
    return _ask(trained=trained)


def _ask(**source: Any) -> ModelChoice:
    """Ask where the model runs; and, without a source of weights, which random ones."""
    options = {} if any(source.values()) else _ask_random()
    with st.expander("Computation"):
        if options:
            options["initialisation"] = pick("Weight initialisation", "initialisation", INITIALISATIONS)
        options["backend"] = pick("Backend", "backend", BACKENDS)
        options["device"] = pick("Device", "device", {"cpu": "CPU", "cuda": "CUDA"})
        if "units" in options:
            options["dtype"] = pick("Precision", "precision", {"float32": "float32", "float64": "float64"})
    return ModelChoice(**source, **options)


def _ask_random() -> dict[str, Any]:
    options: dict[str, Any] = {"variant": _ask_variant()}
    left, right = st.columns(2)
    options["units"] = ask_number("Units", "units", 1, MAX_UNITS, 16, left)
    options["layers"] = ask_number("Layers", "layers", 1, MAX_LAYERS, 1, left)
    options["seed"] = ask_number("Seed", "seed", 0, 2**31 - 1, 0, right)
    with right:
        options["bidirectional"] = pick("Direction", "both_ways", {False: "forward", True: "bidirectional"})
    return options


def _ask_variant() -> str:
    name = pick("Variant", "variant", {name: each.title for name, each in CONVENTIONS.items()})
    kind = CONVENTIONS[name]
    if kind.cell == "gru":
        effect = {"keeps": "the previous state", "takes": "the candidate"}[kind.update or "keeps"]
        biases = ("no bias", "one bias per gate", "two biases per gate")[kind.biases]
        st.caption(f"Reset gate {kind.reset} the recurrent product; z = 1 selects {effect}; {biases}.")
    return name
