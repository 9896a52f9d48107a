"""How long work reports its progress."""

from collections.abc import Callable

__all__ = ["Progress"]

Progress = Callable[[int, int], object]
"""Called with how much is done and how much there is in all; what it raises ends the work."""
