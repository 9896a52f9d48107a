"""What is stored of a call while the model runs: copies, so that nothing that happens later can change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gru_viz.weights import sort_tensors

__all__ = ["Arithmetic", "Call", "Mark", "Stretch", "capture_call", "capture_step"]

Layers = list[list[dict[str, Tensor]]]

_COARSE = {"tf32": 2.0**-10, "bf16": 2.0**-7}


class Arithmetic(NamedTuple):
    """The numbers that a call was computed in.

    Attributes:
        dtype: of the weights.
        autocast: what they were cast to, or None.
        eps: the rounding of the coarsest of them.
    """

    dtype: torch.dtype
    autocast: torch.dtype | None
    eps: float


class Mark:
    """Knows a tensor again: the same numbers at the same place, not written to since.

    Holds the memory, which torch could otherwise give to another tensor, but neither the tensor nor its graph.
    """

    def __init__(self, tensor: Tensor) -> None:
        self._alias, self._version = tensor.detach(), _version(tensor)
        self._copy = _keep(tensor) if self._version is None else None

    def is_on(self, tensor: Tensor) -> bool:
        """Whether it is that tensor, or another view of all of it."""
        mine, its = ((t.data_ptr(), t.shape, t.stride(), t.dtype, t.device) for t in (self._alias, tensor))
        if mine != its:
            return False
        return _version(tensor) == self._version if self._copy is None else torch.equal(self._copy, tensor)


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to; those of inference mode are not counted."""
    return None if tensor.is_inference() else tensor._version


@dataclass(frozen=True)
class Call:
    """One call of an ``nn.GRU``, ``LSTM`` or ``RNN``, as it came and went.

    Attributes:
        weights: its tensors by layer, direction and name.
        inputs: what it was given, in the layout that it was given in.
        initial: the states it was given, or () for zeros.
        output: what it gave for every step, in the same layout.
        last: the states that it ended in.
        dropout: the share that was dropped of what passed from one layer to the next.
        random: torch's random state on the CPU before the call, where something was dropped.
    """

    weights: Layers
    arithmetic: Arithmetic
    batch_first: bool
    inputs: Tensor | PackedSequence
    initial: tuple[Tensor, ...]
    output: Tensor | PackedSequence
    last: tuple[Tensor, ...]
    dropout: float
    random: Tensor | None


@dataclass
class Stretch:
    """Calls of a cell, each given the very states that the one before it gave: one sequence.

    Attributes:
        weights: the cell's tensors, as of one layer and direction.
        initial: the states before the first step, or () for zeros.
        inputs: what each step read.
        states: the states after each step.
        ran: marks on the cell's own tensors.
        gave: marks on the states after the last step.
    """

    weights: Layers
    arithmetic: Arithmetic
    initial: tuple[Tensor, ...]
    ran: tuple[Mark, ...]
    inputs: list[Tensor] = field(default_factory=list)
    states: list[tuple[Tensor, ...]] = field(default_factory=list)
    gave: tuple[Mark, ...] = ()


def capture_call(
    module: torch.nn.RNNBase, args: Sequence[Any], named: Mapping[str, Any], result: Any, random: Tensor | None
) -> Call:
    """Copy what went into a call and what came out of it."""
    inputs, initial = _arguments(args, named)
    output, last = result
    used = dict(zip(module._flat_weights_names, module._flat_weights, strict=True))  # by this very call
    weights, data = sort_tensors(module, used.get), output.data if isinstance(output, PackedSequence) else output
    drops = module.training and module.num_layers > 1
    return Call(
        weights=[[{name: _keep(t) for name, t in tensors.items()} for tensors in layer] for layer in weights],
        arithmetic=_arithmetic(weights[0][0]["weight_hh"], data),
        batch_first=module.batch_first,
        inputs=_keep_all(inputs),
        initial=tuple(_keep(state) for state in initial),
        output=_keep_all(output),
        last=tuple(_keep(state) for state in _as_tuple(last)),
        dropout=module.dropout if drops else 0.0,
        random=random if data.device.type == "cpu" else None,
    )


def capture_step(
    module: torch.nn.RNNCellBase,
    args: Sequence[Any],
    named: Mapping[str, Any],
    result: Any,
    ends: dict[int, Stretch],
) -> Stretch | None:
    """Copy a step of a cell into the stretch that it continues; give the stretch that it begins, if it begins one.

    ``ends`` has every stretch by the address of the state that it gave last.
    """
    inputs, given = _arguments(args, named)
    states, begun = _as_tuple(result), None
    (tensors,) = sort_tensors(module, lambda name: getattr(module, name, None))[0]
    arithmetic = _arithmetic(tensors["weight_hh"], states[0])
    stretch = ends.get(given[0].data_ptr()) if given else None
    if (
        stretch
        and stretch.arithmetic == arithmetic
        and _are_on(stretch.gave, given)
        and _are_on(stretch.ran, [*tensors.values()])
    ):
        del ends[given[0].data_ptr()]
    else:
        copied = {name: _keep(tensor) for name, tensor in tensors.items()}
        marks = tuple(Mark(tensor) for tensor in tensors.values())
        stretch = begun = Stretch([[copied]], arithmetic, tuple(_keep(state) for state in given), marks)
    stretch.inputs.append(_keep(inputs))
    stretch.states.append(tuple(_keep(state) for state in states))
    stretch.gave = tuple(Mark(state) for state in states)
    ends[states[0].data_ptr()] = stretch
    return begun


def _are_on(marks: Sequence[Mark], tensors: Sequence[Tensor]) -> bool:
    return len(marks) == len(tensors) and all(mark.is_on(tensor) for mark, tensor in zip(marks, tensors, strict=True))


def _arguments(args: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, tuple[Tensor, ...]]:
    inputs = args[0] if args else named["input"]
    states = args[1] if len(args) > 1 else named.get("hx")
    return inputs, () if states is None else _as_tuple(states)


def _as_tuple(states: Any) -> tuple[Tensor, ...]:
    return tuple(states) if isinstance(states, tuple | list) else (states,)


def _keep(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _keep_all(values: Tensor | PackedSequence) -> Tensor | PackedSequence:
    if isinstance(values, PackedSequence):
        order = (None if each is None else _keep(each) for each in (values.sorted_indices, values.unsorted_indices))
        return PackedSequence(_keep(values.data), _keep(values.batch_sizes), *order)
    return _keep(values)


def _arithmetic(weight: Tensor, output: Tensor) -> Arithmetic:
    place, autocast, kinds = weight.device.type, None, {weight.dtype, output.dtype}
    if torch.amp.is_autocast_available(place) and torch.is_autocast_enabled(place) and weight.dtype != torch.float64:
        autocast = torch.get_autocast_dtype(place)
        kinds.add(autocast)
    eps = max(torch.finfo(kind).eps for kind in kinds)
    if weight.dtype == torch.float32:
        backends: Any = torch.backends
        on_cpu, on_cuda = (backends.mkldnn.rnn, backends.mkldnn.matmul), (backends.cudnn.rnn, backends.cuda.matmul)
        knobs = on_cuda if place == "cuda" else on_cpu
        eps = max(eps, *(_COARSE.get(knob.fp32_precision, 0.0) for knob in knobs))
    return Arithmetic(weight.dtype, autocast, eps)
