"""How large a view may be: the columns that a screen can show, and the bytes that are sent to a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gru_viz.figures.view_parts import MOST_CURVES
from gru_viz.weights import Weights

__all__ = ["MOST_BYTES", "MOST_STEPS", "ColumnBudget", "choose_window", "most_bins", "most_steps", "traced_together"]

MOST_BYTES = 1_000_000
"""The most bytes of one view's payload, about."""

MOST_STEPS = 2000
"""The most steps of which each has a column of its own."""

MOST_BINS = 1600
"""The most columns of many steps; a wide screen has about as many."""

MOST_ROWS = 512
"""The most rows of all maps of units together; a screen has hardly more pixels for them."""

MOST_TOGETHER = 128 * 2**20
"""The most bytes of all sequences' gates and states in memory at once, padded."""

HEADER_BYTES = 60_000
"""What texts and layout take."""

BYTES_PER_CELL = 1.5
BYTES_PER_NUMBER = 4
BYTES_PER_LABEL = 32


class ColumnBudget(NamedTuple):
    """What fits into a view of many steps.

    Attributes:
        columns: the most columns.
        grouped: how many neighbouring units share a row.
        extremes: whether each column's lowest and highest value are sent too.
    """

    columns: int
    grouped: int
    extremes: bool


def most_steps(weights: Weights, features: Sequence[str] = (), outputs: int = 0) -> int:
    """The most steps that can have a column each, with formulas, in a view of one network or of two compared.

    The network's largest layer counts; ``outputs`` are the rows of a head's output.
    """
    kind = weights.convention
    quantities = len(kind.quantities)
    rows = max(quantities, 3) * max(weights.units) + outputs + (len(features) if len(features) > MOST_CURVES else 0)
    series = 2 * (quantities + 2 * len(kind.gates) + len(kind.states)) + 4 * min(len(features), MOST_CURVES)
    left = MOST_BYTES - HEADER_BYTES - sum(len(name.encode()) for name in features)
    step = BYTES_PER_CELL * rows + BYTES_PER_NUMBER * series + 2 * BYTES_PER_LABEL
    return max(1, min(MOST_STEPS, int(left / step)))


def traced_together(weights: Weights, lengths: Sequence[int], features: Sequence[str] = (), outputs: int = 0) -> bool:
    """Whether all sequences can be traced in one batch and every step of each can have a column.

    Otherwise each sequence is traced on its own, and streamed if this is false for it alone.
    """
    longest = max(lengths, default=0)
    states = sum(cell.hidden for layer in weights.layers for cell in layer)
    size = weights.dtype.itemsize * len(weights.convention.quantities) * states * longest * len(lengths)
    return longest <= most_steps(weights, features, outputs) and size <= MOST_TOGETHER


def most_bins(panels: int, units: int, features: Sequence[str] = (), wanted: int | None = None) -> ColumnBudget:
    """What fits into a view with so many maps of so many units; ``wanted`` is the number of columns, at most.

    Without ``wanted``: as many columns as a wide screen shows.
    """
    grouped = -(-units // max(MOST_ROWS // panels, 1))
    strip = len(features) if len(features) > MOST_CURVES else 0
    rows = panels * -(-units // grouped) + strip
    curves = 6 * BYTES_PER_NUMBER * (0 if strip else len(features)) + BYTES_PER_LABEL
    left = MOST_BYTES - HEADER_BYTES - sum(len(name.encode()) for name in features)
    with_extremes, without = (int(left / (times * BYTES_PER_CELL * rows + curves)) for times in (3, 1))
    wanted = min(wanted or MOST_BINS, MOST_BINS, without)
    extremes = with_extremes >= wanted
    return ColumnBudget(max(1, wanted), grouped, extremes)


def choose_window(start: int, stop: int, length: int, most: int) -> tuple[int, int] | None:
    """Choose which steps to show one by one, so that a small move of the view needs no others.

    The window is a little wider than what is in sight, and the same for neighbouring views.

    Steps are counted from 0, ``stop`` is the one after the last; None where more than ``most`` are in sight.
    """
    wanted = stop - start
    if wanted > most:
        return None
    stride = max(64, 1 << max(wanted.bit_length() - 3, 0))  # between a quarter and an eighth of what is wanted
    width = min(most, -(-wanted // stride) * stride + stride, length)
    first = start // stride * stride
    if first + width < stop:
        first = start - (width - wanted) // 2
    first = max(0, min(first, length - width))
    return first, first + width
