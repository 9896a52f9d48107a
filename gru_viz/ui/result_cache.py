"""Results that all visitors share: computed once, cached up to a number of bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st
from cachetools import LRUCache

from gru_viz.progress import Progress
from gru_viz.ui.background_work import run_in_background

__all__ = ["ResultCache", "cached", "result_cache"]

T = TypeVar("T")
MAX_BYTES = 1024 * 2**20


@dataclass
class _Computation:
    """One visitor computes; others may wait for the same result."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done: int = 0
    total: int = 0
    waiting: int = 0


class ResultCache:
    """A thread-safe LRU cache bounded in bytes, in which concurrent requests for one key share one computation.

    Those who wait see its progress; if it is cancelled, the next one computes. Errors are not cached.

    Args:
        max_bytes: the bound; the newest value is stored even if it is larger.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._values: LRUCache[Hashable, tuple[Any, int]] = LRUCache(max_bytes, getsizeof=lambda stored: stored[1])
        self._computations: dict[Hashable, _Computation] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """The cached value, or None."""
        with self._lock:
            return self._values.get(key, (None, 0))[0]

    def get_or_compute(
        self, key: Hashable, compute: Callable[[Progress], T], size: Callable[[T], int], progress: Progress
    ) -> T:
        """The cached value, or the result of ``compute``.

        Args:
            key: identifies the result.
            compute: called with a ``Progress`` to report to.
            size: bytes of a result.
            progress: called with the progress, whoever computes; an exception it raises ends the work or the waiting.
        """
        with self._lock:
            computation = self._computations.setdefault(key, _Computation())
            computation.waiting += 1
        try:
            while not computation.lock.acquire(timeout=0.1):
                progress(computation.done, computation.total)
            try:
                found: T | None = self.get(key)
                if found is not None:
                    return found

                def report(done: int, total: int) -> None:
                    computation.done, computation.total = done, total
                    progress(done, total)

                value = compute(report)
                with self._lock:
                    self._values[key] = value, min(size(value), int(self._values.maxsize))
                return value
            finally:
                computation.lock.release()
        finally:
            with self._lock:
                computation.waiting -= 1
                if not computation.waiting:
                    del self._computations[key]

    def clear(self) -> None:
        """Remove every value."""
        with self._lock:
            self._values.clear()


@st.cache_resource(show_spinner=False)
def result_cache() -> ResultCache:
    """The cache of this process."""
    return ResultCache()


def cached(name: str, label: str, key: Hashable, compute: Callable[[Progress], T], size: Callable[[T], int]) -> T:
    """The cached result of long work; see ``run_in_background`` for name, label and errors."""
    found: T | None = result_cache().get(key)
    if found is not None:
        return found
    return run_in_background(
        name, label, repr(key), lambda progress: result_cache().get_or_compute(key, compute, size, progress)
    )
