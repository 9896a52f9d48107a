"""What a backend is, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np

from gru_viz.conventions import Convention
from gru_viz.proof import Witness
from gru_viz.weights import CellWeights, Weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Backend", "BackendRun", "DirectionRun", "NumberArray", "StateList", "finished_run"]

StateList: TypeAlias = "Tensor | Sequence[Tensor]"
"""A state of several layers and directions: a (batch, hidden) each."""

NumberArray = TypeVar("NumberArray", "Tensor", np.ndarray)


class DirectionRun(NamedTuple, Generic[NumberArray]):
    """One layer reading in one direction: its quantities (batch, time, hidden), its inputs, its initial states."""

    cell: CellWeights
    quantities: Mapping[str, NumberArray]
    inputs: NumberArray
    initial: Mapping[str, NumberArray]


class BackendRun(NamedTuple):
    """The directions of each layer, what the proof compares the states with, and where it ran, such as ``"cuda:0"``."""

    layers: Sequence[Sequence[DirectionRun[Any]]]
    witness: Witness
    device: str


@dataclass(frozen=True)
class Backend:
    """One way to compute every gate and state of a network, by the name that ``trace(backend=name)`` takes.

    ``why_not`` says in a sentence why it cannot run a convention on a device (``"cpu"``, ``"cuda"``, ``"cuda:k"``),
    or returns None; ``run`` takes weights, x (batch, time, features), lengths (batch,), h0 and the device.
    """

    name: str
    why_not: Callable[[Convention, str], str | None]
    run: Callable[[Weights, np.ndarray, tuple[int, ...], Any, str], BackendRun]


def finished_run(
    weights: Weights,
    layers: Sequence[Sequence[DirectionRun[Any]]],
    device: str,
    *,
    computed_states: bool = False,
    difference: float = 0.0,
) -> BackendRun:
    """Name the witness: torch's layer where it computed the states of the trace, else one step at a time."""
    module = f"torch.nn.{weights.convention.cell.upper()}"
    if computed_states:
        name = module
    elif weights.runs_in_torch:
        cell = f"{module}Cell's equations in PyTorch" if weights.convention.cell == "gru" else f"{module}Cell"
        name = f"{cell}, from the same state at each step"
    else:
        name = "the equations again, all steps at once, with sums in float64"
    return BackendRun(layers, Witness(name, computed_states, difference), device)
