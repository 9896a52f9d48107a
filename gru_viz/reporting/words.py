"""What a trace is and how far it is proven, in words that need no screen."""

from __future__ import annotations

from gru_viz.trace import Direction, Trace
from gru_viz.weights import Weights

__all__ = ["badge", "network", "proof", "runs", "sequences"]

DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")


def network(weights: Weights) -> str:
    """What a network is, in a line."""
    features, units = weights.features, [layer[0].hidden for layer in weights.layers]
    size = ", ".join(f"{n:,}" for n in (units if len(set(units)) > 1 else units[:1]))
    layers = f"{len(units)} layer{'s' * (len(units) != 1)} of {size} unit{'s' * (size != '1')}"
    directions = "bidirectional" if weights.bidirectional else "forward"
    kind = f"{weights.convention.cell_title} ({weights.convention.title})"
    return f"{kind}, {layers}, {features:,} input feature{'s' * (features != 1)}, {directions}"


def sequences(trace: Trace) -> str:
    """What it read, in a line."""
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
        f"The gates and states shown here differ from {trace.proof.witness} by at most "
        f"{trace.proof.difference:.1e} (tolerance {trace.proof.bound:.0e})."
    )


def runs(trace: Trace) -> list[tuple[int, Direction, str]]:
    """Every layer and direction there is: the layer counted from 0, the direction, and both in words."""
    return [
        (k, direction, f"layer {k + 1}, reading {direction}")
        for k, layer in enumerate(trace.layers)
        for direction in DIRECTIONS[: len(layer.directions)]
    ]
