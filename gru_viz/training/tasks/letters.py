"""Characters as numbers, and unigram and bigram models of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from gru_viz.sequences.one_hot_text import visible_character

__all__ = ["OTHER", "Alphabet", "count_pairs", "count_singles"]

OTHER = "other"
"""Name of the symbol of all characters outside the alphabet."""


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


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


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
