"""What a file of a trained model holds: every recurrent network in it, and what stands before and after each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import ConventionError, FormatError
from gru_viz.weights import Weights

__all__ = ["Check", "Embedding", "FoundModel", "Head", "ModelFile"]


@dataclass(frozen=True, eq=False)
class Embedding:
    """A table that turns a symbol's number into the features that a network reads.

    Attributes:
        name: its path in the file.
        matrix: (symbols, features).
    """

    name: str
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class Head:
    """A linear layer that reads a network's hidden states: answer = weight @ h + bias.

    Attributes:
        name: its path in the file.
        weight: (outputs, units · directions).
        bias: (outputs,); zeros where the file has none.
        activation: what the file says is applied to the answer, such as ``"softmax"``; ``""`` where it says nothing.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    activation: str = ""


@dataclass(frozen=True)
class Check:
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
    check: Check | None = None

    def meant_as(self, convention: str) -> FoundModel:
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
