"""Reads text formats whose first lines are attributes: sktime's .ts, Monash's .tsf, Weka's ARFF, Grace's XVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.date_parsing import parse_dates
from gru_viz.sequences.dialect import Dialect, TableLayout
from gru_viz.sequences.header import unique_names
from gru_viz.sequences.phrases import count
from gru_viz.sequences.table_file import TableFile
from gru_viz.sequences.wide_tables import Reshaped

__all__ = ["SeriesFile", "read_series_file", "rewrite_attributes"]

_HEAD = 1 << 20
_ATTRIBUTE = re.compile(r"@(?P<key>\w+)\s*(?P<value>.*)")
_RELATION = re.compile(rb"(?:[ \t]*(?:%[^\n]*)?\r?\n)*[ \t]*@relation\b", re.IGNORECASE)
_STEPS = {
    "second": ("s", 1), "seconds": ("s", 1), "minute": ("m", 1), "minutes": ("m", 1), "minutely": ("m", 1),
    "half_hourly": ("m", 30), "hourly": ("h", 1), "hours": ("h", 1), "daily": ("D", 1), "weekly": ("D", 7),
    "monthly": ("M", 1), "quarterly": ("M", 3), "yearly": ("Y", 1),
}  # fmt: skip


class SeriesFile(NamedTuple):
    """The series of a file as one row for each step, with the layout of its columns."""

    shape: Reshaped
    layout: TableLayout


def read_series_file(file: TableFile) -> SeriesFile | None:
    """Read ``.ts`` and ``.tsf``: one series a line, after lines of attributes; None where it is neither.

    Raises:
        SequenceError: a line cannot be read.

    Example:
        >>> file = TableFile("a.ts", "text", b"@classLabel true a b\\n@data\\n1,2:a\\n3,4,5:b\\n", "utf-8")
        >>> read_series_file(file).shape.frame.values.tolist()
        [[1, 'a', 1.0], [1, 'a', 2.0], [2, 'b', 3.0], [2, 'b', 4.0], [2, 'b', 5.0]]
    """
    head = file.data[:_HEAD].decode("utf-8", "replace")
    found = re.search(r"^@data[ \t]*\r?$", head, re.MULTILINE | re.IGNORECASE)
    if found is None:
        return None
    attributes = [match for line in head[: found.start()].splitlines() if (match := _ATTRIBUTE.match(line.strip()))]
    known = {match["key"].lower(): match["value"].strip() for match in attributes}
    rows = file.data[len(head[: found.end()].encode()) :].decode("utf-8", "replace").splitlines()
    rows = [row.strip() for row in rows if row.strip() and not row.startswith(("#", "%"))]
    if "relation" in known and "frequency" in known:
        shape = _from_tsf(file.name, [m["value"] for m in attributes if m["key"].lower() == "attribute"], known, rows)
    elif known.keys() & {"problemname", "univariate", "classlabel", "timestamps"}:
        shape = _from_ts(file.name, known, rows)
    else:
        return None
    dialect = Dialect(",", ".", None, True, file.encoding, None, head[: found.start()].count("\n") + 1)
    return SeriesFile(shape, TableLayout(dialect, shape.names, 0, 0, file.notices))


def _numbers(where: str, text: str) -> np.ndarray:
    """Comma-separated numbers, ``?`` and ``NaN`` for missing ones; with a time in front of each, the times left out."""
    if "(" in text:
        text = ",".join(pair.rpartition(",")[2] for pair in re.findall(r"\(([^()]*)\)", text))
    try:
        return np.array(text.replace("?", "nan").split(","), np.float64)
    except ValueError as error:
        raise SequenceError(where, f"{str(error)[:80]!r}", "numbers between commas", "Correct that line.") from error


def _from_ts(name: str, known: dict[str, str], rows: Sequence[str]) -> Reshaped:
    labelled = known.get("classlabel", known.get("targetlabel", "false")).lower().startswith("true")
    series: list[list[np.ndarray]] = []
    labels: list[str] = []
    for number, row in enumerate(rows, 1):
        parts = re.split(r":(?![^()]*\))", row)  # a time in brackets may have colons
        if labelled:
            labels.append(parts.pop().strip())
        series.append([_numbers(f"{name}, series {number}", part) for part in parts])
        lengths = {len(each) for each in series[-1]}
        if len(lengths) != 1 or len(series[-1]) != len(series[0]):
            found = f"{count(len(series[-1]), 'dimension')} of {sorted(lengths)} steps"
            wanted = f"{count(len(series[0]), 'dimension')} of one length"
            raise SequenceError(f"{name}, series {number}", found, wanted, "Correct that line.")
    if not series:
        raise SequenceError(name, "no series below @data", "at least one", "Choose another file.")
    dimensions = len(series[0])
    names = ("value",) if dimensions == 1 else tuple(f"dimension {at}" for at in range(1, dimensions + 1))
    steps = np.array([len(each[0]) for each in series])
    columns: dict[str, np.ndarray] = {"series": np.repeat(np.arange(1, len(series) + 1), steps)}
    if labelled:
        columns["label"] = np.repeat(np.array(labels, object), steps)
    for at, dimension in enumerate(names):
        columns[dimension] = np.concatenate([each[at] for each in series])
    return _shape(columns, names, None)


def _from_tsf(name: str, attributes: Sequence[str], known: dict[str, str], rows: Sequence[str]) -> Reshaped:
    fields = [each.split()[0] for each in attributes if each.split()]
    values, names, dates = [], [], []
    for number, row in enumerate(rows, 1):
        *described, cells = row.split(":")
        if len(described) != len(fields):
            found, wanted = f"{count(len(described), 'attribute')} before the numbers", f"{len(fields)}"
            raise SequenceError(f"{name}, series {number}", found, wanted, "Correct that line.")
        values.append(_numbers(f"{name}, series {number}", cells))
        attribute = dict(zip(fields, described, strict=True))
        names.append(attribute.get("series_name", str(number)))
        dates.append(_dates(attribute.get("start_timestamp"), known["frequency"], len(values[-1])))
    if not values:
        raise SequenceError(name, "no series below @data", "at least one", "Choose another file.")
    steps = np.array([len(each) for each in values])
    columns: dict[str, np.ndarray] = {"series": np.repeat(np.array(names, object), steps)}
    dated = [each for each in dates if each is not None]
    if len(dated) == len(dates):
        columns["date"] = np.concatenate(dated)
    columns["value"] = np.concatenate(values)
    return _shape(columns, ("value",), "date" if "date" in columns else None)


def _dates(start: str | None, frequency: str, steps: int) -> np.ndarray | None:
    number, _, unit = frequency.partition("_") if frequency[:1].isdigit() else ("1", "", frequency)
    parsed = parse_dates([start]) if start else None
    if unit not in _STEPS or parsed is None or np.isnat(parsed[0]).any():
        return None
    letter, size = _STEPS[unit]
    first = parsed[0][0].astype(f"datetime64[{letter}]")
    return (first + np.arange(steps) * int(number) * size).astype("datetime64[us]")


def _shape(columns: dict[str, np.ndarray], features: tuple[str, ...], time: str | None) -> Reshaped:
    frame = pd.DataFrame(dict(enumerate(columns.values())))
    return Reshaped(frame, unique_names(list(columns))[0], features, time, "series", ())


def rewrite_attributes(file: TableFile) -> TableFile:
    """Rewrite ARFF and XVG, whose names are attributes above rows of cells, as text with a header.

    Example:
        >>> text = b"@relation r\\n@attribute x real\\n@attribute y real\\n@data\\n1,2\\n"
        >>> rewrite_attributes(TableFile("a.arff", "text", text, "utf-8")).data
        b'x,y\\n1,2\\n'
    """
    head = file.data[:_HEAD]
    if _RELATION.match(head) and re.search(rb"(?im)^@data", head):
        return _from_arff(file)
    if re.search(rb"(?m)^@ +(?:title|xaxis|s0|TYPE)|^@TYPE", head) and head[:1] in b"#@":
        return _from_xvg(file)
    return file


def _from_arff(file: TableFile) -> TableFile:
    above, _, below = re.split(rb"(?im)(^@data[^\n]*\n)", file.data, maxsplit=1)
    text = above.decode("utf-8", "replace")
    attributes = re.findall(r"(?im)^@attribute\s+('[^']*'|\"[^\"]*\"|\S+)", text)
    if re.match(rb"\s*\{", below):
        remedy = "Save it as CSV in Weka."
        raise SequenceError(file.name, "a sparse ARFF file", "rows of cells", remedy)
    names = ",".join(
        '"' + each.strip("'\"").replace('"', '""') + '"' if "," in each else each.strip("'\"") for each in attributes
    )
    below = re.sub(rb"(?m)^%[^\n]*\n", b"", below)
    return replace(file, data=names.encode() + b"\n" + below)


def _from_xvg(file: TableFile) -> TableFile:
    text = file.data[:_HEAD].decode("utf-8", "replace")
    axis = re.search(r'^@ +xaxis +label +"([^"]*)"', text, re.MULTILINE)
    legends = re.findall(r'^@ +s\d+ +legend +"([^"]*)"', text, re.MULTILINE)
    below = re.sub(rb"(?m)^[@#&][^\n]*\n?", b"", file.data)
    width = len(below.split(b"\n", 1)[0].split())
    names = [axis[1] if axis else "x", *legends]
    names += [f"column {at}" for at in range(len(names) + 1, width + 1)]
    header = "\t".join(re.sub(r"\s+", " ", each) for each in names[:width])
    rows = re.sub(rb"(?m)^[ \t]+", b"", below)
    return replace(file, data=header.encode() + b"\n" + re.sub(rb"[ \t]+", b"\t", rows))
