"""The arrays of a model file by name, and the memory they may take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import Limits, printable

__all__ = ["ArrayBudget", "NamedArrays", "bfloat16_to_float32"]


@dataclass(frozen=True)
class NamedArrays:
    """The arrays of a file by path, in the file's order.

    Attributes:
        arrays: path → array.
        unreadable: path → what the file has instead of plain numbers, such as ``"a quantised tensor"``.
        convention: the name of the matrices' convention, where the file specifies it.
        notices: what was left out or assumed, in sentences.
    """

    arrays: dict[str, np.ndarray]
    unreadable: dict[str, str] = field(default_factory=dict)
    convention: str | None = None
    notices: tuple[str, ...] = ()


class ArrayBudget:
    """Adds up the sizes that a file claims for its arrays, and refuses too much before it is allocated.

    Example:
        >>> ArrayBudget("small.npz", Limits(max_array_bytes=100)).take("W", (3, 4), 8)
        96
    """

    def __init__(self, where: str, limits: Limits) -> None:
        self.where, self.limits = where, limits
        self.bytes = self.count = 0

    def take(self, name: str, shape: Sequence[int], itemsize: int, stored: int | None = None) -> int:
        """Add an array to the total.

        Args:
            name: its path in the file.
            itemsize: bytes per number.
            stored: the bytes that the file has for it, if they must match its shape.

        Returns:
            The size of the array in bytes.

        Raises:
            FormatError: the shape is invalid or does not match ``stored``, or the total exceeds the limits.
        """
        where = f"{self.where}, {printable(name)}"
        if len(shape) > 32 or any(type(n) is not int or not 0 <= n < 1 << 60 for n in shape):
            found = f"the shape {printable(tuple(shape))}"
            raise FormatError(where, found, "up to 32 axes, each of 0 or more", "Save the file again.")
        size = math.prod(shape) * itemsize
        if math.prod(max(n, 1) for n in shape) >= 1 << 60:  # NumPy refuses an empty array with such axes too
            raise FormatError(where, f"the shape {printable(tuple(shape))}", "fewer numbers", "Save the file again.")
        self.bytes += size
        self.count += 1
        if self.bytes > self.limits.max_array_bytes:
            found = f"arrays of {self.bytes:,} bytes or more"
            raise FormatError(where, found, f"at most {self.limits.max_array_bytes:,} bytes", "Save only the weights.")
        if self.count > self.limits.max_entries:
            raise FormatError(
                where,
                f"{self.count:,} arrays or more",
                f"at most {self.limits.max_entries:,}",
                "Save only the weights.",
            )
        if stored not in (None, size):
            found = f"{stored:,} bytes for the shape {printable(tuple(shape))}, which takes {size:,}"
            remedy = "The file is damaged: copy or save it again."
            raise FormatError(where, found, "as many bytes as the shape takes", remedy)
        return size


def bfloat16_to_float32(bits: np.ndarray) -> np.ndarray:
    """Convert bfloat16, given as uint16 bits, to float32. This is exact: bfloat16 is the upper half of a float32.

    Example:
        >>> bfloat16_to_float32(np.array([0x3FC0], np.uint16))
        array([1.5], dtype=float32)
    """
    return (bits.astype(np.uint32) << 16).view(np.float32)
