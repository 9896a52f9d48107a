"""What a trace is and how far it is proven, in words that need no screen."""

from __future__ import annotations

from gru_viz.trace import Trace

__all__ = ["badge", "network", "proof", "runs", "sequences"]

CELLS = {"gru": "GRU", "lstm": "LSTM", "rnn": "tanh RNN"}
DIRECTIONS = ("forward", "backward")


def network(trace: Trace) -> str:
    """What ran, in a line.

    Example:
        >>> import numpy as np, torch, gru_viz
        >>> network(gru_viz.trace(torch.nn.GRU(1, 2, num_layers=2), np.zeros((3, 1))))
        'GRU (torch.nn.GRU), 2 layers of 2 units, reads 1 feature forward'
    """
    weights, features = trace.weights, trace.weights.features
    units = [layer.forward.weights.hidden for layer in trace.layers]
    same = len(set(units)) == 1
    size = f"{units[0]:,} unit{'s' * (units[0] != 1)}" if same else f"{', '.join(map(str, units))} units"
    layers = f"{len(units)} layers of {size}" if len(units) > 1 else f"1 layer of {size}"
    ways = "both ways" if weights.bidirectional else "forward"
    cell = CELLS[trace.convention.cell]
    return f"{cell} ({trace.convention.title}), {layers}, reads {features:,} feature{'s' * (features != 1)} {ways}"


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
    """Whether the gates shown are proven to be the gates used, and the largest difference."""
    return f"{'✓ proven' if trace.proven else '✗ not proven'} {trace.proof:.0e}"


def proof(trace: Trace) -> str:
    """What the badge says, in a sentence."""
    return (
        f"Rebuilt from the gates shown here, the hidden state differs from that of {trace.witness} by at most "
        f"{trace.proof:.1e}; rounding may reach {trace.bound:.0e}."
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
