"""Labels of steps, written when they are looked at: a million of them take the room of their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence as AbstractSequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from jaxtyping import Int

from gru_viz.sequences.dates import DateWriting, date_writing

__all__ = ["Labels", "labels_of"]

_BLOCK = 4096


@dataclass(frozen=True, eq=False, repr=False)
class Labels(AbstractSequence[str]):
    """A label for each of many steps; it reads, slices, compares and prints as a tuple of texts does.

    Attributes:
        values: (steps,) numbers, datetime64, or texts with None where there is none.
        dates: how dates are written; None where there are none.

    Example:
        >>> labels = labels_of(np.array([0.5, 1.0, 1.5]))
        >>> labels, labels[-1], labels[1:] == ("1", "1.5")
        (('0.5', '1', '1.5'), '1.5', True)
    """

    values: np.ndarray
    dates: DateWriting | None = None

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Labels: ...
    def __getitem__(self, index: int | slice) -> str | Labels:
        if isinstance(index, slice):
            return Labels(self.values[index], self.dates)
        return self._write(self.values[[index]])[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK):
            yield from self._write(self.values[start : start + _BLOCK])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AbstractSequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def take(self, steps: Int[np.ndarray, " steps"]) -> Labels:
        """Give the labels of these steps; of steps one after another, without a copy."""
        begin, end = (int(steps[0]), int(steps[-1]) + 1) if len(steps) else (0, 0)
        together = end - begin == len(steps)  # they rise
        return Labels(self.values[begin:end] if together else self.values[steps], self.dates)

    def _write(self, values: np.ndarray) -> list[str]:
        if self.dates is not None:
            return self.dates.write(values)
        if values.dtype.kind == "f":
            return [f"{value:.15g}" for value in values.tolist()]
        return ["" if value is None else str(value) for value in values.tolist()]


def labels_of(values: np.ndarray) -> Labels:
    """Label each value: dates no longer than all of them together need, numbers to fifteen digits, texts as they are.

    Example:
        >>> labels_of(np.array(["2019-01-01", "2019-01-02"], "datetime64[us]"))
        ('2019-01-01', '2019-01-02')
    """
    return Labels(values, date_writing(values) if values.dtype.kind == "M" else None)
