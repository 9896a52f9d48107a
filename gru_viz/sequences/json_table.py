"""Reads JSON lines, and a JSON document with a table in it, as columns."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
from pyarrow import json as arrow_json

from gru_viz.errors import SequenceError
from gru_viz.sequences.header import unique_names
from gru_viz.sequences.phrases import count

__all__ = ["JsonTable", "is_json_lines", "read_json"]

_MAX_DOCUMENT = 1 << 25
_DEPTH = 4
_AS_LINES = "Write one object a line (JSON lines), CSV or Parquet."
_SCALARS = (int, float, str, bool, type(None))


class JsonTable(NamedTuple):
    """Columns 0, 1, …, a name for each, and what was assumed."""

    frame: pd.DataFrame
    names: tuple[str, ...]
    notices: tuple[str, ...] = ()


def is_json_lines(text: bytes) -> bool:
    """Whether each of the first lines is an object of its own."""
    lines = [line.strip() for line in text[: 1 << 16].splitlines()[:3] if line.strip()]
    return len(lines) > 1 and all(line.startswith(b"{") for line in lines) and lines[0].endswith(b"}")


def read_json(text: bytes, name: str, max_columns: int) -> JsonTable:
    """Read JSON lines, or the largest table in a document: a list of objects or rows, or lists of one length.

    Raises:
        SequenceError: it is not JSON, too large for a document, or no table is in it.

    Example:
        >>> read_json(b'{"t": 1, "x": {"y": 2}}\\n{"t": 2, "x": {"y": 3}}\\n', "a.jsonl", 99).names
        ('t', 'x.y')
    """
    found = _from_lines(text, name) if is_json_lines(text) else _from_document(text, name)
    if len(found.names) > max_columns:
        remedy = "Raise max_columns=, or write fewer fields."
        raise SequenceError(name, f"{len(found.names):,} fields", f"at most {max_columns:,}", remedy)
    return found


def _from_lines(text: bytes, name: str) -> JsonTable:
    try:
        table = arrow_json.read_json(io.BytesIO(text), arrow_json.ReadOptions(use_threads=False))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:  # a field of several types, or no JSON
        if len(text) > _MAX_DOCUMENT:
            raise _not_json(name, error) from error
        return _from_records(_parse_lines(text, name))
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    lists = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    table = table.drop_columns(lists)
    notices = _about_lists(lists)
    series = {at: _column(table.column(at)) for at in range(table.num_columns)}
    return JsonTable(pd.DataFrame(series), unique_names(table.column_names)[0], notices)


def _column(column: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_null(column.type):
        return pd.Series([None] * len(column), dtype=object)
    return column.to_pandas()


def _about_lists(names: Iterable[str]) -> tuple[str, ...]:
    names = list(names)
    quoted = ", ".join(f"'{each}'" for each in names[:6])
    return (f"{count(len(names), 'field')} left out, with a list in each cell: {quoted}.",) if names else ()


def _parse_lines(text: bytes, name: str) -> list[Any]:
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise _not_json(f"{name}, line {number}", error) from error
    return records


def _not_json(where: str, error: Exception) -> SequenceError:
    reason = " ".join(str(error).split())[:120]
    return SequenceError(where, f"JSON that cannot be read ({reason})", "one object a line", _AS_LINES)


def _from_document(text: bytes, name: str) -> JsonTable:
    if len(text) > _MAX_DOCUMENT:
        found = f"a JSON document of {len(text):,} bytes"
        raise SequenceError(name, found, f"at most {_MAX_DOCUMENT:,} in one document", _AS_LINES)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_json(name, error) from error
    candidates = list(_tables(document, "", 0))
    if not candidates:
        wanted = "a list of objects, of rows, or lists of one length"
        raise SequenceError(name, "JSON without a table", wanted, _AS_LINES)
    path, table = max(candidates, key=lambda each: _cells(each[1]))
    columns = _as_columns(table)
    notice = (f"The table was found in the document under '{path}'.",) if path else ()
    return columns._replace(notices=(*columns.notices, *notice))


def _as_columns(table: Any) -> JsonTable:
    if isinstance(table, Mapping):
        columns = {str(key): pd.Series(list(values)) for key, values in table.items()}
        return JsonTable(pd.DataFrame(dict(enumerate(columns.values()))), unique_names(list(columns))[0])
    return _from_records(table) if isinstance(table[0], Mapping) else _from_rows(table)


def _tables(value: Any, path: str, depth: int) -> Iterable[tuple[str, Any]]:
    """Everything in a document that is a table, with where it is."""
    if isinstance(value, list) and len(value) > 1 and {type(each) for each in value} in ({dict}, {list}):
        yield path, value
    if not isinstance(value, Mapping):
        return
    names, rows = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(rows, list) and rows and isinstance(rows[0], list):
        yield path, [names, *rows]
        return
    lists = {key: each for key, each in value.items() if isinstance(each, list) and _are_scalars(each)}
    lengths = [len(each) for each in lists.values()]
    if lengths and max(lengths) > 1:
        usual = max(lengths, key=lengths.count)
        yield path, {key: each for key, each in lists.items() if len(each) == usual}
    if _are_columns(value):
        yield path, {key: list(each.values()) for key, each in value.items()}
        return
    if depth < _DEPTH:
        for key, each in value.items():
            yield from _tables(each, f"{path}.{key}".strip("."), depth + 1)


def _are_columns(value: Mapping[Any, Any]) -> bool:
    """Whether an object has columns of cells by row number, as pandas writes them."""
    first = next(iter(value.values()), None)
    return (
        isinstance(first, Mapping)
        and len(first) > 1
        and all(isinstance(each, Mapping) and list(each) == list(first) for each in value.values())
        and all(_are_scalars(each.values()) for each in value.values())
    )


def _are_scalars(values: Iterable[Any]) -> bool:
    return all(isinstance(each, _SCALARS) for each in values)


def _cells(table: Any) -> int:
    if isinstance(table, Mapping):
        return sum(len(each) for each in table.values())
    return len(table) * max(len(table[0]), 1)


def _from_records(records: list[Any]) -> JsonTable:
    """One row for each object; objects inside are taken apart."""
    names: dict[str, None] = {}
    rows = []
    lists: dict[str, None] = {}
    for record in records:
        row: dict[str, Any] = {}
        _flatten(record if isinstance(record, Mapping) else {"value": record}, "", row, lists)
        names |= dict.fromkeys(row)
        rows.append(row)
    series = {at: pd.Series([row.get(each) for row in rows]) for at, each in enumerate(names)}
    return JsonTable(pd.DataFrame(series), unique_names(list(names))[0], _about_lists(lists))


def _flatten(record: Mapping[Any, Any], path: str, row: dict[str, Any], lists: dict[str, None], depth: int = 0) -> None:
    for key, value in record.items():
        name = f"{path}.{key}".strip(".")
        if isinstance(value, Mapping) and depth < _DEPTH:
            _flatten(value, name, row, lists, depth + 1)
        elif isinstance(value, _SCALARS):
            row[name] = value
        else:
            lists[name] = None


def _from_rows(rows: list[Any]) -> JsonTable:
    """Lists of cells: the first one has the names if all of it is text and the second is not."""
    width = max(len(row) for row in rows)
    header = rows[0] if all(isinstance(cell, str) for cell in rows[0]) else None
    body = rows[1:] if header is not None else rows
    cells = [
        [cell if isinstance(cell, _SCALARS) else math.nan for cell in row] + [None] * (width - len(row)) for row in body
    ]
    series = {at: pd.Series([row[at] for row in cells]) for at in range(width)}
    names = [str(each) for each in header or ()] + [f"column {at}" for at in range(len(header or ()) + 1, width + 1)]
    return JsonTable(pd.DataFrame(series), unique_names(names)[0])
