"""The kernels of training: a forward and a backward pass for each cell, and the arrays that they are given.

GRU: the new state is (1 − z) one + z other: of the candidate and the old state where z = 1 keeps, the other way round
where it takes. LSTM: c = f c₋ + i g, h = o tanh c. Plain network: h = tanh(x + U h₋ + b_h).

What is done to one row of a step is a short loop over whole contiguous arrays, which becomes vector instructions: LLVM
gives up on a loop that writes among more arrays than it cares to tell apart; therefore several loops, not one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gru_viz.backends.compiled.activations import sigmoid, tanh
from gru_viz.backends.compiled.compiler import compiled, part
from gru_viz.backends.compiled.product import (
    Factor,
    Operands,
    PanelRows,
    Size,
    Starts,
    add_bias_gradient,
    add_product,
    add_weight_gradient,
    columns_of_a_panel,
    steps_at_once,
)


class ForwardArrays(NamedTuple):
    """What a forward pass reads and fills; axes are models, time, batch, units.

    ``packed`` is U in panels for each product; ``hidden`` and ``cells`` (empty where there are none) are the states
    before each step and after the last; ``saved`` is for the backward pass, of one step where there will be none.
    """

    projected: np.ndarray
    packed: tuple[np.ndarray, ...]
    bias: np.ndarray
    hidden: np.ndarray
    cells: np.ndarray
    saved: np.ndarray
    scratch: np.ndarray


class BackwardArrays(NamedTuple):
    """What a backward pass reads: the gradient of every hidden state, and what the forward pass filled.

    ``zeros_and_one`` is a panel of zeros and a one.
    """

    d_hidden: np.ndarray
    packed: tuple[np.ndarray, ...]
    hidden: np.ndarray
    cells: np.ndarray
    saved: np.ndarray
    scratch: np.ndarray
    zeros_and_one: np.ndarray


class Gradients(NamedTuple):
    """What a backward pass fills: the gradients before each squashing, of U, of b_h and of the initial states."""

    projected: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    state: np.ndarray
    cell: np.ndarray


@part
def forward_product(
    out: np.ndarray, width: int, bias: np.ndarray, left: np.ndarray, row: int, u: np.ndarray
) -> Operands:
    """The operands of U h + b_h: rows of so many elements of ``out`` and ``left``, U of one model."""
    panel = columns_of_a_panel(out)
    return Operands(
        PanelRows(out, width, panel), PanelRows(bias, 0, panel), Factor(left, row, 1), PanelRows(u, panel, u[0].size)
    )


@part
def backward_product(out: np.ndarray, base: PanelRows, gradient: np.ndarray, row: int, u: np.ndarray) -> Operands:
    """The operands of base + Uᵀ d, into an array (models, batch, units, rounded up to a panel)."""
    panel = columns_of_a_panel(out)
    return Operands(PanelRows(out, out.shape[2], panel), base, Factor(gradient, row, 1), PanelRows(u, panel, u[0].size))


@part
def _sigmoid_of_sum(s: np.ndarray, x: np.ndarray) -> None:
    """s becomes σ(s + x)."""
    for j in range(s.size):
        s[j] = sigmoid(s[j] + x[j])


@part
def _tanh_of_sum(s: np.ndarray, x: np.ndarray) -> None:
    """s becomes tanh(s + x)."""
    for j in range(s.size):
        s[j] = tanh(s[j] + x[j])


@part
def _mix(new: np.ndarray, share: np.ndarray, one: np.ndarray, other: np.ndarray) -> None:
    """new becomes (1 − share) one + share other, without their difference: of ±∞ it would be NaN."""
    whole = new.dtype.type(1)
    for j in range(new.size):
        new[j] = (whole - share[j]) * one[j] + share[j] * other[j]


@part
def _add(out: np.ndarray, a: np.ndarray) -> None:
    """out grows by a."""
    for j in range(out.size):
        out[j] += a[j]


@part
def _product_of(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """out becomes a b."""
    for j in range(out.size):
        out[j] = a[j] * b[j]


@part
def _add_product_of(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """out grows by a b."""
    for j in range(out.size):
        out[j] += a[j] * b[j]


@part
def _sigmoid_gradient(d_x: np.ndarray, d: np.ndarray, factor: np.ndarray, gate: np.ndarray) -> None:
    """What reaches x of gate = σ(x), when factor times gate was used: d factor gate (1 − gate)."""
    for j in range(d_x.size):
        d_x[j] = d[j] * factor[j] * (gate[j] - gate[j] * gate[j])


@part
def _tanh_gradient(d_x: np.ndarray, d: np.ndarray, factor: np.ndarray, squashed: np.ndarray) -> None:
    """What reaches x of squashed = tanh(x), when factor times squashed was used: d factor (1 − squashed²)."""
    for j in range(d_x.size):
        d_squashed = d[j] * factor[j]
        d_x[j] = d_squashed - d_squashed * squashed[j] * squashed[j]


@part
def _candidate(n: np.ndarray, x: np.ndarray, r: np.ndarray, u: np.ndarray) -> None:
    for j in range(n.size):
        n[j] = tanh(x[j] + r[j] * u[j])


@compiled
def gru_forward_after(arrays: tuple[Any, ...], keeps: bool, first: int, last: int) -> None:
    """n = tanh(x + r (U h + b_h)); saves r, z, U h + b_h and n of every step."""
    projected, packed, bias, hidden, _, saved, _ = ForwardArrays(*arrays)
    _, times, batch, size = hidden.shape
    width = saved.shape[3]
    for m in range(first, last):
        product = forward_product(saved, width, bias, hidden, size, packed[0][m])
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            start, old = (m * saved.shape[1] + at) * batch * width, (m * times + t) * batch * size
            add_product(product, Starts(start, m * bias.shape[1], old, 0), Size(batch, size, 3 * size))
            for i in range(batch):
                s, x, h = saved[m, at, i], projected[m, t, i], hidden[m, t, i]
                n = s[3 * size : 4 * size]
                _sigmoid_of_sum(s[: 2 * size], x[: 2 * size])
                _candidate(n, x[2 * size :], s[:size], s[2 * size : 3 * size])
                one, other = (n, h) if keeps else (h, n)
                _mix(hidden[m, t + 1, i], s[size : 2 * size], one, other)


@compiled
def gru_forward_before(arrays: tuple[Any, ...], keeps: bool, first: int, last: int) -> None:
    """n = tanh(x + U (r h) + b_h); saves r h, r, z and n of every step."""
    projected, packed, bias, hidden, _, saved, _ = ForwardArrays(*arrays)
    _, times, batch, size = hidden.shape
    width = saved.shape[3]
    for m in range(first, last):
        of_gates = forward_product(saved, width, bias, hidden, size, packed[0][m])
        of_candidate = forward_product(saved, width, bias, saved, width, packed[1][m])
        b_h = m * bias.shape[1]
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            start, old = (m * saved.shape[1] + at) * batch * width, (m * times + t) * batch * size
            add_product(of_gates, Starts(start + size, b_h, old, 0), Size(batch, size, 2 * size))
            for i in range(batch):
                s = saved[m, at, i]
                _sigmoid_of_sum(s[size : 3 * size], projected[m, t, i, : 2 * size])
                _product_of(s[:size], s[size : 2 * size], hidden[m, t, i])
            add_product(of_candidate, Starts(start + 3 * size, b_h + 2 * size, start, 0), Size(batch, size, size))
            for i in range(batch):
                s, h = saved[m, at, i], hidden[m, t, i]
                n = s[3 * size : 4 * size]
                _tanh_of_sum(n, projected[m, t, i, 2 * size :])
                one, other = (n, h) if keeps else (h, n)
                _mix(hidden[m, t + 1, i], s[2 * size : 3 * size], one, other)


@part
def _through_mix(
    d_n: np.ndarray, d_z: np.ndarray, d: np.ndarray, h: np.ndarray, n: np.ndarray, z: np.ndarray, keeps: bool
) -> None:
    """From the gradient of the new state to those of n and z before their squashing; d becomes that of the old."""
    one, other = (n, h) if keeps else (h, n)
    for j in range(d.size):
        d_z[j] = d[j] * (other[j] - one[j]) * (z[j] - z[j] * z[j])
    if keeps:
        for j in range(d.size):
            d_new = d[j] - d[j] * z[j]
            d_n[j] = d_new - d_new * n[j] * n[j]
        for j in range(d.size):
            d[j] *= z[j]
    else:
        for j in range(d.size):
            d_new = d[j] * z[j]
            d_n[j] = d_new - d_new * n[j] * n[j]
        for j in range(d.size):
            d[j] -= d[j] * z[j]


@compiled
def gru_backward_after(
    arrays: tuple[Any, ...], filled: tuple[np.ndarray, ...], keeps: bool, first: int, last: int
) -> None:
    """Differentiates U h + b_h of the candidate, then the projections of r, z and n; U and b_h in the order n, r, z."""
    d_hidden, packed, hidden, _, saved, _, fixed = BackwardArrays(*arrays)
    gradient, d_weight, d_bias, d_state, _ = Gradients(*filled)
    _, times, batch, size = hidden.shape
    wide, chunk = d_state.shape[2], steps_at_once(batch)
    base = PanelRows(d_state, wide, columns_of_a_panel(hidden))
    for m in range(first, last):
        product, carried = backward_product(d_state, base, gradient, 4 * size, packed[0][m]), m * batch * wide
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 4 * size
            for i in range(batch):
                s, g, d = saved[m, t, i], gradient[m, t, i], d_state[m, i, :size]
                r, z, n, d_n = s[:size], s[size : 2 * size], s[3 * size : 4 * size], g[3 * size :]
                _add(d, d_hidden[m, t, i])
                _through_mix(d_n, g[2 * size : 3 * size], d, hidden[m, t, i], n, z, keeps)
                _product_of(g[:size], d_n, r)
                _sigmoid_gradient(g[size : 2 * size], d_n, s[2 * size : 3 * size], r)
            add_product(product, Starts(carried, carried, here, 0), Size(batch, 3 * size, size))
            if t % chunk == 0:
                rows, read = min(chunk, times - 1 - t) * batch, ((m * times + t) * batch * size, size)
                start, given = m * d_weight.shape[1] * wide, (here, 4 * size)
                add_weight_gradient(d_weight, start, 3 * size, gradient, given, hidden, read, rows)
                add_bias_gradient(d_bias, m, 3 * size, gradient, given, rows, fixed)


@compiled
def gru_backward_before(
    arrays: tuple[Any, ...], filled: tuple[np.ndarray, ...], keeps: bool, first: int, last: int
) -> None:
    """Differentiates the projections of r, z and n."""
    d_hidden, packed, hidden, _, saved, scratch, fixed = BackwardArrays(*arrays)
    gradient, d_weight, d_bias, d_state, _ = Gradients(*filled)
    _, times, batch, size = hidden.shape
    width, wide, chunk = saved.shape[3], d_state.shape[2], steps_at_once(batch)
    nothing, base = PanelRows(fixed, 0, 0), PanelRows(d_state, wide, columns_of_a_panel(hidden))
    for m in range(first, last):
        of_gates = backward_product(d_state, base, gradient, 3 * size, packed[0][m])
        of_candidate = backward_product(scratch, nothing, gradient, 3 * size, packed[1][m])
        carried, start = m * batch * wide, m * d_weight.shape[1] * wide
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 3 * size
            for i in range(batch):
                s, g, d = saved[m, t, i], gradient[m, t, i], d_state[m, i, :size]
                n, z = s[3 * size : 4 * size], s[2 * size : 3 * size]
                _add(d, d_hidden[m, t, i])
                _through_mix(g[2 * size :], g[size : 2 * size], d, hidden[m, t, i], n, z, keeps)
            add_product(of_candidate, Starts(carried, 0, here + 2 * size, 0), Size(batch, size, size))
            for i in range(batch):
                r, d_product = saved[m, t, i, size : 2 * size], scratch[m, i, :size]
                _sigmoid_gradient(gradient[m, t, i, :size], d_product, hidden[m, t, i], r)
                _add_product_of(d_state[m, i, :size], d_product, r)
            add_product(of_gates, Starts(carried, carried, here, 0), Size(batch, 2 * size, size))
            if t % chunk == 0:
                rows, read = min(chunk, times - 1 - t) * batch, ((m * times + t) * batch * size, size)
                reset_read, given = ((m * (times - 1) + t) * batch * width, width), (here, 3 * size)
                add_weight_gradient(d_weight, start, 2 * size, gradient, given, hidden, read, rows)
                of_n, start_n = (here + 2 * size, 3 * size), start + 2 * size * wide
                add_weight_gradient(d_weight, start_n, size, gradient, of_n, saved, reset_read, rows)
                add_bias_gradient(d_bias, m, 3 * size, gradient, given, rows, fixed)


@part
def _lstm_cell(new: np.ndarray, old: np.ndarray, i: np.ndarray, f: np.ndarray, g: np.ndarray) -> None:
    for j in range(new.size):
        new[j] = f[j] * old[j] + i[j] * g[j]


@part
def _lstm_output(h: np.ndarray, squashed: np.ndarray, c: np.ndarray, o: np.ndarray) -> None:
    for j in range(h.size):
        squashed[j] = tanh(c[j])
        h[j] = o[j] * squashed[j]


@compiled
def lstm_forward(arrays: tuple[Any, ...], keeps: bool, first: int, last: int) -> None:
    """Saves i, f, g, o and tanh c of every step."""
    projected, packed, bias, hidden, cells, saved, _ = ForwardArrays(*arrays)
    _, times, batch, size = hidden.shape
    width = saved.shape[3]
    for m in range(first, last):
        product = forward_product(saved, width, bias, hidden, size, packed[0][m])
        for t in range(times - 1):
            at = min(t, saved.shape[1] - 1)
            start, old = (m * saved.shape[1] + at) * batch * width, (m * times + t) * batch * size
            add_product(product, Starts(start, m * bias.shape[1], old, 0), Size(batch, size, 4 * size))
            for row in range(batch):
                s, x, new = saved[m, at, row], projected[m, t, row], cells[m, t + 1, row]
                i, f, g, o = s[:size], s[size : 2 * size], s[2 * size : 3 * size], s[3 * size : 4 * size]
                _sigmoid_of_sum(s[: 2 * size], x[: 2 * size])
                _tanh_of_sum(g, x[2 * size : 3 * size])
                _sigmoid_of_sum(o, x[3 * size :])
                _lstm_cell(new, cells[m, t, row], i, f, g)
                _lstm_output(hidden[m, t + 1, row], s[4 * size : 5 * size], new, o)


@part
def _through_output(d_c: np.ndarray, d: np.ndarray, o: np.ndarray, squashed: np.ndarray) -> None:
    for j in range(d.size):
        d_squashed = d[j] * o[j]
        d_c[j] += d_squashed - d_squashed * squashed[j] * squashed[j]


@compiled
def lstm_backward(arrays: tuple[Any, ...], filled: tuple[np.ndarray, ...], keeps: bool, first: int, last: int) -> None:
    """Differentiates the projections of i, f, g and o."""
    d_hidden, packed, hidden, cells, saved, _, fixed = BackwardArrays(*arrays)
    gradient, d_weight, d_bias, d_state, d_cell = Gradients(*filled)
    _, times, batch, size = hidden.shape
    wide, chunk = d_state.shape[2], steps_at_once(batch)
    for m in range(first, last):
        product = backward_product(d_state, PanelRows(fixed, 0, 0), gradient, 4 * size, packed[0][m])
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * 4 * size
            for row in range(batch):
                s, d, d_c, d_x = saved[m, t, row], d_state[m, row, :size], d_cell[m, row], gradient[m, t, row]
                i, f, g, o = s[:size], s[size : 2 * size], s[2 * size : 3 * size], s[3 * size : 4 * size]
                squashed = s[4 * size : 5 * size]
                _add(d, d_hidden[m, t, row])
                _through_output(d_c, d, o, squashed)
                _sigmoid_gradient(d_x[3 * size :], d, squashed, o)
                _sigmoid_gradient(d_x[:size], d_c, g, i)
                _sigmoid_gradient(d_x[size : 2 * size], d_c, cells[m, t, row], f)
                _tanh_gradient(d_x[2 * size : 3 * size], d_c, i, g)
                _product_of(d_c, d_c, f)
            add_product(product, Starts(m * batch * wide, 0, here, 0), Size(batch, 4 * size, size))
            if t % chunk == 0:
                rows, read = min(chunk, times - 1 - t) * batch, ((m * times + t) * batch * size, size)
                start, given = m * d_weight.shape[1] * wide, (here, 4 * size)
                add_weight_gradient(d_weight, start, 4 * size, gradient, given, hidden, read, rows)
                add_bias_gradient(d_bias, m, 4 * size, gradient, given, rows, fixed)


@part
def _squash(h: np.ndarray, s: np.ndarray, x: np.ndarray) -> None:
    for j in range(h.size):
        h[j] = tanh(s[j] + x[j])


@compiled
def rnn_forward(arrays: tuple[Any, ...], keeps: bool, first: int, last: int) -> None:
    """Saves nothing: the hidden state is all that the backward pass needs."""
    projected, packed, bias, hidden, _, _, scratch = ForwardArrays(*arrays)
    _, times, batch, size = hidden.shape
    wide = scratch.shape[2]
    for m in range(first, last):
        product = forward_product(scratch, wide, bias, hidden, size, packed[0][m])
        for t in range(times - 1):
            starts = Starts(m * batch * wide, m * bias.shape[1], (m * times + t) * batch * size, 0)
            add_product(product, starts, Size(batch, size, size))
            for i in range(batch):
                _squash(hidden[m, t + 1, i], scratch[m, i], projected[m, t, i])


@part
def _through_tanh(d_x: np.ndarray, d: np.ndarray, d_hidden: np.ndarray, h: np.ndarray) -> None:
    for j in range(d_x.size):
        d_h = d[j] + d_hidden[j]
        d_x[j] = d_h - d_h * h[j] * h[j]


@compiled
def rnn_backward(arrays: tuple[Any, ...], filled: tuple[np.ndarray, ...], keeps: bool, first: int, last: int) -> None:
    """Differentiates the projection."""
    d_hidden, packed, hidden, _, _, _, fixed = BackwardArrays(*arrays)
    gradient, d_weight, d_bias, d_state, _ = Gradients(*filled)
    _, times, batch, size = hidden.shape
    wide, chunk = d_state.shape[2], steps_at_once(batch)
    for m in range(first, last):
        product = backward_product(d_state, PanelRows(fixed, 0, 0), gradient, size, packed[0][m])
        for t in range(times - 2, -1, -1):
            here = (m * (times - 1) + t) * batch * size
            for i in range(batch):
                _through_tanh(gradient[m, t, i], d_state[m, i], d_hidden[m, t, i], hidden[m, t + 1, i])
            add_product(product, Starts(m * batch * wide, 0, here, 0), Size(batch, size, size))
            if t % chunk == 0:
                rows, read = min(chunk, times - 1 - t) * batch, ((m * times + t) * batch * size, size)
                start, given = m * d_weight.shape[1] * wide, (here, size)
                add_weight_gradient(d_weight, start, size, gradient, given, hidden, read, rows)
                add_bias_gradient(d_bias, m, size, gradient, given, rows, fixed)
