"""Choice 2, the network: trained for the example, or drawn at random; its variant, its size, where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import streamlit as st

from gru_viz.conventions import CONVENTIONS
from gru_viz.initialisation import INITIALISATIONS, random_weights
from gru_viz.pretrained import load_pretrained
from gru_viz.sequences import EXAMPLES
from gru_viz.trace import Trace, trace
from gru_viz.ui.sequence_choice import Chosen
from gru_viz.weights import Weights

__all__ = ["Model", "choose_model"]

BACKENDS = {"auto": "torch where it has the variant", "torch": "torch.nn", "scratch": "from scratch, step by step"}
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
    backend: Literal["auto", "scratch", "torch"]
    device: str
    dtype: str

    @property
    def states(self) -> int:
        """How many hidden numbers a step has, over all layers and directions."""
        if self.trained:
            return load_pretrained(self.trained).weights.hidden
        return self.units * self.layers * (1 + self.bidirectional)

    def weights(self, features: int) -> Weights:
        """The network, for sequences of so many features."""
        if self.trained:
            return load_pretrained(self.trained).weights
        return random_weights(
            self.variant,
            features,
            self.units,
            self.layers,
            self.bidirectional,
            self.seed,
            self.initialisation,
            self.dtype,
        )

    def trace(self, chosen: Chosen, read_as: str | None = None) -> Trace:
        """Run it over the sequences, if asked with its weights read as another variant."""
        return _trace(self, chosen.fingerprint, read_as, chosen)


@st.cache_resource(max_entries=12, show_spinner="Tracing every gate …")
def _trace(model: Model, fingerprint: str, read_as: str | None, _chosen: Chosen) -> Trace:
    weights = model.weights(len(_chosen.sequences.features))
    backend = model.backend
    if read_as:
        weights, backend = weights.read_as(read_as), "auto"
    return trace(weights, _chosen.sequences, backend=backend, device=model.device)


def choose_model(chosen: Chosen) -> Model:
    """Ask for the network in the sidebar."""
    with st.sidebar:
        st.header("2 Model", anchor=False)
        fitting = EXAMPLES[chosen.example].pretrained if chosen.example else None
        trained = None
        if fitting:
            kind = st.segmented_control(
                "Weights",
                ["trained", "random"],
                format_func={"trained": "Trained for this", "random": "Random"}.__getitem__,
                default="trained",
                required=True,
                key="weights",
                bind="query-params",
                label_visibility="collapsed",
                width="stretch",
            )
            trained = fitting if kind == "trained" else None
        if trained:
            answers, _, how = load_pretrained(trained).description.partition(". ")
            st.caption(f"{answers.removesuffix('.')}.", help=how or None)
        return _ask(trained)


def _ask(trained: str | None) -> Model:
    fixed = bool(trained)
    variant = "torch" if fixed else _variant()
    if not fixed:
        left, right = st.columns(2)
        units = left.number_input("Units", 1, MOST_UNITS, 16, key="units", bind="query-params", persist_state="session")
        seed = right.number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params", persist_state="session")
        layers = left.number_input(
            "Layers", 1, MOST_LAYERS, 1, key="layers", bind="query-params", persist_state="session"
        )
        bidirectional = right.selectbox(
            "Reads",
            [False, True],
            format_func={False: "forward", True: "both ways"}.__getitem__,
            key="both_ways",
            bind="query-params",
            persist_state="session",
        )
    else:
        units, seed, layers, bidirectional = 1, 0, 1, False
    with st.expander("Computation"):
        initialisation = "torch"
        if not fixed:
            initialisation = st.selectbox(
                "Initialisation",
                list(INITIALISATIONS),
                format_func=INITIALISATIONS.__getitem__,
                key="initialisation",
                bind="query-params",
                persist_state="session",
            )
        backend = st.selectbox(
            "Computed by",
            list(BACKENDS),
            format_func=BACKENDS.__getitem__,
            key="backend",
            bind="query-params",
            persist_state="session",
        )
        device = st.selectbox(
            "Device", ["cpu", "cuda"], format_func=str.upper, key="device", bind="query-params", persist_state="session"
        )
        dtype = "float32"
        if not fixed:
            dtype = st.selectbox(
                "Precision", ["float32", "float64"], key="precision", bind="query-params", persist_state="session"
            )
    return Model(
        trained=trained,
        variant=variant,
        units=int(units),
        layers=int(layers),
        bidirectional=bool(bidirectional),
        seed=int(seed),
        initialisation=initialisation,
        backend=cast(Literal["auto", "scratch", "torch"], backend),
        device=device,
        dtype=dtype,
    )


def _variant() -> str:
    name: str = st.selectbox(
        "Variant",
        list(CONVENTIONS),
        format_func=lambda key: CONVENTIONS[key].title,
        key="variant",
        bind="query-params",
        persist_state="session",
    )
    kind = CONVENTIONS[name]
    if kind.cell == "gru":
        means = {"keeps": "keeps the old state", "takes": "takes the new one"}[kind.update or "keeps"]
        biases = ("no bias", "one bias a gate", "two biases a gate")[kind.biases]
        st.caption(f"Reset acts {kind.reset} the product; z = 1 {means}; {biases}.")
    return name
