"""The rows of each sequence in order of time, with a label for every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

from gru_viz.sequences.columns import Held
from gru_viz.sequences.labels import Labels, labels_of
from gru_viz.sequences.words import count

__all__ = ["Order", "arrange"]


@dataclass(frozen=True)
class Order:
    """Where each row goes.

    Attributes:
        rows: the rows of the table, one sequence after another, each in order of time.
        starts: where in ``rows`` each sequence begins.
        names: a name for each sequence.
        labels: a label for each of ``rows``, or None.
        notices: what was sorted or left out, and what is odd about the times.
    """

    rows: Int[np.ndarray, " rows"]
    starts: Int[np.ndarray, " sequences"]
    names: tuple[str, ...]
    labels: Labels | None
    notices: tuple[str, ...]


def arrange(rows: int, id: Held | None, time: Held | None, name: str) -> Order:
    """Part the rows by id, in order of first appearance, and sort each part by time.

    Example:
        >>> from gru_viz.sequences.cells import Writing
        >>> from gru_viz.sequences.columns import hold
        >>> who = hold("who", pd.Series(["b", "a", "b"]), Writing(".", None), True, None)
        >>> arrange(3, who, None, "x.csv").rows.tolist(), arrange(3, who, None, "x.csv").names
        ([0, 2, 1], ('who b', 'who a'))
    """
    notices: list[str] = []
    kept = np.arange(rows)
    for held, part in ((id, "id"), (time, "time")):
        if held is not None and held.column.missing + held.column.infinite:
            there = ~_absent(held.values[kept])
            if not there.all():
                lost = int((~there).sum())
                notices.append(f"{count(lost, 'row')} without {part} ('{held.column.name}') left out.")
                kept = kept[there]
    codes, distinct = (np.zeros(len(kept), int), []) if id is None else pd.factorize(id.values[kept])
    names = (name,) if id is None else tuple(f"{id.column.name} {text}" for text in labels_of(np.asarray(distinct)))
    order = np.argsort(codes, kind="stable") if id is not None else np.arange(len(kept))
    if time is not None and time.column.kind != "text":
        order, said = _by_time(codes, order, time.values[kept], time.column.name)
        notices += said
    elif time is not None:
        notices.append(f"'{time.column.name}' is text: it labels the steps, which keep the order of the file.")
    starts = np.zeros(1, int) if id is None else np.flatnonzero(np.diff(codes[order], prepend=-1))
    taken = kept[order]
    labels = None if time is None else labels_of(time.values[taken])
    return Order(taken, starts, names, labels, tuple(notices))


def _absent(values: np.ndarray) -> np.ndarray:
    return pd.isna(values) | np.isinf(values) if values.dtype.kind == "f" else np.asarray(pd.isna(values))


def _by_time(codes: np.ndarray, order: np.ndarray, times: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    numbers = times.astype(np.int64) if times.dtype.kind == "M" else times
    said = []
    inside = np.diff(codes[order]) == 0
    if _descends(numbers[order], inside):
        order = np.lexsort((numbers, codes))
        said.append(f"The rows were not in order of '{name}' and were sorted by it.")
        inside = np.diff(codes[order]) == 0
    gaps = np.diff(numbers[order].astype(np.float64))[inside]
    same = int((gaps == 0).sum())
    if same:
        said.append(f"{count(same, 'step')} with the same '{name}' as the step before kept, in the order of the file.")
    gaps = gaps[gaps > 0]
    if len(gaps) and gaps.max() > gaps.min() * (1 + 1e-6) and not _by_month(times[order], inside):
        spoken = _spoken if times.dtype.kind == "M" else "{:.6g}".format
        least, most = spoken(gaps.min()), spoken(gaps.max())
        said.append(
            f"The steps are unevenly spaced in '{name}' (from {least} to {most} apart); a GRU counts steps, not time."
        )
    return order, said


def _descends(numbers: np.ndarray, inside: np.ndarray) -> bool:
    return bool((numbers[1:] < numbers[:-1])[inside].any())


def _by_month(times: np.ndarray, inside: np.ndarray) -> bool:
    """Whether steps are whole months or years apart: even, though the months differ in days."""
    if times.dtype.kind != "M":
        return False
    months = times.astype("datetime64[M]")
    days = times - months
    steps = np.diff(months.astype(np.int64))[inside]
    return bool((days == days[0]).all() and len(np.unique(steps[steps > 0])) == 1)


def _spoken(microseconds: float) -> str:
    for unit, size in (("day", 86_400e6), ("hour", 3_600e6), ("minute", 60e6), ("second", 1e6)):
        if microseconds >= size:
            number = microseconds / size
            return f"{number:.4g} {unit}{'' if number == 1 else 's'}"
    return f"{microseconds / 1e3:.4g} ms"
