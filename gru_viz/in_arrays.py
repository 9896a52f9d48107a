"""A run step by step in few operations of numpy: for a CPU without a compiler.

An operation of numpy on a few numbers takes a fraction of the time that torch needs to begin one. σ(x) is
½ + ½ tanh(x / 2); the halves are in the weights beforehand, exactly, since they are powers of two.
``gru_viz.equations`` says the same in a form to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from gru_viz.conventions import Convention
from gru_viz.equations import Parameters

__all__ = ["run_in_arrays"]

CELLS = 1 << 17
"""How many gates of W x + b are computed at once: what stays in a processor's cache."""

FEW = 2
"""Up to so many rows, numpy's product begins sooner than torch's; with more, torch's is faster."""

Shown = dict[str, np.ndarray]
Product = Callable[[np.ndarray, np.ndarray], object]


def run_in_arrays(convention: Convention, p: Parameters, x: Tensor, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every quantity (batch, time, hidden) of one layer that reads x (batch, time, features) from its first step."""
    batch, steps, _ = x.shape
    w, u, b, c = (np.array(each.numpy()) for each in p)
    size, walk = u.shape[1], {"gru": _gru, "lstm": _lstm, "rnn": _rnn}[convention.cell]
    out = {q.name: np.empty((steps, batch, size), w.dtype) for q in convention.quantities}
    states = [start[name].numpy() for name in convention.states]
    if convention.reset != "after":
        b, c = b + c, np.zeros_like(c)
    for n, name in enumerate(convention.gates):
        if convention.quantity(name).kind == "gate":
            for matrix in (w, u, b, c):
                matrix[n * size : (n + 1) * size] *= 0.5
    read, block = x.numpy().swapaxes(0, 1), max(CELLS // max(batch * len(b), 1), 1)
    with np.errstate(all="ignore"):  # NaN and ±∞ are meant to come through
        for first in range(0, steps, block):
            here = {name: values[first : first + block] for name, values in out.items()}
            projected = read[first : first + block] @ w.T
            projected += b
            states = walk(convention, u, c, projected, states, here)
    return {name: torch.from_numpy(values.swapaxes(0, 1)) for name, values in out.items()}


def _product(u: np.ndarray, rows: int) -> Product:
    """A function that writes h Uᵀ to where it is told."""
    turned = np.ascontiguousarray(u.T)
    if rows <= FEW:
        return lambda h, out: np.dot(h, turned, out)
    by = torch.from_numpy(turned)
    return lambda h, out: torch.mm(torch.from_numpy(h), by, out=torch.from_numpy(out))


def _gru(
    convention: Convention, u: np.ndarray, c: np.ndarray, x: np.ndarray, states: list[np.ndarray], out: Shown
) -> list[np.ndarray]:
    h, after = states[0], convention.reset == "after"
    rows, size = h.shape
    keeps, half = convention.update == "keeps", u.dtype.type(0.5)
    both, products = np.empty((len(x), rows, 2 * size), u.dtype), np.empty((rows, 3 * size), u.dtype)
    gate_products, n_product = products[:, : 2 * size], products[:, 2 * size :]
    if after:
        multiply, c_n = _product(u, rows), c[2 * size :]
        projected = (x[..., : 2 * size] + c[: 2 * size], x[..., 2 * size :])
    else:
        multiply, multiply_n = _product(u[: 2 * size], rows), _product(u[2 * size :], rows)
        gate_products, n_product = np.empty_like(both[0]) if len(x) else gate_products, np.empty_like(h)
        projected, seen = (x[..., : 2 * size], x[..., 2 * size :]), np.empty_like(h)
    steps = zip(*projected, both, both[..., :size], both[..., size:], out["candidate"], out["hidden"], strict=True)
    for x_gates, x_n, gates, r, z, n, new in steps:
        multiply(h, products if after else gate_products)
        np.add(gate_products, x_gates, gates)
        np.tanh(gates, gates)
        gates *= half
        gates += half
        if after:
            np.add(n_product, c_n, n)
            n *= r
        else:
            np.multiply(r, h, seen)
            multiply_n(seen, n_product)
            n[...] = n_product
        n += x_n
        np.tanh(n, n)
        one, other = (n, h) if keeps else (h, n)
        np.subtract(other, one, new)
        new *= z
        new += one
        h = new
    out["reset"][...], out["update"][...] = both[..., :size], both[..., size:]
    return [h]


def _lstm(
    convention: Convention, u: np.ndarray, c: np.ndarray, x: np.ndarray, states: list[np.ndarray], out: Shown
) -> list[np.ndarray]:
    h, cell = states
    rows, size = h.shape
    half, multiply, product = u.dtype.type(0.5), _product(u, rows), np.empty((rows, 4 * size), u.dtype)
    written = np.empty_like(h)
    each = (x[..., n * size : (n + 1) * size] for n in range(4))
    for gates, i, f, g, o, stored, new in zip(x, *each, out["cell"], out["hidden"], strict=True):
        multiply(h, product)
        gates += product
        np.tanh(gates, gates)
        for sigmoid in (gates[:, : 2 * size], o):
            sigmoid *= half
            sigmoid += half
        np.multiply(i, g, written)
        np.multiply(f, cell, stored)
        stored += written
        np.tanh(stored, new)
        new *= o
        h, cell = new, stored
    for n, name in enumerate(convention.gates):
        out[name][...] = x[..., n * size : (n + 1) * size]
    return [h, cell]


def _rnn(
    convention: Convention, u: np.ndarray, c: np.ndarray, x: np.ndarray, states: list[np.ndarray], out: Shown
) -> list[np.ndarray]:
    h = states[0]
    multiply, product = _product(u, len(h)), np.empty_like(h)
    for x_h, new in zip(x, out["hidden"], strict=True):
        multiply(h, product)
        np.add(product, x_h, new)
        np.tanh(new, new)
        h = new
    return [h]
