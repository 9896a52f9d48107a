"""Synthetic tasks that need memory over a chosen distance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from gru_viz.sequences import Sequence
from gru_viz.training.randomness import generator
from gru_viz.training.tasks.base_task import Baseline, Examples, Measure, Predictions, Task
from gru_viz.training.tasks.held_out_data import HELD_OUT_SEED, PROBE_STEPS, softmax

__all__ = ["Adding", "Copy", "Parity", "Recall"]

HELD_OUT = 256
EXAMPLES = 8
ACCURACY = Measure("accuracy", "accuracy", "higher")


class _Drawn(Task):
    """A task whose examples are drawn anew at every update, from the seed and the update alone."""

    reads: tuple[str, ...]

    def _prepare(self) -> None:
        self.features = len(self.reads)
        self.held_out = self._draw(generator(HELD_OUT_SEED, self.name), HELD_OUT)
        self.probe = Sequence(self.held_out.x[0, :PROBE_STEPS], self.reads, None, "held-out example 1")

    @abstractmethod
    def _draw(self, rng: np.random.Generator, size: int) -> Examples: ...

    def batch(self, seed: int, update: int, size: int) -> Examples:
        """New examples at every update."""
        return self._draw(generator(seed, self.name, update), size)


class Adding(_Drawn):
    """Of a row of numbers from 0 to 1 two are marked; at the end, predict their sum (Hochreiter & Schmidhuber 1997).

    The variant of Arjovsky et al. 2016: one mark in each half. Predicting 1 has a mean squared error of 1/6.
    """

    name, reads = "adding", ("number", "mark")
    outputs, output_at, loss = 1, "last", "squared"
    measure = Measure("error", "mean absolute error", "lower")

    def __init__(self, length: int = 50) -> None:
        self.length = self.tokens = length
        self._prepare()
        self.baselines = (Baseline("constant prediction 1", 1 / 6, 1 / 3),)
        self.sentence = f"Two of {length} numbers are marked; predict their sum."

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        x = np.zeros((size, self.length, 2), np.float32)
        x[:, :, 0] = rng.random((size, self.length), np.float32)
        half, rows = self.length // 2, np.arange(size)
        first, second = rng.integers(0, half, size), rng.integers(half, self.length, size)
        x[rows, first, 1] = x[rows, second, 1] = 1
        return Examples(x, (x[rows, first, 0] + x[rows, second, 0])[:, None])

    def measured(self, loss: float, outputs: np.ndarray) -> float:
        """The mean absolute error."""
        return float(np.abs(outputs - self.held_out.y).mean())

    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        """Predicted against actual sums."""
        predicted = predict(self.held_out)
        return Predictions("scatter", self.held_out.y[:, 0], predicted[:, 0], title="predicted against actual sum")


class Copy(_Drawn):
    """Read a few symbols, wait, and output them in the same order after a mark (Arjovsky et al. 2016).

    As in that paper, inputs are eight symbols, a blank and a mark, and blanks are the targets until the mark; the loss
    is the mean over all steps. Chance level on S symbols at distance T, with every blank right, is a loss of
    S·ln 8 / (T + 2S). The accuracy counts the recalled symbols only.
    """

    name, alphabet = "copy", 8
    reads = (*"abcdefgh", "blank", "mark")
    outputs, output_at, loss = alphabet + 1, "every", "cross_entropy"
    measure = Measure("accuracy", "accuracy of the recalled symbols", "higher")

    def __init__(self, distance: int = 20, symbols: int = 10) -> None:
        self.distance, self.symbols = distance, symbols
        self.tokens = distance + 2 * symbols
        blank, mark = self.alphabet, self.alphabet + 1
        self._reads = np.full(self.tokens, blank)
        self._reads[distance + symbols - 1] = mark
        self._rows = np.eye(self.alphabet + 2, dtype=np.float32)
        self._prepare()
        chance = float(symbols * np.log(self.alphabet) / self.tokens)
        self.baselines = (Baseline("chance level on the symbols", chance, 1 / self.alphabet),)
        self.sentence = f"Read {symbols} symbols, wait {distance} steps, and output them in the same order."

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        symbols = rng.integers(0, self.alphabet, (size, self.symbols))
        read = np.repeat(self._reads[None], size, axis=0)
        read[:, : self.symbols] = symbols
        target = np.full((size, self.tokens), self.alphabet)
        target[:, -self.symbols :] = symbols
        return Examples(self._rows[read], target)

    def measured(self, loss: float, outputs: np.ndarray) -> float:
        """Accuracy of the recalled symbols; the blanks before them do not count."""
        predicted = outputs[:, -self.symbols :].argmax(-1)
        return float((predicted == self.held_out.y[:, -self.symbols :]).mean())

    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        """The recalled symbols of a few examples."""
        few = Examples(self.held_out.x[:EXAMPLES], self.held_out.y[:EXAMPLES])
        truth, predicted = few.y[:, -self.symbols :], predict(few)[:, -self.symbols :].argmax(-1)
        labels = tuple(f"example {k + 1}" for k in range(len(truth)))
        return Predictions("symbols", truth, predicted, self.reads[: self.outputs], labels, "recalled symbols")


class Recall(_Drawn):
    """Read one of k symbols, wait, and predict it (after Hochreiter & Schmidhuber 1997, experiment 2).

    Chance level is a loss of ln k.
    """

    name = "recall"
    output_at, loss, measure = "last", "cross_entropy", ACCURACY

    def __init__(self, distance: int = 20, symbols: int = 8, noise: float = 0.0) -> None:
        self.distance, self.symbols, self.noise = distance, symbols, noise
        self.tokens, self.outputs = distance + 1, symbols
        self.reads = tuple(f"symbol {k + 1}" for k in range(symbols))
        self._prepare()
        self.baselines = (Baseline("chance level", float(np.log(symbols)), 1 / symbols),)
        waiting = f"{distance} steps of noise" if noise else f"{distance} empty steps"
        self.sentence = f"One of {symbols} symbols is read at the first step; after {waiting}, predict it."

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        x = np.zeros((size, self.tokens, self.symbols), np.float32)
        symbol = rng.integers(0, self.symbols, size)
        if self.noise:
            x[:, 1:] = rng.standard_normal((size, self.distance, self.symbols), np.float32) * np.float32(self.noise)
        x[np.arange(size), 0, symbol] = 1
        return Examples(x, symbol)

    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        """The probability of each symbol for every held-out example."""
        predicted = softmax(predict(self.held_out))
        return Predictions("classes", self.held_out.y, predicted, self.reads, title="confusion matrix")


class Parity(_Drawn):
    """Read bits, and predict after each whether the number of ones so far is odd (Hochreiter & Schmidhuber 1997).

    Every step has a target, not only the last: a target at the end changes with every single bit, so its gradient
    hardly helps until all is right. Chance level is an accuracy of one half and a loss of ln 2.
    """

    name, reads = "parity", ("bit",)
    outputs, output_at, loss = 2, "every", "cross_entropy"
    measure = ACCURACY

    def __init__(self, length: int = 20) -> None:
        self.length = self.tokens = length
        self._prepare()
        self.baselines = (Baseline("chance level", float(np.log(2)), 1 / 2),)
        self.sentence = f"Read {length} bits, and predict after each whether the number of ones so far is odd."

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        bits = rng.integers(0, 2, (size, self.length))
        return Examples(bits[:, :, None].astype(np.float32), np.bitwise_xor.accumulate(bits, axis=1))

    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        """A few examples, step by step."""
        few = Examples(self.held_out.x[:EXAMPLES], self.held_out.y[:EXAMPLES])
        labels = tuple(f"example {k + 1}" for k in range(EXAMPLES))
        return Predictions("symbols", few.y, predict(few).argmax(-1), ("even", "odd"), labels, "parity so far")
