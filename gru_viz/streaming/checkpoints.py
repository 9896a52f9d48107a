"""The states of a long run, stored every few steps, so that it can be resumed anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gru_viz.streaming.plan import Plan, dtype_of
from gru_viz.streaming.store import Rows, Scratch
from gru_viz.weights import Weights

__all__ = ["Checkpoints", "DirectionKey", "StatesByDirection", "h0_of"]

DirectionKey = tuple[int, int]
"""A layer and a direction (0 forward, 1 backward)."""

StatesByDirection = Mapping[DirectionKey, np.ndarray]
"""The states (states, hidden) of each layer and direction."""


class Checkpoints:
    """The states of every layer and direction at each boundary, every ``plan.stride`` steps and at the end.

    Row b holds the states at step ``b · stride``: a forward direction comes to it from the left, a backward one from
    the right.

    Args:
        weights: the network.
        plan: how the sequence is cut.
        initial: the states that each direction begins with, at its own end of the sequence.
        scratch: the file to store them in.
    """

    def __init__(self, weights: Weights, plan: Plan, initial: StatesByDirection, scratch: Scratch) -> None:
        self._stride, self._names = plan.stride, weights.convention.states
        self._rows = {
            key: Rows(plan.segments + 1, states.shape, dtype_of(weights), scratch) for key, states in initial.items()
        }
        for key, states in initial.items():
            self._rows[key].write(plan.segments if key[1] else 0, states[None])

    def store(self, key: DirectionKey, first: int, quantities: Mapping[str, np.ndarray]) -> None:
        """Store the states of a layer and direction at the boundaries within a chunk, and at the end it runs to.

        Args:
            key: layer and direction.
            first: the first step of the chunk, at a boundary.
            quantities: name → (time, hidden), in the order of time.
        """
        steps = len(quantities["hidden"])
        after = np.arange(0, steps, self._stride)  # a boundary's step; read last by who comes from the right
        if not key[1]:
            after = np.minimum(after + self._stride, steps) - 1
        if steps:
            states = np.stack([quantities[name][after] for name in self._names], 1)
            self._rows[key].write(first // self._stride + 1 - key[1], states)

    def read(self, key: DirectionKey, first: int, last: int) -> np.ndarray:
        """The states (boundaries, states, hidden) of a layer and direction."""
        return self._rows[key].read(first, last)


def h0_of(states: list[np.ndarray]) -> Any:
    """h0 for ``trace`` from the states (batch, states, hidden) of each layer and direction.

    Example:
        >>> h0_of([np.zeros((5, 1, 4)), np.zeros((5, 1, 4))]).shape
        (2, 5, 4)
    """
    each = [[one[:, n] for one in states] for n in range(states[0].shape[1])]
    same = len({one.shape for one in each[0]}) == 1
    named = [np.stack(one) if same else one for one in each]
    return named[0] if len(named) == 1 else tuple(named)
