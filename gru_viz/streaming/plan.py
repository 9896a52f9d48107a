"""How a long run is cut: so that it needs little memory at any length, and any part of it is quickly there again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gru_viz.kernels import why_not
from gru_viz.streaming.pyramid import FACTOR, level_widths
from gru_viz.weights import Weights

__all__ = ["Plan", "dtype_of", "make_plan"]

MiB = 1 << 20
CHUNK_BYTES = 8 * MiB
LONGEST_CHUNK = 8192
SEGMENTS = 8
"""How many checkpoints a chunk has: so many segments of it run side by side when they run again."""

IN_MEMORY = 16 * MiB
IN_FILE = 1024 * MiB
FINEST = 16

SECONDS = 0.2
"""What a window may take to recompute."""

SHORTEST_AGAIN = 2048
"""A window of so many steps is recomputed whatever it takes."""

COLUMNS = 1024
"""How many bins a picture is thought to have."""


class Pace(NamedTuple):
    """What a step costs, in seconds: at any size, and for each parameter of the network."""

    step: float
    parameter: float


COMPILED, EAGER = Pace(2e-7, 1e-10), Pace(1.5e-5, 1e-10)


@dataclass(frozen=True)
class Plan:
    """How a sequence of ``length`` steps is run and kept.

    Attributes:
        length: steps of the sequence.
        chunk: steps that are run at a time.
        stride: steps between two checkpoints; divides the chunk.
        base: steps of the narrowest bin that is kept; divides the chunk.
        in_file: widths of bins that are kept in a temporary file; the others are in memory.
        recomputed: a window of up to so many steps is run again rather than shown from bins.
    """

    length: int
    chunk: int
    stride: int
    base: int
    in_file: tuple[int, ...]
    recomputed: int

    @property
    def segments(self) -> int:
        """How many segments lie between checkpoints; one without steps where there are no steps."""
        return max(self.boundary(self.length), 1)

    def boundary(self, step: int) -> int:
        """The number of the first checkpoint at or after a step; the last one is at the end of the sequence."""
        return -(-step // self.stride)

    def spans(self) -> list[slice]:
        """The steps of each chunk; one without steps where there are no steps."""
        firsts = range(0, max(self.length, 1), self.chunk)
        return [slice(first, min(first + self.chunk, self.length)) for first in firsts]

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths of the bins that are kept, from the finest."""
        return level_widths(self.length, self.base)

    def span(self, chunk: int) -> slice:
        """The steps of a chunk."""
        return slice(chunk * self.chunk, min((chunk + 1) * self.chunk, self.length))


def dtype_of(weights: Weights) -> np.dtype:
    """The type a network runs in: float64, or else float32."""
    return weights.dtype if weights.dtype == np.float64 else np.dtype(np.float32)


def make_plan(weights: Weights, length: int) -> Plan:
    """Choose a plan by the size of the network and the length of the sequence alone.

    Example:
        >>> from gru_viz import random_weights
        >>> plan = make_plan(random_weights("torch", 4, 512), 1_000_000)
        >>> plan.chunk, plan.base, plan.in_file
        (256, 32, (32, 128, 512))
    """
    quantities, size = len(weights.convention.quantities), dtype_of(weights).itemsize
    wide = sum(len(layer) * units for layer, units in zip(weights.layers, weights.units, strict=True))
    kept = size * (weights.features + quantities * wide)  # bytes of a step
    chunk = min(max(_power_below(CHUNK_BYTES // (2 * kept)), FINEST), LONGEST_CHUNK)

    pace = COMPILED if why_not(weights.convention) is None else EAGER
    recomputed = int(SECONDS / (pace.step + pace.parameter * weights.parameters))
    base = min(max(_power_below(recomputed // COLUMNS), FINEST), chunk)
    while base < chunk and _total(kept, length, base) > IN_FILE:
        base *= 2

    room, in_file = IN_MEMORY, list[int]()
    for width in reversed(level_widths(length, base)):
        room -= _level(kept, length, width)
        if room < 0:
            in_file.insert(0, width)
    return Plan(length, chunk, max(chunk // SEGMENTS, 1), base, tuple(in_file), max(recomputed, SHORTEST_AGAIN))


def _power_below(number: int) -> int:
    """The largest power of two that is no larger, at least 1."""
    return 1 << max(number.bit_length() - 1, 0)


def _level(kept: int, length: int, width: int) -> int:
    """Bytes of a level: low, high and mean of every bin."""
    return 3 * kept * -(-length // width)


def _total(kept: int, length: int, base: int) -> int:
    return FACTOR * _level(kept, length, base) // (FACTOR - 1)
