"""Fits the scaling of features to all sequences together: standardised, min-max, robust or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gru_viz.sequences.phrases import count, listing

__all__ = ["SCALING_METHODS", "Scaling", "fit_scaling"]

SCALING_METHODS = ("none", "standardise", "minmax", "robust")


@dataclass(frozen=True, eq=False)
class Scaling:
    """How features were scaled, so that it can be undone: scaled = (value − centre) / scale.

    Attributes:
        method: ``"none"``, ``"standardise"``, ``"minmax"``, ``"robust"``, or ``"given"``: numbers from elsewhere, such
            as those that a model was trained with.
        features: the feature names, in the order of the numbers.
        centre: (features,) the value subtracted, in the feature's unit: mean, minimum or median.
        scale: (features,) the divisor, in the feature's unit; never 0.

    Example:
        >>> s = Scaling("standardise", ("t",), np.array([10.0]), np.array([2.0]))
        >>> s.undo(np.array([[0.5]])).tolist()
        [[11.0]]
    """

    method: str
    features: tuple[str, ...]
    centre: Float[np.ndarray, " features"]
    scale: Float[np.ndarray, " features"]

    def apply(self, values: Float[np.ndarray, "time features"]) -> Float[np.ndarray, "time features"]:
        """Scale ``values`` from their original units."""
        return (np.asarray(values, np.float64) - self.centre) / self.scale

    def undo(self, values: Float[np.ndarray, "time features"]) -> Float[np.ndarray, "time features"]:
        """Return scaled ``values`` in their original units."""
        return np.asarray(values, np.float64) * self.scale + self.centre


def fit_scaling(
    values: Float[np.ndarray, "rows features"],
    features: tuple[str, ...],
    method: str,
    unscaled: Bool[np.ndarray, " features"],
) -> tuple[Scaling, tuple[str, ...]]:
    """Compute the centre and scale of each feature.

    Args:
        values: (rows, features) all sequences, without missing values, in their original units.
        features: the feature names.
        method: ``"none"``; ``"standardise"`` to mean 0 and standard deviation 1 (of the population); ``"minmax"`` to
            0 … 1; ``"robust"`` to median 0 and interquartile range 1.
        unscaled: (features,) which features stay as they are, such as one-hot ones.

    Returns:
        The scaling, and notices about features without spread.

    Example:
        >>> scaling, notices = fit_scaling(np.array([[1.0], [3.0]]), ("x",), "standardise", np.array([False]))
        >>> scaling.centre.tolist(), scaling.scale.tolist()
        ([2.0], [1.0])
    """
    centre, scale = np.zeros(len(features)), np.ones(len(features))
    constant, flat = [], []
    for at, name in enumerate(features):
        column = values[:, at]
        low, high = column.min(), column.max()
        if low == high and not unscaled[at]:
            constant.append(name)
        if method == "none" or unscaled[at]:
            continue
        centre[at], spread = (low, 0.0) if low == high else _centre_and_spread(column, low, high, method)
        if spread > 0:
            scale[at] = spread
        elif low != high:
            flat.append(name)
    return Scaling(method, features, centre, scale), tuple(_notices(constant, flat, method))


def _notices(constant: list[str], flat: list[str], method: str) -> Iterator[str]:
    if constant:
        after = "" if method == "none" else f" and became{'' if len(constant) == 1 else ' all'} 0 in scaling"
        yield f"{count(len(constant), 'constant column')}, the same at every step{after}: {listing(constant)}."
    if flat:
        yield f"Half of the cells or more are equal in {listing(flat)}: only the median was subtracted."


def _centre_and_spread(column: Float[np.ndarray, " rows"], low: float, high: float, method: str) -> tuple[float, float]:
    if method == "minmax":
        return low, high - low
    if method == "robust":
        quarter, middle, three = np.percentile(column, [25, 50, 75])
        return float(middle), float(three - quarter)
    mean, deviation = float(column.mean()), float(column.std())
    if deviation == 0:  # the squares of tiny numbers underflow to 0
        deviation = float((column / (high - low)).std() * (high - low))
    return mean, deviation
