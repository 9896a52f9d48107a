"""The tasks of the trained networks: endless fresh sequences of the same kind as the built-in examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from gru_viz.sequences.examples import SENTENCE, SENTENCE_ALPHABET
from gru_viz.sequences.one_hot_text import visible_character

__all__ = ["TASKS", "PretrainedTask", "bigram_loss"]

Sample = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class PretrainedTask:
    """What a network is to learn.

    Attributes:
        description: what it predicts at every step, in words.
        features: what it reads.
        outputs: what it predicts.
        sample: ``(rng, batch, steps)`` → inputs (batch, time, features) float32, and what is wanted: numbers
            (batch, time, outputs) float32, or classes (batch, time) int64.
        baseline: the naive prediction that memory has to beat, in words.
        baseline_loss: the naive prediction's loss on such a sample: mean square error, or cross-entropy in nats.
        cues: the features that announce that something is to be written or forgotten.
        length: steps of the sequences to train on.
        alphabet: the characters behind the features, where it reads text.
    """

    description: str
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    sample: Callable[[np.random.Generator, int, int], Sample]
    baseline: str
    baseline_loss: Callable[[np.ndarray, np.ndarray], float]
    cues: tuple[str, ...] = ()
    length: int = 80
    alphabet: str | None = None


def _impulses(rng: np.random.Generator, batch: int, steps: int) -> Sample:
    inputs = np.zeros((batch, steps, 3), np.float32)
    wanted = np.zeros((batch, steps, 1), np.float32)
    inputs[..., 0] = rng.uniform(-0.15, 0.15, (batch, steps))
    for row in range(batch):
        step, stored = int(rng.integers(15)), 0.0
        while step < steps:
            if stored and rng.random() < 0.7:
                stored = 0.0
                inputs[row, step, 2] = 1
            else:
                stored = rng.uniform(0.3, 1) * rng.choice([-1, 1])
                inputs[row, step, :2] = stored, 1
            wanted[row, step:] = stored
            step += int(rng.integers(3, 40))
    return inputs, wanted


def _sines(rng: np.random.Generator, batch: int, steps: int) -> Sample:
    period, phase, size = (rng.uniform(*ends, (batch, 1)) for ends in ((12.0, 40.0), (0.0, 2 * np.pi), (0.7, 1.0)))
    wave = size * np.sin(2 * np.pi * np.arange(steps + 1) / period + phase)
    noisy = (wave + 0.05 * rng.standard_normal(wave.shape)).astype(np.float32)[..., None]
    return noisy[:, :-1], noisy[:, 1:]


def _squares(rng: np.random.Generator, batch: int, steps: int) -> Sample:
    level = np.empty((batch, steps, 1), np.float32)
    for row in level:
        runs = rng.integers(10, 31, steps // 10 + 1)
        signs = np.resize([1, -1] if rng.random() < 0.5 else [-1, 1], len(runs))
        row[:, 0] = np.repeat(signs, runs)[:steps]
    return (level + 0.5 * rng.standard_normal(level.shape)).astype(np.float32), level


_ANIMALS = ["cat", "dog", "bird", "horse", "fox", "mouse", "duck", "goat", "hen", "owl"]
_QUALITIES = ["old", "small", "young", "black", "brown", "quiet", "hungry", "happy", "little", "white"]
_DOINGS = ["sleeps", "waits", "sings", "rests", "sits", "stands", "plays", "walks", "eats", "hides"]
_PEOPLE = [
    "my brother",
    "my sister",
    "the teacher",
    "the farmer",
    "our friend",
    "the baker",
    "a neighbour",
    "the child",
]
_MAKINGS = ["reads", "writes", "finds", "brings", "takes", "paints", "keeps", "folds"]
_THINGS = ["a letter", "a book", "the map", "a song", "the news", "a picture", "the list", "a story"]
_WHERE = ["near", "in", "by", "behind", "under", "beside"]
_PLACES = ["garden", "window", "stove", "river", "house", "door", "bridge", "barn", "table", "forest"]
_OF_PLACES = ["warm", "cold", "green", "long", "open", "dark"]


def _sentences(rng: np.random.Generator, batch: int, steps: int) -> Sample:
    classes = np.array([_classes(_text(rng, steps + 1)) for _ in range(batch)])
    return np.eye(len(SENTENCE_ALPHABET), dtype=np.float32)[classes[:, :-1]], classes[:, 1:]


def _classes(text: str) -> np.ndarray:
    return np.array([SENTENCE_ALPHABET.index(character) for character in text], np.int64)


def _text(rng: np.random.Generator, length: int) -> str:
    text = ""
    while len(text) < length:
        text += _clause(rng)
        text += f", {rng.choice(['and', 'but', 'while'])} " if rng.random() < 0.4 else ". "
    return text[:length]


def _clause(rng: np.random.Generator) -> str:
    """One clause, but none of those in the example, which stays unseen."""

    def maybe(words: list[str]) -> str:
        return f"{rng.choice(words)} " if rng.random() < 0.5 else ""

    place = f"{rng.choice(_WHERE)} the {maybe(_OF_PLACES)}{rng.choice(_PLACES)}"
    if rng.random() < 0.6:
        who = f"{rng.choice(['the', 'a', 'our'])} {maybe(_QUALITIES)}{rng.choice(_ANIMALS)}"
        clause = f"{who} {rng.choice(_DOINGS)} {place}"
    else:
        clause = f"{rng.choice(_PEOPLE)} {rng.choice(_MAKINGS)} {rng.choice(_THINGS)} {place}"
    return _clause(rng) if clause in SENTENCE else clause


def _memoryless_loss(inputs: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.mean((inputs[..., :1] - wanted) ** 2))


def bigram_loss(inputs: np.ndarray, wanted: np.ndarray) -> float:
    """Cross-entropy, in nats a character, of guessing the next character from the current one alone.

    Example:
        >>> inputs, wanted = TASKS["sentence"].sample(np.random.default_rng(0), 10, 100)
        >>> 1.5 < bigram_loss(inputs, wanted) < 2.2
        True
    """
    return float(-np.mean(_bigrams()[inputs.argmax(-1), wanted]))


@cache
def _bigrams() -> np.ndarray:
    """(current, next) log probabilities, counted in a hundred thousand characters, no pair impossible."""
    classes = _classes(_text(np.random.default_rng(0), 100_000))
    counts = np.ones((len(SENTENCE_ALPHABET),) * 2)
    np.add.at(counts, (classes[:-1], classes[1:]), 1)
    return np.log(counts / counts.sum(axis=1, keepdims=True))


_LETTERS = tuple(visible_character(character) for character in SENTENCE_ALPHABET)
_JUST_READ = "the value just read"

TASKS: Mapping[str, PretrainedTask] = MappingProxyType(
    {
        "impulse": PretrainedTask(
            "Predicts the value that came with the last take, and 0 after a drop.",
            ("value", "take", "drop"),
            ("stored value",),
            _impulses,
            _JUST_READ,
            _memoryless_loss,
            cues=("take", "drop"),
        ),
        "sine": PretrainedTask(
            "Predicts the wave's next value.",
            ("value",),
            ("next value",),
            _sines,
            _JUST_READ,
            _memoryless_loss,
        ),
        "square": PretrainedTask(
            "Predicts the level, −1 or 1, behind the noise.",
            ("value",),
            ("level",),
            _squares,
            _JUST_READ,
            _memoryless_loss,
        ),
        "sentence": PretrainedTask(
            "Predicts the next character: a score for each, the highest for the most likely.",
            _LETTERS,
            _LETTERS,
            _sentences,
            "pairs of characters, counted",
            bigram_loss,
            cues=(visible_character(" "),),
            length=110,
            alphabet=SENTENCE_ALPHABET,
        ),
    }
)
"""The tasks by the name of the example that they belong to."""
