"""The backends of a lane's recurrence: the compiled kernel, torch's own cell, or the equations step by step.

All use the same stacked parameters, with a leading axis of models, and time before batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gru_viz import backends, equations
from gru_viz.backends import compiled
from gru_viz.conventions import CONVENTIONS, Convention
from gru_viz.equations import Parameters
from gru_viz.errors import TrainingError
from gru_viz.training.settings import Lane

__all__ = ["choose", "choose_for_run", "run_layer", "why_not"]

ONE_AT_A_TIME = threading.Lock()


def why_not(backend: str, lane: Lane) -> str | None:
    """Why a backend cannot run a lane, in a sentence; None if it can."""
    return backends.why_not(backend, CONVENTIONS[lane.cell], lane.device)


def choose(lane: Lane) -> str:
    """Name the backend that will run a lane: ``"compiled"``, ``"torch"`` or ``"scratch"``.

    Raises:
        TrainingError: the requested backend cannot run it.
    """
    if lane.backend == "auto":
        return next(backend for backend in ("compiled", "torch", "scratch") if why_not(backend, lane) is None)
    reason = why_not(lane.backend, lane)
    if reason:
        raise TrainingError(f"lane {lane.name}, backend", reason, "a backend that has it", "Choose 'auto'.")
    return lane.backend


def choose_for_run(lanes: Sequence[Lane]) -> dict[str, str]:
    """Choose the backend of each lane of a run that starts on this machine: lane → backend.

    Lanes that leave the choice open train alike: with compiled kernels if all of theirs are on the disk. Otherwise they
    begin with torch at once, unless torch lacks one of their cells; then all wait until the kernels are compiled.
    """
    chosen = {lane.name: lane.backend for lane in lanes}
    open_ones = [lane for lane in lanes if lane.backend == "auto"]
    on_cpu = all(lane.device == "cpu" for lane in open_ones)
    if on_cpu and all(compiled.is_ready(CONVENTIONS[lane.cell], "training") for lane in open_ones):
        return chosen | {lane.name: "compiled" for lane in open_ones}
    if all(why_not("torch", lane) is None for lane in open_ones):
        return chosen | {lane.name: "torch" for lane in open_ones}
    return chosen | {lane.name: choose(lane) for lane in open_ones}


def run_layer(
    backend: str, convention: Convention, parameters: Parameters, x: Tensor, *, onednn: bool = True
) -> Tensor:
    """Run one layer of every model on (models, time, batch, features), from states of zero.

    Returns:
        (models, time, batch, hidden) the hidden states.
    """
    run: Callable[[Convention, Parameters, Tensor], Tensor] = {
        "compiled": _compiled,
        "torch": _torch,
        "scratch": _scratch,
    }[backend]
    if backend == "torch" and convention.cell == "lstm" and x.device.type == "cpu":
        with _onednn(onednn):
            return run(convention, parameters, x)
    return run(convention, parameters, x)


@contextmanager
def _onednn(allowed: bool) -> Iterator[None]:
    """Allow oneDNN or not. The switch belongs to the process and lanes may be threads, so only one enters at a time."""
    with ONE_AT_A_TIME:
        before = bool(torch.backends.mkldnn.enabled)
        torch.backends.mkldnn.enabled = before and allowed  # type: ignore[assignment]
        try:
            yield
        finally:
            torch.backends.mkldnn.enabled = before  # type: ignore[assignment]


def _zeros(convention: Convention, p: Parameters, x: Tensor) -> list[Tensor]:
    models, _, batch, _ = x.shape
    return [x.new_zeros(models, batch, p.weight_recurrent.shape[-1]) for _ in convention.states]


def _project(p: Parameters, x: Tensor) -> Tensor:
    """W x + b of every model, as one product each."""
    models, time, batch, features = x.shape
    flat = torch.baddbmm(p.bias_input[:, None], x.reshape(models, time * batch, features), p.weight_input.mT)
    return flat.view(models, time, batch, -1)


def _compiled(convention: Convention, p: Parameters, x: Tensor) -> Tensor:
    states = tuple(_zeros(convention, p, x))
    return compiled.recurrence(convention, _project(p, x), p.weight_recurrent, p.bias_recurrent, states)


def _torch(convention: Convention, p: Parameters, x: Tensor) -> Tensor:
    p = _relabelled(convention, p)
    zeros = [state[:1] for state in _zeros(convention, p, x)]
    functions: dict[str, Callable[..., Any]] = {"gru": torch.gru, "lstm": torch.lstm, "rnn": torch.rnn_tanh}
    function = functions[convention.cell]
    start = tuple(zeros) if len(zeros) > 1 else zeros[0]
    # has_biases, num_layers, dropout, train, bidirectional, batch_first
    rest = (True, 1, 0.0, True, False, False)
    return torch.stack([function(x[m], start, [part[m] for part in p], *rest)[0] for m in range(len(x))])


def _relabelled(convention: Convention, p: Parameters) -> Parameters:
    """The parameters in torch's convention of z: if z = 1 takes the new state, the gate is negated."""
    if convention.update != "takes":
        return p
    hidden = p.weight_recurrent.shape[-1]
    sign = torch.ones(3 * hidden, dtype=p.bias_input.dtype, device=p.bias_input.device)
    sign[hidden : 2 * hidden] = -1
    return Parameters(
        p.weight_input * sign[:, None], p.weight_recurrent * sign[:, None], p.bias_input * sign, p.bias_recurrent * sign
    )


def _scratch(convention: Convention, p: Parameters, x: Tensor) -> Tensor:
    models = []
    for m in range(len(x)):
        own = Parameters(*(part[m] for part in p))
        states = {name: x.new_zeros(x.shape[2], own.weight_recurrent.shape[-1]) for name in convention.states}
        hidden = []
        for projected in equations.project(own, x[m]):
            gates = equations.gates(convention, own, projected, states["hidden"])
            states = equations.state(convention, gates, *(states[name] for name in convention.states))
            hidden.append(states["hidden"])
        models.append(torch.stack(hidden))
    return torch.stack(models)
