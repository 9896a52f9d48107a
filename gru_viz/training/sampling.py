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
    """Read one or more one-hot symbols, then sample ``length`` more, carrying the states from step to step.

    The head is (symbols, hidden) and (symbols,). The temperature divides the logits; 0 takes the most likely symbol.
    Symbols in ``never`` are not drawn. The result is a pure function of the arguments.
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
