"""The result of reading a model file: its recurrent networks, each with its embeddings and linear heads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from gru_viz.conventions import convention as lookup
from gru_viz.errors import ConventionError, FormatError, TraceError, one_line
from gru_viz.formats.activations import activate
from gru_viz.formats.layer_chain import NO_LAYERS, LayerChain
from gru_viz.sequences import Scaling
from gru_viz.trace import Trace
from gru_viz.weights import Weights

__all__ = ["Embedding", "FoundModel", "FrameworkCheck", "Head", "ModelFile"]


@dataclass(frozen=True, eq=False)
class Embedding:
    """An embedding matrix: row k is the feature vector of symbol k.

    Attributes:
        name: its path in the file.
        matrix: (symbols, features).
        masks_zero: whether the model passes over the steps with symbol 0.
    """

    name: str
    matrix: np.ndarray
    masks_zero: bool = False


@dataclass(frozen=True, eq=False)
class Head:
    """A linear layer on top of a network: activation(weight @ x + bias), where x is h, or what ``below`` makes of it.

    Attributes:
        name: its path in the file.
        weight: (outputs, inputs); of h, the inputs are units · directions.
        bias: (outputs,); zeros where the file has none.
        activation: its activation as the file names it, such as ``"softmax"``; ``""`` where the file names none.
        below: the layers between the network and this one.
        hidden: whether another linear layer reads it, so that it is not the model's answer.
        assumed: what of ``below`` the file does not say and was assumed, in words; ``""`` if nothing.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    activation: str = ""
    below: LayerChain = NO_LAYERS
    hidden: bool = False
    assumed: str = ""

    @property
    def inputs(self) -> int:
        """How many hidden values of a network it reads, directly or through the layers below."""
        return self.below.inputs or self.weight.shape[1]

    def outputs(self, trace: Trace) -> np.ndarray:
        """Compute the layer's outputs at every step of a trace.

        Args:
            trace: of the network below; the hidden states of its top layer are read, forward direction first.

        Returns:
            (batch, time, outputs).

        Raises:
            TraceError: the top layer has another number of hidden values, or the activation is unknown.

        Example:
            >>> import torch, gru_viz
            >>> head = Head("out", np.ones((1, 2), np.float32), np.zeros(1, np.float32))
            >>> head.outputs(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1)))).shape
            (1, 3, 1)
        """
        hidden = np.concatenate([run.quantities["hidden"] for run in trace.layers[-1].directions], -1)
        if self.inputs != hidden.shape[-1]:
            raise TraceError(
                f"head {self.name!r}",
                f"{self.inputs:,} inputs",
                f"{hidden.shape[-1]:,}, the hidden values of the top layer",
                "Choose the head that belongs to this network.",
            )
        try:
            return activate(self.activation, self.below.transform(hidden) @ self.weight.T + self.bias)
        except FormatError as error:
            raise TraceError(f"head {self.name!r}: {error.where}", error.found, error.wanted, error.remedy) from error


@dataclass(frozen=True)
class FrameworkCheck:
    """The comparison of gru_viz with the file's own framework on a random input.

    Attributes:
        framework: its name and version, such as ``"onnxruntime 1.31.1"``.
        difference: the largest absolute difference of the hidden states.
        bound: the largest difference that rounding can cause.
    """

    framework: str
    difference: float
    bound: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the bound."""
        return self.difference <= self.bound


@dataclass(frozen=True, eq=False)
class FoundModel:
    """A recurrent network found in a file, with all its layers and directions.

    Attributes:
        name: its path in the file, such as ``"encoder.rnn"``; ``""`` for a file of this network alone.
        weights: its matrices, in the convention of the file.
        embeddings: the file's embeddings that fit its features, likeliest first.
        heads: the file's linear layers that fit its hidden states, likeliest first.
        alternatives: names of other conventions that the same matrices fit.
        notices: what was assumed, in sentences.
        before: the layers in front of it, which ``fit`` applies to sequences.
        fronts: what ``before`` may be, likeliest first, where the file does not say what stands in front.
        unapplied: what stands in front of it and cannot be applied, in words; ``""`` if nothing.
        assumed: what the file does not say and was assumed, in words; ``""`` if nothing that changes the states.
        scalings: the numbers beside the weights by which inputs may have been scaled in training, by their name in the
            file, likeliest first.
        readings: the weights in each of ``alternatives`` that is no other convention of the same matrices.
        checker: makes ``check``; None where the file's framework cannot run it.
    """

    name: str
    weights: Weights
    embeddings: tuple[Embedding, ...] = ()
    heads: tuple[Head, ...] = ()
    alternatives: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    before: LayerChain = NO_LAYERS
    fronts: tuple[LayerChain, ...] = ()
    unapplied: str = ""
    assumed: str = ""
    scalings: Mapping[str, Scaling] = field(default_factory=dict, repr=False)
    readings: Mapping[str, Weights] = field(default_factory=dict, repr=False)
    checker: Callable[[], FrameworkCheck | None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", one_line(self.name))
        object.__setattr__(self, "notices", tuple(map(one_line, self.notices)))

    @cached_property
    def check(self) -> FrameworkCheck | None:
        """gru_viz compared with the file's framework, on first use; None where that cannot run."""
        return self.checker() if self.checker else None

    @property
    def features(self) -> int:
        """How many numbers the model reads at each step: the network, or the layers in front of it."""
        return self.before.inputs or self.weights.features

    def with_front(self, before: LayerChain) -> FoundModel:
        """The network behind other layers, one of ``fronts``."""
        return self if before is self.before else replace(self, before=before, checker=None)

    def title_of(self, reading: str) -> str:
        """A reading of its matrices in words: its own convention, or one of ``alternatives``."""
        name, begin, rest = reading.partition(" (")
        return lookup(name).title + begin + rest

    def read_as(self, convention: str) -> FoundModel:
        """The same matrices read in another convention, one of ``alternatives``; the result has no ``check``."""
        if convention in self.readings:
            return replace(self, weights=self.readings[convention], checker=None)
        kind = lookup(convention)
        if kind == self.weights.convention:
            return self
        try:
            layers = [[cell.matrices for cell in layer] for layer in self.weights.layers]
            weights = Weights.from_matrices(kind, layers, self.weights.origin)
        except ConventionError:  # the convention has biases that these matrices lack
            weights = self.weights.read_as(kind)
        return replace(self, weights=weights, checker=None)


Format = Literal["PyTorch", "safetensors", "NPZ", "Keras", "ONNX"]


@dataclass(frozen=True)
class ModelFile:
    """A model file, read as data: no code in it was run.

    Attributes:
        name: the file's name.
        format: detected from its content.
        models: its recurrent networks, in the file's order.
        notices: what was left out or assumed, in sentences.
    """

    name: str
    format: Format
    models: tuple[FoundModel, ...]
    notices: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the networks."""
        return tuple(model.name for model in self.models)

    def model(self, name: str | None = None) -> FoundModel:
        """Return one network.

        Args:
            name: its name or the end of its name; may be None if the file has only one network.

        Raises:
            FormatError: no network or several match.
        """
        if name is None and len(self.models) == 1:
            return self.models[0]
        for model in self.models:
            if model.name == name:
                return model
        ending = [model for model in self.models if name and re.search(rf"[./:|_-]{re.escape(name)}$", model.name)]
        if len(ending) == 1:
            return ending[0]
        known = ", ".join(repr(each) for each in self.names)
        found = f"{len(self.models)} networks" if name is None else f"no network {name!r}"
        raise FormatError(self.name, found, f"the name of one: {known}", "Choose one of these names.")
