"""Running a network so that nothing is lost: compiled, by torch's fused layers with the gates recovered, in place, or
by the equations step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gru_viz import equations, kernels
from gru_viz.batch import initial_states
from gru_viz.captured import run_captured
from gru_viz.conventions import Convention
from gru_viz.errors import TraceError
from gru_viz.in_arrays import run_in_arrays
from gru_viz.proving import AT_EACH_STEP, Check, largest
from gru_viz.recovery import DirectionRun, States, full_precision, inside, recover_layer
from gru_viz.sending import Sending
from gru_viz.weights import CellWeights, Weights

if TYPE_CHECKING:
    from gru_viz.kernels.tracing import Packed

__all__ = ["BACKENDS", "Ran", "choose_backend", "fuse", "run"]

SINGLE = np.dtype(np.float32)

BACKENDS = ("auto", "compiled", "torch", "loop", "scratch")


class Ran(NamedTuple):
    """What ran: for each layer its directions; what their gates are to be held against, its name in words; where."""

    layers: Sequence[Sequence[DirectionRun[Any]]]
    check: Check
    witness: str
    device: str


def choose_backend(asked: str, weights: Weights, device: str = "cpu") -> str:
    """Name the backend that will run.

    Raises:
        TraceError: there is no such backend, or it has not this variant, or cannot run here.
    """
    if asked not in BACKENDS:
        known = ", ".join(map(repr, BACKENDS))
        raise TraceError("backend", repr(asked), f"one of {known}", "Choose one of these.")
    on_cpu = device.startswith("cpu")
    if asked == "auto":
        if not on_cpu:
            return "torch" if weights.runs_in_torch else "loop"
        return "compiled" if kernels.why_not(weights.convention) is None else "loop"
    if asked == "torch" and not weights.runs_in_torch:
        raise TraceError(
            f"backend 'torch' for {weights.convention.title}",
            "a reset gate that acts before the recurrent product",
            "one that acts after it, the only kind torch.nn.GRU computes",
            "Use backend='auto', or 'scratch'.",
        )
    if asked == "compiled":
        reason = kernels.why_not(weights.convention) if on_cpu else f"The kernels do not run on {device}."
        if reason is not None:
            raise TraceError("backend 'compiled'", reason.rstrip("."), "numba, and the CPU", "Use backend='auto'.")
    return asked


def run(weights: Weights, backend: str, x: np.ndarray, lengths: tuple[int, ...], h0: Any, device: torch.device) -> Ran:
    """Run every layer and direction over x (batch, time, features)."""
    if backend == "compiled":
        return Ran(_compiled(weights, x, lengths, h0), AT_EACH_STEP, _witness(weights, backend), "cpu")
    dtype = torch.float64 if weights.dtype == np.float64 else torch.float32
    with torch.inference_mode(), full_precision(device), Sending(device) as sending:
        read = whole = torch.as_tensor(x).to(device, dtype)
        initial = initial_states(h0, weights, len(x), device, dtype)
        layers, least, fused = [], 0.0, backend == "torch" and x.shape[1] > 0
        for k, layer in enumerate(weights.layers):
            start = {name: s[k * len(layer) : (k + 1) * len(layer)] for name, s in initial.items()}
            if fused:
                hidden, last = fuse(Weights((layer,)), read, lengths, start)
                runs, difference = recover_layer(layer, read, lengths, start, hidden, last)
                least = max(least, difference)
            else:
                loop = run_captured if device.type == "cuda" else run_in_arrays
                walk = loop if backend == "loop" else _step_by_step
                runs = _walk_layer(walk, layer, read, lengths, start)
                hidden = _join([run.quantities["hidden"] for run in runs])
            layers.append([(run, sending.begin(run.quantities)) for run in runs])
            read = hidden
        if fused and len(layers) > 1 and len(set(weights.units)) == 1:
            mask = inside(lengths, whole)
            least = max(least, largest(read[mask], fuse(weights, whole, lengths, initial)[0][mask]))
    there = [
        [DirectionRun[Any](run.cell, coming.result(), run.inputs, run.initial) for run, coming in layer]
        for layer in layers
    ]
    return Ran(there, Check(shown=backend == "torch", least=least), _witness(weights, backend), str(whole.device))


def _witness(weights: Weights, backend: str) -> str:
    module = f"torch.nn.{weights.convention.cell.upper()}"
    if backend == "torch":
        return module
    if weights.runs_in_torch:
        return f"{module}Cell, from the same state at each step"
    return "the equations again, all steps at once in float64"


def _compiled(
    weights: Weights, x: np.ndarray, lengths: tuple[int, ...], h0: Any
) -> list[list[DirectionRun[np.ndarray]]]:
    """The kernels take the hidden states of one layer as they lie for the inputs of the next."""
    from gru_viz.kernels import tracing

    dtype = weights.dtype if weights.dtype.char == "d" else SINGLE
    fits = x.dtype == dtype and x.flags.c_contiguous and x.flags.aligned
    read, ends = x if fits else np.require(x, dtype, ("C", "A")), np.array(lengths)
    initial = _initial_arrays(h0, weights, len(x), dtype)
    layers: list[list[DirectionRun[np.ndarray]]] = []
    for layer in weights.layers:
        runs = []
        for d, cell in enumerate(layer):
            start = next(initial)
            packed = cell.once(dtype.char, _pack_double if dtype.char == "d" else _pack_single)
            quantities = tracing.run(packed, read, ends, start, bool(d), torch.get_num_threads())
            names = cell.convention.states
            runs.append(DirectionRun(cell, quantities, read, dict(zip(names, start, strict=True))))
        layers.append(runs)
        read = runs[0].quantities["hidden"]
        if len(runs) > 1:
            read = np.concatenate([run.quantities["hidden"] for run in runs], -1)
    return layers


def _pack_single(cell: CellWeights) -> Packed:
    return _pack(cell, SINGLE)


def _pack_double(cell: CellWeights) -> Packed:
    return _pack(cell, np.dtype(np.float64))


def _pack(cell: CellWeights, dtype: np.dtype) -> Packed:
    from gru_viz.kernels import tracing

    w, u, b, c = (tensor.numpy().astype(dtype) for tensor in cell.parameters())
    return tracing.pack(cell.convention, w, u, b, c)


def _initial_arrays(h0: Any, weights: Weights, batch: int, dtype: np.dtype) -> Iterator[np.ndarray]:
    """The initial states (states, batch, hidden) of each layer and direction."""
    names = weights.convention.states
    if h0 is None:
        for layer in weights.layers:
            for cell in layer:
                yield np.zeros((len(names), batch, cell.hidden), dtype)
        return
    given = initial_states(h0, weights, batch, torch.device("cpu"), getattr(torch, str(dtype)))
    for states in zip(*(given[name] for name in names), strict=True):
        yield np.stack([state.numpy() for state in states])


Walk = Callable[[Convention, equations.Parameters, Tensor, Mapping[str, Tensor]], dict[str, Tensor]]


def _walk_layer(
    walk: Walk, layer: Sequence[CellWeights], x: Tensor, lengths: tuple[int, ...], initial: Mapping[str, States]
) -> list[DirectionRun[Tensor]]:
    """Walk a layer step by step, the backward direction over the flipped sequences."""
    runs = []
    for d, cell in enumerate(layer):
        start = {name: states[d] for name, states in initial.items()}
        if not x.shape[1]:
            run = {q.name: x.new_zeros(*x.shape[:2], cell.hidden) for q in cell.convention.quantities}
        else:
            flip = _flip_index(lengths, x) if d else None
            ordered = x if flip is None else _take_steps(x, flip)
            run = walk(cell.convention, cell.parameters(x.device, x.dtype), ordered, start)
            run = run if flip is None else {name: _take_steps(q, flip) for name, q in run.items()}
        runs.append(DirectionRun(cell, run, x, start))
    return runs


def _step_by_step(
    convention: Convention, p: equations.Parameters, x: Tensor, start: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    projected = equations.project(p, x)
    carried = [start[name] for name in convention.states]
    steps: dict[str, list[Tensor]] = {q.name: [] for q in convention.quantities}
    for t in range(x.shape[1]):
        gates = equations.gates(convention, p, projected[:, t], carried[0])
        new = equations.state(convention, gates, *carried)
        carried = [new[name] for name in convention.states]
        for name, record in steps.items():
            record.append(new[name] if name in new else gates[name])
    return {name: torch.stack(record, 1) for name, record in steps.items()}


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


def _join(hidden: list[Tensor]) -> Tensor:
    return hidden[0] if len(hidden) == 1 else torch.cat(hidden, -1)


def _put(states: Tensor, kept: list[int], new: Tensor) -> Tensor:
    return states.to(new.dtype).index_copy(1, torch.tensor(kept, device=states.device), new)


def _flip_index(lengths: tuple[int, ...], x: Tensor) -> Tensor:
    """For each sequence its steps in reverse, flipped within its own length."""
    n, t = torch.tensor(lengths, device=x.device)[:, None], torch.arange(x.shape[1], device=x.device)[None]
    return torch.where(t < n, n - 1 - t, t)


def _take_steps(x: Tensor, index: Tensor) -> Tensor:
    return torch.take_along_dim(x, index[..., None], 1)
