"""The interface of every task: batches, held-out examples, a loss, a measure, baselines, a probe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence as AbstractSequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from gru_viz.sequences import Sequence

__all__ = ["Baseline", "Examples", "Measure", "Predictions", "Task", "Tensors"]


@dataclass(frozen=True)
class Examples:
    """Input sequences and their targets.

    Attributes:
        x: (batch, time, features) float32; shorter sequences are padded at their end.
        y: targets; with one output per sequence (batch, outputs) float32 or (batch,) int64 classes, with one per step
            (batch, time, outputs) float32 or (batch, time) int64 classes.
        lengths: (batch,) int64 steps of each sequence; None if all are equal.
        counts: (batch, time) bool, which steps enter the loss; None: all. Only with one output per step.
    """

    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray | None = None
    counts: np.ndarray | None = None


@dataclass(frozen=True)
class Measure:
    """A task's own metric, beside the loss.

    Attributes:
        name: its key among a run's measures, such as ``"accuracy"``.
        title: on the page, with its unit.
        better: which direction is better.
    """

    name: str
    title: str
    better: Literal["lower", "higher"]


@dataclass(frozen=True)
class Baseline:
    """A prediction without a network, to compare networks with.

    Attributes:
        title: such as ``"naive baseline"``.
        loss: its held-out loss.
        measure: its held-out measure.
    """

    title: str
    loss: float
    measure: float


@dataclass(frozen=True)
class Predictions:
    """A model's predictions beside the ground truth, ready to be drawn.

    Attributes:
        kind: ``"curves"``, both (steps, names) in original units; ``"scatter"``, both (examples,); ``"classes"``, truth
            (examples,) int and predicted (examples, names) probabilities; ``"symbols"``, both (examples, steps) int
            indices into names, −1 for steps that do not count.
        truth: ground truth.
        predicted: by the model.
        names: of the curves, classes or symbols.
        labels: of the steps or examples; may be empty.
        title: of the chart.
    """

    kind: Literal["curves", "scatter", "classes", "symbols"]
    truth: np.ndarray
    predicted: np.ndarray
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    title: str = ""


class Task(ABC):
    """A task with all its data; the same for every lane and seed except for the batches, which depend on the seed.

    Attributes:
        features: inputs per step.
        outputs: outputs of the network.
        output_at: ``"last"``, one output from the last hidden state; ``"every"``, one per step.
        loss: ``"squared"`` mean squared error; ``"cross_entropy"`` over classes, in nats.
        measure: the task's own metric.
        tokens: time steps per sequence.
        held_out: examples that are never trained on.
        baselines: predictions without a network, the best known first.
        probe: a held-out input sequence whose gates are recorded at each snapshot.
        sentence: the task in one sentence.
        notices: what was left out or assumed of the user's data.
    """

    name: ClassVar[str]
    features: int
    outputs: int
    output_at: Literal["last", "every"]
    loss: Literal["squared", "cross_entropy"]
    measure: Measure
    tokens: int
    held_out: Examples
    baselines: AbstractSequence[Baseline]
    probe: Sequence
    sentence: str
    notices: tuple[str, ...] = ()

    @abstractmethod
    def batch(self, seed: int, update: int, size: int) -> Examples:
        """The training examples of one update: a pure function of its arguments."""

    def losses(self, outputs: Tensor, examples: Tensors) -> Tensor:
        """The mean loss of each model over its own examples.

        Args:
            outputs: (models, batch, outputs), or (models, batch, time, outputs).
            examples: with y (models, batch, …) and counts (models, batch, time) or None.

        Returns:
            (models,) differentiable.
        """
        if self.loss == "squared":
            each = (outputs - examples.y).square().mean(-1)
        else:
            flat = torch.nn.functional.cross_entropy(
                outputs.reshape(-1, outputs.shape[-1]), examples.y.reshape(-1), reduction="none"
            )
            each = flat.view(examples.y.shape)
        each = each.flatten(1)
        if examples.counts is None:
            return each.mean(1)
        counts = examples.counts.flatten(1)
        return torch.where(counts, each, each.new_zeros(())).sum(1) / counts.sum(1)

    def measured(self, loss: float, outputs: np.ndarray) -> float:
        """Compute the task's measure on the held-out examples; unless overridden, the accuracy.

        Args:
            loss: held-out loss.
            outputs: of the network, (batch, outputs) or (batch, time, outputs).
        """
        return float((outputs.argmax(-1) == self.held_out.y).mean())

    @abstractmethod
    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        """Predict some held-out examples.

        Args:
            predict: runs the network: examples → (batch, outputs) or (batch, time, outputs).
        """


@dataclass(frozen=True)
class Tensors:
    """``Examples`` of several models on a device, with a leading axis of models."""

    x: Tensor
    y: Tensor
    lengths: Tensor | None = None
    counts: Tensor | None = None

    @classmethod
    def stack(cls, examples: AbstractSequence[Examples], device: torch.device) -> Tensors:
        """Stack the examples of each model."""

        def stacked(name: str) -> Tensor | None:
            arrays = [getattr(one, name) for one in examples]
            if arrays[0] is None:
                return None
            whole = arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
            return torch.from_numpy(np.ascontiguousarray(whole)).to(device)

        x, y = stacked("x"), stacked("y")
        assert x is not None
        assert y is not None
        return cls(x, y, stacked("lengths"), stacked("counts"))
