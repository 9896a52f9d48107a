"""Running a network so that nothing is lost: torch's fused layers with the gates recovered, or step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.conventions import Convention
from gru_viz.errors import ConventionError, TraceError
from gru_viz.weights import TORCH_CELL, CellWeights, Weights, convert

__all__ = ["DirectionRun", "Runner", "choose_backend", "full_precision", "rounding_bound"]


class DirectionRun(NamedTuple):
    """One layer reading in one direction: its quantities (batch, time, hidden), its inputs, its initial states."""

    cell: CellWeights
    quantities: dict[str, Tensor]
    inputs: Tensor
    initial: dict[str, Tensor]


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


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Keep cuDNN's RNN from computing in TF32, its default, which would loosen the proof to 1e-3."""
    if device.type != "cuda":
        yield
        return
    knobs: tuple[Any, ...] = (torch.backends.cudnn.rnn, torch.backends.cuda.matmul)
    before = [knob.fp32_precision for knob in knobs]
    try:
        for knob in knobs:
            knob.fp32_precision = "ieee"
        yield
    finally:
        for knob, setting in zip(knobs, before, strict=True):
            knob.fp32_precision = setting


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
        self, x: Tensor, lengths: tuple[int, ...], initial: Mapping[str, Sequence[Tensor]]
    ) -> tuple[list[list[DirectionRun]], float, float]:
        """Run every layer and direction over x (batch, time, features).

        Gives the runs, the largest difference from the witness, and the bound that it must keep.
        """
        flip, mask = _flip_index(lengths, x.shape[1], x.device)
        layers: list[list[DirectionRun]] = []
        proof, bound, read = 0.0, 0.0, x
        for k, layer in enumerate(self.weights.layers):
            directions = []
            for d, cell in enumerate(layer):
                start = {name: s[k * len(layer) + d] for name, s in initial.items()}
                ordered = _take_steps(read, flip) if d else read
                parameters = cell.parameters(self.device, self.dtype)
                run, difference = self._run_direction(cell, parameters, ordered, start, mask)
                if d:
                    run = {name: _take_steps(q, flip) for name, q in run.items()}
                proof = max(proof, difference)
                bound = max(bound, rounding_bound(parameters, read, run["hidden"]))
                directions.append(DirectionRun(cell, run, read, start))
            layers.append(directions)
            read = torch.cat([each.quantities["hidden"] for each in directions], -1)
        if self.backend == "torch" and len(self.weights.layers) * len(self.weights.layers[0]) > 1:
            proof = max(proof, self._against_whole_module(x, lengths, initial, read))
        return layers, proof, bound

    def _run_direction(
        self, cell: CellWeights, p: equations.Parameters, x: Tensor, start: Mapping[str, Tensor], mask: Tensor
    ) -> tuple[dict[str, Tensor], float]:
        if not x.shape[1]:
            empty = x.new_zeros(x.shape[0], 0, cell.hidden)
            return {q.name: empty for q in cell.convention.quantities}, 0.0
        if self.backend == "torch":
            return self._fused(cell, p, x, start, mask)
        projected = equations.project(p, x)
        run = _step_by_step(cell.convention, p, projected, start)
        previous = [_shift(run[name], start[name]) for name in cell.convention.states]
        witness = self._second_opinion(cell, x, previous)
        return run, _rebuild_against(witness, cell.convention, p, projected, run, previous, mask)

    def _fused(
        self, cell: CellWeights, p: equations.Parameters, x: Tensor, start: Mapping[str, Tensor], mask: Tensor
    ) -> tuple[dict[str, Tensor], float]:
        """Let torch produce every hidden state, then evaluate the gates from them, all steps at once."""
        module = Weights(((cell,),)).to_module().to(self.device, self.dtype)
        states = tuple(start[name][None].contiguous() for name in cell.convention.states)
        hidden, last = module(x, states if len(states) > 1 else states[0])
        projected, previous = equations.project(p, x), [_shift(hidden, start["hidden"])]
        run = equations.gates(cell.convention, p, projected, previous[0])
        if "cell" in start:
            run["cell"] = _scan(run, start["cell"])
            previous.append(_shift(run["cell"], start["cell"]))
        difference = _rebuild_against(hidden, cell.convention, p, projected, run, previous, mask)
        if "cell" in start:
            difference = max(difference, _largest(run["cell"][:, -1], last[1][0], torch.ones_like(mask[:, -1])))
        return {q.name: (run | {"hidden": hidden})[q.name] for q in cell.convention.quantities}, difference

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

    def _against_whole_module(
        self, x: Tensor, lengths: tuple[int, ...], initial: Mapping[str, Sequence[Tensor]], top: Tensor
    ) -> float:
        """Hold the top layer against torch running the whole network at once, or a layer at once if sizes differ."""
        kept = [i for i, n in enumerate(lengths) if n]
        if not kept:
            return 0.0
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            x[kept], torch.tensor([lengths[i] for i in kept]), batch_first=True, enforce_sorted=False
        )
        layers = self.weights.layers
        parts = [layers] if len(set(self.weights.units)) == 1 else [(layer,) for layer in layers]
        done = 0
        for part in parts:
            upto = done + len(part) * len(part[0])
            states = tuple(torch.stack([s[kept] for s in each[done:upto]]) for each in initial.values())
            module = Weights(part).to_module().to(self.device, self.dtype)
            packed, done = module(packed, states if len(states) > 1 else states[0])[0], upto
        whole, _ = torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        return _largest(top[kept], whole, _flip_index(tuple(lengths[i] for i in kept), x.shape[1], x.device)[1])


def _rebuild_against(
    witness: Tensor,
    convention: Convention,
    p: equations.Parameters,
    projected: Tensor,
    run: Mapping[str, Tensor],
    previous: list[Tensor],
    mask: Tensor,
) -> float:
    """Rebuild every hidden state from the recorded gates, and give its largest difference from the witness.

    A GRU's is rebuilt twice, the second time with the candidate that the recorded reset gate leads to; otherwise a
    wrong reset beside a right candidate would pass.
    """
    rebuilt = [equations.state(convention, run, *previous)["hidden"]]
    if convention.cell == "gru":
        n = equations.candidate(convention, p, projected, previous[0], run["reset"])
        rebuilt.append(equations.state(convention, {**run, "candidate": n}, *previous)["hidden"])
    return max(_largest(each.to(witness.dtype), witness, mask) for each in rebuilt)


def rounding_bound(p: equations.Parameters, x: Tensor, hidden: Tensor) -> float:
    """How far two correct ways of computing a step may lie apart: 8 ε (1 + the largest sum of |terms| of a gate).

    Large weights let rounding weigh more; a fixed bound would call them unproven, or let small weights hide a fault.
    """
    reads, keeps = (t.nan_to_num(0, 0, 0).abs().flatten(0, 1) for t in (x, hidden))
    if not len(reads):
        return 0.0
    terms = p.weight_input.abs() @ reads.amax(0) + p.weight_recurrent.abs() @ keeps.amax(0).clamp(min=1)
    terms = terms + p.bias_input.abs() + p.bias_recurrent.abs()
    return float(8 * torch.finfo(x.dtype).eps * (1 + terms.max()))


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


def _scan(gates: Mapping[str, Tensor], cell: Tensor) -> Tensor:
    """Every cell state of an LSTM from its gates: c = f * c₋ + i * g."""
    written, cells = gates["input"] * gates["cell_candidate"], []
    for kept, new in zip(gates["forget"].unbind(1), written.unbind(1), strict=True):
        cell = torch.addcmul(new, kept, cell)
        cells.append(cell)
    return torch.stack(cells, 1)


def _shift(states: Tensor, start: Tensor) -> Tensor:
    return torch.cat([start[:, None], states[:, :-1]], 1)


def _largest(a: Tensor, b: Tensor, mask: Tensor) -> float:
    """Max |a − b| where the mask is on; NaN against NaN and ∞ against ∞ agree, anything else against them does not."""
    same = (a == b) | (a.isnan() & b.isnan())
    difference = torch.where(same, 0, (a - b).abs()).nan_to_num(nan=torch.inf)
    counted = difference[mask]
    return float(counted.max()) if counted.numel() else 0.0


def _flip_index(lengths: tuple[int, ...], steps: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For each sequence its steps in reverse, flipped within its own length; and which steps lie within it."""
    n = torch.tensor(lengths, device=device)[:, None]
    t = torch.arange(steps, device=device)[None]
    mask = t < n
    return torch.where(mask, n - 1 - t, t), mask


def _take_steps(x: Tensor, index: Tensor) -> Tensor:
    return torch.take_along_dim(x, index[..., None], 1)
