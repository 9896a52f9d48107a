"""The backend "scratch": the equations as they are written, step by step, for every variant on every device.

All other backends are compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru_viz import equations
from gru_viz.backends.interface import BackendRun, finished_run
from gru_viz.backends.layers import run_directions, run_layers
from gru_viz.conventions import Convention
from gru_viz.weights import Weights

__all__ = ["run", "run_steps"]


def run(weights: Weights, x: np.ndarray, lengths: tuple[int, ...], h0: Any, device: str) -> BackendRun:
    """Run every layer and direction over x (batch, time, features)."""
    layers = run_layers(weights, x, lengths, h0, device, partial(run_directions, run_steps))
    return finished_run(weights, layers, str(layers[0][0].inputs.device))


def run_steps(
    convention: Convention, p: equations.Parameters, x: Tensor, start: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Every quantity (batch, time, hidden) of one layer that reads x (batch, time, features) from its first step."""
    projected = equations.project(p, x)
    previous = [start[name] for name in convention.states]
    steps: dict[str, list[Tensor]] = {q.name: [] for q in convention.quantities}
    for t in range(x.shape[1]):
        gates = equations.gates(convention, p, projected[:, t], previous[0])
        new = equations.state(convention, gates, *previous)
        previous = [new[name] for name in convention.states]
        for name, values in steps.items():
            values.append(new[name] if name in new else gates[name])
    return {name: torch.stack(values, 1) for name, values in steps.items()}
