"""Sequences: what every reader returns and every trace takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence as AbstractSequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from jaxtyping import Float, Float32

__all__ = ["Scaling", "Sequence", "Sequences"]


@dataclass(frozen=True, eq=False)
class Scaling:
    """How features were brought to a common range, so that it can be shown and undone: scaled = (x − centre) / scale.

    Attributes:
        method: ``"none"``, ``"standardise"``, ``"minmax"`` or ``"robust"``.
        features: the feature names, in the order of the numbers.
        centre: (features,) what was subtracted, in the feature's own unit.
        scale: (features,) what was divided by, in the feature's own unit; never 0.

    Example:
        >>> s = Scaling("standardise", ("t",), np.array([10.0]), np.array([2.0]))
        >>> s.undo(np.array([[0.5]])).tolist()
        [[11.0]]
    """

    method: str
    features: tuple[str, ...]
    centre: Float[np.ndarray, " features"]
    scale: Float[np.ndarray, " features"]

    def apply(self, values: Float[np.ndarray, "time features"]) -> Float[np.ndarray, "time features"]:
        """Scale ``values`` given in their own units."""
        return (np.asarray(values, np.float64) - self.centre) / self.scale

    def undo(self, values: Float[np.ndarray, "time features"]) -> Float[np.ndarray, "time features"]:
        """Give scaled ``values`` back in their own units."""
        return np.asarray(values, np.float64) * self.scale + self.centre


@dataclass(frozen=True, eq=False)
class Sequence:
    """One sequence: what a GRU reads, step by step.

    Attributes:
        values: (time, features) float32, scaled, finite, read-only.
        features: a name for each feature.
        time: a label for each step (a date, a character, a number as text), or None where steps are just counted.
        name: what the sequence is called.

    Example:
        >>> s = Sequence(np.zeros((3, 1), np.float32), ("x",), None, "zeros")
        >>> len(s)
        3
    """

    values: Float32[np.ndarray, "time features"]
    features: tuple[str, ...]
    time: AbstractSequence[str] | None
    name: str

    def __post_init__(self) -> None:
        if not _is_settled(self.values):
            values = np.array(self.values, np.float32)
            values.flags.writeable = False
            object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)


def _is_settled(values: np.ndarray) -> bool:
    """Whether nobody can change these numbers any more, so that they need not be copied."""
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        return False
    owner = values if values.base is None else values.base
    return isinstance(owner, np.ndarray) and not values.flags.writeable and not owner.flags.writeable


@dataclass(frozen=True, eq=False)
class Sequences(AbstractSequence[Sequence]):
    """One or many sequences with the same features, of unequal length, and what a reader of them must be told.

    Attributes:
        items: the sequences.
        scaling: how their values were scaled; the same numbers for all of them.
        notices: sentences on what was left out, filled in or assumed.
        source: where they came from, in words for a person.

    Example:
        >>> one = Sequence(np.zeros((3, 1), np.float32), ("x",), None, "zeros")
        >>> many = Sequences((one,), Scaling("none", ("x",), np.zeros(1), np.ones(1)))
        >>> many[0].name, many.features
        ('zeros', ('x',))
    """

    items: tuple[Sequence, ...]
    scaling: Scaling
    notices: tuple[str, ...] = ()
    source: str = ""
    details: dict[str, str] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """The feature names."""
        return self.scaling.features

    @property
    def lengths(self) -> tuple[int, ...]:
        """The number of steps of each sequence."""
        return tuple(len(item) for item in self.items)

    @overload
    def __getitem__(self, index: int) -> Sequence: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Sequence, ...]: ...
    def __getitem__(self, index: int | slice) -> Sequence | tuple[Sequence, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Sequence]:
        return iter(self.items)
