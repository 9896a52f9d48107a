"""What a trace is and how far it is proven, in words that need no screen."""

from __future__ import annotations

from gru_viz.trace import Trace
from gru_viz.weights import Weights

__all__ = ["badge", "network", "proof", "runs", "sequences"]

CELLS = {"gru": "GRU", "lstm": "LSTM", "rnn": "tanh RNN"}
DIRECTIONS = ("forward", "backward")


def network(weights: Weights) -> str:
    """What a network is, in a line.

    Example:
        >>> import gru_viz
        >>> network(gru_viz.random_weights("torch", features=1, hidden=2, layers=2))
        'GRU (torch.nn.GRU), 2 layers of 2 units, 1 input feature, forward'
    """
    features, units = weights.features, [layer[0].hidden for layer in weights.layers]
    size = ", ".join(f"{n:,}" for n in (units if len(set(units)) > 1 else units[:1]))
    layers = f"{len(units)} layer{'s' * (len(units) != 1)} of {size} unit{'s' * (size != '1')}"
    directions = "bidirectional" if weights.bidirectional else "forward"
    kind = f"{CELLS[weights.convention.cell]} ({weights.convention.title})"
    return f"{kind}, {layers}, {features:,} input feature{'s' * (features != 1)}, {directions}"


def sequences(trace: Trace) -> str:
    """What it read, in a line.

    Example:
        >>> import numpy as np, torch, gru_viz
        >>> sequences(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((4, 3, 1))))
        '4 sequences of 3 steps'
    """
    count, shortest, longest = len(trace.lengths), min(trace.lengths), max(trace.lengths)
    steps = f"{longest:,} step{'s' * (longest != 1)}" if shortest == longest else f"{shortest:,} to {longest:,} steps"
    return f"{count:,} sequence{'s' * (count != 1)} of {steps}"


def badge(trace: Trace) -> str:
    """Whether the proof holds, the witness, and the largest difference."""
    matches = "✓ matches" if trace.proof.holds else "✗ differs from"
    return f"{matches} {trace.proof.reference} (max difference {trace.proof.difference:.0e})"


def proof(trace: Trace) -> str:
    """What the badge says, in a sentence."""
    return (
        f"Rebuilt from the gates shown here, the hidden state differs from that of {trace.proof.witness} by at most "
        f"{trace.proof.difference:.1e} (tolerance {trace.proof.bound:.0e})."
    )


def runs(trace: Trace) -> list[tuple[int, str, str]]:
    """Every layer and direction there is: the layer counted from 0, the direction, and both in words.

    Example:
        >>> import numpy as np, torch, gru_viz
        >>> runs(gru_viz.trace(torch.nn.GRU(1, 2, bidirectional=True), np.zeros((3, 1))))
        [(0, 'forward', 'layer 1, reading forward'), (0, 'backward', 'layer 1, reading backward')]
    """
    return [
        (k, direction, f"layer {k + 1}, reading {direction}")
        for k, layer in enumerate(trace.layers)
        for direction in DIRECTIONS[: len(layer.directions)]
    ]
