"""Random weights: the same arguments always give the same numbers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from gru_viz.conventions import Convention, convention as lookup
from gru_viz.errors import ConventionError
from gru_viz.weights import TORCH_CELL, Weights

if TYPE_CHECKING:
    import torch

__all__ = ["INITIALISATIONS", "random_weights"]

INITIALISATIONS = MappingProxyType(
    {
        "torch": "torch: uniform in ±1/√units",
        "keras": "Keras: Glorot, orthogonal, zero bias",
        "tf1": "TensorFlow 1: Glorot, gate bias 1",
        "chrono": "chrono: gate biases for memories of 1 to 100 steps",
    }
)
"""How random weights can be drawn: name → what it does. Chrono follows Tallec & Ollivier 2018."""


def random_weights(
    convention: str | Convention,
    features: int,
    hidden: int,
    layers: int = 1,
    bidirectional: bool = False,
    seed: int = 0,
    initialisation: str = "torch",
    dtype: str = "float32",
) -> Weights:
    """Draw weights; the same arguments always give the same numbers.

    With ``initialisation="torch"`` they are those that ``torch.manual_seed(seed)`` and a new ``torch.nn`` module give.
    One seed is one model: conventions that merely relabel it show the same states.

    Raises:
        ConventionError: an unknown convention, initialisation or dtype, or a size below 1.

    Example:
        >>> random_weights("torch", features=3, hidden=16).matrices["weight_ih"].shape
        (48, 3)
    """
    target = lookup(convention)
    for what, size in (("features", features), ("hidden", hidden), ("layers", layers)):
        if size < 1:
            raise ConventionError(f"random_weights, {what}", str(size), "1 or more", "Choose a positive size.")
    if initialisation not in INITIALISATIONS:
        known = ", ".join(INITIALISATIONS)
        raise ConventionError("random_weights", repr(initialisation), f"one of {known}", "Choose one of these.")
    if dtype not in ("float32", "float64"):
        raise ConventionError("random_weights, dtype", repr(dtype), "'float32' or 'float64'", "Choose one of these.")
    import torch

    rng = torch.Generator().manual_seed(seed)
    torch_like = lookup(TORCH_CELL[target.cell])
    directions = 2 if bidirectional else 1
    drawn = [
        [
            _draw(torch_like, features if k == 0 else directions * hidden, hidden, initialisation, rng, dtype)
            for _ in range(directions)
        ]
        for k in range(layers)
    ]
    origin = f"random, seed {seed}, initialisation {initialisation}"
    return Weights.from_matrices(torch_like, drawn, origin).read_as(target)


def _draw(
    kind: Convention, features: int, hidden: int, initialisation: str, rng: torch.Generator, dtype: str
) -> dict[str, np.ndarray]:
    """One cell in torch's layout."""
    import torch

    stacked, kind_of = len(kind.gates) * hidden, getattr(torch, dtype)
    w, u = torch.empty(stacked, features, dtype=kind_of), torch.empty(stacked, hidden, dtype=kind_of)
    b, b_h = torch.zeros(stacked, dtype=kind_of), torch.zeros(stacked, dtype=kind_of)
    if initialisation in ("torch", "chrono"):
        bound = hidden**-0.5
        for tensor in (w, u, b, b_h):
            torch.nn.init.uniform_(tensor, -bound, bound, generator=rng)
    else:
        for tensor in (w, u):
            torch.nn.init.xavier_uniform_(tensor, generator=rng)
        if initialisation == "keras":
            torch.nn.init.orthogonal_(u, generator=rng)
    by_gate = dict(zip(kind.gates, b.view(-1, hidden), strict=True))
    if initialisation == "chrono" and kind.cell != "rnn":
        b.zero_(), b_h.zero_()
        memory = torch.log(torch.empty(hidden, dtype=kind_of).uniform_(1, 99, generator=rng))
        by_gate["forget" if kind.cell == "lstm" else "update"].copy_(memory)
        if kind.cell == "lstm":
            by_gate["input"].copy_(-memory)
    elif kind.cell == "lstm" and initialisation in ("keras", "tf1"):
        by_gate["forget"].fill_(1)
    elif kind.cell == "gru" and initialisation == "tf1":
        by_gate["reset"].fill_(1), by_gate["update"].fill_(1)
    return {"weight_ih": w.numpy(), "weight_hh": u.numpy(), "bias_ih": b.numpy(), "bias_hh": b_h.numpy()}
