"""Small trained networks, one for each example with a task; made again by ``python -m gru_viz.pretrained.train``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from gru_viz.errors import GruVizError, TraceError
from gru_viz.trace import Trace
from gru_viz.weights import Weights

__all__ = ["PRETRAINED", "Pretrained", "Training", "load_pretrained", "path_of"]

PRETRAINED = ("impulse", "sine", "square", "sentence")
"""The names of the trained networks; each belongs to the example of that name."""


@dataclass(frozen=True)
class Training:
    """What is known about a trained network.

    Attributes:
        description: what it predicts, and how it was trained, in words.
        features: what it reads.
        outputs: what it predicts.
        alphabet: the characters it reads, in the order of the features; None where it reads numbers.
        measure: what a loss is: ``"mean square error"`` or ``"cross-entropy in nats"``, a step's mean.
        loss: its loss on 200 sequences of 120 steps that it never saw.
        baseline: a naive prediction, in words.
        baseline_loss: the naive prediction's loss on the same sequences.
        steps: how often the weights were updated, by 32 sequences each.
        seed: what the first weights and the sequences were drawn from.
        torch: the version that trained it.
    """

    description: str
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    alphabet: str | None
    measure: str
    loss: float
    baseline: str
    baseline_loss: float
    steps: int
    seed: int
    torch: str


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained network: a GRU of one layer, and a linear head that predicts from its hidden state.

    Attributes:
        name: one of ``PRETRAINED``.
        weights: the GRU, in torch's convention.
        head_weight: (outputs, hidden) read-only.
        head_bias: (outputs,) read-only.
        training: what is known about it.
    """

    name: str
    weights: Weights
    head_weight: np.ndarray
    head_bias: np.ndarray
    training: Training

    def predictions(self, trace: Trace) -> np.ndarray:
        """Predict at every step, (batch, time, outputs): numbers, or a score for each character.

        NaN past the end of a sequence.

        Raises:
            TraceError: the trace has another number of units, several layers or two directions.
        """
        hidden = trace.hidden
        if hidden.shape[-1] != self.weights.hidden:
            found, wanted = f"a trace of {hidden.shape[-1]} units", f"{self.weights.hidden}, as the network has"
            remedy = "Pass a trace of this network's weights."
            raise TraceError(f"predictions of {self.name!r}", found, wanted, remedy)
        return hidden @ self.head_weight.T + self.head_bias

    def top_predictions(self, trace: Trace, most: int = 3) -> tuple[tuple[str, ...], ...]:
        """The most likely next characters at every step of every sequence, in words."""
        words = []
        for scores, n in zip(self.predictions(trace), trace.lengths, strict=True):
            shares = np.exp(scores[:n] - scores[:n].max(1, keepdims=True))
            shares /= shares.sum(1, keepdims=True)
            best = np.argsort(-shares, 1)[:, :most]
            words.append(
                tuple(
                    ", ".join(f"{self.training.outputs[j]} {row[j]:.0%}" for j in picked)
                    for row, picked in zip(shares, best, strict=True)
                )
            )
        return tuple(words)


@cache
def load_pretrained(name: str) -> Pretrained:
    """Load a trained network by name; the second call gives the same object.

    Raises:
        GruVizError: no network has that name.

    Example:
        >>> network = load_pretrained("impulse")
        >>> network.weights.features, network.training.outputs, network.training.loss < 0.01
        (3, ('stored value',), True)
    """
    if name not in PRETRAINED:
        raise GruVizError("load_pretrained", repr(name), f"one of {', '.join(PRETRAINED)}", "Choose one of these.")
    with safe_open(path_of(name), "np") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, it is no dict
        facts: dict[str, Any] = json.loads(file.metadata()["training"])
    training = Training(**facts | {key: tuple(facts[key]) for key in ("features", "outputs")})
    head = arrays.pop("head_weight"), arrays.pop("head_bias")
    for array in head:
        array.flags.writeable = False
    return Pretrained(name, Weights.from_matrices("torch", arrays, f"trained: {name}"), *head, training)


def path_of(name: str) -> Path:
    """Path of a trained network's file."""
    return Path(__file__).with_name(f"{name}.safetensors")
