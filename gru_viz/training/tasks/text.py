"""Text: after each character, say the next.

The text that is used where none is given, ``fables.txt``, was written for this package and is in the public domain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence as AbstractSequence
from functools import cache
from importlib.resources import files
from typing import Protocol

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.sequences import Sequence
from gru_viz.sequences.one_hot_text import normalise_text
from gru_viz.sequences.phrases import count, listing
from gru_viz.training.randomness import draw_rows
from gru_viz.training.settings import LIMITS
from gru_viz.training.tasks.letters import Alphabet, count_pairs, count_singles
from gru_viz.training.tasks.parts import PROBE_STEPS, spaced
from gru_viz.training.tasks.task import Baseline, Examples, Measure, Shown, Task

__all__ = ["Step", "Text", "fables"]

MOST_CHARACTERS = 2_000_000
MOST_SYMBOLS = 96
MOST_HELD_OUT = 16_384
WINDOW = 64
SHOWN = 4


class Step(Protocol):
    """What writes on, such as ``functools.partial(sample, weights, head_weight, head_bias)``."""

    def __call__(
        self, tokens: AbstractSequence[int], length: int, temperature: float, seed: int, *, never: tuple[int, ...]
    ) -> list[int]:
        """Read some symbols, and write so many more."""


@cache
def fables() -> str:
    """The built-in text: short fables in simple words, which come back often enough for a small network to learn.

    Example:
        >>> fables()[:23]
        'The Fox and the Lantern'
    """
    return files(__package__).joinpath("fables.txt").read_text("utf-8")


class Text(Task):
    """After each character of a text, say how likely each character is to come next.

    The text's first part is trained on, its last is held out; the alphabet is that of the first. A window is read from
    an empty memory, so its first characters are the hardest.

    Args:
        text: what is read; None for the built-in fables.
        length: characters of a window; 0 lets the text choose, at most 64.
        validation: the share of the text, its last, that is held out.

    Raises:
        TrainingError: the text is too short or too long, or has one character only.

    Example:
        >>> task = Text("to be or not to be, " * 20)
        >>> task.features, [(each.title, round(each.measure, 1)) for each in task.baselines]
        (9, [('knows how common each character is', 6.6), ('knows the character before', 2.2)])
    """

    name = "text"
    answers, loss = "every", "cross_entropy"
    measure = Measure("perplexity", "perplexity: among how many characters it wavers", "lower")

    def __init__(self, text: str | None = None, length: int = 0, validation: float = 0.1) -> None:
        whole = normalise_text(fables() if text is None else text)
        cut = len(whole) - round(validation * len(whole))
        room = min(cut, len(whole) - cut)
        self.length = length or max(1, min(WINDOW, room // 2))
        _check_length(len(whole), room, self.length)
        self.alphabet = Alphabet.of(whole[:cut], MOST_SYMBOLS)
        if len(self.alphabet.characters) < 2:
            found = f"one character only, {listing(self.alphabet.characters)}"
            raise TrainingError("text", found, "two or more", "Choose another text.")
        self.features = self.outputs = len(self.alphabet)
        self.tokens = self.length
        self._training, self._held = self.alphabet.encode(whole[:cut]), self.alphabet.encode(whole[cut:])
        self.notices = self._others(whole[:cut])
        self._steps, self._one_hot = np.arange(self.length + 1), np.eye(self.features, dtype=np.float32)

        starts = np.arange(0, len(self._held) - self.length, self.length)
        most = max(1, MOST_HELD_OUT // self.length)
        if len(starts) > most:
            held = f"{len(self._held):,} held-out characters"
            self.notices += (f"Of {held}, {most} evenly spaced windows of {self.length} are looked at.",)
        self.held_out = self._windows(self._held, spaced(starts, most))
        self.baselines = self._counted()
        probe = self._held[:PROBE_STEPS]
        names = self.alphabet.names
        self.probe = Sequence(self._one_hot[probe], names, tuple(names[token] for token in probe), "held-out text")
        self.sentence = f"After each character, say which of {len(self.alphabet.characters)} comes next."

    def batch(self, seed: int, update: int, size: int) -> Examples:
        """Windows of the part that is trained on, from every place once an epoch."""
        rows = draw_rows(seed, update, size, len(self._training) - self.length)
        return self._windows(self._training, rows)

    def measured(self, loss: float, answers: np.ndarray) -> float:
        """The perplexity, exp of the loss."""
        return math.exp(min(loss, 700.0))

    def shown(self, answer: Callable[[Examples], np.ndarray]) -> Shown:
        """A few held-out windows: the characters that came, and those that were thought most likely."""
        few = Examples(self.held_out.x[:SHOWN], self.held_out.y[:SHOWN])
        said = answer(few).argmax(-1)
        labels = tuple(f"window {k + 1}" for k in range(len(said)))
        return Shown("symbols", few.y, said, self.alphabet.names, labels, "next character, true and most likely")

    def continue_text(self, step: Step, prefix: str, length: int, temperature: float = 1.0, seed: int = 0) -> str:
        """Write on from a beginning.

        Args:
            step: reads and writes symbols, such as ``functools.partial(sample, weights, head_weight, head_bias)``.
            prefix: the beginning, of which the last 2,000 characters are read; what is not in the alphabet reads as
                the symbol of all others. Where it is empty, a new line (or the first of the alphabet) is read.
            length: how many characters to write.
            temperature: above 1 more daring, below 1 more careful; at 0 always the most likely character.
            seed: of the draws.

        Returns:
            What was written, without the prefix; the same arguments always give the same.
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
            Baseline("knows how common each character is", float(singles), math.exp(singles)),
            Baseline("knows the character before", float(pairs), math.exp(pairs)),
        )

    def _others(self, training: str) -> tuple[str, ...]:
        said = []
        rare = sorted(set(training) - set(self.alphabet.characters))
        if rare:
            some = count(len(rare), "rare character")
            said.append(f"{some} beyond the {MOST_SYMBOLS} commonest read as one symbol, 'other': {listing(rare)}.")
        strange = int((self._held == self.alphabet.other).sum())
        if strange:
            some = f"{strange:,} of {len(self._held):,} held-out characters"
            said.append(f"{some} are not in the alphabet of what is trained on and read as 'other'.")
        return tuple(said)


def _check_length(characters: int, room: int, length: int) -> None:
    if characters > MOST_CHARACTERS:
        found, wanted = f"{characters:,} characters", f"at most {MOST_CHARACTERS:,}"
        raise TrainingError("text", found, wanted, "Choose a part of it.")
    if room <= length:
        found = f"{count(characters, 'character')}, of which {room:,} in the smaller of the two parts"
        wanted = f"{length + 1:,} there: a window of {length:,} and the character after it"
        shorter = f"Choose a window of at most {room - 1:,}, or " if room > 1 else "Choose a longer text, or "
        raise TrainingError("text", found, wanted, f"{shorter}change the share that is held out.")
