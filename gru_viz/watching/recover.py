"""From a captured call to its trace: every gate, compared with what the module returned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from gru_viz.backends.gate_recovery import recover_layer
from gru_viz.backends.interface import DirectionRun
from gru_viz.backends.layers import full_precision
from gru_viz.backends.torch_fused import fuse
from gru_viz.errors import TraceError
from gru_viz.inputs import number_features, number_sequences
from gru_viz.proof import Witness
from gru_viz.trace import Trace, freeze
from gru_viz.watching.capture import Call, Stretch
from gru_viz.weights import Weights

__all__ = ["recover"]


def recover(captured: Call | Stretch, kind: str, place: str) -> Trace:
    """Make the trace of a call of a module, or of a stretch of calls of a cell.

    The hidden states of the top layer are those that the module gave. Lower layers, which torch does not give, run
    once more on the captured inputs, and are compared with the module's final states.
    ``kind`` names the module's convention; ``place`` describes the module in messages.

    Raises:
        TraceError: the outputs of lower layers cannot be known: cuDNN does not say what its dropout dropped.
    """
    device = captured.weights[0][0]["weight_hh"].device
    if device.type == "meta":
        raise TraceError(place, "tensors on the meta device", "numbers", "Run the model on a CPU or a GPU.")
    if isinstance(captured, Call) and captured.dropout and captured.random is None:
        raise TraceError(
            place,
            f"dropout of {captured.dropout:g} between its layers, drawn on {device.type}",
            "draws that can be repeated: what its upper layers read is known to nobody",
            "Watch it in eval(), with dropout=0, or on a CPU.",
        )
    weights = Weights.from_tensors(kind, captured.weights, place)
    dtype = torch.float64 if captured.arithmetic.dtype == torch.float64 else torch.float32
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        if isinstance(captured, Call):
            runs, lengths, least = _recover_call(captured, weights, device, dtype)
        else:
            runs, lengths, least = _recover_stretch(captured, weights, device, dtype)
    return Trace(
        layers=freeze(runs, lengths),
        weights=weights,
        lengths=lengths,
        names=number_sequences(len(lengths)),
        features=number_features(weights.features),
        time=(None,) * len(lengths),
        scaling=None,
        backend="torch",
        device=str(device),
        _witness=Witness(f"{place}, as it ran", computed_states=True, difference=least, eps=captured.arithmetic.eps),
    )


Recovered = tuple[list[list[DirectionRun[Tensor]]], tuple[int, ...], float]
"""The runs, the steps of each sequence, and the largest difference from the states that the module ended in."""


def _recover_call(call: Call, weights: Weights, device: torch.device, dtype: torch.dtype) -> Recovered:
    output, lengths = _lay_out(call.output, call)
    read = _lay_out(call.inputs, call)[0].to(dtype)
    initial = _by_name(call.initial, weights, len(lengths), read)
    last = _by_name(call.last, weights, len(lengths), read)
    draws = torch.Generator()
    if call.random is not None:
        draws.set_state(call.random)
    layers: list[list[DirectionRun[Tensor]]] = []
    least, top = 0.0, len(weights.layers) - 1
    for k, layer in enumerate(weights.layers):
        own = slice(k * len(layer), (k + 1) * len(layer))
        start, ends = ({name: states[own] for name, states in each.items()} for each in (initial, last))
        hidden = output
        if k < top:
            native, autocast, _ = call.arithmetic
            with torch.autocast(device.type, autocast, enabled=autocast is not None):
                hidden, _ = fuse(Weights((layer,)), read, lengths, start, native)
        with full_precision(device):
            runs, difference = recover_layer(layer, read, lengths, start, hidden.to(dtype), ends)
        least = max(least, difference)
        layers.append(runs)
        if k < top:
            read = _drop(hidden, call, draws).to(dtype)
    return layers, lengths, least


def _recover_stretch(stretch: Stretch, weights: Weights, device: torch.device, dtype: torch.dtype) -> Recovered:
    def in_a_row(steps: Sequence[Tensor]) -> Tensor:
        return torch.stack([step.view(-1, step.shape[-1]) for step in steps], 1).to(dtype)

    x, given = in_a_row(stretch.inputs), [in_a_row(states) for states in zip(*stretch.states, strict=True)]
    lengths = (x.shape[1],) * len(x)
    initial = _by_name(stretch.initial, weights, len(x), x)
    cells = given[1] if len(given) > 1 else None
    with full_precision(device):
        runs, least = recover_layer(weights.layers[0], x, lengths, initial, given[0], {}, cells)
    return [runs], lengths, least


def _lay_out(values: Tensor | PackedSequence, call: Call) -> tuple[Tensor, tuple[int, ...]]:
    """(batch, time, ·) in the caller's order of sequences, and the steps of each."""
    if isinstance(values, PackedSequence):
        padded, lengths = pad_packed_sequence(values, batch_first=True)
        return padded, tuple(lengths.tolist())
    if values.ndim == 2:
        values = values[None]
    elif not call.batch_first:
        values = values.transpose(0, 1).contiguous()
    return values, (values.shape[1],) * len(values)


def _by_name(states: tuple[Tensor, ...], weights: Weights, batch: int, like: Tensor) -> dict[str, Tensor]:
    """State name → (layers·directions, batch, hidden)."""
    names, shape = weights.convention.states, (len(weights.layers) * len(weights.layers[0]), batch, weights.hidden)
    if not states:
        return {name: like.new_zeros(shape) for name in names}
    return {name: state.to(like.dtype).view(shape) for name, state in zip(names, states, strict=True)}


def _drop(hidden: Tensor, call: Call, draws: torch.Generator) -> Tensor:
    """What the next layer read of these states: torch draws a layer's dropout in the layout that its steps ran in."""
    share = call.dropout
    if not share:
        return hidden
    if share == 1:
        return torch.zeros_like(hidden)
    packed = call.inputs if isinstance(call.inputs, PackedSequence) else None
    steps = packed.data.shape[:1] if packed else hidden.shape[1::-1]
    mask = torch.empty(*steps, hidden.shape[2], dtype=hidden.dtype)
    mask = mask.bernoulli_(1 - share, generator=draws).div_(1 - share)
    if packed:
        indices = (packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        return hidden * pad_packed_sequence(PackedSequence(mask, *indices), batch_first=True)[0]
    return hidden * mask.transpose(0, 1)
