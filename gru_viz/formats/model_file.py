"""The result of reading a model file: its recurrent networks, each with its embeddings and linear heads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import ConventionError, FormatError, TraceError
from gru_viz.trace import Trace
from gru_viz.weights import Weights

__all__ = ["Embedding", "FoundModel", "FrameworkCheck", "Head", "ModelFile"]


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


ACTIVATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {
        "": lambda logits: logits,
        "linear": lambda logits: logits,
        "softmax": _softmax,
        "sigmoid": lambda logits: (1 + np.tanh(logits / 2)) / 2,
        "tanh": np.tanh,
        "relu": lambda logits: np.maximum(logits, 0),
    }
)


@dataclass(frozen=True, eq=False)
class Embedding:
    """An embedding matrix: row k is the feature vector of symbol k.

    Attributes:
        name: its path in the file.
        matrix: (symbols, features).
    """

    name: str
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class Head:
    """A linear layer on top of a network: activation(weight @ h + bias).

    Attributes:
        name: its path in the file.
        weight: (outputs, units · directions).
        bias: (outputs,); zeros where the file has none.
        activation: its activation as the file names it, such as ``"softmax"``; ``""`` where the file names none.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    activation: str = ""

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
        if self.weight.shape[1] != hidden.shape[-1]:
            raise TraceError(
                f"head {self.name!r}",
                f"{self.weight.shape[1]:,} inputs",
                f"{hidden.shape[-1]:,}, the hidden values of the top layer",
                "Choose the head that belongs to this network.",
            )
        if self.activation not in ACTIVATIONS:
            known = ", ".join(name for name in ACTIVATIONS if name)
            remedy = "Give it activation='' to see what goes into the activation."
            raise TraceError(f"head {self.name!r}", f"the activation {self.activation!r}", f"one of {known}", remedy)
        return ACTIVATIONS[self.activation](hidden @ self.weight.T + self.bias)


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
        check: gru_viz compared with the file's framework; None where that cannot run.
    """

    name: str
    weights: Weights
    embeddings: tuple[Embedding, ...] = ()
    heads: tuple[Head, ...] = ()
    alternatives: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    check: FrameworkCheck | None = None

    def read_as(self, convention: str) -> FoundModel:
        """The same matrices read in another convention, one of ``alternatives``; the result has no ``check``."""
        kind = CONVENTIONS[convention]
        if kind == self.weights.convention:
            return self
        try:
            layers = [[cell.matrices for cell in layer] for layer in self.weights.layers]
            weights = Weights.from_matrices(kind, layers, self.weights.origin)
        except ConventionError:  # the convention has biases that these matrices lack
            weights = self.weights.read_as(kind)
        return replace(self, weights=weights, check=None)


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
