"""Orders of a layer's units that let structure show in a heatmap."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from gru_viz.errors import TraceError
from gru_viz.trace import DirectionTrace

__all__ = ["ORDERS", "order_units", "time_scales"]

ORDERS = MappingProxyType(
    {
        "index": "index",
        "peak": "when each unit peaks",
        "time_scale": "time-scale, fast to slow",
        "similarity": "similarity",
    }
)
"""How units can be sorted: name → words."""


def order_units(trace: DirectionTrace, by: str = "index", sequence: int = 0) -> Int[np.ndarray, " hidden"]:
    """Indices of the units in the chosen order.

    ``peak`` sorts by the step of the largest |h|; ``time_scale`` by ``time_scales``; ``similarity`` puts units that
    move alike next to each other, by the angle of their loadings on the first two principal components of h, the
    circle cut at its widest gap (Friendly 2002, *Corrgrams*).

    Raises:
        TraceError: there is no such order.
    """
    if by not in ORDERS:
        raise TraceError("order_units", repr(by), f"one of {', '.join(ORDERS)}", "Choose one of these.")
    h = np.nan_to_num(trace.hidden[sequence, : trace.lengths[sequence]].astype(np.float64))
    units = h.shape[1]
    if by == "index" or not len(h):
        return np.arange(units)
    if by == "peak":
        return np.argsort(np.abs(h).argmax(0), kind="stable")
    if by == "time_scale":
        return np.argsort(time_scales(trace, sequence), kind="stable")
    centred = h - h.mean(0)
    _, strength, loadings = np.linalg.svd(centred, full_matrices=False)
    if len(strength) < 2:
        return np.arange(units)
    plane = loadings[:2] * strength[:2, None]
    plane *= np.sign(plane[[0, 1], np.abs(plane).argmax(1)])[:, None]  # the sign of a component is arbitrary
    angles = np.arctan2(plane[1], plane[0])
    circle = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[circle], append=angles[circle[0]] + 2 * np.pi)
    return np.roll(circle, -(int(gaps.argmax()) + 1))


def time_scales(trace: DirectionTrace, sequence: int = 0) -> Float[np.ndarray, " hidden"]:
    """For each unit, over how many steps it keeps 1/e of its state: −1 / ln k.

    k is the mean share of the old state that the gate keeps: the update gate of a GRU (1 − z where z takes the new),
    the forget gate of an LSTM. A tanh RNN has no such gate; there k is the lag-1 autocorrelation of h. 0 where
    nothing remains, and for a sequence without steps.
    """
    steps = slice(0, trace.lengths[sequence])
    if not trace.lengths[sequence]:
        return np.zeros(trace.weights.hidden)
    if trace.convention.cell == "rnn":
        h = trace.hidden[sequence, steps].astype(np.float64)
        h = h - h.mean(0)
        power = (h * h).sum(0)
        share = np.divide((h[1:] * h[:-1]).sum(0), power, out=np.zeros_like(power), where=power > 0)
    else:
        gate = trace.forget if trace.convention.cell == "lstm" else trace.update
        share = gate[sequence, steps].astype(np.float64).mean(0)
        share = 1 - share if trace.convention.update == "takes" else share
    share = np.clip(np.nan_to_num(share), 0, 1 - 1e-12)
    with np.errstate(divide="ignore"):
        return np.where(share > 0, -1 / np.log(share), 0.0)
