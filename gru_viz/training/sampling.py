"""Sampling from a trained network: one symbol after another, each drawn from its output."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch

from gru_viz import equations
from gru_viz.training.randomness import generator
from gru_viz.weights import Weights

__all__ = ["sample"]


@torch.no_grad()
def sample(
    weights: Weights,
    head_weight: np.ndarray,
    head_bias: np.ndarray,
    tokens: Sequence[int],
    length: int,
    temperature: float = 1.0,
    seed: int = 0,
    never: Collection[int] = (),
) -> list[int]:
    """Read some symbols, then sample more, carrying the states from step to step.

    Args:
        weights: of the recurrent layers, with one-hot symbols as input.
        head_weight: (symbols, hidden) of the linear head.
        head_bias: (symbols,) of the head.
        tokens: symbols to read first; at least one.
        length: number of symbols to sample.
        temperature: divides the logits; 0: always the most likely symbol.
        seed: of the draws.
        never: symbols with probability 0.

    Returns:
        The sampled symbols, a pure function of the arguments.

    Example:
        >>> from gru_viz import random_weights
        >>> always_two = np.array([0.0, 0.0, 9.0])
        >>> sample(random_weights("torch", 3, 4), np.zeros((3, 4)), always_two, [0], length=4, temperature=0)
        [2, 2, 2, 2]
    """
    network, rng, forbidden = _Stepper(weights, head_weight, head_bias), generator(seed, "sample"), list(never)
    for token in tokens:
        logits = network.step(token)
    sampled: list[int] = []
    for at in range(length):
        logits[forbidden] = -np.inf
        sampled.append(_draw(logits, temperature, rng))
        if at + 1 < length:
            logits = network.step(sampled[-1])
    return sampled


class _Stepper:
    """A network with its states, one symbol at a time."""

    def __init__(self, weights: Weights, head_weight: np.ndarray, head_bias: np.ndarray) -> None:
        cells = [layer[0] for layer in weights.layers]
        self.layers = [(cell.convention, cell.parameters()) for cell in cells]
        first = self.layers[0][1]
        self.rows = first.weight_input.T + first.bias_input  # a one-hot symbol only picks a row
        self.states = [{name: self.rows.new_zeros(c.hidden) for name in c.convention.states} for c in cells]
        self.head_weight, self.head_bias = head_weight.astype(np.float64), head_bias.astype(np.float64)

    def step(self, token: int) -> np.ndarray:
        """(symbols,) the logits after a symbol."""
        states, projected = self.states, self.rows[token]
        for k, (convention, own) in enumerate(self.layers):
            if k:
                projected = equations.project(own, states[k - 1]["hidden"])
            gates = equations.gates(convention, own, projected, states[k]["hidden"])
            states[k] = equations.state(convention, gates, *(states[k][name] for name in convention.states))
        return self.head_weight @ states[-1]["hidden"].numpy() + self.head_bias


def _draw(logits: np.ndarray, temperature: float, rng: np.random.Generator) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    powers = np.exp((logits - logits.max()) / temperature).cumsum()
    return int(np.searchsorted(powers, rng.random() * powers[-1], side="right"))
