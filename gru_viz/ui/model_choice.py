"""Choice 2, the network: trained for the example, or drawn at random; its variant, its size, where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import streamlit as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import GruVizError
from gru_viz.initialisation import INITIALISATIONS, random_weights
from gru_viz.pretrained import load_pretrained
from gru_viz.sequences import EXAMPLES
from gru_viz.trace import Backend
from gru_viz.training.runs import learnt
from gru_viz.ui.messages import plain, show_error
from gru_viz.ui.model_file import FromFile, choose_network
from gru_viz.ui.sequence_choice import Chosen, Moment
from gru_viz.ui.widgets import pick, switch
from gru_viz.ui.workshop import store, task_of
from gru_viz.weights import Weights

__all__ = ["Model", "choose_model"]

WEIGHTS = {"trained": "Trained for this", "random": "Random", "file": "A file"}
BACKENDS = {
    "auto": "the fastest that is there",
    "compiled": "compiled kernels (numba)",
    "torch": "torch.nn",
    "loop": "torch's operations, in place",
    "scratch": "from scratch, step by step",
}
MOST_UNITS, MOST_LAYERS = 1024, 8


@dataclass(frozen=True)
class Model:
    """Everything that decides a network and where it runs; the same choices always give the same numbers."""

    trained: str | None
    variant: str
    units: int
    layers: int
    bidirectional: bool
    seed: int
    initialisation: str
    backend: Backend
    device: str
    dtype: str
    snapshot: Moment | None = None
    file: FromFile | None = None

    @property
    def given(self) -> Weights | None:
        """Weights that were learnt, for the example, in a training or elsewhere; None where they are drawn."""
        if self.snapshot:
            return _learnt(self.snapshot)
        if self.file:
            return self.file.weights
        return load_pretrained(self.trained).weights if self.trained else None

    def weights(self, features: int) -> Weights:
        """The network, for sequences of so many features."""
        return self.given or _drawn(self, features)

    def fit(self, chosen: Chosen) -> Chosen:
        """The sequences as the network reads them.

        Raises:
            GruVizError: they do not fit it.
        """
        return self.file.fit(chosen) if self.file else chosen


@st.cache_resource(max_entries=32, show_spinner=False)
def _learnt(moment: Moment) -> Weights:
    network = learnt(store(), moment.run, moment.lane, task_of(moment.run), moment.update)
    assert network is not None  # a snapshot that is not there is an error of the store's
    return network.weights()


@st.cache_resource(max_entries=32, show_spinner=False)
def _drawn(model: Model, features: int) -> Weights:
    return random_weights(
        model.variant,
        features,
        model.units,
        model.layers,
        model.bidirectional,
        model.seed,
        model.initialisation,
        model.dtype,
    )


def choose_model(chosen: Chosen) -> Model:
    """Ask for the network in the sidebar; where its file cannot be read, say why and give the last one that could."""
    model, refused = None, None
    with st.sidebar:
        st.header("2 Model", anchor=False)
        try:
            model = _choose(chosen)
        except GruVizError as error:
            refused = error
    with st.container():  # there with or without a message, so that what follows keeps its place and is not drawn anew
        if refused:
            show_error(refused, "The view below stays as it was.")
    if model is None:
        last: Model = st.session_state.get("last_model") or _drawn_by_default()
        return last
    st.session_state["last_model"] = model
    return model


def _choose(chosen: Chosen) -> Model:
    if chosen.snapshot:
        lane, update = chosen.snapshot.lane, chosen.snapshot.update
        st.caption(f"{plain(lane)} after {update:,} updates of its training.")
        return _ask(None, snapshot=chosen.snapshot)
    fitting = EXAMPLES[chosen.example].pretrained if chosen.example else None
    options = {key: said for key, said in WEIGHTS.items() if fitting or key != "trained"}
    kind = switch("Weights", "weights" if fitting else "own_weights", options)
    if kind == "file":
        return _ask(None, file=choose_network(chosen))
    trained = fitting if kind == "trained" else None
    if trained:
        answers, _, how = load_pretrained(trained).description.partition(". ")
        st.caption(f"{answers.removesuffix('.')}.", help=how or None)
    return _ask(trained)


def _ask(trained: str | None, snapshot: Moment | None = None, file: FromFile | None = None) -> Model:
    drawn = not trained and not snapshot and not file
    variant, units, layers, bidirectional, seed, initialisation, dtype = "torch", 1, 1, False, 0, "torch", "float32"
    if drawn:
        variant = _variant()
        left, right = st.columns(2)
        with left:
            units = _count("Units", "units", 1, MOST_UNITS, 16)
            layers = _count("Layers", "layers", 1, MOST_LAYERS, 1)
        with right:
            seed = _count("Seed", "seed", 0, 2**31 - 1, 0)
            bidirectional = pick("Reads", "both_ways", {False: "forward", True: "both ways"})
    with st.expander("Computation"):
        if drawn:
            initialisation = pick("Initialisation", "initialisation", INITIALISATIONS)
        backend = pick("Computed by", "backend", BACKENDS)
        device = pick("Device", "device", {"cpu": "CPU", "cuda": "CUDA"})
        if drawn:
            dtype = pick("Precision", "precision", {"float32": "float32", "float64": "float64"})
    return Model(
        trained=trained,
        variant=variant,
        units=units,
        layers=layers,
        bidirectional=bidirectional,
        seed=seed,
        initialisation=initialisation,
        backend=cast(Backend, backend),
        device=device,
        dtype=dtype,
        snapshot=snapshot,
        file=file,
    )


def _drawn_by_default() -> Model:
    return Model(None, "torch", 16, 1, False, 0, "torch", "auto", "cpu", "float32")


def _count(label: str, key: str, least: int, most: int, default: int) -> int:
    return int(st.number_input(label, least, most, default, key=key, bind="query-params", persist_state="session"))


def _variant() -> str:
    name = pick("Variant", "variant", {name: each.title for name, each in CONVENTIONS.items()})
    kind = CONVENTIONS[name]
    if kind.cell == "gru":
        means = {"keeps": "keeps the old state", "takes": "takes the new one"}[kind.update or "keeps"]
        biases = ("no bias", "one bias a gate", "two biases a gate")[kind.biases]
        st.caption(f"Reset acts {kind.reset} the product; z = 1 {means}; {biases}.")
    return name
