"""What was traced, for every visitor: made once, kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from gru_viz.trace import Trace
from gru_viz.ui.progress import Progress

__all__ = ["Kept", "kept", "weigh"]

T = TypeVar("T")
MOST_BYTES = 1024 * 2**20
LONG_BYTES = 128 * 2**20
"""What a long trace counts for: its part in memory, and its share of the disk."""


@dataclass
class _Making:
    """Something that one visitor's work makes and others may wait for."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done: int = 0
    total: int = 0
    waiting: int = 0


class Kept:
    """Values by key, the least recently used ones given up beyond a number of bytes; safe to use from many threads.

    A value is made by the first who asks for it. Others who ask meanwhile wait for it, and see how far it is; where
    the first one gives up, the next one makes it. What raises an error is not kept.

    Args:
        most: how many bytes are kept; the newest value is, whatever its size.

    Example:
        >>> kept = Kept(most=10)
        >>> kept.make("a", lambda progress: 1, lambda value: 6, print), kept.find("a")
        (1, 1)
        >>> kept.make("b", lambda progress: 2, lambda value: 6, print), kept.find("a")
        (2, None)
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most = most
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._making: dict[Hashable, _Making] = {}
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> Any:
        """What is kept under a key, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def make(self, key: Hashable, work: Callable[[Progress], T], size: Callable[[T], int], progress: Progress) -> T:
        """What is kept under a key, or else what ``work`` makes.

        Args:
            key: the same for the same.
            work: makes it, and tells how far it is.
            size: of what was made, in bytes.
            progress: told how far it is, whoever makes it; what it raises ends the work, or the waiting.
        """
        with self._lock:
            making = self._making.setdefault(key, _Making())
            making.waiting += 1
        try:
            while not making.lock.acquire(timeout=0.1):
                progress(making.done, making.total)
            try:
                found: T | None = self.find(key)
                if found is not None:
                    return found

                def tell(done: int, total: int) -> None:
                    making.done, making.total = done, total
                    progress(done, total)

                value = work(tell)
                self._keep(key, value, size(value))
                return value
            finally:
                making.lock.release()
        finally:
            with self._lock:
                making.waiting -= 1
                if not making.waiting:
                    del self._making[key]

    def clear(self) -> None:
        """Give everything up."""
        with self._lock:
            self._values.clear()

    def _keep(self, key: Hashable, value: Any, size: int) -> None:
        with self._lock:
            self._values[key] = value, size
            total = sum(each for _, each in self._values.values())
            while total > self.most and len(self._values) > 1:
                _, (_, freed) = self._values.popitem(last=False)
                total -= freed


@st.cache_resource(show_spinner=False)
def kept() -> Kept:
    """The one of this process."""
    return Kept()


def weigh(run: Any) -> int:
    """How many bytes a trace takes."""
    if not isinstance(run, Trace):
        return LONG_BYTES
    arrays = [run.inputs]
    for layer in run.layers:
        for direction in layer.directions:
            arrays += [direction.inputs, *direction.quantities.values()]
    return sum(array.nbytes for array in {id(array): array for array in arrays}.values())
