"""From what a caller passes to what a network runs on: sequences, initial states, a device; all of it checked."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence as AbstractSequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeGuard

import numpy as np

from gru_viz.errors import DeviceError, TraceError
from gru_viz.sequences import Scaling, Sequences
from gru_viz.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Batch",
    "Input",
    "batch_first",
    "check_device",
    "collect",
    "initial_states",
    "is_tensor",
    "number_features",
    "number_sequences",
    "wrong_shape",
]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class DataFrame(Protocol):
    """A data frame of pandas, polars or Arrow: what hands out its columns as Arrow does."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Hand out the columns."""


Input: TypeAlias = "np.ndarray | Tensor | Sequences | AbstractSequence[np.ndarray] | DataFrame"


def is_tensor(x: Any) -> TypeGuard[Tensor]:
    """Whether it is a tensor of torch; torch is not imported for the question."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def check_device(name: str) -> None:
    """Check that a device is there.

    Raises:
        DeviceError: it is not, or recurrent layers are not traced on its kind.
    """
    if name == "cpu":
        return
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError("device", repr(name), "'cpu', 'cuda' or 'cuda:k'", "Name one of these.") from None
    if device.type not in ("cpu", "cuda"):
        raise DeviceError("device", repr(name), "'cpu', 'cuda' or 'cuda:k'", "Recurrent layers are not traced there.")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        found = f"{count} CUDA device{'s' * (count != 1)} on this machine"
        raise DeviceError(f"device {name!r}", found, "that device", "Use device='cpu', or a machine with that GPU.")


class Batch(NamedTuple):
    """Sequences padded into (batch, time, features), with what is known about them."""

    values: np.ndarray
    lengths: tuple[int, ...]
    names: tuple[str, ...]
    features: tuple[str, ...]
    time: tuple[AbstractSequence[str] | None, ...]
    scaling: Scaling | None
    details: dict[str, str]


def batch_first(
    model: object, x: Any, h0: Any, lengths: AbstractSequence[int] | None, time_first: bool | None
) -> tuple[Any, dict[str, str]]:
    """An array of three axes with the batch first, and a remark where that was assumed."""
    axes = tuple(getattr(x, "shape", ()))
    if len(axes) != 3 or not (isinstance(x, np.ndarray) or is_tensor(x)):
        return x, {}
    open_ = time_first is None and getattr(model, "batch_first", True) is False
    if open_ and axes[0] != axes[1]:
        state = h0[0] if isinstance(h0, tuple) and len(h0) else h0
        rows = tuple(getattr(state, "shape", ()))
        known = {len(lengths)} if lengths is not None else {rows[1]} if len(rows) == 3 and rows[1] > 1 else set()
        if known in ({axes[0]}, {axes[1]}):
            time_first, open_ = known == {axes[1]}, False
    remark = {}
    if open_:
        remark = {
            "axes": f"x {axes} was read as (batch, time, features), though the module has batch_first=False; "
            "time_first=True reads it as (time, batch, features)"
        }
    return (x.swapaxes(0, 1) if time_first else x), remark


def collect(x: Input, lengths: AbstractSequence[int] | None, features: int) -> Batch:
    """Pad sequences into one array, with their lengths, names and labels.

    Raises:
        TraceError: they are not what a network of so many features reads, or lengths do not fit.
    """
    if lengths is None and isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.ndim == 3 and len(x):
        return _take_whole(x, features)
    if _is_frame(x):
        from gru_viz.sequences.table import read_frame_rows

        x = read_frame_rows(x, features)
    scaling: Scaling | None = None
    details: Mapping[str, str] = {}
    time: tuple[AbstractSequence[str] | None, ...]
    if isinstance(x, Sequences):
        items: list[np.ndarray] = [item.values for item in x]
        named, names, time = x.features, tuple(item.name for item in x), tuple(item.time for item in x)
        scaling, details = x.scaling, x.details
    else:
        items = list(_as_items(x))
        names, named, time = number_sequences(len(items)), number_features(features), (None,) * len(items)
    if not items:
        raise TraceError("x", "no sequence", "at least one", "Pass at least one sequence.")
    for i, item in enumerate(items):
        if item.ndim != 2 or item.shape[1] != features:
            raise wrong_shape(f"x, sequence {i + 1}", item.shape, features)
    own = tuple(len(item) for item in items)
    given_lengths = own if lengths is None else tuple(np.ravel(np.asarray(lengths)).tolist())
    ends = tuple(int(n) for n in given_lengths)
    fits = len(ends) == len(own) and all(0 <= n <= most for n, most in zip(ends, own, strict=True))
    if not fits or ends != given_lengths:
        found = f"{list(given_lengths)[:8]} for {len(own)} sequences of {list(own)[:8]} steps"
        raise TraceError("lengths", found, "one for each sequence, from 0 to its steps", "Correct the lengths.")
    values = np.zeros((len(items), max(own), features), np.result_type(*items))
    for row, item, n in zip(values, items, ends, strict=True):
        row[:n] = item[:n]
    return Batch(values, ends, names, named, time, scaling, dict(details))


def _is_frame(x: Any) -> TypeGuard[DataFrame]:
    """Whether it is a data frame; pandas is not imported for the question."""
    return hasattr(x, "__arrow_c_stream__") or hasattr(x, "iloc")


def _take_whole(x: np.ndarray, features: int) -> Batch:
    """What most callers pass, copied at once: (batch, time, features) floats, with every step used."""
    batch, steps, columns = x.shape
    if columns != features:
        raise wrong_shape("x, sequence 1", x.shape[1:], features)
    values = np.array(x, x.dtype if x.dtype in FLOATS else FLOATS[0], order="C")
    known = (number_sequences(batch), number_features(features), (None,) * batch)
    return Batch(values, (steps,) * batch, *known, None, {})


def wrong_shape(where: str, shape: tuple[int, ...], features: int) -> TraceError:
    """The error that a sequence is not (time, features)."""
    wanted = f"(time, {features}), since the network reads {features} features"
    return TraceError(where, f"shape {shape}", wanted, "Choose as many columns, or a network of that size.")


@lru_cache(32)
def number_sequences(count: int) -> tuple[str, ...]:
    """Names for sequences that have none."""
    return tuple(f"sequence {i + 1}" for i in range(count))


@lru_cache(32)
def number_features(count: int) -> tuple[str, ...]:
    """Names for features that have none."""
    return tuple(f"x{i + 1}" for i in range(count))


def _as_items(x: np.ndarray | Tensor | AbstractSequence[np.ndarray] | DataFrame) -> Iterator[np.ndarray]:
    def numeric(item: Any) -> np.ndarray:
        try:
            array = item.detach().cpu().numpy() if is_tensor(item) else np.asarray(item)
        except (TypeError, ValueError):
            array = np.array(None)  # ragged, or no array at all
        if array.dtype.kind not in "fiub":
            raise TraceError("x", f"dtype {array.dtype}", "numbers", "Pass arrays of numbers.")
        return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)

    if isinstance(x, np.ndarray) or is_tensor(x):
        whole = numeric(x)
        if whole.ndim not in (2, 3):
            raise TraceError("x", f"{whole.ndim} axes", "(batch, time, features) or (time, features)", "Reshape it.")
        yield from whole if whole.ndim == 3 else whole[None]
    elif isinstance(x, list | tuple):
        yield from (numeric(item) for item in x)
    else:
        raise TraceError("x", type(x).__name__, "an array, a list of arrays, or Sequences", "Pass one of these.")


def _as_numbers(state: Any) -> np.ndarray:
    if is_tensor(state):
        state = state.detach().cpu()
        return (state if state.dtype.itemsize > 2 else state.float()).numpy()
    array = np.asarray(state)
    if array.dtype.kind not in "fiub":
        raise TraceError("h0", f"dtype {array.dtype}", "numbers", "Pass arrays of numbers.")
    return array


def initial_states(h0: Any, weights: Weights, batch: int, dtype: np.dtype) -> dict[str, list[np.ndarray]]:
    """The initial states as one (batch, hidden) for each layer and direction, by state name; zero where None.

    Where all layers have one size, it may be anything that broadcasts to (layers·directions, batch, hidden); where
    they differ, a list with something that broadcasts to (batch, hidden) for each layer and direction. Every array is
    new, and contiguous.

    Raises:
        TraceError: the shape does not broadcast to that.
    """
    names = weights.convention.states
    given = (None,) * len(names) if h0 is None else tuple(h0) if len(names) > 1 else (h0,)
    if len(given) != len(names):
        raise TraceError("h0", f"{len(given)} states", "a pair (h0, c0), as for torch.nn.LSTM", "Pass both.")
    sizes = [cell.hidden for layer in weights.layers for cell in layer]

    def broadcast(name: str, state: Any, shape: tuple[int, ...], axes: str) -> np.ndarray:
        numbers = np.zeros(()) if state is None else _as_numbers(state)
        if numbers.ndim == len(shape) == 3 and len(numbers) != shape[0]:
            found, wanted = f"{name} states for {len(numbers)} layers and directions", f"{shape[0]}, as the network has"
            raise TraceError("h0", found, wanted, f"Pass an array of shape {shape}: {axes}.")
        try:
            return np.array(np.broadcast_to(numbers, shape), dtype, order="C")
        except ValueError:
            found = f"shape {numbers.shape} for the {name} state"
            raise TraceError("h0", found, f"{shape}: {axes}", "Reshape it.") from None

    states = {}
    for name, state in zip(names, given, strict=True):
        if len(set(sizes)) == 1:
            whole = broadcast(name, state, (len(sizes), batch, sizes[0]), "layers·directions, batch, units")
            states[name] = list(whole)
            continue
        each = [None] * len(sizes) if state is None else state
        if not isinstance(each, list | tuple) or len(each) != len(sizes):
            units = ", ".join(map(str, sizes))
            found = f"{type(each).__name__} of {len(each) if hasattr(each, '__len__') else 1} for the {name} state"
            wanted = f"a list of {len(sizes)}, an array (batch, units) for each layer and direction, of {units} units"
            raise TraceError("h0", found, wanted, "Pass one for each.")
        states[name] = [broadcast(name, s, (batch, n), "batch, units") for s, n in zip(each, sizes, strict=True)]
    return states
