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

PAIR = ("reset", "update")

Shown = dict[str, np.ndarray]
Product = Callable[[np.ndarray, np.ndarray], object]


def run_in_arrays(convention: Convention, p: Parameters, x: Tensor, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every quantity (batch, time, hidden) of one layer that reads x (batch, time, features) from its first step."""
    batch, steps, _ = x.shape
    w, u, b, c = (np.array(each.numpy()) for each in p)
    size, walk = u.shape[1], {"gru": _gru, "lstm": _lstm, "rnn": _rnn}[convention.cell]
    out = {q.name: np.empty((steps, batch, size), w.dtype) for q in convention.quantities if q.name not in PAIR}
    if convention.cell == "gru":  # what one operation makes lies together
        out["both"] = np.empty((steps, batch, 2 * size), w.dtype)
    states = [start[name].numpy() for name in convention.states]
    if convention.reset != "after":
        b, c = b + c, np.zeros_like(c)
    for n, name in enumerate(convention.gates):
        if convention.quantity(name).kind == "gate":
            for matrix in (w, u, b, c):
                matrix[n * size : (n + 1) * size] *= 0.5
    parts = [u[: 2 * size], u[2 * size :]] if convention.reset == "before" else [u]
    products = [_product(part, batch) for part in parts]
    linear = torch.nn.functional.linear
    read, block = x.transpose(0, 1), max(CELLS // max(batch * len(b), 1), 1)
    with np.errstate(all="ignore"):  # NaN and ±∞ are meant to come through
        for first in range(0, steps, block):
            here = {name: values[first : first + block] for name, values in out.items()}
            projected = linear(read[first : first + block], torch.from_numpy(w), torch.from_numpy(b)).numpy()
            states = walk(convention, products, c, projected, states, here)
    if convention.cell == "gru":
        out |= zip(PAIR, np.split(out.pop("both"), 2, -1), strict=True)
    return {q.name: torch.from_numpy(out[q.name].swapaxes(0, 1)) for q in convention.quantities}


def _product(u: np.ndarray, rows: int) -> Product:
    """A function that writes h Uᵀ to where it is told."""
    turned = np.ascontiguousarray(u.T)
    if rows <= FEW:
        return lambda h, out: np.dot(h, turned, out)
    by = torch.from_numpy(turned)
    return lambda h, out: torch.mm(torch.from_numpy(h), by, out=torch.from_numpy(out))


def _gru(
    convention: Convention, products: list[Product], c: np.ndarray, x: np.ndarray, states: list[np.ndarray], out: Shown
) -> list[np.ndarray]:
    h, multiply = states[0], products[0]
    rows, size = h.shape
    after, keeps, half = convention.reset == "after", convention.update == "keeps", x.dtype.type(0.5)
    both = out["both"]
    product = np.empty((rows, len(c) if after else 2 * size), x.dtype)
    of_gates, of_candidate = product[:, : 2 * size], product[:, 2 * size :] if after else np.empty_like(h)
    x_gates, x_candidate = x[..., : 2 * size], x[..., 2 * size :]
    if after:
        x_gates += c[: 2 * size]
    c_candidate, seen = c[2 * size :], np.empty_like(h)
    columns = (x_gates, x_candidate, both, both[..., :size], both[..., size:], out["candidate"], out["hidden"])
    for x_both, x_n, gates, r, z, n, new in zip(*columns, strict=True):
        multiply(h, product)
        np.add(of_gates, x_both, gates)
        np.tanh(gates, gates)
        gates *= half
        gates += half
        if after:
            np.add(of_candidate, c_candidate, n)
            n *= r
            n += x_n
        else:
            products[1](np.multiply(r, h, seen), of_candidate)
            np.add(of_candidate, x_n, n)
        np.tanh(n, n)
        one, other = (n, h) if keeps else (h, n)
        np.subtract(other, one, new)
        new *= z
        new += one
        h = new
    return [h]


def _lstm(
    convention: Convention, products: list[Product], c: np.ndarray, x: np.ndarray, states: list[np.ndarray], out: Shown
) -> list[np.ndarray]:
    h, cell = states
    rows, size = h.shape
    half, multiply, product = x.dtype.type(0.5), products[0], np.empty((rows, 4 * size), x.dtype)
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
    convention: Convention, products: list[Product], c: np.ndarray, x: np.ndarray, states: list[np.ndarray], out: Shown
) -> list[np.ndarray]:
    h = states[0]
    multiply, product = products[0], np.empty_like(h)
    for x_h, new in zip(x, out["hidden"], strict=True):
        multiply(h, product)
        np.add(product, x_h, new)
        np.tanh(new, new)
        h = new
    return [h]
