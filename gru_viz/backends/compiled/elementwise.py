"""The loops of a step over one row: each short, over whole contiguous arrays, so that it becomes vector instructions.

LLVM gives up on a loop that writes among more arrays than it cares to tell apart; therefore several loops, not one.
"""

from __future__ import annotations

import numpy as np

from gru_viz.backends.compiled.activations import sigmoid, tanh
from gru_viz.backends.compiled.compiler import part

__all__ = ["add", "add_product_of", "mix", "product_of", "sigmoid_gradient", "sigmoid_of_sum", "tanh_gradient",
           "tanh_of_sum"]  # fmt: skip


@part
def sigmoid_of_sum(s: np.ndarray, x: np.ndarray) -> None:
    """s becomes σ(s + x)."""
    for j in range(s.size):
        s[j] = sigmoid(s[j] + x[j])


@part
def tanh_of_sum(s: np.ndarray, x: np.ndarray) -> None:
    """s becomes tanh(s + x)."""
    for j in range(s.size):
        s[j] = tanh(s[j] + x[j])


@part
def mix(new: np.ndarray, share: np.ndarray, one: np.ndarray, other: np.ndarray) -> None:
    """new becomes (1 − share) one + share other, without their difference: of ±∞ it would be NaN."""
    whole = new.dtype.type(1)
    for j in range(new.size):
        new[j] = (whole - share[j]) * one[j] + share[j] * other[j]


@part
def add(out: np.ndarray, a: np.ndarray) -> None:
    """out grows by a."""
    for j in range(out.size):
        out[j] += a[j]


@part
def product_of(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """out becomes a b."""
    for j in range(out.size):
        out[j] = a[j] * b[j]


@part
def add_product_of(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """out grows by a b."""
    for j in range(out.size):
        out[j] += a[j] * b[j]


@part
def sigmoid_gradient(d_x: np.ndarray, d: np.ndarray, factor: np.ndarray, gate: np.ndarray) -> None:
    """What reaches x of gate = σ(x), when factor times gate was used: d factor gate (1 − gate)."""
    for j in range(d_x.size):
        d_x[j] = d[j] * factor[j] * (gate[j] - gate[j] * gate[j])


@part
def tanh_gradient(d_x: np.ndarray, d: np.ndarray, factor: np.ndarray, squashed: np.ndarray) -> None:
    """What reaches x of squashed = tanh(x), when factor times squashed was used: d factor (1 − squashed²)."""
    for j in range(d_x.size):
        d_squashed = d[j] * factor[j]
        d_x[j] = d_squashed - d_squashed * squashed[j] * squashed[j]
