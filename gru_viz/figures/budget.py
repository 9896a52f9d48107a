"""How much of a sequence one view takes: the columns a screen can show, and the bytes a browser is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gru_viz.figures.parts import MOST_CURVES
from gru_viz.weights import Weights

__all__ = ["MOST_BYTES", "MOST_STEPS", "Share", "choose_window", "most_bins", "most_steps", "traced_together"]

MOST_BYTES = 1_000_000
"""What a browser is sent for one view."""

MOST_STEPS = 2000
"""The most steps of which each has a column of its own."""

MOST_BINS = 1600
"""The most columns of many steps; a wide screen has about as many."""

MOST_ROWS = 512
"""The most rows of all maps of units together; a screen has hardly more pixels for them."""

MOST_TOGETHER = 128 * 2**20
"""The most bytes of all sequences' gates and states that are kept at once, padded."""

WORDS = 60_000
PIXEL = 1.5
NUMBER = 4
LABEL = 32


class Share(NamedTuple):
    """How a view of many steps keeps within its bytes.

    Attributes:
        columns: at most so many.
        grouped: how many neighbouring units share a row.
        reach: whether the lowest and the highest value of each column go along.
    """

    columns: int
    grouped: int
    reach: bool


def most_steps(weights: Weights, features: Sequence[str] = (), outputs: int = 0) -> int:
    """The most steps of a network's view of which each can have its column, with its formulas; also of two compared.

    Args:
        weights: the network; its largest layer counts.
        features: the names of the input's features.
        outputs: how many rows a head's answers take.

    Example:
        >>> from gru_viz import random_weights
        >>> most_steps(random_weights("torch", 3, 16)), most_steps(random_weights("torch", 3, 512)) < 300
        (2000, True)
    """
    kind = weights.convention
    quantities = len(kind.quantities)
    rows = max(quantities, 3) * max(weights.units) + outputs + (len(features) if len(features) > MOST_CURVES else 0)
    series = 2 * (quantities + 2 * len(kind.gates) + len(kind.states)) + 4 * min(len(features), MOST_CURVES)
    room = MOST_BYTES - WORDS - sum(len(name.encode()) for name in features)
    return max(1, min(MOST_STEPS, int(room / (PIXEL * rows + NUMBER * series + 2 * LABEL))))


def traced_together(weights: Weights, lengths: Sequence[int], features: Sequence[str] = (), outputs: int = 0) -> bool:
    """Whether all sequences are traced at once, and all steps of each shown; else each is a run of its own.

    A sequence alone is traced and kept where this holds of it, and streamed where it does not.

    Example:
        >>> from gru_viz import random_weights
        >>> w = random_weights("torch", 3, 16)
        >>> traced_together(w, [200] * 40), traced_together(w, [200] * 10_000), traced_together(w, [20_000])
        (True, False, False)
    """
    longest = max(lengths, default=0)
    states = sum(cell.hidden for layer in weights.layers for cell in layer)
    size = weights.dtype.itemsize * len(weights.convention.quantities) * states * longest * len(lengths)
    return longest <= most_steps(weights, features, outputs) and size <= MOST_TOGETHER


def most_bins(panels: int, units: int, features: Sequence[str] = (), wanted: int | None = None) -> Share:
    """How many columns of many steps fit, and what they can say.

    Args:
        panels: how many maps of units there are.
        units: how many units each has.
        features: the names of the input's features.
        wanted: how many columns there are to be; None: as many as a wide screen shows.

    Example:
        >>> most_bins(4, 16), most_bins(4, 1024).grouped
        (Share(columns=1600, grouped=1, reach=True), 8)
    """
    grouped = -(-units // max(MOST_ROWS // panels, 1))
    strip = len(features) if len(features) > MOST_CURVES else 0
    rows = panels * -(-units // grouped) + strip
    curves = 6 * NUMBER * (0 if strip else len(features)) + LABEL
    room = MOST_BYTES - WORDS - sum(len(name.encode()) for name in features)
    with_reach, without = (int(room / (times * PIXEL * rows + curves)) for times in (3, 1))
    wanted = min(wanted or MOST_BINS, MOST_BINS, without)
    reach = with_reach >= wanted
    return Share(max(1, wanted), grouped, reach)


def choose_window(start: int, stop: int, length: int, most: int) -> tuple[int, int] | None:
    """Which steps to show one by one where those from ``start`` to before ``stop`` are wanted; None: they are too many.

    It is a little wider than what is wanted, and the same for neighbouring wishes, so that a small move finds its
    steps there.

    Example:
        >>> choose_window(500_100, 500_200, 1_000_000, 2000), choose_window(0, 3000, 1_000_000, 2000)
        ((500096, 500288), None)
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
