"""Tasks that need nothing but memory; the distance is a knob."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from gru_viz.sequences import Sequence
from gru_viz.training.randomness import generator
from gru_viz.training.tasks.parts import HELD_OUT_SEED, PROBE_STEPS, softmax
from gru_viz.training.tasks.task import Baseline, Examples, Measure, Shown, Task

__all__ = ["Adding", "Copy", "Parity", "Recall"]

HELD_OUT = 256
SHOWN = 8
ACCURACY = Measure("accuracy", "share of right answers", "higher")


class _Drawn(Task):
    """A task whose examples are drawn afresh at every update, from the seed and the update alone."""

    reads: tuple[str, ...]

    def _prepare(self) -> None:
        self.features = len(self.reads)
        self.held_out = self._draw(generator(HELD_OUT_SEED, self.name), HELD_OUT)
        self.probe = Sequence(self.held_out.x[0, :PROBE_STEPS], self.reads, None, "held-out example 1")

    @abstractmethod
    def _draw(self, rng: np.random.Generator, size: int) -> Examples: ...

    def batch(self, seed: int, update: int, size: int) -> Examples:
        """Fresh examples at every update."""
        return self._draw(generator(seed, self.name, update), size)


class Adding(_Drawn):
    """Of a row of numbers from 0 to 1 two are marked; at the end, say their sum (Hochreiter & Schmidhuber 1997).

    The variant of Arjovsky et al. 2016: one mark in each half. Saying 1 always gives a squared error of 1/6.

    Args:
        length: steps.

    Example:
        >>> one = Adding(length=4).batch(seed=0, update=0, size=1)
        >>> bool((one.x[0, :, 0] * one.x[0, :, 1]).sum() == one.y[0, 0])
        True
    """

    name, reads = "adding", ("number", "mark")
    outputs, answers, loss = 1, "last", "squared"
    measure = Measure("error", "mean absolute error", "lower")

    def __init__(self, length: int = 50) -> None:
        self.length = self.tokens = length
        self._prepare()
        self.baselines = (Baseline("always says 1", 1 / 6, 1 / 3),)
        self.sentence = f"Two of {length} numbers are marked; the answer is their sum."

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        x = np.zeros((size, self.length, 2), np.float32)
        x[:, :, 0] = rng.random((size, self.length), np.float32)
        half, rows = self.length // 2, np.arange(size)
        first, second = rng.integers(0, half, size), rng.integers(half, self.length, size)
        x[rows, first, 1] = x[rows, second, 1] = 1
        return Examples(x, (x[rows, first, 0] + x[rows, second, 0])[:, None])

    def measured(self, loss: float, answers: np.ndarray) -> float:
        """The mean absolute error."""
        return float(np.abs(answers - self.held_out.y).mean())

    def shown(self, answer: Callable[[Examples], np.ndarray]) -> Shown:
        """The sums said against the true ones."""
        said = answer(self.held_out)
        return Shown("scatter", self.held_out.y[:, 0], said[:, 0], title="sum said against true sum")


class Copy(_Drawn):
    """Read a few symbols, wait, and say them again in order, when a mark asks for them (Arjovsky et al. 2016).

    As in that paper, eight symbols, a blank and a mark are read, and blanks are to be said until the mark; the loss is
    the mean over all steps, blanks included. Who says the blanks and guesses the rest has, with S symbols and a
    distance T, a loss of S·ln 8 / (T + 2S). The accuracy counts the recalled symbols alone.

    Args:
        distance: steps from a symbol to its recall, less the number of symbols.
        symbols: how many are to be remembered.

    Example:
        >>> one = Copy(distance=3, symbols=2).batch(seed=0, update=0, size=1)
        >>> read, said = one.x[0].argmax(-1), one.y[0]
        >>> read[2:].tolist(), said[:5].tolist(), (said[5:] == read[:2]).tolist()
        ([8, 8, 9, 8, 8], [8, 8, 8, 8, 8], [True, True])
    """

    name, alphabet = "copy", 8
    reads = (*"abcdefgh", "blank", "mark")
    outputs, answers, loss = alphabet + 1, "every", "cross_entropy"
    measure = Measure("accuracy", "share of symbols recalled right", "higher")

    def __init__(self, distance: int = 20, symbols: int = 10) -> None:
        self.distance, self.symbols = distance, symbols
        self.tokens = distance + 2 * symbols
        blank, mark = self.alphabet, self.alphabet + 1
        self._reads = np.full(self.tokens, blank)
        self._reads[distance + symbols - 1] = mark
        self._rows = np.eye(self.alphabet + 2, dtype=np.float32)
        self._prepare()
        guessed = float(symbols * np.log(self.alphabet) / self.tokens)
        self.baselines = (Baseline("says the blanks and guesses the symbols", guessed, 1 / self.alphabet),)
        self.sentence = f"Read {symbols} symbols, wait {distance} steps, and say them again in the same order."

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        symbols = rng.integers(0, self.alphabet, (size, self.symbols))
        read = np.repeat(self._reads[None], size, axis=0)
        read[:, : self.symbols] = symbols
        said = np.full((size, self.tokens), self.alphabet)
        said[:, -self.symbols :] = symbols
        return Examples(self._rows[read], said)

    def measured(self, loss: float, answers: np.ndarray) -> float:
        """The share of symbols recalled right; the blanks before them do not count."""
        said = answers[:, -self.symbols :].argmax(-1)
        return float((said == self.held_out.y[:, -self.symbols :]).mean())

    def shown(self, answer: Callable[[Examples], np.ndarray]) -> Shown:
        """The recalled symbols of a few examples."""
        few = Examples(self.held_out.x[:SHOWN], self.held_out.y[:SHOWN])
        true, said = few.y[:, -self.symbols :], answer(few)[:, -self.symbols :].argmax(-1)
        labels = tuple(f"example {k + 1}" for k in range(len(true)))
        return Shown("symbols", true, said, self.reads[: self.outputs], labels, "symbols recalled and true")


class Recall(_Drawn):
    """See one of a few symbols, wait, and name it (after Hochreiter & Schmidhuber 1997, experiment 2).

    The loss of guessing is ln k for k symbols.

    Args:
        distance: steps of waiting.
        symbols: how many there are.
        noise: standard deviation of what is read while waiting; 0 for nothing.

    Example:
        >>> one = Recall(distance=2, symbols=3).batch(seed=0, update=0, size=1)
        >>> one.x[0, 1:].tolist(), bool(one.x[0, 0].argmax() == one.y[0])
        ([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], True)
    """

    name = "recall"
    answers, loss, measure = "last", "cross_entropy", ACCURACY

    def __init__(self, distance: int = 20, symbols: int = 8, noise: float = 0.0) -> None:
        self.distance, self.symbols, self.noise = distance, symbols, noise
        self.tokens, self.outputs = distance + 1, symbols
        self.reads = tuple(f"symbol {k + 1}" for k in range(symbols))
        self._prepare()
        self.baselines = (Baseline("guesses", float(np.log(symbols)), 1 / symbols),)
        waiting = f"{distance} steps of noise" if noise else f"{distance} empty steps"
        self.sentence = f"One of {symbols} symbols is shown at the first step; after {waiting}, name it."

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        x = np.zeros((size, self.tokens, self.symbols), np.float32)
        symbol = rng.integers(0, self.symbols, size)
        if self.noise:
            x[:, 1:] = rng.standard_normal((size, self.distance, self.symbols), np.float32) * np.float32(self.noise)
        x[np.arange(size), 0, symbol] = 1
        return Examples(x, symbol)

    def measured(self, loss: float, answers: np.ndarray) -> float:
        """The share of symbols named right."""
        return float((answers.argmax(-1) == self.held_out.y).mean())

    def shown(self, answer: Callable[[Examples], np.ndarray]) -> Shown:
        """The symbols named and the true ones, over all held-out examples."""
        return Shown("classes", self.held_out.y, softmax(answer(self.held_out)), self.reads, title="symbol named")


class Parity(_Drawn):
    """Read bits, and say after each whether the ones so far are odd in number (Hochreiter & Schmidhuber 1997).

    It is asked at every step, not only at the last: an answer at the end alone changes with every single bit, and so
    gives hardly a hint of what to improve until all is right. Whoever does not count is right half of the time, with a
    loss of ln 2.

    Args:
        length: steps.

    Example:
        >>> one = Parity(length=6).batch(seed=0, update=0, size=1)
        >>> bool((one.x[0, :, 0].cumsum() % 2 == one.y[0]).all())
        True
    """

    name, reads = "parity", ("bit",)
    outputs, answers, loss = 2, "every", "cross_entropy"
    measure = ACCURACY

    def __init__(self, length: int = 20) -> None:
        self.length = self.tokens = length
        self._prepare()
        self.baselines = (Baseline("guesses", float(np.log(2)), 1 / 2),)
        self.sentence = f"Read {length} bits, and say after each whether the number of ones so far is odd."

    def _draw(self, rng: np.random.Generator, size: int) -> Examples:
        bits = rng.integers(0, 2, (size, self.length))
        return Examples(bits[:, :, None].astype(np.float32), np.bitwise_xor.accumulate(bits, axis=1))

    def measured(self, loss: float, answers: np.ndarray) -> float:
        """The share of right answers, over all steps."""
        return float((answers.argmax(-1) == self.held_out.y).mean())

    def shown(self, answer: Callable[[Examples], np.ndarray]) -> Shown:
        """The answers to a few examples, step by step."""
        few = Examples(self.held_out.x[:SHOWN], self.held_out.y[:SHOWN])
        labels = tuple(f"example {k + 1}" for k in range(SHOWN))
        return Shown("symbols", few.y, answer(few).argmax(-1), ("even", "odd"), labels, "odd or even so far")
