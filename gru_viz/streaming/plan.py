"""How a long run is cut: so that it needs little memory at any length, and any part of it is quickly there again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gru_viz.backends.compiled import why_not
from gru_viz.streaming.pyramid import FACTOR, level_widths
from gru_viz.weights import Weights

__all__ = ["Plan", "make_plan"]

MiB = 1 << 20
CHUNK_BYTES = 8 * MiB
"""What the gates of a chunk may take; running and proving it takes as much again, or twice."""

LONGEST_CHUNK = 16384
CHUNK_SECONDS = 0.1
"""What a chunk may take, since nobody hears how far it is before it ends."""

SEGMENTS = 8
"""How many checkpoints a chunk has: so many segments of it run side by side when they run again."""

PIECE, AGAIN_BYTES = 4, 18 * MiB
"""How many chunks run again at a time at most, and what their gates may take."""

IN_MEMORY = 16 * MiB
"""Bytes for the bins in memory."""

IN_FILE = 2048 * MiB
"""What bins and checkpoints may take: if they were to take more, the narrowest bins are wider."""

FINEST = 2
"""Steps of the narrowest bin that is worth keeping."""

SECONDS = 0.2
"""What a window may take to recompute."""

SHORTEST_AGAIN = 2048
"""A window of so many steps is recomputed whatever it takes."""

COLUMNS = 1024
"""How many bins a picture is thought to have."""


class Pace(NamedTuple):
    """What a step costs, in seconds: at any size, and for each parameter of the network. Measured, and rounded up."""

    step: float
    parameter: float

    def of(self, weights: Weights) -> float:
        """What a step of this network costs."""
        return self.step + self.parameter * weights.parameters


FIRST = {True: Pace(1e-6, 2e-10), False: Pace(1.5e-5, 2e-10)}
AGAIN = {True: Pace(3.5e-7, 4e-11), False: Pace(2e-6, 1e-10)}
"""By whether the kernels are there: run and proven for the first time; and again, in segments side by side."""


@dataclass(frozen=True)
class Plan:
    """How a sequence of ``length`` steps is run and stored.

    Attributes:
        length: steps of the sequence.
        chunk: steps that are run at a time.
        stride: steps between two checkpoints; divides the chunk.
        piece: steps that are run again at a time; whole chunks.
        base: steps of the narrowest stored bin; divides the chunk.
        in_file: widths of bins that are stored in a temporary file; the others are in memory.
        recomputed: a window of up to so many steps is run again rather than shown from bins.
    """

    length: int
    chunk: int
    stride: int
    piece: int
    base: int
    in_file: tuple[int, ...]
    recomputed: int

    @property
    def segments(self) -> int:
        """How many segments are between checkpoints; one without steps where there are no steps."""
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
        """The widths of the stored bins, from the finest."""
        return level_widths(self.length, self.base)

    def span(self, chunk: int) -> slice:
        """The steps of a chunk."""
        return slice(chunk * self.chunk, min((chunk + 1) * self.chunk, self.length))


def make_plan(weights: Weights, length: int, disk: int = IN_FILE) -> Plan:
    """Choose a plan by the size of the network and the length of the sequence.

    Bins and checkpoints take ``IN_FILE`` bytes at most, as long as bins no wider than a chunk are enough: with 512
    units up to some twenty million steps. Beyond, it takes about 100 bytes a step there, and less with fewer units.
    A temporary file may have ``disk`` bytes.
    """
    quantities, size = len(weights.convention.quantities), weights.compute_dtype.itemsize
    wide = sum(len(layer) * units for layer, units in zip(weights.layers, weights.units, strict=True))
    step_bytes, compiled = size * (weights.features + quantities * wide), why_not(weights.convention) is None
    chunk = _power_below(
        min(CHUNK_BYTES // step_bytes, LONGEST_CHUNK, int(CHUNK_SECONDS / FIRST[compiled].of(weights)))
    )
    chunk = max(chunk, FINEST)
    stride = max(chunk // SEGMENTS, 1)
    checkpoints = size * wide * len(weights.convention.states) * length // stride

    recomputed = max(int(SECONDS / AGAIN[compiled].of(weights)), SHORTEST_AGAIN)
    base = min(max(_power_below(recomputed // COLUMNS), FINEST), chunk)
    room = min(IN_FILE, disk) - checkpoints
    while base < chunk and FACTOR * _level(step_bytes, length, base) // (FACTOR - 1) > room:
        base *= 2

    room, in_file = IN_MEMORY, list[int]()
    for width in reversed(level_widths(length, base)):
        room -= _level(step_bytes, length, width)
        if room < 0:
            in_file.insert(0, width)
    piece = chunk * min(max(AGAIN_BYTES // (step_bytes * chunk), 1), PIECE)
    return Plan(length, chunk, stride, piece, base, tuple(in_file), recomputed)


def _power_below(number: int) -> int:
    """The largest power of two that is no larger, at least 1."""
    return 1 << max(number.bit_length() - 1, 0)


def _level(step_bytes: int, length: int, width: int) -> int:
    """Bytes of a level: low, high and mean of every bin, where a step would take ``step_bytes``."""
    return 3 * step_bytes * -(-length // width)
