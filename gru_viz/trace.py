"""Trace: every gate and state of a recurrent network, at every layer, direction, sequence and step, with proof.

``trace`` runs the network on one of four backends (``gru_viz.backends``). *Compiled* kernels for the CPU write every
gate as they go. *Torch* lets the framework's fused layer produce every hidden state, shifts them by one step to get
every previous state, and evaluates the equations once over all steps. *Loop* is numpy, step by step, on a CPU without
numba. *Scratch* evaluates the equations as they are written, on any device. All but torch run every variant. Whichever
ran, the result is compared with an independent witness on the first use of ``trace.proof``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence as AbstractSequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gru_viz.backends import choose_backend
from gru_viz.backends.interface import DirectionRun
from gru_viz.bins import Bins, align, reduce
from gru_viz.conventions import Convention
from gru_viz.errors import TraceError
from gru_viz.inputs import Input, batch_first, check_device, collect
from gru_viz.proof import Proof, Witness
from gru_viz.sequences import Scaling
from gru_viz.weights import CellWeights, Weights

if TYPE_CHECKING:
    import pandas as pd
    import torch
    import xarray as xr
    from torch import Tensor

__all__ = [
    "DIRECTIONS",
    "OUTPUTS",
    "BackendName",
    "Direction",
    "DirectionTrace",
    "LayerTrace",
    "Trace",
    "check_steps",
    "find_direction",
    "freeze",
    "trace",
]

BackendName = Literal["auto", "compiled", "torch", "loop", "scratch"]

Direction = Literal["forward", "backward"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")

OUTPUTS: dict[str, Callable[[Any], Any]] = {}
"""What a trace becomes by functions of higher layers, name → function; ``gru_viz/__init__.py`` fills it."""

_OF_ONE_RUN = ("quantities", "initial", "previous", "weights")
_OF_ONE_LAYER = ("forward", "backward", "directions")


@dataclass(frozen=True, eq=False)
class DirectionTrace:
    """What one layer did while reading in one direction; each quantity is also an attribute.

    Attributes:
        weights: the matrices that ran.
        quantities: name → (batch, time, hidden), in the order of time whatever the direction; NaN past an end.
        inputs: (batch, time, features) what the layer read.
        initial: state name → (batch, hidden) the state before the first step that was read.
        backward: whether it read from the last step to the first.
    """

    weights: CellWeights
    quantities: Mapping[str, np.ndarray]
    inputs: np.ndarray
    initial: Mapping[str, np.ndarray]
    lengths: tuple[int, ...]
    backward: bool = False

    def __post_init__(self) -> None:
        for name in ("quantities", "initial"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        for array in (self.inputs, *self.quantities.values(), *self.initial.values()):
            array.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        plain = (self.weights, dict(self.quantities), self.inputs, dict(self.initial), self.lengths, self.backward)
        return DirectionTrace, plain

    @property
    def convention(self) -> Convention:
        """The variant that ran."""
        return self.weights.convention

    def window(self, start: int, stop: int, sequence: int) -> DirectionTrace:
        """The steps from ``start`` to before ``stop`` of one sequence; its arrays are views."""
        here, steps = slice(sequence, sequence + 1), slice(start, stop)
        within = stop < self.lengths[sequence] if self.backward else start > 0
        before = stop if self.backward else start - 1
        return replace(
            self,
            quantities={name: values[here, steps] for name, values in self.quantities.items()},
            inputs=self.inputs[here, steps],
            initial={n: self.quantities[n][here, before] if within else s[here] for n, s in self.initial.items()},
            lengths=(stop - start,),
        )

    def previous(self, state: str = "hidden") -> np.ndarray:
        """The state before each step, (batch, time, hidden): a shift, from the side the layer reads from."""
        shifted = np.full_like(self.quantities[state], np.nan)
        for i, n in enumerate(self.lengths):
            values = self.quantities[state][i, :n]
            if self.backward:
                shifted[i, :n] = np.concatenate([values, self.initial[state][i][None]])[1:]
            else:
                shifted[i, :n] = np.concatenate([self.initial[state][i][None], values])[:-1]
        return shifted

    def final(self, state: str = "hidden") -> np.ndarray:
        """The state after the last step that was read, (batch, hidden); the initial one where there was no step."""
        ends = self.initial[state].copy()
        for i, n in enumerate(self.lengths):
            if n:
                ends[i] = self.quantities[state][i, 0 if self.backward else n - 1]
        return ends

    def __getattr__(self, name: str) -> np.ndarray:
        quantities: Mapping[str, np.ndarray] = self.__dict__.get("quantities", {})
        if name in quantities:
            return quantities[name]
        known = f"one of {', '.join(quantities)}"
        raise TraceError(f"trace.{name}", "no such quantity", known, "Use one of these names.")


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """One layer: ``forward``, and ``backward`` where the network reads in both directions."""

    forward: DirectionTrace
    backward: DirectionTrace | None = None

    @property
    def directions(self) -> tuple[DirectionTrace, ...]:
        """Forward, then backward if there is one."""
        return (self.forward,) if self.backward is None else (self.forward, self.backward)

    def __getattr__(self, name: str) -> Any:
        if "forward" not in self.__dict__ or name.startswith("__"):
            raise AttributeError(name)
        if self.backward is not None and (name in self.forward.quantities or name in _OF_ONE_RUN):
            raise TraceError(name, "two directions", "one", f"Use .forward.{name} or .backward.{name}.")
        return getattr(self.forward, name)


@dataclass(frozen=True, eq=False)
class Trace:
    """Every gate and state of a run; immutable, and causal: the trace of a prefix is the prefix of the trace.

    A network of one layer and direction gives its quantities as attributes, (batch, time, hidden), NaN past the end
    of a sequence: ``trace.update``, ``trace.reset``, ``trace.candidate``, ``trace.hidden``.

    Attributes:
        layers: one ``LayerTrace`` each.
        weights: the network.
        lengths: steps of each sequence.
        names: what each sequence is called.
        features: what each input feature is called.
        time: for each sequence its step labels, or None.
        scaling: how the inputs were scaled, or None where that is not known.
        backend: ``"compiled"``, ``"torch"``, ``"loop"`` or ``"scratch"``, the one that ran.
        device: where it ran, such as ``"cpu"`` or ``"cuda:0"``.
        details: what else is known of the sequences.
    """

    layers: tuple[LayerTrace, ...]
    weights: Weights
    lengths: tuple[int, ...]
    names: tuple[str, ...]
    features: tuple[str, ...]
    time: tuple[AbstractSequence[str] | None, ...]
    scaling: Scaling | None
    backend: str
    device: str
    _witness: Witness
    details: Mapping[str, str] = field(default_factory=dict)
    _proof: Proof | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "details", MappingProxyType(dict(self.details)))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"details": dict(self.details), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, details=MappingProxyType(state["details"]), _lock=threading.Lock())

    @property
    def proof(self) -> Proof:
        """How far the gates of the trace are from those of a witness; computed once, on first use."""
        with self._lock:
            from gru_viz.verification import prove

            proof = self._proof or prove(self.runs, self._witness)
            object.__setattr__(self, "_proof", proof)
            return proof

    @property
    def proof_ready(self) -> bool:
        """Whether the proof has been computed, so that ``proof`` returns at once."""
        return self._proof is not None

    @property
    def runs(self) -> list[DirectionTrace]:
        """Every layer and direction, in the order of ``h0``."""
        return [run for layer in self.layers for run in layer.directions]

    @property
    def final(self) -> dict[str, list[np.ndarray]]:
        """State name → for each layer and direction, as in ``h0``, the states (batch, hidden) after the last step read.

        A run from there, ``trace(weights, next_x, h0=trace.final["hidden"])``, goes on as if it had never stopped; for
        an LSTM ``h0=(trace.final["hidden"], trace.final["cell"])``.
        """
        return {name: [run.final(name) for run in self.runs] for name in self.convention.states}

    @property
    def inputs(self) -> np.ndarray:
        """(batch, time, features) what the first layer read; NaN past the end of a sequence."""
        return self.layers[0].forward.inputs

    @property
    def convention(self) -> Convention:
        """The variant that ran."""
        return self.weights.convention

    @property
    def dtype(self) -> str:
        """The floating-point type it ran in."""
        return str(self.inputs.dtype)

    @property
    def complete(self) -> Trace:
        """The trace itself, which stores every step."""
        return self

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = [array for run in self.runs for array in (run.inputs, *run.quantities.values())]
        return sum(array.nbytes for array in {id(array): array for array in arrays}.values())

    def window(self, start: int, stop: int, sequence: int = 0) -> Trace:
        """The steps from ``start`` to before ``stop`` of one sequence, counted from 0; its arrays are views.

        Raises:
            TraceError: the sequence has no such steps.
        """
        check_steps(start, stop, self.lengths[sequence])
        labels = self.time[sequence]
        return replace(
            self,
            layers=tuple(LayerTrace(*(run.window(start, stop, sequence) for run in x.directions)) for x in self.layers),
            lengths=(stop - start,),
            names=(self.names[sequence],),
            time=(labels and tuple(labels[start:stop]),),
        )

    def bins(
        self,
        quantity: str,
        start: int,
        stop: int,
        columns: int,
        layer: int = 0,
        direction: Direction = "forward",
        sequence: int = 0,
    ) -> Bins:
        """Low, high and mean of a quantity in at most ``columns`` bins; arguments as for ``LongTrace.bins``.

        Raises:
            TraceError: there are no such steps, quantity, layer or direction.

        Example:
            >>> import torch
            >>> trace(torch.nn.GRU(2, 3), np.zeros((100, 2))).bins("update", 0, 100, columns=10).mean.shape
            (3, 10)
        """
        n = self.lengths[sequence]
        check_steps(start, stop, n)
        run = self.layers[layer].directions[find_direction(self.weights, quantity, layer, direction)]
        values = (self.inputs if quantity == "inputs" else run.quantities[quantity])[sequence]
        first, last, width = align(start, stop, columns, n)
        return Bins.of(reduce(values[first:last], width), first, last, width)

    def to_tidy(self) -> pd.DataFrame:
        """One row a value, as a pandas dataframe; see ``exports.to_tidy``."""
        return OUTPUTS["to_tidy"](self)

    def to_xarray(self) -> xr.Dataset:
        """One variable a quantity, every axis named; see ``exports.to_xarray``."""
        return OUTPUTS["to_xarray"](self)

    def __repr__(self) -> str:
        layers = f"{len(self.layers)} layer{'s' * (len(self.layers) != 1)}"
        batch = f"{len(self.lengths)} sequence{'s' * (len(self.lengths) != 1)} of up to {max(self.lengths)} steps"
        return f"<Trace of {self.convention.title}: {layers}, {batch}, proof {float(self.proof):.0e}>"

    def _repr_html_(self) -> str:
        html: str = OUTPUTS["html"](self)
        return html

    def __getattr__(self, name: str) -> Any:
        if "layers" not in self.__dict__ or name.startswith("__"):
            raise AttributeError(name)
        of_a_layer = name in self.layers[0].forward.quantities or name in (*_OF_ONE_RUN, *_OF_ONE_LAYER)
        if len(self.layers) > 1 and of_a_layer:
            raise TraceError(name, f"{len(self.layers)} layers", "one", f"Use trace.layers[k].{name}.")
        return getattr(self.layers[0], name)


def trace(
    model: Weights | torch.nn.Module,
    x: Input,
    h0: Any = None,
    lengths: AbstractSequence[int] | None = None,
    backend: BackendName = "auto",
    device: str = "cpu",
    time_first: bool | None = None,
) -> Trace:
    """Run a GRU, LSTM or RNN over sequences and keep every gate and state.

    Args:
        model: ``Weights``, a ``torch.nn.GRU``, ``LSTM`` or ``RNN`` or a cell of one, or a ``GRU``, ``LSTM``,
            ``SimpleRNN`` or ``Bidirectional`` of Keras that is built; dropout is off.
        x: (batch, time, features), (time, features), a list of (time, features) of unequal length, ``Sequences``, or a
            data frame of pandas or polars: its columns of numbers in their order, one row for each step.
        h0: the initial state, zero if None: (layers·directions, batch, hidden) as in torch, or anything that
            broadcasts to it; where the layers differ in size, a list with a (batch, hidden) for each layer and
            direction; for an LSTM a pair (h0, c0).
        lengths: steps of each sequence, where ``x`` is padded.
        backend: ``"compiled"`` (on a CPU, with numba), ``"torch"`` (fused, where torch has the variant), ``"loop"``
            (numpy, on a CPU), ``"scratch"`` (the equations step by step), or ``"auto"``: the fastest.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:k"``.
        time_first: whether an array of three axes is (time, batch, features), as ``torch.nn`` reads it without
            ``batch_first``. By default the batch is first; for a module without ``batch_first``, ``lengths`` or ``h0``
            may show that it is not, and otherwise ``details["axes"]`` says which was taken.

    Runs in the dtype of the weights: float64, or else float32.

    Raises:
        TraceError: the shapes do not fit, or the backend cannot run the variant.
        DeviceError: the device is absent; there is no silent fall-back.

    Example:
        >>> import torch
        >>> gru = torch.nn.GRU(3, 4)
        >>> t = trace(gru, np.zeros((5, 3), np.float32))
        >>> t.update.shape, t.proof.holds, t.proof.witness
        ((1, 5, 4), True, "torch.nn.GRUCell's equations in PyTorch, from the same state at each step")
    """
    weights = model if isinstance(model, Weights) else Weights.from_module(model)
    check_device(device)
    x, axes = batch_first(model, x, h0, lengths, time_first)
    batch = collect(x, lengths, weights.features)
    chosen = choose_backend(backend, weights, device)
    ran = chosen.run(weights, batch.values, batch.lengths, h0, device)
    return Trace(
        layers=freeze(ran.layers, batch.lengths),
        weights=weights,
        lengths=batch.lengths,
        names=batch.names,
        features=batch.features,
        time=batch.time,
        scaling=batch.scaling,
        backend=chosen.name,
        device=ran.device,
        _witness=ran.witness,
        details=batch.details | axes,
    )


def freeze(
    layers: AbstractSequence[AbstractSequence[DirectionRun[Any]]], lengths: tuple[int, ...]
) -> tuple[LayerTrace, ...]:
    """Bring the runs of all layers to read-only arrays, with NaN past the end of each sequence.

    On a CPU the arrays take the tensors' memory over, so that these must be nobody else's; initial states are copied.
    Arrays that are read-only already are taken as they are.
    """
    return tuple(LayerTrace(*[_freeze_run(run, lengths, d > 0) for d, run in enumerate(layer)]) for layer in layers)


def _freeze_run(run: DirectionRun[Any], lengths: tuple[int, ...], backward: bool) -> DirectionTrace:
    quantities = {name: _end(values, lengths) for name, values in run.quantities.items()}
    initial = run.initial
    if not isinstance(run.inputs, np.ndarray):
        initial = {name: state.cpu().numpy().copy() for name, state in initial.items()}
    return DirectionTrace(run.cell, quantities, _end(run.inputs, lengths), initial, lengths, backward)


def _end(given: Tensor | np.ndarray, lengths: tuple[int, ...]) -> np.ndarray:
    """As an array, with NaN past the end of each sequence; one that is read-only has them already."""
    values: np.ndarray = given if isinstance(given, np.ndarray) else given.cpu().numpy()
    if min(lengths) < values.shape[1] and values.flags.writeable:
        for i, n in enumerate(lengths):
            values[i, n:] = np.nan
    return values


def check_steps(start: int, stop: int, length: int) -> None:
    """Raise a TraceError unless a sequence has the steps from ``start`` to before ``stop``."""
    if not 0 <= start <= stop <= length or (start == stop and length):
        wanted, remedy = f"a step or more within 0 to {length}", "The first step is 0; the last is not included."
        raise TraceError("steps", f"{start} to {stop}", wanted, remedy)


def find_direction(weights: Weights, quantity: str, layer: int, direction: str) -> int:
    """The index of a direction; a TraceError if quantity, layer or direction does not exist."""
    known = [*(q.name for q in weights.convention.quantities), "inputs"]
    if quantity not in known:
        raise TraceError("quantity", repr(quantity), f"one of {', '.join(known)}", "Use one of these names.")
    if not 0 <= layer < len(weights.layers):
        raise TraceError("layer", str(layer), f"0 to {len(weights.layers) - 1}", "Layers count from 0.")
    directions = DIRECTIONS[: len(weights.layers[layer])]
    for index, name in enumerate(directions):
        if name == direction:
            return index
    raise TraceError("direction", repr(direction), " or ".join(map(repr, directions)), "Use one of these.")
