"""A run step by step in few operations of torch: for where no compiler is, and torch has no such layer.

W x + b is one product for a block of steps; every operation writes to where its result stays, or over its own input.
``gru_viz.equations`` says the same in a form to be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from gru_viz.conventions import Convention
from gru_viz.equations import Parameters

__all__ = ["run_in_place"]

CELLS = 1 << 17
"""How many gates of W x + b are computed at once."""


def run_in_place(convention: Convention, p: Parameters, x: Tensor, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every quantity (batch, time, hidden) of one layer that reads x (batch, time, features) from its first step."""
    batch, steps, _ = x.shape
    size = p.weight_recurrent.shape[1]
    out = {q.name: x.new_empty(batch, steps, size) for q in convention.quantities}
    states = [start[name] for name in convention.states]
    walk = {"gru": _gru, "lstm": _lstm, "rnn": _rnn}[convention.cell]
    block = max(CELLS // max(batch * len(p.bias_input), 1), 1)
    for first in range(0, steps, block):
        here = {name: values[:, first : first + block] for name, values in out.items()}
        states = walk(convention, p, x[:, first : first + block].transpose(0, 1), states, here)
    return out


def _steps(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The steps of tensors (batch, time, ·)."""
    return zip(*(each.unbind(1) for each in tensors), strict=True)


def _gru(
    convention: Convention, p: Parameters, x: Tensor, states: list[Tensor], out: Mapping[str, Tensor]
) -> list[Tensor]:
    h, size = states[0], states[0].shape[1]
    after, keeps = convention.reset == "after", convention.update == "keeps"
    u, c = p.weight_recurrent.t().contiguous(), p.bias_recurrent[2 * size :]
    u_gates, u_candidate = u[:, : 2 * size].contiguous(), u[:, 2 * size :].contiguous()
    bias = p.bias_input + p.bias_recurrent
    if after:
        bias[2 * size :] = p.bias_input[2 * size :]
    projected = torch.nn.functional.linear(x, p.weight_input, bias)
    both, seen = x.new_empty(*projected.shape[:2], 2 * size), torch.empty_like(h)
    parts = zip(projected[..., : 2 * size], projected[..., 2 * size :], both, strict=True)
    for (x_gates, x_n, gates), (n, new) in zip(parts, _steps(out["candidate"], out["hidden"]), strict=True):
        r, z = torch.addmm(x_gates, h, u_gates, out=gates).sigmoid_().chunk(2, -1)
        if after:
            torch.addcmul(x_n, r, torch.addmm(c, h, u_candidate, out=seen), out=n).tanh_()
        else:
            torch.addmm(x_n, torch.mul(r, h, out=seen), u_candidate, out=n).tanh_()
        h = torch.lerp(n, h, z, out=new) if keeps else torch.lerp(h, n, z, out=new)
    for gate, name in zip(both.transpose(0, 1).chunk(2, -1), ("reset", "update"), strict=True):
        out[name].copy_(gate)
    return [h]


def _lstm(
    convention: Convention, p: Parameters, x: Tensor, states: list[Tensor], out: Mapping[str, Tensor]
) -> list[Tensor]:
    h, c = states
    size, u, squashed = h.shape[1], p.weight_recurrent.t().contiguous(), torch.empty_like(h)
    all_gates = torch.nn.functional.linear(x, p.weight_input, p.bias_input + p.bias_recurrent)
    for gates, (stored, new) in zip(all_gates, _steps(out["cell"], out["hidden"]), strict=True):
        gates.addmm_(h, u)
        i, f = gates[:, : 2 * size].sigmoid_().chunk(2, -1)
        g, o = gates[:, 2 * size : 3 * size].tanh_(), gates[:, 3 * size :].sigmoid_()
        c = torch.mul(f, c, out=stored).addcmul_(i, g)
        h = torch.mul(o, torch.tanh(c, out=squashed), out=new)
    for gate, name in zip(all_gates.transpose(0, 1).chunk(4, -1), convention.gates, strict=True):
        out[name].copy_(gate)
    return [h, c]


def _rnn(
    convention: Convention, p: Parameters, x: Tensor, states: list[Tensor], out: Mapping[str, Tensor]
) -> list[Tensor]:
    h, u = states[0], p.weight_recurrent.t().contiguous()
    projected = torch.nn.functional.linear(x, p.weight_input, p.bias_input + p.bias_recurrent)
    for x_h, (new,) in zip(projected, _steps(out["hidden"]), strict=True):
        h = torch.addmm(x_h, h, u, out=new).tanh_()
    return [h]
