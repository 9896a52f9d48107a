"""One block of bytes for a component: the length of a JSON header, the header, then arrays one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Payload"]


class Payload:
    """Collects the arrays of a block; the same bytes are stored once.

    ``shared/payload.js`` reads it.

    Example:
        >>> payload = Payload()
        >>> payload.add_array(np.array([1, 2])), payload.add_array(np.array([0.5]))
        ({'at': 0, 'count': 2, 'kind': 'u2'}, {'at': 4, 'count': 1, 'kind': 'f4'})
        >>> len(payload.pack({"title": "x"}))
        25
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self._offsets: dict[bytes, int] = {}

    def add(self, part: bytes) -> int:
        """Store bytes; returns where they begin."""
        if part not in self._offsets:
            self._offsets[part] = self.size
            self.parts.append(part)
            self.size += len(part)
        return self._offsets[part]

    def add_array(self, array: np.ndarray) -> dict[str, Any]:
        """Store an array in as few bytes as a screen needs.

        Args:
            array: numbers (count,) or (rows, columns).

        Returns:
            Its address: ``at``, ``count``, ``kind``, and ``columns`` if it is a matrix.
        """
        kind, values = _smallest(array.ravel())
        address: dict[str, Any] = {"at": self.add(values.tobytes()), "count": len(values), "kind": kind}
        return address | ({"columns": array.shape[1]} if array.ndim == 2 else {})

    def pack(self, header: dict[str, Any], default: Callable[[Any], Any] | None = None) -> bytes:
        """The whole payload.

        Args:
            header: becomes JSON.
            default: what JSON writes in place of a value it does not know.
        """
        text = json.dumps(header, default=default, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        return b"".join([len(text).to_bytes(4, "little"), text, *self.parts])


def _smallest(array: np.ndarray) -> tuple[str, np.ndarray]:
    """Whole numbers in as few bytes as hold them, others as float32: finer than any screen."""
    if array.dtype == np.uint8:
        return "u1", array
    whole = array.size and np.isfinite(array).all() and (array == np.rint(array)).all()
    if whole and array.min() >= 0 and array.max() < 2**16:
        return "u2", array.astype("<u2")
    if whole and np.abs(array).max() >= 2**24:
        return "f8", array.astype("<f8")
    with np.errstate(over="ignore"):
        return "f4", array.astype("<f4")
