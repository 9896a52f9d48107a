"""Opens a table: detects how it is written, parses its columns, and reads chosen columns as sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.progress import Progress
from gru_viz.sequences.column_parsing import Column, ParsedColumn
from gru_viz.sequences.column_roles import ColumnRoles, assign_roles, refuse_unknown, suggest_roles
from gru_viz.sequences.dialect import Dialect, DialectOptions
from gru_viz.sequences.frame_columns import CellOptions, MissingValues, parse_frame
from gru_viz.sequences.frame_source import DataFrameLike, is_frame, read_data_frame
from gru_viz.sequences.given_scaling import GivenScaling
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.sequence import LabelledSequences, Sequences
from gru_viz.sequences.sequence_building import SequenceOptions, build_sequences
from gru_viz.sequences.step_labels import label_steps
from gru_viz.sequences.table_file import read_table_file
from gru_viz.sequences.table_parsing import ParsedFile, parse_file

__all__ = ["MAX_BYTES", "Table", "open_table", "read_table"]

MAX_BYTES = 200 * 2**20
MAX_COLUMNS = 2000


@dataclass(frozen=True)
class Table:
    """An opened table, before columns are chosen.

    Attributes:
        name: its name.
        dialect: how it is written.
        columns: a summary of each column.
        suggested: the suggested features, time and id.
        rows: number of data rows.
        notices: what was assumed in reading it.
        tables: a description of each table in the file, if there are several.
        offers: those notices that name a likely reading that was not taken.

    Example:
        >>> table = open_table(b"step,price\\n1,2.5\\n2,3.5\\n", name="prices.csv")
        >>> table.suggested.features, table.rows
        (('price',), 2)
    """

    name: str
    dialect: Dialect
    columns: tuple[Column, ...]
    suggested: ColumnRoles
    rows: int
    notices: tuple[str, ...]
    _parsed: Mapping[str, ParsedColumn] = field(repr=False, compare=False)
    tables: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()

    def preview(self, n: int = 8) -> list[dict[str, str]]:
        """Return the first ``n`` rows as text, missing cells empty.

        Example:
            >>> open_table(b"a,b\\n1,x\\n2,\\n").preview()
            [{'a': '1', 'b': 'x'}, {'a': '2', 'b': ''}]
        """
        cells = {name: label_steps(parsed.values[:n]) for name, parsed in self._parsed.items()}
        missing = {"nan", "NaT"}
        return [
            {name: "" if texts[row] in missing else texts[row] for name, texts in cells.items()}
            for row in range(min(n, self.rows))
        ]

    def sequences(
        self,
        features: str | Iterable[str] | None = None,
        id: str | bool | None = None,
        time: str | bool | None = None,
        one_hot: str | Iterable[str] = (),
        missing: str = "forward",
        scale: str | GivenScaling = "standardise",
        max_steps: int | None = None,
    ) -> Sequences:
        """Read chosen columns as sequences.

        Args:
            features: columns of numbers; None takes the suggestion.
            id: the column that identifies the sequence of a row; None takes the suggestion, False reads one sequence.
            time: the column that orders and labels the steps; None takes the suggestion, False uses none.
            one_hot: columns whose distinct cells, at most 64, each become a feature of 0 and 1.
            missing: ``"forward"`` repeats the last value, ``"interpolate"`` is linear between neighbouring steps,
                ``"drop"`` leaves the row out.
            scale: ``"standardise"``, ``"minmax"``, ``"robust"`` or ``"none"``, over all sequences together; or the
                numbers that a model was trained with, as ``read_scaling`` takes them.
            max_steps: cut longer sequences to this number of steps.

        Returns:
            The sequences, each with values (time, features) float32, and notices about every change.

        Raises:
            SequenceError: a column does not fit its role, or fewer than two steps remain.

        Example:
            >>> seqs = open_table(b"step,price\\n1,2\\n2,4\\n", name="prices.csv").sequences()
            >>> seqs[0].values.tolist(), seqs[0].time
            ([[-1.0], [1.0]], ('1', '2'))
        """
        roles, notices = assign_roles(self.name, self._parsed, self.suggested, features, id, time, one_hot)
        options = SequenceOptions(missing, scale, max_steps)
        notices = (*self.notices, *notices)
        return build_sequences(self.name, self._parsed, roles, options, self.dialect.describe(), notices)

    def labelled(
        self,
        label: str,
        id: str | None = None,
        features: str | Iterable[str] | None = None,
        time: str | bool | None = None,
        one_hot: str | Iterable[str] = (),
        missing: str = "forward",
        scale: str | GivenScaling = "standardise",
        max_steps: int | None = None,
    ) -> LabelledSequences:
        """Read chosen columns as sequences with a label each.

        Args:
            label: the column of the labels, the same in all rows of a sequence; never a feature by default.
            id: the column that identifies the sequence of a row; None takes the suggestion.
            features, time, one_hot, missing, scale, max_steps: as in ``sequences``.

        Raises:
            SequenceError: there is no such column or no id, or a sequence has two labels.

        Example:
            >>> table = open_table(b"who,x,mood\\na,1,glad\\na,2,glad\\nb,5,sad\\nb,4,sad\\n")
            >>> table.labelled("mood", id="who").labels
            ('glad', 'sad')
        """
        refuse_unknown(self.name, self._parsed, [label])
        if label == id:
            found, remedy = f"column '{label}' as label and as id", "Choose another column for one of them."
            raise SequenceError(self.name, found, "one role for each column", remedy)
        others = {name: parsed for name, parsed in self._parsed.items() if name != label}
        parsed, suggested = suggest_roles(others)
        table = replace(self, suggested=suggested, _parsed=parsed)
        id = id or table.suggested.id
        if id is None:
            found, remedy = "no column that identifies the sequence of a row", "Name one in id=."
            raise SequenceError(self.name, found, "rows of several sequences", remedy)
        sequences = table.sequences(features, id, time, one_hot, missing, scale, max_steps)
        return _label_sequences(self.name, sequences, self._parsed, id, label)

    def label_columns(self, id: str | None = None) -> tuple[str, ...]:
        """Return the columns that can label the sequences: constant in each sequence, but not in the table.

        Args:
            id: the column that identifies the sequence of a row; None takes the suggestion.

        Example:
            >>> table = open_table(b"who,x,mood\\na,1,glad\\na,2,glad\\nb,5,sad\\nb,4,sad\\nc,1,sad\\nc,2,sad\\n")
            >>> table.label_columns(id="who")
            ('mood',)
        """
        id = id or self.suggested.id
        if id is None or id not in self._parsed:
            return ()
        found = []
        for name, parsed in self._parsed.items():
            labels, conflicts = _labels_by_id(self._parsed[id], parsed)
            if not conflicts and 1 < len(set(labels.values())) < len(labels):
                found.append(name)
        return tuple(found)


def _labels_by_id(id: ParsedColumn, label: ParsedColumn) -> tuple[dict[str, str], list[tuple[str, list[str]]]]:
    """Name of a sequence → its label; and the names and labels of sequences with more than one label."""
    known = ~(np.asarray(pd.isna(id.values)) | np.asarray(pd.isna(label.values)))
    if id.values.dtype.kind == "f":
        known &= np.isfinite(np.where(known, id.values, 0))
    codes, distinct = pd.factorize(id.values[known])
    kinds, labels = pd.factorize(label.values[known])
    names = tuple(f"{id.column.name} {text}" for text in label_steps(np.asarray(distinct)))
    texts = label_steps(np.asarray(labels))
    found: dict[str, list[str]] = {}
    for pair in np.unique(codes * len(labels) + kinds).tolist():
        code, kind = divmod(pair, len(labels))
        found.setdefault(names[code], []).append(texts[kind])
    return (
        {name: each[0] for name, each in found.items()},
        [(name, each) for name, each in found.items() if len(each) > 1],
    )


def _label_sequences(
    where: str, sequences: Sequences, columns: Mapping[str, ParsedColumn], id: str, label: str
) -> LabelledSequences:
    """Label each sequence; those without a label are left out."""
    labels, conflicts = _labels_by_id(columns[id], columns[label])
    if conflicts:
        name, several = conflicts[0]
        found = f"{name} with the labels {listing(several, most=2)} in column '{label}'"
        more = f" ({count(len(conflicts), 'sequence')} in all have several)" if len(conflicts) > 1 else ""
        remedy = "Choose another label or id, or correct the table."
        raise SequenceError(where, f"{found}{more}", "one label in all rows of a sequence", remedy)
    items = tuple(item for item in sequences if item.name in labels)
    if not items:
        raise SequenceError(where, f"no label in column '{label}'", "one for each sequence", "Choose another label.")
    without = [item.name for item in sequences if item.name not in labels]
    notice = f"{count(len(without), 'sequence')} without a label left out: {listing(without)}."
    labelled = replace(sequences, items=items, notices=(*sequences.notices, *([notice] if without else [])))
    return LabelledSequences(labelled, tuple(labels[item.name] for item in items), label)


def open_table(
    source: ByteSource | DataFrameLike,
    *,
    name: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    comment: str | None = None,
    day_first: bool | None = None,
    missing_values: MissingValues = None,
    rows: str | None = None,
    table: int | str | None = None,
    max_bytes: int = MAX_BYTES,
    max_columns: int = MAX_COLUMNS,
    progress: Progress | None = None,
) -> Table:
    """Open delimited text (CSV, TSV, …), Parquet, xlsx, JSON, .ts, .tsf or ARFF, also compressed; or a data frame.

    How text is written is detected.

    Args:
        source: a path, bytes, an open file, or a data frame of pandas or polars.
        name: the name of the table; None takes the file's name.
        delimiter: the character between cells; ``" "`` is any run of spaces and tabs. Here and below, None detects it.
        decimal: the decimal mark.
        thousands: the thousands separator.
        header: whether the first row has the names.
        encoding: the encoding of the text, by its Python name.
        comment: the start of comment lines.
        day_first: whether 1/2/2019 is the first of February.
        missing_values: numbers and texts that stand for a missing value, such as ``-9999`` or ``["M", 99.9]``; None
            finds numbers far outside all others, ``()`` takes every number as it is.
        rows: what each row is: one of the ``"steps"``, one of several ``"series"`` with its steps along the row, or one
            of the ``"features"`` of one sequence.
        table: which of several tables in the file: its number, counted from 0, or the name of a sheet or of a file in
            an archive; None takes the longest of a text, the first sheet with numbers, the largest file.
        max_bytes: the largest file allowed.
        max_columns: the largest number of columns allowed.
        progress: called while text is parsed, with the bytes read and all bytes; an exception it raises stops it.

    Raises:
        SequenceError: it is not such a table; the message says where, what was found, what was wanted, what to do.

    Example:
        >>> open_table(b"Zeit;Druck\\n01.02.2019;1,5\\n02.02.2019;1,75\\n").dialect.describe()
        'Semicolon-separated, decimal comma, UTF-8, first row is the header'
    """
    if is_frame(source):
        name = name or "data frame"
        parsed = ParsedFile(*read_data_frame(source, name, max_columns))
    else:
        file = read_table_file(source, name, encoding, max_bytes, table)
        name = file.name
        dialect = DialectOptions(delimiter, decimal, thousands, header, comment)
        parsed = parse_file(file, dialect, max_bytes, max_columns, progress)
    options = CellOptions(decimal is None and thousands is None, day_first, rows, missing_values)
    layout = parsed.layout
    found = parse_frame(name, parsed.frame, layout, options, parsed.shape)
    summaries = tuple(each.column for each in found.columns.values())
    notices = layout.notices + found.notices
    roles, parsed_columns = found.suggested, found.columns
    return Table(
        name, layout.dialect, summaries, roles, found.rows, notices, parsed_columns, layout.tables, found.offers
    )


def read_table(
    source: ByteSource | DataFrameLike,
    features: str | Iterable[str] | None = None,
    id: str | bool | None = None,
    time: str | bool | None = None,
    scale: str | GivenScaling = "standardise",
    missing: str = "forward",
    one_hot: str | Iterable[str] = (),
    *,
    name: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    comment: str | None = None,
    day_first: bool | None = None,
    missing_values: MissingValues = None,
    rows: str | None = None,
    table: int | str | None = None,
    max_bytes: int = MAX_BYTES,
    max_columns: int = MAX_COLUMNS,
    max_steps: int | None = None,
) -> Sequences:
    """Open a table and read it as sequences; the arguments are those of ``open_table`` and ``Table.sequences``.

    Raises:
        SequenceError: the source is not a table of numbers, or a column does not fit its role.

    Example:
        >>> seqs = read_table(b"who,x\\na,1\\na,2\\nb,5\\nb,4\\n", id="who", scale="none")
        >>> [(one.name, one.values.ravel().tolist()) for one in seqs]
        [('who a', [1.0, 2.0]), ('who b', [5.0, 4.0])]
    """
    opened = open_table(
        source,
        name=name,
        delimiter=delimiter,
        decimal=decimal,
        thousands=thousands,
        header=header,
        encoding=encoding,
        comment=comment,
        day_first=day_first,
        missing_values=missing_values,
        rows=rows,
        table=table,
        max_bytes=max_bytes,
        max_columns=max_columns,
    )
    return opened.sequences(features, id, time, one_hot, missing, scale, max_steps)


def read_frame_rows(frame: DataFrameLike, features: int) -> Sequences:
    """Take the rows of a data frame as the steps of one sequence, in their order and unscaled.

    Args:
        frame: a data frame of pandas or polars.
        features: the number of features wanted: all columns of numbers, or those that are suggested.

    Raises:
        SequenceError: it has another number of such columns, or a missing or infinite cell in one.

    Example:
        >>> read_frame_rows(pd.DataFrame({"x": [3, 1], "y": [2.0, 4.0], "who": ["a", "b"]}), 2)[0].values.tolist()
        [[3.0, 2.0], [1.0, 4.0]]
    """
    table = open_table(frame, missing_values=(), rows="steps")
    parsed = table._parsed
    columns = [each for each in table.columns if each.kind == "number" or parsed[each.name].numbers is not None]
    if len(columns) != features and len(table.suggested.features) == features:
        columns = [column for column in columns if column.name in table.suggested.features]
    names = [column.name for column in columns]
    where, remedy = table.name, "Choose columns, frame[[…]], or read it with gru_viz.read_table."
    if len(names) != features:
        found = f"{count(len(names), 'column')} of numbers: {listing(names)}"
        raise SequenceError(where, found, f"{features}, since the network reads {features} features", remedy)
    gaps = [column.name for column in columns if column.missing or column.infinite or column.huge]
    if gaps:
        found, remedy = f"missing, infinite or huge cells in {listing(gaps)}", "Fill them, or use gru_viz.read_table."
        raise SequenceError(where, found, "a number in each cell", remedy)
    sequences = table.sequences(names, id=False, time=False, scale="none")
    time = next((each.name for each in table.columns if each.kind == "time" and each.name not in names), None)
    labels = label_steps(parsed[time].values) if time is not None else None
    return replace(sequences, items=(replace(sequences[0], time=labels),), notices=())
