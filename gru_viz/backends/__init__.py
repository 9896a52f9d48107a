"""The backends: four ways to compute every gate and state of a network, and the choice between them.

"compiled" runs numba kernels on the CPU; "torch" the framework's fused layers, from whose states every gate is
recovered; "loop" numpy step by step, on a CPU without numba; "scratch" the equations as they are written. What each of
them cannot run, and why, is in this file alone. All are compared with "scratch" by tests/backends/test_parity.py.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import MappingProxyType
from typing import Any

from gru_viz.backends import compiled, numpy_loop
from gru_viz.backends.interface import Backend, BackendRun
from gru_viz.conventions import Convention
from gru_viz.errors import TraceError
from gru_viz.weights import Weights

__all__ = ["BACKENDS", "Backend", "BackendRun", "choose_backend", "why_not"]


def _other_functions(convention: Convention) -> str | None:
    """The functions of a convention, where they are not sigmoid and tanh."""
    found = [each for each in convention.functions if each not in ("", "sigmoid", "tanh")]
    return " and ".join(found) or None


def _compiled_why_not(convention: Convention, device: str) -> str | None:
    if not device.startswith("cpu"):
        return f"The compiled kernel runs on the CPU, not on {device}."
    if (found := _other_functions(convention)) is not None:
        return f"The compiled kernel computes with sigmoid and tanh, not {found}."
    return compiled.why_not(convention)


def _torch_why_not(convention: Convention, _: str) -> str | None:
    if (found := _other_functions(convention)) is not None and not (convention.cell == "rnn" and found == "relu"):
        return f"torch's layers compute with sigmoid and tanh, not {found}."
    if convention.reset == "before":
        return "torch.nn.GRU has no reset gate that acts before the recurrent product."
    return None


def _loop_why_not(_: Convention, device: str) -> str | None:
    return None if device.startswith("cpu") else f"The loop works on numpy's arrays, which are not on {device}."


def _scratch_why_not(_: Convention, __: str) -> str | None:
    return None


def _runs_in_torch(module: str) -> Callable[..., BackendRun]:
    """The ``run`` of a backend whose module imports torch, imported at its first run."""

    def run(*args: Any) -> BackendRun:
        found: BackendRun = import_module(f"gru_viz.backends.{module}").run(*args)
        return found

    return run


BACKENDS = MappingProxyType(
    {
        backend.name: backend
        for backend in (
            Backend("compiled", _compiled_why_not, compiled.run),
            Backend("torch", _torch_why_not, _runs_in_torch("torch_fused")),
            Backend("loop", _loop_why_not, numpy_loop.run),
            Backend("scratch", _scratch_why_not, _runs_in_torch("reference")),
        )
    }
)
"""Every backend by its public name, read-only."""

_PREFERRED = ("compiled", "loop", "torch", "scratch")
"""What "auto" takes the first of that can run: on a GPU that is torch's layer, or else the equations."""


def why_not(backend: str, convention: Convention, device: str = "cpu") -> str | None:
    """Why a backend cannot run a convention on a type of device, in a sentence; None where it can."""
    return BACKENDS[backend].why_not(convention, device)


def choose_backend(name: str, weights: Weights, device: str = "cpu") -> Backend:
    """The backend of this name or, for "auto", the fastest that can run a network on a device.

    Raises:
        TraceError: there is no such backend, or it cannot run this network on this device.
    """

    def reason(backend: str) -> str | None:
        found = why_not(backend, weights.convention, device)
        # Some weights of a convention that torch does not have are exactly weights of one that it has.
        return None if found and backend == "torch" and weights.runs_in_torch else found

    if name == "auto":
        name = next(each for each in _PREFERRED if reason(each) is None)
    if name not in BACKENDS:
        known = ", ".join(map(repr, ("auto", *BACKENDS)))
        raise TraceError("backend", repr(name), f"one of {known}", "Choose one of these.")
    found = reason(name)
    if found is not None:
        where = f"backend {name!r} for {weights.convention.title}"
        wanted = "numba, and the CPU" if name == "compiled" else f"a backend that runs it on {device}"
        raise TraceError(where, found.rstrip("."), wanted, "Use backend='auto' or 'scratch'.")
    return BACKENDS[name]
