"""Labels of steps, formatted on access: a million of them need only the memory of their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence as AbstractSequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from jaxtyping import Int

from gru_viz.errors import one_line
from gru_viz.sequences.date_parsing import DateFormat, shortest_date_format

__all__ = ["StepLabels", "label_steps"]

_BLOCK = 4096


@dataclass(frozen=True, eq=False, repr=False)
class StepLabels(AbstractSequence[str]):
    """A label for each step; behaves like a tuple of strings in indexing, slicing, comparing and printing.

    Attributes:
        values: (steps,) numbers, datetime64, or strings with None where missing.
        date_format: how dates are written; None for values that are not dates.

    Example:
        >>> labels = label_steps(np.array([0.5, 1.0, 1.5]))
        >>> labels, labels[-1], labels[1:] == ("1", "1.5")
        (('0.5', '1', '1.5'), '1.5', True)
    """

    values: np.ndarray
    date_format: DateFormat | None = None

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> StepLabels: ...
    def __getitem__(self, index: int | slice) -> str | StepLabels:
        if isinstance(index, slice):
            return StepLabels(self.values[index], self.date_format)
        return self._format(self.values[[index]])[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK):
            yield from self._format(self.values[start : start + _BLOCK])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AbstractSequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def take(self, steps: Int[np.ndarray, " steps"]) -> StepLabels:
        """Return the labels of the given steps, in rising order; consecutive steps need no copy."""
        begin, end = (int(steps[0]), int(steps[-1]) + 1) if len(steps) else (0, 0)
        consecutive = end - begin == len(steps)
        return StepLabels(self.values[begin:end] if consecutive else self.values[steps], self.date_format)

    def _format(self, values: np.ndarray) -> list[str]:
        if self.date_format is not None:
            return self.date_format.format(values)
        if values.dtype.kind == "f":
            return [f"{value:.15g}" for value in values.tolist()]
        return ["" if value is None else one_line(str(value)) for value in values.tolist()]


def label_steps(values: np.ndarray) -> StepLabels:
    """Label each value: dates in their shortest common format, numbers with 15 digits, strings unchanged.

    Example:
        >>> label_steps(np.array(["2019-01-01", "2019-01-02"], "datetime64[us]"))
        ('2019-01-01', '2019-01-02')
    """
    return StepLabels(values, shortest_date_format(values) if values.dtype.kind == "M" else None)
