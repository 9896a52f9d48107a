"""The containers for sequences: what every reader returns and every trace takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence as AbstractSequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np
from jaxtyping import Float32

from gru_viz.errors import SequenceError
from gru_viz.sequences.phrases import count
from gru_viz.sequences.scaling import Scaling

__all__ = ["LabelledSequences", "Sequence", "Sequences"]

_MOST_WINDOWS = 20_000


@dataclass(frozen=True, eq=False)
class Sequence:
    """One sequence of feature vectors, the input of a recurrent network.

    Attributes:
        values: (time, features) float32, scaled, finite, read-only.
        features: a name for each feature.
        time: a label for each step (a date, a character, a number as text), or None where steps are just counted.
        name: the name of the sequence.

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
        if not _is_immutable(self.values):
            values = np.array(self.values, np.float32)
            values.flags.writeable = False
            object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)


def _is_immutable(values: np.ndarray) -> bool:
    """Whether these numbers can no longer change, so that they need no copy."""
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        return False
    owner = values if values.base is None else values.base
    return isinstance(owner, np.ndarray) and not values.flags.writeable and not owner.flags.writeable


@dataclass(frozen=True, eq=False)
class Sequences(AbstractSequence[Sequence]):
    """One or many sequences with the same features, of any lengths, and notices about how they were read.

    Attributes:
        items: the sequences.
        scaling: how their values were scaled; the same for all sequences.
        notices: sentences on what was left out, filled in or assumed.
        source: where they came from, as a phrase for the reader.
        details: further facts by name, such as the dialect of the table.

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

    def windows(self, steps: int, every: int | None = None) -> Sequences:
        """Cut each sequence into windows of so many steps, each a sequence of its own with a fresh state.

        Many networks are trained on windows: they never see more steps than these.

        Args:
            steps: the length of a window.
            every: steps from the beginning of one window to that of the next; None puts them end to end.

        Returns:
            The windows, with a notice about steps at the end that fill none.

        Raises:
            SequenceError: no sequence is as long, or there would be more than 20,000 windows.

        Example:
            >>> one = Sequence(np.arange(5, dtype=np.float32)[:, None], ("x",), None, "a")
            >>> many = Sequences((one,), Scaling("none", ("x",), np.zeros(1), np.ones(1)))
            >>> [(each.name, each.values.ravel().tolist()) for each in many.windows(2)]
            [('a, steps 1 to 2', [0.0, 1.0]), ('a, steps 3 to 4', [2.0, 3.0])]
        """
        every = steps if every is None else every
        if min(steps, every) < 1:
            found, remedy = f"steps={steps}, every={every}", "Change them."
            raise SequenceError("windows", found, "at least 1", remedy)
        starts = [range(0, len(item) - steps + 1, every) for item in self.items]
        number = sum(map(len, starts))
        if not 0 < number <= _MOST_WINDOWS:
            found = f"{count(number, 'window')} of {steps:,} steps in sequences of up to {max(self.lengths):,}"
            remedy = "Choose shorter windows." if number == 0 else "Set every= to more steps."
            raise SequenceError("windows", found, f"1 to {_MOST_WINDOWS:,}", remedy)
        items = tuple(
            _window(item, begin, begin + steps) for item, each in zip(self.items, starts, strict=True) for begin in each
        )
        left = sum(len(item) - (each[-1] + steps if each else 0) for item, each in zip(self.items, starts, strict=True))
        notices = (f"{count(left, 'step')} at the ends of sequences left out: too few for a window.",) if left else ()
        details = {**self.details, "windows": f"{steps} steps, every {every}"}
        return replace(self, items=items, notices=(*self.notices, *notices), details=details)


def _window(item: Sequence, begin: int, end: int) -> Sequence:
    time = None if item.time is None else item.time[begin:end]
    return Sequence(item.values[begin:end], item.features, time, f"{item.name}, steps {begin + 1:,} to {end:,}")


@dataclass(frozen=True, eq=False)
class LabelledSequences:
    """Sequences with a label for each.

    Attributes:
        sequences: the sequences.
        labels: one for each sequence.
        label: what the labels mean, such as the name of their column.

    Example:
        >>> from gru_viz.sequences import open_table
        >>> table = open_table(b"who,x,mood\\na,1,glad\\na,2,glad\\nb,5,sad\\nb,4,sad\\n")
        >>> both = table.labelled("mood", id="who")
        >>> [(one.name, label) for one, label in zip(both.sequences, both.labels)]
        [('who a', 'glad'), ('who b', 'sad')]
    """

    sequences: Sequences
    labels: tuple[str, ...]
    label: str = "label"

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.sequences):
            found = count(len(self.labels), "label")
            wanted = f"one for each of {count(len(self.sequences), 'sequence')}"
            raise SequenceError(self.label, found, wanted, "Pass as many labels as sequences.")

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about what was left out, filled or assumed."""
        return self.sequences.notices
