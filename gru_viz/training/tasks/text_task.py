"""Text: after each character, predict the next.

The default text, ``fables.txt``, was written for this package and is in the public domain.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence as AbstractSequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.sequences import Sequence
from gru_viz.sequences.one_hot_text import normalise_text, visible_character
from gru_viz.sequences.phrases import count, listing
from gru_viz.training.randomness import draw_rows
from gru_viz.training.settings import LIMITS
from gru_viz.training.tasks.base_task import Baseline, Examples, Measure, Predictions, Task
from gru_viz.training.tasks.held_out_data import PROBE_STEPS, spaced

__all__ = ["Step", "Text", "fables"]

MOST_CHARACTERS = 2_000_000
MOST_SYMBOLS = 96
MOST_HELD_OUT = 16_384
WINDOW = 64
WINDOWS = 4
OTHER = "other"
"""Name of the symbol of all characters outside the alphabet."""


class Step(Protocol):
    """A sampler, such as ``functools.partial(sample, weights, head_weight, head_bias)``."""

    def __call__(
        self, tokens: AbstractSequence[int], length: int, temperature: float, seed: int, *, never: tuple[int, ...]
    ) -> list[int]:
        """Read some symbols and sample ``length`` more."""


@cache
def fables() -> str:
    """Return the built-in text: short fables in simple, often repeated words."""
    return files(__package__).joinpath("fables.txt").read_text("utf-8")


@dataclass(frozen=True)
class Alphabet:
    """The characters, sorted, that a network can read; all others are one symbol, the last."""

    characters: str

    @classmethod
    def of(cls, text: str, most: int) -> Alphabet:
        """The ``most`` commonest characters of a text; of equally common ones those that come first."""
        return cls("".join(sorted(character for character, _ in Counter(text).most_common(most))))

    def __len__(self) -> int:
        return len(self.characters) + 1

    @property
    def other(self) -> int:
        """Index of the symbol of all other characters."""
        return len(self.characters)

    @property
    def names(self) -> tuple[str, ...]:
        """The symbols, with visible names for blanks."""
        return (*map(visible_character, self.characters), OTHER)

    def encode(self, text: str) -> np.ndarray:
        """(characters,) int64 the index of each character."""
        known, codes = _codes(self.characters), _codes(text)
        at = np.searchsorted(known, codes).clip(max=max(len(known) - 1, 0))
        return np.where(known[at] == codes, at, self.other)

    def decode(self, tokens: list[int]) -> str:
        """The text of some indices; other characters become ``�``."""
        every = f"{self.characters}�"
        return "".join(every[token] for token in tokens)


class Text(Task):
    """After each character of a text, predict the probability of each next character.

    The first part of the text is for training, the last is held out; the alphabet is that of the first. Every window
    starts from h = 0, so its first characters are the hardest.

    Args:
        text: None for the built-in fables.
        length: characters of a window; 0: chosen from the text, at most 64.
        validation: held-out share of the text, its last.

    Raises:
        TrainingError: the text is too short or too long, or has a single character only.
    """

    name = "text"
    output_at, loss = "every", "cross_entropy"
    measure = Measure("perplexity", "perplexity per character", "lower")

    def __init__(self, text: str | None = None, length: int = 0, validation: float = 0.1) -> None:
        whole = normalise_text(fables() if text is None else text)
        cut = len(whole) - round(validation * len(whole))
        smaller = min(cut, len(whole) - cut)
        self.length = length or max(1, min(WINDOW, smaller // 2))
        _check_length(len(whole), smaller, self.length)
        self.alphabet = Alphabet.of(whole[:cut], MOST_SYMBOLS)
        if len(self.alphabet.characters) < 2:
            found = f"one character only, {listing(self.alphabet.characters)}"
            raise TrainingError("text", found, "two or more", "Choose another text.")
        self.features = self.outputs = len(self.alphabet)
        self.tokens = self.length
        self._training, self._held_out = self.alphabet.encode(whole[:cut]), self.alphabet.encode(whole[cut:])
        self.notices = self._others(whole[:cut])
        self._steps, self._one_hot = np.arange(self.length + 1), np.eye(self.features, dtype=np.float32)

        starts = np.arange(0, len(self._held_out) - self.length, self.length)
        most = max(1, MOST_HELD_OUT // self.length)
        if len(starts) > most:
            every = f"{len(self._held_out):,} held-out characters"
            self.notices += (f"Of {every}, {most} evenly spaced windows of {self.length} are evaluated.",)
        self.held_out = self._windows(self._held_out, spaced(starts, most))
        self.baselines = self._counted()
        probe = self._held_out[:PROBE_STEPS]
        names = self.alphabet.names
        self.probe = Sequence(self._one_hot[probe], names, tuple(names[token] for token in probe), "held-out text")
        self.sentence = f"After each character, predict which of {len(self.alphabet.characters)} comes next."

    def batch(self, seed: int, update: int, size: int) -> Examples:
        """Windows of the training part, from every position once per epoch."""
        rows = draw_rows(seed, update, size, len(self._training) - self.length)
        return self._windows(self._training, rows)

    def measured(self, loss: float, outputs: np.ndarray) -> float:
        """The perplexity, exp of the loss."""
        return math.exp(min(loss, 700.0))

    def predictions(self, predict: Callable[[Examples], np.ndarray]) -> Predictions:
        """A few held-out windows: actual and most likely next characters."""
        few = Examples(self.held_out.x[:WINDOWS], self.held_out.y[:WINDOWS])
        predicted = predict(few).argmax(-1)
        labels = tuple(f"window {k + 1}" for k in range(len(predicted)))
        return Predictions("symbols", few.y, predicted, self.alphabet.names, labels, "next character")

    def continue_text(self, step: Step, prefix: str, length: int, temperature: float = 1.0, seed: int = 0) -> str:
        """Generate text after a prefix.

        Args:
            step: the sampler.
            prefix: its last 2,000 characters are read; characters outside the alphabet become the symbol of all others.
                If empty, a newline (or the first of the alphabet) is read.
            length: characters to generate.
            temperature: divides the logits; 0: always the most likely character.
            seed: of the draws.

        Returns:
            The generated text without the prefix, a pure function of the arguments.
        """
        start = normalise_text(prefix)[-LIMITS.steps :] or ("\n" if "\n" in self.alphabet.characters else "")
        tokens = self.alphabet.encode(start).tolist() or [0]
        return self.alphabet.decode(step(tokens, length, temperature, seed, never=(self.alphabet.other,)))

    def _windows(self, tokens: np.ndarray, starts: np.ndarray) -> Examples:
        taken = tokens[starts[:, None] + self._steps]
        return Examples(self._one_hot[taken[:, :-1]], taken[:, 1:])

    def _counted(self) -> tuple[Baseline, ...]:
        before, after = self.held_out.x.argmax(-1), self.held_out.y
        singles = -np.log(count_singles(self._training, self.features)[after]).mean()
        pairs = -np.log(count_pairs(self._training, self.features)[before, after]).mean()
        return (
            Baseline("unigram model", float(singles), math.exp(singles)),
            Baseline("bigram model", float(pairs), math.exp(pairs)),
        )

    def _others(self, training: str) -> tuple[str, ...]:
        notices = []
        rare = sorted(set(training) - set(self.alphabet.characters))
        if rare:
            some = count(len(rare), "rare character")
            notices.append(f"{some} beyond the {MOST_SYMBOLS} commonest read as one symbol, 'other': {listing(rare)}.")
        strange = int((self._held_out == self.alphabet.other).sum())
        if strange:
            some = f"{strange:,} of {len(self._held_out):,} held-out characters"
            notices.append(f"{some} are not in the alphabet of the training part and read as 'other'.")
        return tuple(notices)


def _check_length(characters: int, smaller: int, length: int) -> None:
    if characters > MOST_CHARACTERS:
        found, wanted = f"{characters:,} characters", f"at most {MOST_CHARACTERS:,}"
        raise TrainingError("text", found, wanted, "Choose a part of it.")
    if smaller <= length:
        found = f"{count(characters, 'character')}, {smaller:,} of them in the smaller of the two parts"
        wanted = f"{length + 1:,} there: a window of {length:,} and the character after it"
        shorter = f"Choose a window of at most {smaller - 1:,}, or " if smaller > 1 else "Choose a longer text, or "
        raise TrainingError("text", found, wanted, f"{shorter}change the held-out share.")


def count_singles(tokens: np.ndarray, symbols: int) -> np.ndarray:
    """(symbols,) unigram probabilities, by counts plus one (Laplace)."""
    counts = np.bincount(tokens, minlength=symbols) + 1
    return counts / counts.sum()


def count_pairs(tokens: np.ndarray, symbols: int) -> np.ndarray:
    """(symbols, symbols) bigram probabilities: row = current symbol, column = next.

    Smoothed by Witten & Bell 1991: a symbol with n successors of t different kinds gives t / (n + t) of its
    probability to ``count_singles``.
    """
    pairs = np.bincount(tokens[:-1] * symbols + tokens[1:], minlength=symbols**2).reshape(symbols, symbols)
    kinds = (pairs > 0).sum(1, keepdims=True)
    seen = pairs.sum(1, keepdims=True)
    share = np.where(seen > 0, kinds / np.maximum(seen + kinds, 1), 1.0)
    return (1 - share) * pairs / np.maximum(seen, 1) + share * count_singles(tokens, symbols)


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
