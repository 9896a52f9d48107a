"""Bins of steps: the smallest, largest and mean value of each, in one pass over the data.

A reduction is an array (bins, 3, units): low, high and mean of every bin. A bin with a NaN is NaN in all three, so that
it shows however far one zooms out; an infinity is its bin's low or high.
"""

from __future__ import annotations

import numpy as np

from gru_viz.backends.compiled import why_not
from gru_viz.conventions import CONVENTIONS

__all__ = ["combine", "reduce"]


def reduce(values: np.ndarray, width: int) -> np.ndarray:
    """Reduce values (time, units) to bins of ``width`` steps, the last one of what is left: (bins, 3, units).

    Example:
        >>> reduce(np.array([[1.0], [2.0], [6.0], [4.0], [5.0]]), 3)[:, :, 0]
        array([[1. , 6. , 3. ],
               [4. , 5. , 4.5]])
    """
    out = np.empty((-(-len(values) // width), 3, values.shape[1]), values.dtype)
    if why_not(CONVENTIONS["torch"]) is None:
        from gru_viz.backends.compiled import bin_kernel

        bin_kernel.reduce(np.ascontiguousarray(values), width, out)
        return out
    whole = len(values) // width
    _reduce_groups(values[: whole * width].reshape(whole, width, values.shape[1]), out[:whole])
    if whole < len(out):
        _reduce_groups(values[None, whole * width :], out[whole:])
    return out


def _reduce_groups(groups: np.ndarray, out: np.ndarray) -> None:
    """Fill out (bins, 3, units) from groups (bins, steps, units)."""
    with np.errstate(invalid="ignore"):  # ∞ − ∞ and NaN are meant to come through
        groups.min(1, out=out[:, 0])
        groups.max(1, out=out[:, 1])
        out[:, 2] = groups.mean(1, dtype=np.float64)


def combine(bins: np.ndarray, factor: int, last: float = 1.0) -> np.ndarray:
    """Reduce bins (bins, 3, units) further, ``factor`` neighbours to one.

    Args:
        bins: all of one width, but for the last.
        factor: how many become one.
        last: the width of the last bin, as a share of the others'.

    Example:
        >>> bins = reduce(np.arange(7.0)[:, None], 2)
        >>> np.array_equal(combine(bins, 3, last=0.5), reduce(np.arange(7.0)[:, None], 6))
        True
    """
    if factor == 1:
        return bins
    out = np.empty((-(-len(bins) // factor), *bins.shape[1:]), bins.dtype)
    whole = max(len(out) - 1, 0)
    groups = bins[: whole * factor].reshape(whole, factor, *bins.shape[1:])
    with np.errstate(invalid="ignore"):
        groups[:, :, 0].min(1, out=out[:whole, 0])
        groups[:, :, 1].max(1, out=out[:whole, 1])
        out[:whole, 2] = groups[:, :, 2].mean(1, dtype=np.float64)
        for tail in (bins[whole * factor :],) if len(bins) else ():
            shares = np.ones(len(tail))
            shares[-1] = last
            out[-1, 0], out[-1, 1] = tail[:, 0].min(0), tail[:, 1].max(0)
            out[-1, 2] = (shares[:, None] * tail[:, 2]).sum(0) / shares.sum()
    return out
