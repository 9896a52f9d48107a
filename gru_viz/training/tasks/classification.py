"""Classification: read a whole sequence, then predict its class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.optional import optional_packages
from gru_viz.sequences import LabelledSequences, Scaling, Sequence, Sequences
from gru_viz.sequences.phrases import count, listing
from gru_viz.training.randomness import draw_rows, generator
from gru_viz.training.settings import LIMITS
from gru_viz.training.tasks.base_task import Baseline, Examples, Measure, Predictions, Task
from gru_viz.training.tasks.held_out_data import HELD_OUT_SEED, PROBE_STEPS, affordable, rescaled, softmax, spaced

__all__ = ["Classify", "Digits"]

MOST_CLASSES = 256


class Classify(Task):
    """Read a sequence to its end, then predict its class.

    The same share of every class is held out, by a fixed split; the scaling is fitted to the training sequences.
    Of unequal lengths, each sequence's output is taken at its own last step.

    Args:
        data: the sequences and their classes.
        validation: held-out share of each class.

    Raises:
        TrainingError: there are fewer than two classes, or none has two sequences.
    """

    name = "classify"
    output_at, loss = "last", "cross_entropy"
    measure = Measure("accuracy", "accuracy", "higher")

    def __init__(self, data: LabelledSequences, validation: float = 0.2) -> None:
        items, self.notices = _at_most(data.sequences, LIMITS.steps)
        self.classes = tuple(sorted(set(data.labels)))
        self.outputs, self.features = len(self.classes), len(data.sequences.features)
        label = {name: k for k, name in enumerate(self.classes)}
        self._labels = np.array([label[name] for name in data.labels], np.int64)
        self._check_classes(data.label)
        held_out = _stratified(self._labels, validation)
        self.notices += self._single_sequences()

        self._lengths = np.array([len(item) for item in items], np.int64)
        self._offsets = np.cumsum(self._lengths) - self._lengths
        values = data.sequences.scaling.undo(np.concatenate([item.values for item in items]))
        scaled, self.scaling, notices = rescaled(self.name, data.sequences, values, np.repeat(~held_out, self._lengths))
        self.notices += notices
        self._scaled = np.concatenate([scaled, np.zeros((1, self.features), np.float32)])
        self.tokens = int(self._lengths.max())
        self._steps = np.arange(self.tokens)
        self._equal = bool((self._lengths == self.tokens).all())

        self._training = np.flatnonzero(~held_out)
        self.epoch_size = len(self._training)
        evaluated = self._evaluated(np.flatnonzero(held_out))
        self.names = tuple(items[row].name for row in evaluated.tolist())
        self.held_out = self._rows(evaluated)
        self.baselines = (self._majority(),)
        self.probe = self._probe(items, evaluated)
        self.sentence = self._sentence()

    def batch(self, seed: int, update: int, size: int) -> Examples:
        """Training sequences, each once per epoch."""
        return self._rows(self._training[draw_rows(seed, update, size, self.epoch_size)])

    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        """The probability of each class for every evaluated held-out sequence."""
        predicted = softmax(predict(self.held_out))
        return Predictions("classes", self.held_out.y, predicted, self.classes, self.names, "confusion matrix")

    def _rows(self, rows: np.ndarray) -> Examples:
        """A batch of sequences, shorter ones padded with zeros."""
        lengths, steps = self._lengths[rows], self._offsets[rows][:, None] + self._steps
        if self._equal:
            return Examples(self._scaled[steps], self._labels[rows])
        inside = self._steps < lengths[:, None]
        return Examples(self._scaled[np.where(inside, steps, -1)], self._labels[rows], lengths)

    def _check_classes(self, label: str) -> None:
        where, counts = f"{self.name}, {label}", np.bincount(self._labels)
        if len(counts) < 2:
            found = f"one class only, {listing(self.classes)}"
            raise TrainingError(where, found, "two or more classes", "Choose another label.")
        if counts.max() < 2:
            found = f"{len(counts):,} classes of one sequence each"
            remedy = "Choose a label that several sequences share."
            raise TrainingError(where, found, "a class with two sequences, one to train on and one to hold out", remedy)
        if len(counts) > MOST_CLASSES:
            found, remedy = f"{len(counts):,} classes", "Choose a label with fewer, or join rare ones."
            raise TrainingError(where, found, f"at most {MOST_CLASSES}", remedy)

    def _single_sequences(self) -> tuple[str, ...]:
        single = [name for name, n in zip(self.classes, np.bincount(self._labels), strict=True) if n == 1]
        if not single:
            return ()
        some = count(len(single), "class", "classes")
        return (f"{some} with a single sequence, trained on and never held out: {listing(single)}.",)

    def _evaluated(self, rows: np.ndarray) -> np.ndarray:
        """The held-out rows, or the same share of each class if there are too many."""
        most = affordable(self.tokens * self.features)
        if len(rows) <= most:
            return rows
        self.notices += (f"Of {len(rows):,} held-out sequences, {most} are evaluated, the same share of each class.",)
        return np.sort(spaced(rows[np.argsort(self._labels[rows], kind="stable")], most))

    def _majority(self) -> Baseline:
        shares = np.bincount(self._labels[self._training], minlength=self.outputs) / len(self._training)
        commonest, truth = int(shares.argmax()), self.held_out.y
        loss = float(-np.log(shares[truth]).mean())
        return Baseline(f"majority class ({self.classes[commonest]})", loss, float((truth == commonest).mean()))

    def _probe(self, items: tuple[Sequence, ...], evaluated: np.ndarray) -> Sequence:
        row = int(evaluated[np.argmax(self._lengths[evaluated])])
        item, begin = items[row], int(self._offsets[row])
        steps = min(len(item), PROBE_STEPS)
        time = None if item.time is None else item.time[:steps]
        name = f"{item.name}, held out ({self.classes[self._labels[row]]})"
        return Sequence(self._scaled[begin : begin + steps], item.features, time, name)

    def _sentence(self) -> str:
        return f"Read a sequence to its end, then predict which of {len(self.classes)} classes it belongs to."


class Digits(Classify):
    """Handwritten digits of 8 × 8 pixels, read row by row: eight steps of eight grey values (Alpaydin & Kaynak 1998).

    From scikit-learn's ``load_digits``.
    """

    name = "digits"

    def __init__(self, validation: float = 0.2) -> None:
        with optional_packages("the handwritten digits"):
            from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # takes a second to import

        images, labels = load_digits(return_X_y=True)
        features = tuple(f"column {k + 1}" for k in range(8))
        rows = tuple(f"row {k + 1}" for k in range(8))
        grey = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
        items = tuple(Sequence(image, features, rows, f"digit {k + 1}") for k, image in enumerate(grey))
        data = Sequences(items, Scaling("none", features, np.zeros(8), np.ones(8)))
        super().__init__(LabelledSequences(data, tuple(map(str, labels.tolist())), "digit"), validation)

    def _sentence(self) -> str:
        return (
            "A handwritten digit is read row by row, eight rows of eight grey values; at the end, predict which it is."
        )


def _at_most(data: Sequences, steps: int) -> tuple[tuple[Sequence, ...], tuple[str, ...]]:
    """Cut longer sequences to their first steps."""
    empty = [item.name for item in data if not len(item)]
    if empty:
        found = f"{count(len(empty), 'sequence')} without a step: {listing(empty)}"
        raise TrainingError("classify", found, "at least one step in each", "Leave them out.")
    cut = [item.name for item in data if len(item) > steps]
    if not cut:
        return data.items, ()
    items = tuple(
        item
        if len(item) <= steps
        else Sequence(item.values[:steps], item.features, item.time and item.time[:steps], item.name)
        for item in data
    )
    return items, (f"{count(len(cut), 'sequence')} cut to the first {steps:,} steps: {listing(cut)}.",)


def _stratified(labels: np.ndarray, validation: float) -> np.ndarray:
    """(sequences,) bool, the held-out ones: a share of each class, at least one if it has two."""
    held_out = np.zeros(len(labels), bool)
    order = generator(HELD_OUT_SEED, "split").permutation(len(labels))
    for label in range(int(labels.max()) + 1):
        own = order[labels[order] == label]
        if len(own) > 1:
            held_out[own[: min(len(own) - 1, max(1, round(validation * len(own))))]] = True
    return held_out
