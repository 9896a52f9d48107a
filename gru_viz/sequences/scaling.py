"""Bring features to a common range, by numbers taken over all sequences together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from gru_viz.sequences.model import Scaling
from gru_viz.sequences.words import count, listing

__all__ = ["SCALES", "fit_scaling"]

SCALES = ("none", "standardise", "minmax", "robust")


def fit_scaling(
    values: Float[np.ndarray, "rows features"],
    features: tuple[str, ...],
    method: str,
    spared: Bool[np.ndarray, " features"],
) -> tuple[Scaling, tuple[str, ...]]:
    """Find what to subtract and what to divide by.

    Args:
        values: rows of all sequences, without gaps, in their own units.
        features: the feature names.
        method: ``"none"``; ``"standardise"`` to mean 0 and standard deviation 1 (of the population); ``"minmax"`` to
            0 … 1; ``"robust"`` to median 0 and interquartile range 1.
        spared: features left as they are, such as the 0 and 1 of a one-hot column.

    Returns:
        The scaling, and sentences on features without spread.

    Example:
        >>> scaling, said = fit_scaling(np.array([[1.0], [3.0]]), ("x",), "standardise", np.array([False]))
        >>> scaling.centre.tolist(), scaling.scale.tolist()
        ([2.0], [1.0])
    """
    centre, scale = np.zeros(len(features)), np.ones(len(features))
    constant, flat = [], []
    for at, name in enumerate(features):
        column = values[:, at]
        low, high = column.min(), column.max()
        if low == high and not spared[at]:
            constant.append(name)
        if method == "none" or spared[at]:
            continue
        centre[at], spread = (low, 0.0) if low == high else _measure(column, low, high, method)
        if spread > 0:
            scale[at] = spread
        elif low != high:
            flat.append(name)
    said = []
    if constant:
        one = len(constant) == 1
        after = "" if method == "none" else f" and became{'' if one else ' all'} 0 in scaling"
        said.append(f"{count(len(constant), 'constant column')}, the same at every step{after}: {listing(constant)}.")
    if flat:
        said.append(f"Half of the cells or more are equal in {listing(flat)}: only the median was subtracted.")
    return Scaling(method, features, centre, scale), tuple(said)


def _measure(column: Float[np.ndarray, " rows"], low: float, high: float, method: str) -> tuple[float, float]:
    if method == "minmax":
        return low, high - low
    if method == "robust":
        quarter, middle, three = np.percentile(column, [25, 50, 75])
        return float(middle), float(three - quarter)
    mean, deviation = float(column.mean()), float(column.std())
    if deviation == 0:  # squares of tiny numbers vanish
        deviation = float((column / (high - low)).std() * (high - low))
    return mean, deviation
