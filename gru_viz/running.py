"""Running a network so that nothing is lost: torch's fused layers with the gates recovered, or step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.conventions import Convention
from gru_viz.errors import ConventionError, TraceError
from gru_viz.recovery import (
    DirectionRun,
    States,
    differ,
    inside,
    largest,
    rebuild,
    recover_layer,
    rounding_bound,
    shift,
)
from gru_viz.weights import TORCH_CELL, CellWeights, Weights, convert

__all__ = ["Runner", "choose_backend", "fuse"]


def torch_has(weights: Weights) -> bool:
    """Whether torch's own layers can run exactly this model."""
    try:
        convert(weights, to=TORCH_CELL[weights.convention.cell])
    except ConventionError:
        return False
    return True


def choose_backend(asked: str, weights: Weights) -> str:
    """Name the backend that will run.

    Raises:
        TraceError: torch has not this variant, or there is no such backend.
    """
    if asked not in ("auto", "scratch", "torch"):
        raise TraceError("backend", repr(asked), "'auto', 'scratch' or 'torch'", "Choose one of these.")
    fusable = asked != "scratch" and torch_has(weights)
    if asked == "torch" and not fusable:
        raise TraceError(
            f"backend 'torch' for {weights.convention.title}",
            "a reset gate that acts before the recurrent product",
            "one that acts after it, the only kind torch.nn.GRU computes",
            "Use backend='scratch'.",
        )
    return "torch" if fusable else "scratch"


class Runner:
    """Carries a batch up through the layers on one device, in one dtype, gathering the proof on the way."""

    def __init__(self, weights: Weights, backend: str, device: torch.device, dtype: torch.dtype) -> None:
        self.weights, self.backend, self.device, self.dtype = weights, backend, device, dtype
        self.fusable = torch_has(weights)
        module = f"torch.nn.{weights.convention.cell.upper()}"
        if backend == "torch":
            self.witness = module
        elif self.fusable:
            self.witness = f"{module}Cell, from the same state at each step"
        else:
            self.witness = "the equations again, all steps at once in float64"

    def run(
        self, x: Tensor, lengths: tuple[int, ...], initial: Mapping[str, States]
    ) -> tuple[list[list[DirectionRun]], float, float]:
        """Run every layer and direction over x (batch, time, features).

        Gives the runs, the largest difference from the witness, and the bound that it must keep.
        """
        layers: list[list[DirectionRun]] = []
        proof, bound, read = 0.0, 0.0, x
        for k, layer in enumerate(self.weights.layers):
            start = {name: s[k * len(layer) : (k + 1) * len(layer)] for name, s in initial.items()}
            if self.backend == "torch" and x.shape[1]:
                hidden, last = fuse(Weights((layer,)), read, lengths, start)
                runs, difference, most = recover_layer(layer, read, lengths, start, hidden, last)
            else:
                runs, difference, most = self._scratch_layer(layer, read, lengths, start)
                hidden = _join([run.quantities["hidden"] for run in runs])
            proof, bound = max(proof, difference), max(bound, most)
            layers.append(runs)
            read = hidden
        if self.backend == "torch" and x.shape[1] and len(layers) > 1 and len(set(self.weights.units)) == 1:
            whole, _ = fuse(self.weights, x, lengths, initial)
            proof = max(proof, largest(read, whole, inside(lengths, x)))
        return layers, proof, bound

    def _scratch_layer(
        self, layer: Sequence[CellWeights], x: Tensor, lengths: tuple[int, ...], initial: Mapping[str, States]
    ) -> tuple[list[DirectionRun], float, float]:
        """Walk the equations step by step, the backward direction over the flipped sequences."""
        flip, mask = _flip_index(lengths, x)
        runs, proof, bound = [], 0.0, 0.0
        for d, cell in enumerate(layer):
            start = {name: states[d] for name, states in initial.items()}
            run = {q.name: x.new_zeros(*x.shape[:2], cell.hidden) for q in cell.convention.quantities}
            if x.shape[1]:
                p, ordered = cell.parameters(self.device, self.dtype), _take_steps(x, flip) if d else x
                projected = equations.project(p, ordered)
                run = _step_by_step(cell.convention, p, projected, start)
                previous = [shift(run[name], start[name]) for name in cell.convention.states]
                witness = {"hidden": self._second_opinion(cell, ordered, previous)}
                rebuilt = rebuild(cell.convention, p, projected, run, previous)
                proof = max(proof, differ(rebuilt, witness, mask))
                bound = max(bound, rounding_bound(p, x, run["hidden"]))
            if d:
                run = {name: _take_steps(q, flip) for name, q in run.items()}
            runs.append(DirectionRun(cell, run, x, start))
        return runs, proof, bound

    def _second_opinion(self, cell: CellWeights, x: Tensor, previous: list[Tensor]) -> Tensor:
        """The next hidden state from each recorded one, by torch's own cell or by the equations in float64.

        Starting each step from the recorded state keeps the comparison fair for large weights, where a GRU is
        chaotic and two correct trajectories part.
        """
        if self.fusable:
            single = convert(Weights(((cell,),)), to=TORCH_CELL[cell.convention.cell]).layers[0][0]
            p = single.parameters(self.device, self.dtype)
            flat = [t.reshape(-1, t.shape[-1]) for t in (x, *previous)]
            if cell.convention.cell == "lstm":
                hidden = torch.lstm_cell(flat[0], (flat[1], flat[2]), *p)[0]
            else:
                step = torch.gru_cell if cell.convention.cell == "gru" else torch.rnn_tanh_cell
                hidden = step(flat[0], flat[1], *p)
            return hidden.reshape(previous[0].shape)
        p = cell.parameters(self.device, torch.float64)
        exact = [state.double() for state in previous]
        gates = equations.gates(cell.convention, p, equations.project(p, x.double()), exact[0])
        return equations.state(cell.convention, gates, *exact)["hidden"]


def fuse(
    weights: Weights,
    x: Tensor,
    lengths: tuple[int, ...],
    initial: Mapping[str, States],
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Let torch run whole layers at once over x (batch, time, features), each sequence to its own end.

    Gives the hidden states of the top layer (batch, time, directions·hidden), and by name the last states of all
    layers and directions (layers·directions, batch, hidden).
    """
    dtype = dtype or x.dtype
    module = weights.to_module().to(x.device, dtype)
    states = {name: torch.stack(list(each)).to(dtype) for name, each in initial.items()}

    def call(read: Any, given: list[Tensor]) -> tuple[Any, tuple[Tensor, ...]]:
        output, last = module(read, tuple(given) if len(given) > 1 else given[0])
        return output, last if isinstance(last, tuple) else (last,)

    x = x.to(dtype)
    if all(n == x.shape[1] for n in lengths):
        hidden, ends = call(x, list(states.values()))
        return hidden, dict(zip(states, ends, strict=True))
    width = weights.hidden * len(weights.layers[0])
    hidden = x.new_zeros(*x.shape[:2], width)
    kept = [i for i, n in enumerate(lengths) if n]
    if kept:
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            x[kept], torch.tensor([lengths[i] for i in kept], device="cpu"), batch_first=True, enforce_sorted=False
        )
        output, ends = call(packed, [state[:, kept].contiguous() for state in states.values()])
        values, _ = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
        hidden = hidden.to(values.dtype).index_copy(0, torch.tensor(kept, device=x.device), values)
        states = {name: _put(state, kept, end) for (name, state), end in zip(states.items(), ends, strict=True)}
    return hidden, states


def _step_by_step(
    convention: Convention, p: equations.Parameters, projected: Tensor, start: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    carried = [start[name] for name in convention.states]
    steps: dict[str, list[Tensor]] = {q.name: [] for q in convention.quantities}
    for t in range(projected.shape[1]):
        gates = equations.gates(convention, p, projected[:, t], carried[0])
        new = equations.state(convention, gates, *carried)
        carried = [new[name] for name in convention.states]
        for name, record in steps.items():
            record.append(new[name] if name in new else gates[name])
    return {name: torch.stack(record, 1) for name, record in steps.items()}


def _join(hidden: list[Tensor]) -> Tensor:
    return hidden[0] if len(hidden) == 1 else torch.cat(hidden, -1)


def _put(states: Tensor, kept: list[int], new: Tensor) -> Tensor:
    return states.to(new.dtype).index_copy(1, torch.tensor(kept, device=states.device), new)


def _flip_index(lengths: tuple[int, ...], x: Tensor) -> tuple[Tensor, Tensor]:
    """For each sequence its steps in reverse, flipped within its own length; and which steps lie within it."""
    n, mask = torch.tensor(lengths, device=x.device)[:, None], inside(lengths, x)
    t = torch.arange(x.shape[1], device=x.device)[None]
    return torch.where(mask, n - 1 - t, t), mask


def _take_steps(x: Tensor, index: Tensor) -> Tensor:
    return torch.take_along_dim(x, index[..., None], 1)
