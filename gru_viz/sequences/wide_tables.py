"""Turns tables whose rows are series, with their steps along the header, into one row for each step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.cell_parsing import NumberFormat, is_missing, looks_like_date
from gru_viz.sequences.date_parsing import parse_dates
from gru_viz.sequences.date_writing import MONTHS
from gru_viz.sequences.dialect import TableLayout
from gru_viz.sequences.header import unique_names
from gru_viz.sequences.phrases import count, listing

__all__ = ["ROWS", "Reshaped", "RowMeaning", "reshape"]

RowMeaning = Literal["steps", "series", "features"]
ROWS: tuple[RowMeaning, ...] = ("steps", "series", "features")
_MIN_DATES, _MIN_YEARS = 3, 5
_MAX_CELLS = 50_000_000
_MIN_STEPS, _MIN_SERIES = 20, 5
_SAMPLE = 200


@dataclass(frozen=True)
class Reshaped:
    """A table with a row for each step, and the roles of its new columns.

    Attributes:
        frame: columns 0, 1, …
        names: a name for each.
        features: the columns of values.
        time: the column of dates, or None where steps are only counted.
        id: the column that names the series, or None for one series.
        notices: what was assumed.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    features: tuple[str, ...]
    time: str | None
    id: str | None
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    """The columns that are steps, with their dates, or the times to add to those of a row."""

    columns: tuple[int, ...]
    dates: np.ndarray | None
    kind: Literal["dates", "months", "clocks", "numbers"]


def reshape(
    name: str, frame: pd.DataFrame, layout: TableLayout, rows: RowMeaning | None, number_format: NumberFormat
) -> Reshaped | None:
    """Reshape a table with dates along its header, or one whose rows are specified as series; None leaves it.

    Args:
        name: the name of the table, for errors.
        frame: its cells.
        layout: its dialect and the names of its columns.
        rows: what a row is; None finds out.
        number_format: how its numbers are written.

    Raises:
        SequenceError: rows are specified as series or features, but there are too few columns of numbers for it.
    """
    if rows == "steps":
        return None
    header = _find_header(frame, layout.names, number_format) or _months_by_place(frame, layout)
    if rows is None and header is None:
        return _series_by_smoothness(name, frame, layout, number_format)
    if header is None or (rows is not None and header.kind == "numbers"):
        header = _all_numbers(name, frame, layout.names, number_format)
    if header.kind in ("months", "clocks") and rows is None:
        return _row_by_row(name, frame, layout.names, header, number_format)
    if rows == "features":
        return _transposed(name, frame, layout.names, header, number_format)
    return _series(name, frame, layout.names, header, number_format, asked=rows is not None)


def _find_header(frame: pd.DataFrame, names: Sequence[str], number_format: NumberFormat) -> _Header | None:
    """The columns named by dates, years, months of the year or times of day, if they are most of the table."""
    dated = [at for at, name in enumerate(names) if looks_like_date(name)]
    if len(dated) >= _MIN_DATES and 2 * len(dated) >= len(names) and _are_numbers(frame, dated, number_format):
        parsed = parse_dates([names[at] for at in dated])
        dates = parsed[0] if parsed is not None else np.array([], "datetime64[us]")
        if len(dates) and (np.diff(dates) < np.timedelta64(0)).all():  # the newest is first
            dated, dates = dated[::-1], dates[::-1]
        if len(dates) and not np.isnat(dates).any() and (np.diff(dates) > np.timedelta64(0)).all():
            clocks = bool((dates < np.datetime64("1902")).all())
            return _Header(tuple(dated), dates, "clocks" if clocks else "dates")
    months = _find_months(names)
    if months and _are_numbers(frame, months, number_format):
        return _Header(tuple(months), None, "months")
    years = [at for at, name in enumerate(names) if name.isdigit() and 1000 <= int(name) <= 2999]
    if len(years) >= _MIN_YEARS and 2 * len(years) >= len(names) and len(years) < len(names):
        numbers = [int(names[at]) for at in years]
        if len(set(np.diff(numbers))) == 1 and numbers[1] > numbers[0] and _are_numbers(frame, years, number_format):
            dates = np.array([f"{number}-01-01" for number in numbers], "datetime64[us]")
            return _Header(tuple(years), dates, "dates")
    return None


def _months_by_place(frame: pd.DataFrame, layout: TableLayout) -> _Header | None:
    """Without a header: a year in front of twelve numbers, and the years in a row."""
    if layout.dialect.header or len(layout.names) != 13 or len(frame) < 2:
        return None
    if not all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes):
        return None
    years = frame[0].to_numpy(np.float64)
    in_a_row = (np.diff(years) == 1).all() and years[0] >= 1600 and years[-1] <= 2200
    return _Header(tuple(range(1, 13)), None, "months") if in_a_row else None


def _find_months(names: Sequence[str]) -> list[int]:
    """The columns of the twelve months or four quarters in order, beside one of years."""
    months = [MONTHS.get(name.strip(". ").lower(), 0) for name in names]
    quarters = [_quarter(name) for name in names]
    for numbers, most in ((months, 12), (quarters, 4)):
        for start in range(1, len(names) - most + 1):
            if numbers[start : start + most] == list(range(1, most + 1)):
                return list(range(start, start + most))
    return []


def _quarter(name: str) -> int:
    found = re.fullmatch(
        r"q(?:tr|uarter)?\.? ?([1-4])|([1-4])\.? ?q(?:tr|uarter|uartal)?\.?", name.strip(), re.IGNORECASE
    )
    return int(found[1] or found[2]) if found else 0


def _are_numbers(frame: pd.DataFrame, columns: Sequence[int], number_format: NumberFormat) -> bool:
    """Whether nearly all cells of these columns are numbers or missing, in the first rows."""
    good = total = 0
    for at in columns:
        column = frame[at]
        if pd.api.types.is_bool_dtype(column.dtype):
            return False
        if pd.api.types.is_numeric_dtype(column.dtype):
            good, total = good + min(len(column), _SAMPLE), total + min(len(column), _SAMPLE)
        else:
            cells = [str(cell) for cell in column.iloc[:_SAMPLE].dropna()]
            total += len(cells)
            good += sum(is_missing(cell) or not np.isnan(number_format.parse(cell)) for cell in cells)
    return good >= 0.8 * total


def _all_numbers(name: str, frame: pd.DataFrame, names: Sequence[str], number_format: NumberFormat) -> _Header:
    columns = [at for at in range(len(names)) if _are_numbers(frame, [at], number_format)]
    labels = {at for at in columns if at in (0, len(names) - 1) and _is_label(frame[at], frame, columns)}
    steps = [at for at in columns if at not in labels]
    if len(steps) < 2:
        found = count(len(steps), "column of numbers", "columns of numbers")
        raise SequenceError(name, found, "at least 2 steps in each row", 'Set rows="steps".')
    return _Header(tuple(steps), None, "numbers")


def _is_label(column: pd.Series, frame: pd.DataFrame, columns: Sequence[int]) -> bool:
    """Whether a column has a few whole numbers, each several times, beside columns of fractions."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.isna().any() or len(columns) < 4:
        return False
    values = column.to_numpy(np.float64)
    few = 2 * len(np.unique(values)) <= len(values) or len(np.unique(values)) == 1
    inner = frame[columns[len(columns) // 2]]
    fractions = pd.api.types.is_float_dtype(inner.dtype)
    return bool(few and (values == np.floor(values)).all() and fractions)


def _values(name: str, frame: pd.DataFrame, columns: Sequence[int], number_format: NumberFormat) -> np.ndarray:
    """(rows, steps) the cells: numbers, or text that is parsed later."""
    if len(frame) * len(columns) > _MAX_CELLS:
        found = f"{len(frame):,} rows of {len(columns):,} steps"
        raise SequenceError(name, found, f"at most {_MAX_CELLS:,} cells in a table of series", "Choose fewer rows.")
    chosen = frame[list(columns)]
    if all(pd.api.types.is_numeric_dtype(dtype) for dtype in chosen.dtypes):
        return chosen.to_numpy(np.float64)
    texts = np.empty(chosen.shape, object)
    for place, at in enumerate(columns):
        column = chosen[at]
        if pd.api.types.is_numeric_dtype(column.dtype):
            written = [
                None if cell != cell else repr(cell).replace(".", number_format.decimal) for cell in column.tolist()
            ]
            texts[:, place] = written
        else:
            texts[:, place] = column.astype(object).where(column.notna(), None).to_numpy()
    return texts


def _identify(frame: pd.DataFrame, names: Sequence[str], others: Sequence[int]) -> tuple[str, list[str]]:
    """A column name and a text for each row that identifies it."""
    texts = [at for at in others if not pd.api.types.is_numeric_dtype(frame[at].dtype)]
    for at in texts or list(others):
        if frame[at].notna().all() and frame[at].is_unique:
            return names[at], [str(cell) for cell in frame[at]]
    labels = [", ".join(str(cell) for cell in row if not pd.isna(cell)) for row in frame[texts].itertuples(index=False)]
    if texts and len(set(labels)) == len(labels):
        return unique_names([*names, "series"])[0][-1], labels
    return unique_names([*names, "series"])[0][-1], [str(at) for at in range(1, len(frame) + 1)]


def _series(
    name: str, frame: pd.DataFrame, names: Sequence[str], header: _Header, number_format: NumberFormat, asked: bool
) -> Reshaped:
    """Each row as a sequence of its own."""
    values = _values(name, frame, header.columns, number_format)
    others = [at for at in range(len(names)) if at not in header.columns]
    id, labels = _identify(frame, names, others)
    steps = len(header.columns)
    columns: dict[str, np.ndarray | pd.Series] = {id: np.repeat(np.array(labels, object), steps)}
    for at in others:
        if names[at] not in columns:
            columns[names[at]] = frame[at].repeat(steps).reset_index(drop=True)
    time, value = unique_names([*columns, "date" if header.dates is not None else "step", "value"])[0][-2:]
    columns[time] = np.tile(header.dates if header.dates is not None else np.arange(1, steps + 1), len(frame))
    columns[value] = values.ravel()
    before_end = _before_end(values).ravel()
    if not before_end.all():
        columns = {each: cells[before_end] for each, cells in columns.items()}
    what = f"The header has {steps:,} dates" if header.dates is not None else "Rows look like series"
    instead = 'rows="features" makes them features of one sequence, rows="steps" reads rows as steps'
    notices = () if asked else (f"{what}: each row was read as a sequence of its own ({instead}).",)
    return _reshaped(columns, (value,), time if header.dates is not None else None, id, notices)


def _before_end(values: np.ndarray) -> np.ndarray:
    """(rows, steps) whether a cell, or one after it in its row, is filled; a shorter series ends with missing cells."""
    filled = ~np.asarray(pd.isna(values))
    return np.logical_or.accumulate(filled[:, ::-1], axis=1)[:, ::-1]


def _row_by_row(
    name: str, frame: pd.DataFrame, names: Sequence[str], header: _Header, number_format: NumberFormat
) -> Reshaped | None:
    """One sequence: the months of a year, or the hours of a day, along each row, and the rows one after another."""
    others = [at for at in range(len(names)) if at not in header.columns]
    starts = _row_starts(frame, names, others, header.kind)
    if starts is None:
        return None
    base, dates = starts
    steps = len(header.columns)
    if header.kind == "months":
        times = dates.astype("datetime64[M]")[:, None] + np.arange(steps) * (12 // steps)
    else:
        assert header.dates is not None
        times = dates[:, None] + (header.dates - header.dates[0].astype("datetime64[D]"))
    values = _values(name, frame, header.columns, number_format).ravel()
    filled = np.array([not pd.isna(cell) for cell in values.tolist()])
    end = int(filled.nonzero()[0][-1]) + 1 if filled.any() else len(values)  # the year that is not over
    word = "times of day" if header.kind == "clocks" else "months" if steps == 12 else "quarters"
    left = [names[at] for at in others if at != base]
    notices = [
        f'The {word} along the header were read one after another, row by row (rows="steps" reads rows as steps).'
    ]
    if left:
        notices.append(f"{count(len(left), 'column')} left out beside the {word}: {listing(left)}.")
    dated = times.ravel()[:end].astype("datetime64[us]")
    columns: dict[str, np.ndarray | pd.Series] = {"date": dated, "value": values[:end]}
    return _reshaped(columns, ("value",), "date", None, tuple(notices))


def _row_starts(
    frame: pd.DataFrame, names: Sequence[str], others: Sequence[int], kind: str
) -> tuple[int, np.ndarray] | None:
    """The column of years or days that rises from row to row, and its dates."""
    for at in others:
        column = frame[at]
        if kind == "months":
            numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
            if (np.diff(numbers) == 1).all() and numbers[0] >= 1000 and numbers[-1] <= 2999:
                return at, (numbers.astype(np.int64) - 1970).astype("datetime64[Y]")
            continue
        if pd.api.types.is_numeric_dtype(column.dtype) or column.isna().any() or not column.is_unique:
            continue
        parsed = parse_dates([str(cell) for cell in column])
        if parsed is not None and not np.isnat(parsed[0]).any() and (np.diff(parsed[0]) > np.timedelta64(0)).all():
            return at, parsed[0]
    return None


def _transposed(
    name: str, frame: pd.DataFrame, names: Sequence[str], header: _Header, number_format: NumberFormat
) -> Reshaped:
    """Each row as a feature of one sequence."""
    values = _values(name, frame, header.columns, number_format)
    _, labels = _identify(frame, names, [at for at in range(len(names)) if at not in header.columns])
    features = unique_names(labels)[0]
    time = "date" if header.dates is not None else "step"
    dates = header.dates if header.dates is not None else np.arange(1, len(header.columns) + 1)
    columns = dict(zip(features, values, strict=True))
    names = unique_names([*features, time])[0]
    return _reshaped(columns | {names[-1]: dates}, features, names[-1] if header.dates is not None else None, None, ())


def _reshaped(
    columns: dict[str, np.ndarray | pd.Series],
    features: tuple[str, ...],
    time: str | None,
    id: str | None,
    notices: tuple[str, ...],
) -> Reshaped:
    frame = pd.DataFrame(dict(enumerate(columns.values()))).reset_index(drop=True)
    return Reshaped(frame, tuple(columns), features, time, id, notices)


def _series_by_smoothness(
    name: str, frame: pd.DataFrame, layout: TableLayout, number_format: NumberFormat
) -> Reshaped | None:
    """Read rows as series where neighbours in a row are alike and rows are in no order, in a table without names."""
    named = layout.dialect.header and not _are_numbered(layout.names)
    if named or len(layout.names) < _MIN_STEPS or len(frame) < _MIN_SERIES:
        return None
    columns = [at for at in range(len(layout.names)) if pd.api.types.is_numeric_dtype(frame[at].dtype)]
    if len(columns) < max(_MIN_STEPS, len(layout.names) - 2):
        return None
    header = _all_numbers(name, frame, layout.names, number_format)
    sample = frame[list(header.columns)].iloc[:_SAMPLE].to_numpy(np.float64)
    if np.isinf(sample).any() or np.isnan(sample).mean() > 0.5:
        return None
    rng = np.random.default_rng(0)
    along = _roughness(sample, sample[:, rng.permutation(sample.shape[1])])
    down = _roughness(sample.T, sample.T[:, rng.permutation(sample.shape[0])])
    if along > 0.4 or down < 0.7:
        return None
    return _series(name, frame, layout.names, header, number_format, asked=False)


def _are_numbered(names: Sequence[str]) -> bool:
    """Whether nearly all names are one word with rising numbers: V1, V2, …"""
    found = [re.fullmatch(r"(\D{0,8}?)(\d{1,5})", name) for name in names]
    numbered = [each for each in found if each]
    words = {each[1] for each in numbered}
    rising = all(int(b[2]) == int(a[2]) + 1 for a, b in pairwise(numbered))
    return len(numbered) >= len(names) - 2 and len(words) == 1 and rising


def _roughness(series: np.ndarray, shuffled: np.ndarray) -> float:
    """How far neighbours are apart, as a share of how far any two are."""
    apart, near = (np.abs(np.diff(each, axis=1)) for each in (shuffled, series))
    if not np.isfinite(apart).any() or not np.isfinite(near).any() or np.nanmean(apart) == 0:
        return 1.0
    return float(np.nanmean(near) / np.nanmean(apart))
