"""Running a network over a sequence of any length in little memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence as AbstractSequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gru_viz.backends import choose_backend
from gru_viz.errors import TraceError
from gru_viz.inputs import check_device, initial_states, is_tensor, number_features, number_sequences, wrong_shape
from gru_viz.progress import Progress
from gru_viz.sequences import Scaling, Sequence, Sequences
from gru_viz.streaming.chunk_runner import INPUTS, Checkpoints, ChunkRunner, DirectionKey
from gru_viz.streaming.long import LongTrace
from gru_viz.streaming.plan import make_plan
from gru_viz.streaming.pyramid import Pyramid, Scratch
from gru_viz.weights import Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["stream"]


def stream(
    model: Weights | torch.nn.Module,
    x: np.ndarray | Tensor | Sequence | Sequences,
    h0: Any = None,
    *,
    progress: Progress | None = None,
    backend: Any = "auto",
    device: str = "cpu",
) -> LongTrace:
    """Run a GRU, LSTM or tanh RNN over one sequence of any length, without keeping every gate and state.

    The sequence is run chunk by chunk. Each chunk is proven, reduced to bins, and dropped; the states between chunks
    are stored, so that any window can be run again. Beyond ``x`` and the network itself this takes at most 64 MiB of
    memory, whatever the length, pictures included; what does not fit goes to a temporary file of at most 2 GiB (more
    from some twenty million steps of 512 units on), and bins of windows that ran again to others of 128 MiB together.

    Args:
        model: as for ``trace``.
        x: (time, features), one ``Sequence``, or ``Sequences`` of one. It is not copied: leave it as it is for as long
            as the result is used.
        h0: the initial state, as for ``trace``.
        progress: called between chunks with the steps done and those to be done in all, which are more than the
            sequence has where a network reads in both directions. What it raises ends the run and leaves nothing.
        backend: as for ``trace``.
        device: as for ``trace``.

    Raises:
        TraceError: the shapes do not fit, the backend cannot run the variant, or there is no room for the file.
        DeviceError: the device is absent.

    Example:
        >>> from gru_viz import random_weights
        >>> long = stream(random_weights("torch", 2, 3), np.zeros((100_000, 2), np.float32))
        >>> long.length, long.proof.holds, long.bins("update", 0, 100_000, 1000).mean.shape
        (100000, True, (3, 1000))
    """
    weights = model if isinstance(model, Weights) else Weights.from_module(model)
    values, known = _read(x, weights)
    check_device(device)
    backend = choose_backend(backend, weights, device).name
    initial = _initial(weights, h0)
    scratch = Scratch()
    plan = make_plan(weights, len(values), scratch.free // 2)
    try:
        runner = ChunkRunner(weights, values, plan, Checkpoints(weights, plan, initial, scratch), backend, device)
        pyramids = _run(runner, scratch, progress or (lambda done, total: None))
    except BaseException:
        scratch.close()
        raise
    return LongTrace(
        inputs=values,
        names=(known.name,),
        features=known.features,
        time=(known.time,),
        scaling=known.scaling,
        details=known.details,
        proof=runner.proof,
        backend=backend,
        device=runner.ran_on,
        _runner=runner,
        _pyramids=pyramids,
    )


class _Known(NamedTuple):
    """What is known of a sequence besides its values."""

    name: str
    features: tuple[str, ...]
    time: AbstractSequence[str] | None = None
    scaling: Scaling | None = None
    details: Mapping[str, str] = MappingProxyType({})


def _read(x: np.ndarray | Tensor | Sequence | Sequences, weights: Weights) -> tuple[np.ndarray, _Known]:
    """The values (time, features) without a copy, read-only, and what is known of them."""
    known = _Known(number_sequences(1)[0], number_features(weights.features))
    if isinstance(x, Sequences):
        if len(x) != 1:
            raise TraceError("x", f"{len(x)} sequences", "one", "Stream them one by one, or use gru_viz.trace.")
        known = _Known(x[0].name, x.features, x[0].time, x.scaling, MappingProxyType(dict(x.details)))
        values = x[0].values
    elif isinstance(x, Sequence):
        known, values = _Known(x.name, x.features, x.time), x.values
    elif is_tensor(x):
        values = x.detach().cpu().numpy()
    elif isinstance(x, np.ndarray):
        values = x.view()
    else:
        raise TraceError("x", type(x).__name__, "an array (time, features) or a Sequence", "Pass one of these.")
    if values.dtype.kind not in "fiub":
        raise TraceError("x", f"dtype {values.dtype}", "numbers", "Pass an array of numbers.")
    if values.ndim != 2 or values.shape[1] != weights.features:
        raise wrong_shape("x", values.shape, weights.features)
    values.flags.writeable = False
    return values, known


def _initial(weights: Weights, h0: Any) -> dict[DirectionKey, np.ndarray]:
    """The initial states (states, hidden) of each layer and direction."""
    states = initial_states(h0, weights, 1, weights.compute_dtype)
    keys = [(k, d) for k, layer in enumerate(weights.layers) for d in range(len(layer))]
    return {key: np.stack([each[n][0] for each in states.values()]) for n, key in enumerate(keys)}


def _run(runner: ChunkRunner, scratch: Scratch, report: Progress) -> dict[tuple[int, int, str], Pyramid]:
    """Run everything, and return a pyramid for every quantity of every layer and direction, and for what is read."""
    weights, plan = runner.weights, runner.plan

    def empty(units: int) -> Pyramid:
        return Pyramid(plan.length, units, weights.compute_dtype, plan.base, plan.in_file, scratch)

    pyramids = {
        (k, d, q.name): empty(cell.hidden)
        for k, layer in enumerate(weights.layers)
        for d, cell in enumerate(layer)
        for q in weights.convention.quantities
    }
    pyramids[*INPUTS, "inputs"] = empty(weights.features)

    def put(key: tuple[int, int], quantity: str, first: int, values: np.ndarray) -> None:
        pyramids[*key, quantity].add(first, values)

    done, total = 0, plan.length * (2 * len(weights.layers) if weights.bidirectional else 1)
    for steps in runner.first_time(put):
        done += steps
        report(done, total)
    for pyramid in pyramids.values():
        pyramid.finish()
        report(done, total)
    return pyramids
