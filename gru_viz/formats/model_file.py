"""What a file of a trained model holds: every recurrent network in it, and what stands before and after each."""

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
    """A probe run through the file's own framework and through gru_viz.

    Attributes:
        framework: which ran, with its version, such as ``"onnxruntime 1.31.1"``.
        difference: the largest absolute difference of the hidden states.
        bound: the largest that is still rounding.
    """

    framework: str
    difference: float
    bound: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is within its bound."""
        return self.difference <= self.bound


@dataclass(frozen=True, eq=False)
class FoundModel:
    """A recurrent network found in a file: stacked and bidirectional layers assembled.

    Attributes:
        name: its path in the file, such as ``"encoder.rnn"``; ``""`` where the file is the network itself.
        weights: its matrices, in the convention of the file.
        embeddings: tables in the same file whose rows are as wide as its input, the likeliest first.
        heads: linear layers in the same file that can read its hidden states, the likeliest first.
        alternatives: names of other conventions that the same matrices could be meant in.
        notices: what was assumed, in sentences for a person.
        check: the file's framework against gru_viz on a probe; None where that framework is not installed.
    """

    name: str
    weights: Weights
    embeddings: tuple[Embedding, ...] = ()
    heads: tuple[Head, ...] = ()
    alternatives: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    check: FrameworkCheck | None = None

    def read_as(self, convention: str) -> FoundModel:
        """The same matrices, taken to be meant in one of ``alternatives``; what the check said holds no longer."""
        kind = CONVENTIONS[convention]
        if kind == self.weights.convention:
            return self
        try:
            layers = [[cell.matrices for cell in layer] for layer in self.weights.layers]
            weights = Weights.from_matrices(kind, layers, self.weights.origin)
        except ConventionError:  # it has other biases, of which these matrices have none
            weights = self.weights.read_as(kind)
        return replace(self, weights=weights, check=None)


Format = Literal["PyTorch", "safetensors", "NPZ", "Keras", "ONNX"]


@dataclass(frozen=True)
class ModelFile:
    """A file of a trained model, read as data; nothing in it was run.

    Attributes:
        name: the file's.
        format: what it is, found from its content.
        models: every recurrent network in it, by their order in the file.
        notices: what holds for the file as a whole.
    """

    name: str
    format: Format
    models: tuple[FoundModel, ...]
    notices: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The paths of the networks."""
        return tuple(model.name for model in self.models)

    def model(self, name: str | None = None) -> FoundModel:
        """The network of a name, or of a name that ends so; without one, the only network.

        Raises:
            FormatError: there are several and no name, or none of that name.
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
        raise FormatError(self.name, found, f"the name of one: {known}", "Name one of these.")
