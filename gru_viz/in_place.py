"""A run step by step in few operations of torch: for a GPU, where torch has no such layer.

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
"""How many gates of W x + b are computed at once: what stays in a processor's cache; a GPU takes 512 times as many."""


def run_in_place(convention: Convention, p: Parameters, x: Tensor, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every quantity (batch, time, hidden) of one layer that reads x (batch, time, features) from its first step."""
    batch, steps, _ = x.shape
    size = p.weight_recurrent.shape[1]
    out = {q.name: x.new_empty(batch, steps, size) for q in convention.quantities}
    states = [start[name] for name in convention.states]
    walk = {"gru": _gru, "lstm": _lstm, "rnn": _rnn}[convention.cell]
    most = CELLS if x.device.type == "cpu" else CELLS << 9
    block = max(most // max(batch * len(p.bias_input), 1), 1)
    for first in range(0, steps, block):
        read = x[:, first : first + block].transpose(0, 1)
        here: dict[str, Tensor] = {}  # (time, batch, hidden): the rows of a step lie together, in the cache
        states = walk(convention, p, read, states, here)
        for name, values in here.items():
            out[name][:, first : first + block] = values.transpose(0, 1)
    return out


def _rooms(out: dict[str, Tensor], like: Tensor, steps: int, *names: str) -> list[Tensor]:
    """Room for quantities of so many steps."""
    out.update({name: like.new_empty(steps, *like.shape) for name in names})
    return [out[name] for name in names]


def _steps(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The steps of tensors (time, batch, ·)."""
    return zip(*(each.unbind() for each in tensors), strict=True)


def _gru(
    convention: Convention, p: Parameters, x: Tensor, states: list[Tensor], out: dict[str, Tensor]
) -> list[Tensor]:
    h, size, keeps = states[0], states[0].shape[1], convention.update == "keeps"
    u, c = p.weight_recurrent.t().contiguous(), p.bias_recurrent
    projected = torch.nn.functional.linear(x, p.weight_input, p.bias_input)
    both, seen = x.new_empty(*projected.shape[:2], 2 * size), torch.empty_like(h)
    x_steps = zip(projected[..., : 2 * size].unbind(), projected[..., 2 * size :].unbind(), strict=True)
    gate_steps = zip(both.unbind(), both[..., :size].unbind(), both[..., size:].unbind(), strict=True)
    shown = zip(x_steps, gate_steps, _steps(*_rooms(out, h, len(x), "candidate", "hidden")), strict=True)
    if convention.reset == "after":
        product = x.new_empty(len(h), 3 * size)
        u_gates, u_candidate = product[:, : 2 * size], product[:, 2 * size :]
        for (x_gates, x_n), (gates, r, z), (n, new) in shown:
            torch.addmm(c, h, u, out=product)
            torch.add(x_gates, u_gates, out=gates).sigmoid_()
            torch.addcmul(x_n, r, u_candidate, out=n).tanh_()
            h = torch.lerp(n, h, z, out=new) if keeps else torch.lerp(h, n, z, out=new)
    else:
        projected += c
        u_gates, u_candidate = u[:, : 2 * size].contiguous(), u[:, 2 * size :].contiguous()
        for (x_gates, x_n), (gates, r, z), (n, new) in shown:
            torch.addmm(x_gates, h, u_gates, out=gates).sigmoid_()
            torch.addmm(x_n, torch.mul(r, h, out=seen), u_candidate, out=n).tanh_()
            h = torch.lerp(n, h, z, out=new) if keeps else torch.lerp(h, n, z, out=new)
    out["reset"], out["update"] = both.chunk(2, -1)
    return [h]


def _lstm(
    convention: Convention, p: Parameters, x: Tensor, states: list[Tensor], out: dict[str, Tensor]
) -> list[Tensor]:
    h, c = states
    size, u, squashed = h.shape[1], p.weight_recurrent.t().contiguous(), torch.empty_like(h)
    all_gates = torch.nn.functional.linear(x, p.weight_input, p.bias_input + p.bias_recurrent)
    for gates, (stored, new) in zip(all_gates, _steps(*_rooms(out, h, len(x), "cell", "hidden")), strict=True):
        gates.addmm_(h, u)
        i, f = gates[:, : 2 * size].sigmoid_().chunk(2, -1)
        g, o = gates[:, 2 * size : 3 * size].tanh_(), gates[:, 3 * size :].sigmoid_()
        c = torch.mul(f, c, out=stored).addcmul_(i, g)
        h = torch.mul(o, torch.tanh(c, out=squashed), out=new)
    out.update(zip(convention.gates, all_gates.chunk(4, -1), strict=True))
    return [h, c]


def _rnn(
    convention: Convention, p: Parameters, x: Tensor, states: list[Tensor], out: dict[str, Tensor]
) -> list[Tensor]:
    h, u = states[0], p.weight_recurrent.t().contiguous()
    projected = torch.nn.functional.linear(x, p.weight_input, p.bias_input + p.bias_recurrent)
    for x_h, (new,) in zip(projected, _steps(*_rooms(out, h, len(x), "hidden")), strict=True):
        h = torch.addmm(x_h, h, u, out=new).tanh_()
    return [h]
