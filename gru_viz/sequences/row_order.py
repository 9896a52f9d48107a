"""Groups the rows of a table by sequence and sorts each sequence by time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

from gru_viz.sequences.column_parsing import ParsedColumn
from gru_viz.sequences.phrases import count
from gru_viz.sequences.step_labels import StepLabels, label_steps

__all__ = ["RowOrder", "order_rows"]

_EVEN = 1.01
"""Steps are even if the longest is at most a hundredth longer than the shortest."""


@dataclass(frozen=True)
class RowOrder:
    """The order of the rows, one sequence after another, each in time order, and where each sequence begins.

    Attributes:
        rows: (rows,) row numbers of the table.
        starts: (sequences,) the index in ``rows`` at which each sequence begins.
        labels: a label for each of ``rows``, or None without a time column.
    """

    rows: Int[np.ndarray, " rows"]
    starts: Int[np.ndarray, " sequences"]
    names: tuple[str, ...]
    labels: StepLabels | None
    notices: tuple[str, ...]


def order_rows(rows: int, id: ParsedColumn | None, time: ParsedColumn | None, name: str) -> RowOrder:
    """Group the rows by id, in order of first appearance, and sort each by time; ``name`` is for one without id."""
    notices: list[str] = []
    used = np.arange(rows)
    for parsed, role in ((id, "id"), (time, "time")):
        if parsed is not None and parsed.column.missing + parsed.column.infinite:
            known = ~_is_missing(parsed.values[used])
            if not known.all():
                lost = count(int((~known).sum()), "row")
                notices.append(f"{lost} without {role} ('{parsed.column.name}') left out.")
                used = used[known]
    codes, distinct = (np.zeros(len(used), int), []) if id is None else pd.factorize(id.values[used])
    names = (name,) if id is None else tuple(f"{id.column.name} {text}" for text in label_steps(np.asarray(distinct)))
    order = np.argsort(codes, kind="stable") if id is not None else np.arange(len(used))
    if time is not None and time.column.kind != "text":
        order = _sort_by_time(codes, order, time.values[used], time.column.name, notices)
    elif time is not None:
        notices.append(f"'{time.column.name}' is text: it labels the steps, which stay in the order of the file.")
    starts = np.zeros(1, int) if id is None else np.flatnonzero(np.diff(codes[order], prepend=-1))
    ordered = used[order]
    labels = None if time is None else label_steps(time.values[ordered])
    return RowOrder(ordered, starts, names, labels, tuple(notices))


def _is_missing(values: np.ndarray) -> np.ndarray:
    return pd.isna(values) | np.isinf(values) if values.dtype.kind == "f" else np.asarray(pd.isna(values))


def _sort_by_time(
    codes: np.ndarray, order: np.ndarray, times: np.ndarray, name: str, notices: list[str]
) -> Int[np.ndarray, " rows"]:
    numbers = times.astype(np.int64) if times.dtype.kind == "M" else times
    inside = np.diff(codes[order]) == 0
    if _descends(numbers[order], inside):
        order = np.lexsort((numbers, codes))
        notices.append(f"The rows were not in order of '{name}' and were sorted by it.")
        inside = np.diff(codes[order]) == 0
    gaps = np.diff(numbers[order].astype(np.float64))[inside]
    same = int((gaps == 0).sum())
    if same:
        notices.append(f"{count(same, 'step')} with the same '{name}' as the step before, in the order of the file.")
    gaps = gaps[gaps > 0]
    if len(gaps) and gaps.max() > gaps.min() * _EVEN and not _is_monthly(times[order], inside):
        write = _duration if times.dtype.kind == "M" else "{:.6g}".format
        apart = f"from {write(gaps.min())} to {write(gaps.max())} apart"
        notices.append(f"The steps are unevenly spaced in '{name}' ({apart}); a GRU counts steps, not time.")
    return order


def _descends(numbers: np.ndarray, inside: np.ndarray) -> bool:
    return bool((numbers[1:] < numbers[:-1])[inside].any())


def _is_monthly(times: np.ndarray, inside: np.ndarray) -> bool:
    """Whether steps are the same number of months apart: even, although months differ in days."""
    if times.dtype.kind != "M":
        return False
    months = times.astype("datetime64[M]")
    days = times - months
    steps = np.diff(months.astype(np.int64))[inside]
    return bool((days == days[0]).all() and len(np.unique(steps[steps > 0])) == 1)


def _duration(microseconds: float) -> str:
    for unit, size in (("day", 86_400e6), ("hour", 3_600e6), ("minute", 60e6), ("second", 1e6)):
        if microseconds >= size:
            number = microseconds / size
            return f"{number:.4g} {unit}{'' if number == 1 else 's'}"
    return f"{microseconds / 1e3:.4g} ms"
