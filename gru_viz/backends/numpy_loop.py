"""The backend "loop": numpy step by step in few operations, for a CPU without a compiler.

An operation of numpy on a few numbers takes a fraction of the time that torch needs to begin one. σ(x) is
½ + ½ tanh(x / 2); the halves are in the weights beforehand, exactly, since they are powers of two. So is the slope of a
hard sigmoid.

This backend repeats ``gru_viz.equations``; tests/backends/test_parity.py compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gru_viz.backends.array_layers import run_array_layers
from gru_viz.backends.compiled.array_layout import reuse_pages
from gru_viz.backends.interface import BackendRun, finished_run
from gru_viz.conventions import Convention, hard_sigmoid
from gru_viz.weights import CellWeights, Weights

__all__ = ["run", "run_steps"]

CELLS = 1 << 17
"""How many gates of W x + b are computed at once: what stays in a processor's cache."""

PAIR = ("reset", "update")

Adds = Callable[[np.ndarray, np.ndarray], object]
Squashes = Callable[[np.ndarray, np.ndarray], object]
"""From sums to what is written over the second array."""


class Block(NamedTuple):
    """Some steps (time, batch, ·): the sums, which U h is added to and which are written over, and what is filled.

    The sums are W x + b, but for a product that the reset gate acts on: then the candidate's W x + b is in ``inputs``.
    """

    sums: np.ndarray
    inputs: np.ndarray
    out: dict[str, np.ndarray]


def run(weights: Weights, x: np.ndarray, lengths: tuple[int, ...], h0: Any, _: str) -> BackendRun:
    """Run every layer and direction over x (batch, time, features)."""
    return finished_run(weights, run_array_layers(weights, x, lengths, h0, _run_cell), "cpu")


def _run_cell(
    cell: CellWeights, x: np.ndarray, lengths: np.ndarray, start: np.ndarray, backward: bool
) -> dict[str, np.ndarray]:
    """A backward layer reads each sequence from its own end."""
    steps = np.arange(x.shape[1])
    flip = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)[..., None] if backward else None
    ordered = x if flip is None else np.take_along_axis(x, flip, 1)
    quantities = run_steps(cell.convention, cell.stacked(), ordered, list(start))
    if flip is None:
        return quantities
    return {name: np.take_along_axis(values, flip, 1) for name, values in quantities.items()}


def run_steps(
    convention: Convention, stacked: Sequence[np.ndarray], x: np.ndarray, start: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Every quantity (batch, time, hidden) of one layer that reads x (batch, time, features) from its first step.

    ``stacked`` are W, U, b and b_h, gates stacked in torch's order; ``start`` are the initial states, (batch, hidden).
    """
    reuse_pages()
    batch, steps, _ = x.shape
    w, u, b, b_h = (np.array(each, x.dtype) for each in stacked)
    size, run_block = u.shape[1], {"gru": _gru, "lstm": _lstm, "rnn": _rnn}[convention.cell]
    out = {q.name: np.empty((steps, batch, size), w.dtype) for q in convention.quantities if q.name not in PAIR}
    if convention.cell == "gru":  # one operation fills both
        out["both"] = np.empty((steps, batch, 2 * size), w.dtype)
    states = list(start)
    after, before = convention.reset == "after", convention.reset == "before"
    slope = 0.5 if convention.gate_function == "sigmoid" else hard_sigmoid(convention.gate_function)[0]
    joined, apart = slice(2 * size if after else None), slice(2 * size, None)
    b[joined] += b_h[joined]
    for n, name in enumerate(convention.gates):
        if convention.quantity(name).kind == "gate":
            for matrix in (w, u, b):
                matrix[n * size : (n + 1) * size] *= slope
    products = [_product(part, batch) for part in ((u[: 2 * size], u[2 * size :]) if before else (u,))]
    steps_first, block = x.swapaxes(0, 1), max(min(CELLS // max(batch * len(b), 1), steps), 1)
    memory = np.empty((block, batch, len(b)), w.dtype)
    with np.errstate(all="ignore"):  # NaN and ±∞ are meant to come through
        for first in range(0, steps, block):
            read = steps_first[first : first + block]
            here = {name: values[first : first + block] for name, values in out.items()}
            sums = memory[: len(read)]
            sums[..., joined] = read @ w[joined].T + b[joined]
            inputs = np.empty((*sums.shape[:2], size if after else 0), w.dtype)
            if after:
                sums[..., apart] = b_h[apart]
                inputs[...] = read @ w[apart].T + b[apart]
            states = run_block(convention, products, Block(sums, inputs, here), states)
    if convention.cell == "gru":
        out |= zip(PAIR, np.split(out.pop("both"), 2, -1), strict=True)
    return {q.name: np.ascontiguousarray(out[q.name].swapaxes(0, 1)) for q in convention.quantities}


def _product(u: np.ndarray, rows: int) -> Adds:
    """A function that adds h Uᵀ to an array."""
    turned = np.ascontiguousarray(u.T)
    product = np.empty((rows, len(u)), u.dtype)
    return lambda h, given: np.add(given, np.dot(h, turned, product), given)


def _gate_function(convention: Convention, dtype: np.dtype) -> Squashes:
    """A function from a gate's sum, times the slope that is in its weights, to the gate."""
    half = dtype.type(0.5)

    def sigmoid(sums: np.ndarray, out: np.ndarray) -> None:
        np.tanh(sums, out)
        out *= half
        out += half

    if convention.gate_function == "sigmoid":
        return sigmoid
    offset = dtype.type(hard_sigmoid(convention.gate_function)[1])
    return lambda sums, out: np.clip(sums + offset, 0, 1, out=out)


def _state_function(convention: Convention, dtype: np.dtype) -> Squashes:
    """A function from a state's sum to the state."""
    half = dtype.type(0.5)
    functions: dict[str, Squashes] = {
        "tanh": np.tanh,
        "relu": lambda sums, out: np.maximum(sums, 0, out=out),
        "linear": lambda sums, out: np.copyto(out, sums),
        "softsign": lambda sums, out: np.divide(sums, 1 + np.abs(sums), out=out),
        "sigmoid": lambda sums, out: np.add(half * np.tanh(half * sums), half, out=out),
    }
    return functions[convention.state_function]


def _gru(convention: Convention, products: list[Adds], block: Block, states: list[np.ndarray]) -> list[np.ndarray]:
    sums, inputs, out = block
    h, add = states[0], products[0]
    size = h.shape[1]
    after, keeps = convention.reset == "after", convention.update == "keeps"
    gate, squash = _gate_function(convention, sums.dtype), _state_function(convention, sums.dtype)
    both, seen, of_gates, of_candidate = out["both"], np.empty_like(h), sums[..., : 2 * size], sums[..., 2 * size :]
    added = sums if after else of_gates
    gates = (both, both[..., :size], both[..., size:])
    for to, s_both, s_n, x_n, (rz, r, z), n, new in zip(
        added, of_gates, of_candidate, inputs, zip(*gates, strict=True), out["candidate"], out["hidden"], strict=True
    ):
        add(h, to)
        gate(s_both, rz)
        if after:
            np.multiply(s_n, r, n)
            n += x_n
            squash(n, n)
        else:
            products[1](np.multiply(r, h, seen), s_n)
            squash(s_n, n)
        one, other = (n, h) if keeps else (h, n)
        np.subtract(other, one, new)
        new *= z
        new += one
        h = new
    return [h]


def _lstm(convention: Convention, products: list[Adds], block: Block, states: list[np.ndarray]) -> list[np.ndarray]:
    sums, _, out = block
    h, cell = states
    size = h.shape[1]
    add, gate, squash = products[0], _gate_function(convention, sums.dtype), _state_function(convention, sums.dtype)
    written = np.empty_like(h)
    each = [sums[..., n * size : (n + 1) * size] for n in range(4)]
    for gates, i, f, g, o, stored, new in zip(sums, *each, out["cell"], out["hidden"], strict=True):
        add(h, gates)
        gate(gates[:, : 2 * size], gates[:, : 2 * size])
        squash(g, g)
        gate(o, o)
        np.multiply(i, g, written)
        np.multiply(f, cell, stored)
        stored += written
        squash(stored, new)
        new *= o
        h, cell = new, stored
    for name, values in zip(convention.gates, each, strict=True):
        out[name][...] = values
    return [h, cell]


def _rnn(convention: Convention, products: list[Adds], block: Block, states: list[np.ndarray]) -> list[np.ndarray]:
    sums, _, out = block
    h, add, squash = states[0], products[0], _state_function(convention, sums.dtype)
    for given, new in zip(sums, out["hidden"], strict=True):
        add(h, given)
        squash(given, new)
        h = new
    return [h]
