"""The backend "compiled": the recurrences as numba kernels for the CPU.

For a trace they keep every gate; for training they go forward and backward, and several models of one shape run in
lockstep along a leading axis. numba is imported when a kernel is first needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gru_viz.backends.compiled.kernel_cache import (
    Purpose,
    compile_in_background,
    is_ready,
    mark_stored,
    wait_until_ready,
)
from gru_viz.backends.interface import BackendRun, finished_run
from gru_viz.conventions import Convention
from gru_viz.errors import GruVizError
from gru_viz.weights import Weights

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

__all__ = [
    "KernelError",
    "compile_in_background",
    "is_ready",
    "recurrence",
    "run",
    "wait_until_ready",
    "warm",
    "why_not",
]


class KernelError(GruVizError):
    """The compiled recurrence cannot run here, or was given tensors that do not fit together."""


def why_not(convention: Convention) -> str | None:
    """Say in a sentence why the compiled recurrence cannot run a convention; None when it can."""
    try:
        import numba
    except Exception as reason:  # a numba that does not suit this numpy or llvmlite fails in many ways
        remedy = 'pip install "gru_viz[fast]"'
        return f"The compiled {convention.cell.upper()} needs numba ({remedy}), which cannot be imported: {reason}."
    if numba.config.DISABLE_JIT:
        return f"The compiled {convention.cell.upper()} needs numba's compiler, which NUMBA_DISABLE_JIT switches off."
    return None


def run(weights: Weights, x: np.ndarray, lengths: tuple[int, ...], h0: Any, _: str) -> BackendRun:
    """Run every layer and direction over x (batch, time, features)."""
    from gru_viz.backends.compiled.trace_runner import run_layers

    return finished_run(weights, run_layers(weights, x, lengths, h0), "cpu")


def recurrence(
    convention: Convention,
    projected: Tensor,
    weight_recurrent: Tensor,
    bias_recurrent: Tensor,
    states: tuple[Tensor, ...],
    *,
    threads: int = 1,
) -> Tensor:
    """Run independent models of one cell over their sequences, step by step, to the hidden state of every step.

    It follows ``convention.cell``, ``.reset`` and ``.update`` as ``gru_viz.equations`` does, on parameters stacked in
    torch's order of gates: r, z, n; or i, f, g, o. It is differentiable, once, in all tensors; NaN and ±∞ pass
    through. The same input gives the same bits, whatever ``threads`` is and whichever models run beside one another.

    ``projected`` (models, time, batch, gates·hidden) is W x + b of every step, ``weight_recurrent`` U (models,
    gates·hidden, hidden), ``bias_recurrent`` b_h (models, gates·hidden); ``states`` are those before the first step,
    (models, batch, hidden): (h,), or (h, c) for an LSTM. So many ``threads`` share the models. Returns the hidden state
    after every step (models, time, batch, hidden).

    Raises:
        KernelError: numba is missing, or a shape, type or device is not as above.
    """
    reason = why_not(convention)
    if reason is not None:
        raise KernelError("the compiled recurrence", "no numba", "numba", f"{reason} Install it with pip.")
    _refuse_what_does_not_fit(convention, projected, weight_recurrent, bias_recurrent, states)
    from gru_viz.backends.compiled.autograd import run

    return run(convention, projected, weight_recurrent, bias_recurrent, states, threads)


def warm(
    conventions: Iterable[Convention],
    dtypes: Iterable[str] = ("float32",),
    purposes: Iterable[Purpose] = ("trace", "training"),
) -> None:
    """Compile the kernels of some conventions, or load them from the disk, ahead of their first use.

    Conventions of the same cell and place of the reset gate share a kernel. Where there is no numba, nothing happens.
    """
    known, precisions = list(conventions), list(dtypes)
    for purpose in purposes:
        for convention in known:
            if why_not(convention) is None:
                runner = import_module(f"gru_viz.backends.compiled.{purpose}_runner")
                for dtype in precisions:
                    runner.warm(convention, dtype)
                if "float32" in precisions:
                    mark_stored(convention, purpose)


def _refuse_what_does_not_fit(
    convention: Convention, projected: Tensor, weight: Tensor, bias: Tensor, states: tuple[Tensor, ...]
) -> None:
    import torch

    size, gates = weight.shape[-1], len(convention.gates)
    models, steps, batch = (*projected.shape, 0, 0, 0)[:3]
    wanted = {
        "projected": (projected, (models, steps, batch, gates * size)),
        "weight_recurrent": (weight, (models, gates * size, size)),
        "bias_recurrent": (bias, (models, gates * size)),
    }
    for n, state in enumerate(states):
        wanted[f"states[{n}]"] = (state, (models, batch, size))
    if len(states) != len(convention.states):
        where = f"states of {convention.name}"
        raise KernelError(where, str(len(states)), " and ".join(convention.states), "Give one tensor for each.")
    for name, (tensor, shape) in wanted.items():
        if tuple(tensor.shape) != shape:
            remedy = f"Axes are models, time, batch, units; {convention.name} has {gates} × hidden stacked rows."
            raise KernelError(name, f"shape {tuple(tensor.shape)}", str(shape), remedy)
        if tensor.dtype != projected.dtype or tensor.dtype not in (torch.float32, torch.float64):
            raise KernelError(name, str(tensor.dtype), "float32 or float64, all alike", "Convert it first.")
        if tensor.device.type != "cpu":
            raise KernelError(name, f"a tensor on {tensor.device}", "one in main memory", "Move it with .cpu().")
