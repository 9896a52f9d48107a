"""What every task offers to a training: batches, held-out examples, a loss, a measure, baselines, a probe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence as AbstractSequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from gru_viz.sequences import Sequence

__all__ = ["Baseline", "Examples", "Measure", "Shown", "Task", "Tensors"]


@dataclass(frozen=True)
class Examples:
    """Sequences and their right answers.

    Attributes:
        x: (batch, time, features) float32; shorter sequences are padded at their end.
        y: the answers. Of a task that answers at the end: (batch, outputs) float32, or (batch,) int64 classes.
            Of one that answers at every step: (batch, time, outputs) float32, or (batch, time) int64 classes.
        lengths: (batch,) int64 steps of each sequence, or None where all have as many.
        counts: (batch, time) bool, which steps' answers count; None: all. Only where every step answers.
    """

    x: np.ndarray
    y: np.ndarray
    lengths: np.ndarray | None = None
    counts: np.ndarray | None = None


@dataclass(frozen=True)
class Measure:
    """What the task itself calls good, beside the loss.

    Attributes:
        name: its key among a run's measures, such as ``"accuracy"``.
        title: what people call it, with its unit.
        better: which way is better.
    """

    name: str
    title: str
    better: Literal["lower", "higher"]


@dataclass(frozen=True)
class Baseline:
    """What is reached without learning; a network that loses to it has learned nothing.

    Attributes:
        title: what it does, such as ``"repeats the last value"``.
        loss: its held-out loss.
        measure: its held-out measure.
    """

    title: str
    loss: float
    measure: float


@dataclass(frozen=True)
class Shown:
    """A model's answers beside the truth, ready to be drawn.

    Attributes:
        kind: ``"curves"``, truth and answer (steps, names) in the data's own units; ``"scatter"``, (examples,) numbers;
            ``"classes"``, truth (examples,) int and answer (examples, names) probabilities; ``"symbols"``, truth and
            answer (examples, steps) int, numbering names, −1 where no answer counts.
        truth: what is right.
        answer: what the model says.
        names: of the curves, classes or symbols.
        labels: of the steps, or of the examples; may be empty.
        title: what is seen, in a few words.
    """

    kind: Literal["curves", "scatter", "classes", "symbols"]
    truth: np.ndarray
    answer: np.ndarray
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    title: str = ""


class Task(ABC):
    """A task, with all its data; the same for every lane and seed but for the batches, which follow from the seed.

    Attributes:
        features: numbers read at each step.
        outputs: numbers answered.
        answers: ``"last"``, once, from the last hidden state; ``"every"``, at every step.
        loss: ``"squared"`` mean squared error; ``"cross_entropy"`` over classes, in nats.
        measure: the task's own.
        tokens: steps read per sequence, for an axis that counts what was read.
        held_out: examples that are never trained on.
        baselines: what is reached without learning, best known first.
        probe: a fixed sequence of held-out input whose gates are shown while they learn.
        sentence: one sentence on what is to be learnt.
        notices: sentences on what was left out or assumed of the user's data.
    """

    name: ClassVar[str]
    features: int
    outputs: int
    answers: Literal["last", "every"]
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
        """The examples that a seed's update trains on; the same arguments always give the same."""

    def losses(self, answers: Tensor, examples: Tensors) -> Tensor:
        """The mean loss of each model over its own examples.

        Args:
            answers: (models, batch, outputs), or (models, batch, time, outputs).
            examples: with y (models, batch, …) and counts (models, batch, time) or None.

        Returns:
            (models,) differentiable.
        """
        if self.loss == "squared":
            each = (answers - examples.y).square().mean(-1)
        else:
            flat = torch.nn.functional.cross_entropy(
                answers.reshape(-1, answers.shape[-1]), examples.y.reshape(-1), reduction="none"
            )
            each = flat.view(examples.y.shape)
        each = each.flatten(1)
        if examples.counts is None:
            return each.mean(1)
        counts = examples.counts.flatten(1)
        return torch.where(counts, each, each.new_zeros(())).sum(1) / counts.sum(1)

    @abstractmethod
    def measured(self, loss: float, answers: np.ndarray) -> float:
        """The task's measure of a model on the held-out examples.

        Args:
            loss: its held-out loss.
            answers: its answers, (batch, outputs) or (batch, time, outputs).
        """

    @abstractmethod
    def shown(self, answer: Callable[[Examples], np.ndarray]) -> Shown:
        """A few held-out examples, with what a model answers to them.

        Args:
            answer: gives a model's answers, (batch, outputs) or (batch, time, outputs), to any examples' x.
        """


@dataclass(frozen=True)
class Tensors:
    """Examples of several models on a device: as ``Examples``, with a leading axis of models."""

    x: Tensor
    y: Tensor
    lengths: Tensor | None = None
    counts: Tensor | None = None

    @classmethod
    def stack(cls, examples: AbstractSequence[Examples], device: torch.device) -> Tensors:
        """Put the examples of each model side by side."""

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
