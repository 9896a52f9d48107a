"""Takes a data frame of pandas, polars or Arrow as the columns of a table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from gru_viz.errors import SequenceError
from gru_viz.sequences.dialect import Dialect, TableLayout
from gru_viz.sequences.header import unique_names

__all__ = ["DataFrameLike", "FrameTable", "arrow_column", "is_frame", "read_data_frame"]


DataFrameLike = Any
"""A data frame of pandas, polars or Arrow."""


class FrameTable(NamedTuple):
    """Columns 0, 1, …, with their names in a layout."""

    frame: pd.DataFrame
    layout: TableLayout


def is_frame(source: object) -> bool:
    """Whether an object is a table of pandas, or hands out its columns as Arrow does: polars, pyarrow, DuckDB.

    Example:
        >>> is_frame(pd.DataFrame({"a": [1]})), is_frame(pa.table({"a": [1]})), is_frame(b"a")
        (True, True, False)
    """
    return isinstance(source, pd.DataFrame | pd.Series) or hasattr(source, "__arrow_c_stream__")


def read_data_frame(source: Any, name: str, max_columns: int) -> FrameTable:
    """Copy the columns of a data frame; its index becomes columns where it has names or times.

    Raises:
        SequenceError: it has no row, more than ``max_columns`` columns, or complex numbers.
    """
    if isinstance(source, pd.DataFrame | pd.Series):
        frame = _with_index(source.to_frame() if isinstance(source, pd.Series) else source)
        levels = frame.columns.nlevels > 1
        names = [" ".join(map(str, each)) if levels else str(each) for each in frame.columns.tolist()]
        columns = [_plain(frame.iloc[:, at], name) for at in range(frame.shape[1])]
    else:
        table = pa.table(source)
        names, columns = list(table.column_names), [arrow_column(each) for each in table.columns]
    if len(names) > max_columns:
        remedy = "Choose fewer columns, or raise max_columns=."
        raise SequenceError(name, f"{len(names):,} columns", f"at most {max_columns:,}", remedy)
    if not columns or not len(columns[0]):
        found = f"a data frame of {len(columns[0]) if columns else 0} rows and {len(columns)} columns"
        raise SequenceError(name, found, "at least 2 rows", "Choose another one.")
    unique, renamed = unique_names(names)
    layout = TableLayout(Dialect("", ".", None, True, "data frame", None, 0), unique, 0, 0, tuple(renamed))
    return FrameTable(pd.DataFrame(dict(enumerate(columns))), layout)


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    index = frame.index
    if isinstance(index, pd.RangeIndex) or (index.nlevels == 1 and index.name is None and index.dtype.kind in "iu"):
        return frame
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    names = [
        each if each is not None else "time" if _is_dated(index, at) else "index" for at, each in enumerate(index.names)
    ]
    levels = [pd.Series(index.get_level_values(at).to_numpy(), name=each) for at, each in enumerate(names)]
    return pd.concat([*levels, frame.reset_index(drop=True)], axis=1)


def _is_dated(index: pd.Index, level: int) -> bool:
    return bool(pd.api.types.is_datetime64_any_dtype(index.get_level_values(level).dtype))


def _plain(column: pd.Series, name: str) -> pd.Series:
    """The column without the types that only pandas has, and with numbers of its own."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        column = column.astype(dtype.categories.dtype)
        dtype = column.dtype
    if isinstance(dtype, pd.PeriodDtype):
        return column.dt.to_timestamp().reset_index(drop=True)
    if pd.api.types.is_complex_dtype(dtype):
        found = f"complex numbers in column '{column.name}'"
        raise SequenceError(name, found, "real ones", "Take their real part and their imaginary part as columns.")
    if pd.api.types.is_bool_dtype(dtype) and not column.isna().any():
        return pd.Series(column.to_numpy(bool, copy=True))
    if pd.api.types.is_numeric_dtype(dtype) and not isinstance(dtype, np.dtype):
        return pd.Series(column.to_numpy(np.float64, na_value=np.nan))
    return column.reset_index(drop=True).copy()


def arrow_column(column: pa.ChunkedArray) -> pd.Series:
    """A column of Arrow as one of pandas; lists and bytes as text."""
    if pa.types.is_dictionary(column.type):
        categories = column.to_pandas()
        return categories.astype(categories.dtype.categories.dtype)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    if pa.types.is_time(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return pd.Series([None] * len(column), dtype="object")
    return column.to_pandas()
