"""Writes counts and lists of names in messages."""

from __future__ import annotations

from collections.abc import Iterable

from gru_viz.errors import one_line

__all__ = ["count", "listing"]


def count(number: int, one: str, many: str | None = None) -> str:
    """Write a number of things.

    Example:
        >>> count(1, "cell"), count(1200, "cell"), count(2, "series", "series")
        ('1 cell', '1,200 cells', '2 series')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listing(names: Iterable[object], most: int = 6) -> str:
    """Quote the first few names and count the others.

    Example:
        >>> listing(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    quoted = [f"'{_short(str(name))}'" for name in names]
    first, others = quoted[:most], len(quoted) - most
    if others > 0:
        return f"{', '.join(first)} and {others:,} more"
    return " and ".join(part for part in (", ".join(first[:-1]), first[-1]) if part) if first else "none"


def _short(name: str, most: int = 40) -> str:
    name = " ".join(one_line(name).split())
    return name if len(name) <= most else name[: most - 1] + "…"
