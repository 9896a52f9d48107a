"""Turns parsed cells into columns with roles: totals left out, series turned, clocks joined, missing values marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.cell_parsing import NumberFormat
from gru_viz.sequences.column_parsing import ParsedColumn, parse_column
from gru_viz.sequences.column_roles import ColumnRoles, identifying_columns, notice_roles, suggest_roles
from gru_viz.sequences.dialect import TableLayout
from gru_viz.sequences.extra_rows import remove_totals
from gru_viz.sequences.phrases import listing
from gru_viz.sequences.sentinels import mark_missing, mark_sentinels
from gru_viz.sequences.split_clock import join_clock
from gru_viz.sequences.split_id import join_id
from gru_viz.sequences.start_and_rate import remove_start_and_rate
from gru_viz.sequences.wide_tables import ROWS, Reshaped, reshape

__all__ = ["CellOptions", "FrameColumns", "MissingValues", "parse_frame"]

MissingValues = float | str | Iterable[float | str] | None


@dataclass(frozen=True)
class CellOptions:
    """What the user specified about the cells; None where it is to be detected."""

    detect_format: bool = True
    day_first: bool | None = None
    rows: str | None = None
    missing_values: MissingValues = None

    def check(self, name: str) -> None:
        """Refuse an unknown meaning of rows."""
        if self.rows is not None and self.rows not in ROWS:
            raise SequenceError(name, f"rows={self.rows!r}", f"one of {listing(ROWS)}", "Change rows=.")


class FrameColumns(NamedTuple):
    """The columns of a table by name, the suggested roles, the number of rows, what was assumed, and what may be."""

    columns: Mapping[str, ParsedColumn]
    suggested: ColumnRoles
    rows: int
    notices: tuple[str, ...]
    offers: tuple[str, ...] = ()


def parse_frame(
    name: str, frame: pd.DataFrame, layout: TableLayout, options: CellOptions, shape: Reshaped | None = None
) -> FrameColumns:
    """Parse the cells of columns 0, 1, … whose names and dialect are in ``layout``.

    Args:
        name: the name of the table, for errors.
        frame: the cells.
        layout: the names of the columns, and how numbers are written.
        options: what the user specified.
        shape: the roles of the columns, where the file says itself that its rows were series.

    Raises:
        SequenceError: fewer than two rows, or no cell that is not missing.
    """
    options.check(name)
    number_format = NumberFormat(layout.dialect.decimal, layout.dialect.thousands)
    numbers, texts = _missing_marks(options.missing_values)
    frame = _without_texts(frame, texts)
    typed = layout.dialect.encoding in ("parquet", "data frame", "json") or shape is not None
    frame, notices = (frame, ()) if typed else remove_totals(frame)
    shape = shape or reshape(name, frame, layout, options.rows, number_format)  # type: ignore[arg-type]
    names, more = layout.names, tuple[str, ...]()
    if shape is not None:
        frame, names, more = shape.frame, shape.names, shape.notices
    elif options.rows is None and not typed:
        frame, names, more = remove_start_and_rate(frame, layout)
    notices += more
    if len(frame) < 2:
        remedy = "Choose a longer table; a GRU reads one row after another."
        raise SequenceError(name, "1 data row", "at least 2 steps", remedy)
    parsed = {
        column: parse_column(column, frame[at], number_format, options.detect_format, options.day_first)
        for at, column in enumerate(names)
    }
    notices += tuple(notice for each in parsed.values() for notice in each.notices)
    if all(each.column.kind == "empty" for each in parsed.values()):
        raise SequenceError(name, "no cell that is not missing", "numbers", "Choose another file.")
    found = _roles(parsed, shape, None if options.missing_values is None else numbers)
    return found._replace(rows=len(frame), notices=notices + found.notices + found.offers)


def _roles(parsed: Mapping[str, ParsedColumn], shape: Reshaped | None, marks: tuple[float, ...] | None) -> FrameColumns:
    columns, notices = (dict(parsed), ()) if shape is not None else join_clock(parsed)
    offers: tuple[str, ...] = ()
    if marks is None:
        columns, missing, offers = mark_sentinels(columns, identifying_columns(columns.values()))
    else:
        columns, missing = mark_missing(columns, marks)
    notices += missing
    if shape is not None:
        for each, column in columns.items():
            if each not in (*shape.features, shape.time, shape.id):
                columns[each] = replace(column, aside="it describes the series and no step")
        return FrameColumns(columns, ColumnRoles(shape.features, shape.time, shape.id), 0, notices, offers)
    columns, roles = suggest_roles(columns)
    columns, roles, joined = join_id(columns, roles)
    notices += joined
    taken, likely = notice_roles(list(columns.values()), roles)
    return FrameColumns(columns, roles, 0, notices + taken, offers + likely)


def _missing_marks(given: MissingValues) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The numbers and the texts that stand for a missing value."""
    if given is None:
        return (), ()
    marks = [given] if isinstance(given, (str, int, float)) else list(given)
    numbers, texts = [], []
    for mark in marks:
        try:
            numbers.append(float(mark))
        except ValueError:
            texts.append(str(mark))
    return tuple(numbers), tuple(texts)


def _without_texts(frame: pd.DataFrame, texts: tuple[str, ...]) -> pd.DataFrame:
    if not texts:
        return frame

    def without(column: pd.Series) -> pd.Series:
        if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
            return column
        left = column.mask(column.isin(texts))
        numbers = pd.to_numeric(left, errors="coerce")
        return numbers if numbers.notna().sum() == left.notna().sum() else left

    return frame.apply(without)
