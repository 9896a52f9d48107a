"""The recurrent cells, each written once, over any leading axes.

A cell is two functions. *Gates* follow from the input and the previous hidden state; the new *state* follows from
the gates and the previous state. Because neither loops over time, the same function serves one step and, given all
previous states at once, every step.

Symbols and shapes: x (…, features) input, h (…, hidden) previous hidden state, c (…, hidden) previous cell state of
an LSTM; W (gates·hidden, features), U (gates·hidden, hidden), input bias b and recurrent bias b_h (gates·hidden,),
stacked in torch's order of gates.

This is the place where the equations are read. Code that repeats them for speed, each compared with this by
tests/backends/test_parity.py or tests/backends/compiled: ``backends.numpy_loop``, and in ``backends.compiled``
``trace_kernels`` and ``training_kernels``. ``verification`` writes a GRU once more, to be independent of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gru_viz.conventions import Convention, hard_sigmoid

__all__ = ["Parameters", "candidate", "gates", "project", "state"]


class Parameters(NamedTuple):
    """One layer and direction of a cell as tensors: W, U and the two biases, gates stacked in torch's order."""

    weight_input: Float[Tensor, "gates features"]
    weight_recurrent: Float[Tensor, "gates hidden"]
    bias_input: Float[Tensor, " gates"]
    bias_recurrent: Float[Tensor, " gates"]


def project(p: Parameters, x: Float[Tensor, "*axes features"]) -> Float[Tensor, "*axes gates"]:
    """What the input contributes to every gate before its squashing: W x + b."""
    return torch.nn.functional.linear(x, p.weight_input, p.bias_input)


def gates(
    convention: Convention,
    p: Parameters,
    projected: Float[Tensor, "*axes gates"],
    h: Float[Tensor, "*axes hidden"],
) -> dict[str, Float[Tensor, "*axes hidden"]]:
    """Every gate and candidate of a cell, after its squashing, from W x + b and the previous hidden state.

    Follows ``convention.reset``: after, n = tanh(Wx + b + r * (U h + b_h)); before, n = tanh(Wx + b + U (r * h) + b_h).
    Where ``convention.gate_function`` is no sigmoid, or ``convention.state_function`` no tanh, it takes that place.
    """
    evaluate = {"gru": _gru_gates, "lstm": _lstm_gates, "rnn": _rnn_gates}[convention.cell]
    return evaluate(convention, p, projected, h)


def state(
    convention: Convention, gates: Mapping[str, Float[Tensor, "*axes hidden"]], *previous: Float[Tensor, "*axes hidden"]
) -> dict[str, Float[Tensor, "*axes hidden"]]:
    """The new state of a cell from its gates and its previous state: (h,), or (h, c) for an LSTM.

    Follows ``convention.update``: keeps, h = (1 − z) * n + z * h₋; takes, h = (1 − z) * h₋ + z * n.
    """
    if convention.cell == "rnn":
        return {"hidden": gates["hidden"]}
    if convention.cell == "lstm":
        cell = torch.addcmul(gates["input"] * gates["cell_candidate"], gates["forget"], previous[1])
        return {"hidden": gates["output"] * squash(convention.state_function, cell), "cell": cell}
    z, n, h = gates["update"], gates["candidate"], previous[0]
    old, new = (h, n) if convention.update == "keeps" else (n, h)
    return {"hidden": torch.addcmul((1 - z) * new, z, old)}


def candidate(
    convention: Convention,
    p: Parameters,
    projected: Float[Tensor, "*axes gates"],
    h: Float[Tensor, "*axes hidden"],
    reset: Float[Tensor, "*axes hidden"],
) -> Float[Tensor, "*axes hidden"]:
    """A GRU's candidate from its reset gate: what the choice of ``convention.reset`` is about.

    It is the last gate: of what is stacked, here and in ``p``, only that part is used.
    """
    size = h.shape[-1]
    x_n, u_n, b_n = projected[..., -size:], p.weight_recurrent[-size:], p.bias_recurrent[-size:]
    if convention.reset == "after":
        sums = torch.addcmul(x_n, reset, torch.nn.functional.linear(h, u_n, b_n))
        return squash(convention.state_function, sums, over=True)
    return squash(convention.state_function, x_n + torch.nn.functional.linear(reset * h, u_n, b_n))


def squash(
    function: str, values: Float[Tensor, "*axes hidden"], *, over: bool = False
) -> Float[Tensor, "*axes hidden"]:
    """The function of a gate or state, by its name in ``conventions``; ``over`` lets it use its argument's memory."""
    if function == "sigmoid":
        return values.sigmoid_() if over else values.sigmoid()
    if function == "tanh":
        return values.tanh_() if over else values.tanh()
    if function.startswith("hard_sigmoid"):
        slope, offset = hard_sigmoid(function)
        return (slope * values + offset).clamp(0, 1)
    return {"relu": torch.relu, "softsign": torch.nn.functional.softsign, "linear": torch.clone}[function](values)


def _gru_gates(convention: Convention, p: Parameters, projected: Tensor, h: Tensor) -> dict[str, Tensor]:
    both = 2 * h.shape[-1]
    products = torch.nn.functional.linear(h, p.weight_recurrent[:both], p.bias_recurrent[:both])
    r, z = squash(convention.gate_function, projected[..., :both] + products, over=True).chunk(2, -1)
    return {"reset": r, "update": z, "candidate": candidate(convention, p, projected, h, r)}


def _lstm_gates(convention: Convention, p: Parameters, projected: Tensor, h: Tensor) -> dict[str, Tensor]:
    logits = projected + torch.nn.functional.linear(h, p.weight_recurrent, p.bias_recurrent)
    i, f, g, o = logits.chunk(4, -1)
    gate, state = convention.gate_function, convention.state_function
    return {
        "input": squash(gate, i),
        "forget": squash(gate, f),
        "cell_candidate": squash(state, g),
        "output": squash(gate, o),
    }


def _rnn_gates(convention: Convention, p: Parameters, projected: Tensor, h: Tensor) -> dict[str, Tensor]:
    recurrent = torch.nn.functional.linear(h, p.weight_recurrent, p.bias_recurrent)
    return {"hidden": squash(convention.state_function, projected + recurrent)}
