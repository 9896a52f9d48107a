"""Built-in example sequences, each with a sentence on what to look for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gru_viz.sequences.one_hot_text import read_text
from gru_viz.sequences.scaling import Scaling
from gru_viz.sequences.sequence import Sequence, Sequences

__all__ = ["EXAMPLES", "SENTENCE", "SENTENCE_ALPHABET", "Example"]

SENTENCE_ALPHABET = "abcdefghijklmnopqrstuvwxyz .,"
"""The characters of the sentence example, in the order of its features."""

SENTENCE = (
    "the old cat sleeps near the warm stove, and a small bird sings in the garden. "
    "my brother reads a letter by the window."
)
"""The sentence example; the network trained for it has not seen either half."""

IMPULSES = (
    ("impulse", {8: 0.8, 38: -0.5, 60: 0.3, 72: -0.9, 102: 0.6}, (30, 52, 96, 116)),
    ("longer holds", {5: -0.7, 50: 0.9, 100: 0.4}, (45, 92)),
)
"""For each sequence: its name, the steps and values of the impulses to remember, the steps of the drops."""

SINES = (("sine", 24), ("faster sine", 14))
SQUARES = (("square", (18, 24, 16, 28, 22, 12)), ("faster square", (10, 12, 9, 11, 14, 8, 10, 12, 9, 13, 12)))


@dataclass(frozen=True)
class Example:
    """A built-in example.

    Attributes:
        title: its title on the page.
        look_for: one sentence for someone who sees a GRU for the first time.
        load: returns the sequences, identical at every call.
        pretrained: the name of the network trained for it, or None.

    Example:
        >>> impulse = EXAMPLES["impulse"].load()
        >>> impulse.features, impulse.lengths
        (('value', 'take', 'drop'), (120, 120))
    """

    title: str
    look_for: str
    load: Callable[[], Sequences]
    pretrained: str | None = None


def _impulse() -> Sequences:
    rng, sequences = np.random.default_rng(1), {}
    for name, impulses, drops in IMPULSES:
        values = np.zeros((120, 3))
        values[:, 0] = rng.uniform(-0.15, 0.15, 120)
        values[list(impulses), 0] = list(impulses.values())
        values[list(impulses), 1] = 1
        values[list(drops), 2] = 1
        sequences[name] = values
    source = (
        "written by hand: value is noise up to ±0.15 with impulses up to ±0.9, without a unit; "
        "take is 1 where the value is to be remembered, drop is 1 where it is to be forgotten"
    )
    return _unscaled(sequences, ("value", "take", "drop"), source)


def _sine() -> Sequences:
    rng, time = np.random.default_rng(2), np.arange(120)
    sequences = {
        name: np.sin(2 * np.pi * time / period + 0.5)[:, None] + 0.05 * rng.standard_normal((120, 1))
        for name, period in SINES
    }
    return _unscaled(sequences, ("value",), "computed: sines of 24 and 14 steps a period, noise 0.05, no unit")


def _square() -> Sequences:
    rng, sequences = np.random.default_rng(3), {}
    for name, lengths in SQUARES:
        level = np.repeat(np.resize([1, -1], len(lengths)), lengths)
        sequences[name] = level[:, None] + 0.5 * rng.standard_normal((120, 1))
    return _unscaled(sequences, ("value",), "computed: levels of ±1 with noise of 0.5, without a unit")


def _sentence() -> Sequences:
    return read_text(SENTENCE, alphabet=SENTENCE_ALPHABET, name="sentence")


def _stocks() -> Sequences:
    from plotly.data import stocks  # brings a dataframe library, which nothing else here needs

    table = stocks()
    features = tuple(column for column in table.columns if column != "date")
    values = table[list(features)].to_numpy(np.float64)
    scaling = Scaling("standardise", features, values.mean(axis=0), values.std(axis=0))
    time = tuple(str(date) for date in table["date"])
    return Sequences(
        (Sequence(scaling.apply(values).astype(np.float32), features, time, "stocks"),),
        scaling,
        source="weekly closing prices of six shares, as multiples of the price on 2018-01-01; shipped with plotly",
    )


def _unscaled(sequences: dict[str, np.ndarray], features: tuple[str, ...], source: str) -> Sequences:
    scaling = Scaling("none", features, np.zeros(len(features)), np.ones(len(features)))
    items = tuple(Sequence(values.astype(np.float32), features, None, name) for name, values in sequences.items())
    return Sequences(items, scaling, source=source)


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "impulse": Example(
            "An impulse to remember",
            "The update gate stays at 1, keep, while a value is remembered, and falls only at take and drop.",
            _impulse,
            "impulse",
        ),
        "sine": Example(
            "A sine to continue",
            "The hidden states swing with the wave, each a little earlier or later than the other.",
            _sine,
            "sine",
        ),
        "square": Example(
            "A noisy square wave",
            "The hidden states stay calm in the noise and turn only where the level really changes.",
            _square,
            "square",
        ),
        "sentence": Example(
            "A sentence, letter by letter",
            "At the steps marked ␣ most update gates fall: a word is over, and much of the old state is replaced.",
            _sentence,
            "sentence",
        ),
        "stocks": Example(
            "Share prices of 2018 and 2019",
            "These weights are random, so the gates follow the prices without any learnt choice of what to remember.",
            _stocks,
        ),
    }
)
"""The built-in examples by name, the one to begin with first."""
