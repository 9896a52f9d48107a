"""What a proof says, and what it compares with; ``gru_viz.verification`` computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Proof", "Witness"]


@dataclass(frozen=True, repr=False)
class Proof:
    """How far the gates and states of a trace are from those of an independent witness.

    Attributes:
        difference: the largest |difference| between a GRU's gate and the witness's, between a state and the one that
            its gates lead to, and between a state and the witness's; ``float(proof)`` is this number.
        bound: the largest difference that rounding can cause, for these weights, inputs and dtype.
        witness: what computed the numbers to compare with, such as ``"torch.nn.GRU"``.

    Example:
        >>> Proof(3e-7, 3e-5, "torch.nn.GRU")
        Proof holds: 3e-07 (tolerance 3e-05, witness torch.nn.GRU)
    """

    difference: float
    bound: float
    witness: str

    @property
    def holds(self) -> bool:
        """Whether the difference is within the bound: the gates of the trace are the gates that were used."""
        return self.difference <= self.bound

    @property
    def reference(self) -> str:
        """The witness in short."""
        if "float64" in self.witness:
            return "an independent float64 evaluation"
        return "PyTorch" if self.witness.startswith("torch.nn") else self.witness

    def merge(self, other: Proof) -> Proof:
        """The proof of both together: the larger difference, and the larger bound."""
        return Proof(max(self.difference, other.difference), max(self.bound, other.bound), other.witness)

    def __float__(self) -> float:
        return self.difference

    def __str__(self) -> str:
        return f"{self.difference:.0e} (tolerance {self.bound:.0e}, witness {self.witness})"

    def __repr__(self) -> str:
        return f"Proof {'holds' if self.holds else 'FAILS'}: {self}"


class Witness(NamedTuple):
    """What a trace is compared with.

    Attributes:
        name: in words.
        computed_states: the trace holds the witness's own states. Otherwise the witness runs for the proof, from the
            recorded state at each step; a GRU's gates are evaluated from there in either case.
        difference: the largest difference found while the network ran.
        eps: rounding of the arithmetic that ran, where it is coarser than that of the trace's dtype.
    """

    name: str
    computed_states: bool = False
    difference: float = 0.0
    eps: float = 0.0
