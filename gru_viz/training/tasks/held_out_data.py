"""Held-out data: how many examples are evaluated, and scaling fitted without them."""

from __future__ import annotations

import numpy as np

from gru_viz.errors import TrainingError
from gru_viz.sequences import Scaling, Sequences
from gru_viz.sequences.phrases import listing
from gru_viz.sequences.scaling import fit_scaling

__all__ = ["HELD_OUT_SEED", "PROBE_STEPS", "affordable", "rescaled", "softmax", "spaced"]

HELD_OUT_SEED = 2**31 - 1
"""No model has this seed, so held-out examples are never trained on."""
PROBE_STEPS = 120
"""The longest probe, in steps."""
MOST_EXAMPLES = 512
MOST_NUMBERS = 2**22
LARGEST = 1e15
"""Beyond it, the square of a float32 comes close to what it can hold."""


def affordable(numbers: int) -> int:
    """How many held-out examples of so many numbers are evaluated, so that evaluation stays cheap beside training."""
    return min(MOST_EXAMPLES, max(8, MOST_NUMBERS // numbers))


def spaced(rows: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of the rows, evenly spaced, the first and the last included."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def rescaled(
    where: str, data: Sequences, values: np.ndarray, training: np.ndarray
) -> tuple[np.ndarray, Scaling, tuple[str, ...]]:
    """Scale (rows, features) in original units by the reader's method, fitted to the training rows only.

    A scaling that was given stays as it is.

    Returns:
        (rows, features) float32 scaled values, the scaling, and notices.

    Raises:
        TrainingError: values are too large to be squared.
    """
    scaling = data.scaling
    sentences: tuple[str, ...] = ()
    if scaling.method != "given":
        as_read = _left_as_read(scaling, values)
        scaling, sentences = fit_scaling(values[training], data.features, scaling.method, as_read)
    scaled = scaling.apply(values)
    huge = np.abs(scaled).max(0, initial=0) > LARGEST
    if huge.any():
        names = listing(name for name, beyond in zip(data.features, huge, strict=True) if beyond)
        remedy = "Leave the column out, or correct its outliers."
        raise TrainingError(where, f"numbers beyond 1e15 in {names}", "numbers whose square is finite", remedy)
    notices = [f"In the training part: {sentence}" for sentence in sentences]
    wide = data.scaling.method == "none" and scaled[training].size and np.abs(scaled[training]).max() > 30
    if wide:
        notices.append("The values are large and not scaled; scale='standardise' makes them easier to learn.")
    return scaled.astype(np.float32), scaling, tuple(notices)


def _left_as_read(scaling: Scaling, values: np.ndarray) -> np.ndarray:
    """(features,) bool, features that the reader did not scale: the 0 and 1 of a one-hot column."""
    return (scaling.centre == 0) & (scaling.scale == 1) & ((values == 0) | (values == 1)).all(0)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of classes, in float64, along the last axis."""
    powers = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
