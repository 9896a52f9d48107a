"""A table of the user's, opened: its columns shown, and read as sequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gru_viz.errors import SequenceError
from gru_viz.sequences.assemble import assemble
from gru_viz.sequences.cells import Writing
from gru_viz.sequences.columns import Column, Held, hold
from gru_viz.sequences.dialect import Dialect, Told, find_layout
from gru_viz.sequences.engine import Progress
from gru_viz.sequences.labelled import LabelledSequences, label_sequences, labels_by_id
from gru_viz.sequences.labels import labels_of
from gru_viz.sequences.model import Sequences
from gru_viz.sequences.parse import parse_parquet, parse_text
from gru_viz.sequences.roles import assign
from gru_viz.sequences.suggest import Choice, suggest
from gru_viz.sequences.table_file import read_table_file
from gru_viz.sequences.words import listing

__all__ = ["MAX_BYTES", "Table", "open_table", "read_table"]

MAX_BYTES = 200 * 2**20
MAX_COLUMNS = 2000


@dataclass(frozen=True)
class Table:
    """A table as it was read, before columns are chosen.

    Attributes:
        name: what it is called.
        dialect: how it was written.
        columns: what each column holds.
        suggested: a default choice of features, time and id.
        rows: how many data rows it has.
        notices: what was assumed in reading it.

    Example:
        >>> table = open_table(b"step,price\\n1,2.5\\n2,3.5\\n", name="prices.csv")
        >>> table.suggested.features, table.rows
        (('price',), 2)
    """

    name: str
    dialect: Dialect
    columns: tuple[Column, ...]
    suggested: Choice
    rows: int
    notices: tuple[str, ...]
    _held: Mapping[str, Held] = field(repr=False, compare=False)

    def preview(self, n: int = 8) -> list[dict[str, str]]:
        """Give the first ``n`` rows as text, missing cells empty.

        Example:
            >>> open_table(b"a,b\\n1,x\\n2,\\n").preview()
            [{'a': '1', 'b': 'x'}, {'a': '2', 'b': ''}]
        """
        shown = {name: labels_of(held.values[:n]) for name, held in self._held.items()}
        absent = {"nan", "NaT"}
        return [
            {name: "" if texts[row] in absent else texts[row] for name, texts in shown.items()}
            for row in range(min(n, self.rows))
        ]

    def sequences(
        self,
        features: str | Iterable[str] | None = None,
        id: str | bool | None = None,
        time: str | bool | None = None,
        one_hot: str | Iterable[str] = (),
        missing: str = "forward",
        scale: str = "standardise",
        max_steps: int | None = None,
    ) -> Sequences:
        """Read chosen columns as sequences.

        Args:
            features: columns of numbers; None takes the suggestion.
            id: the column that parts the table into sequences; None takes the suggestion, False takes none.
            time: the column that orders and labels the steps; None takes the suggestion, False takes none.
            one_hot: columns of which each of at most 64 distinct cells becomes a feature of 0 and 1.
            missing: ``"forward"`` repeats the last value, ``"interpolate"`` draws a straight line by step,
                ``"drop"`` leaves the row out.
            scale: ``"standardise"``, ``"minmax"``, ``"robust"`` or ``"none"``.
            max_steps: keep only the first steps of longer sequences.

        Raises:
            SequenceError: a column cannot play its part, or fewer than two steps remain.

        Example:
            >>> seqs = open_table(b"step,price\\n1,2\\n2,4\\n", name="prices.csv").sequences()
            >>> seqs[0].values.tolist(), seqs[0].time
            ([[-1.0], [1.0]], ('1', '2'))
        """
        roles = assign(self.name, self._held, self.suggested, features, id, time, one_hot)
        return assemble(
            self.name, self.rows, self._held, roles, missing, scale, max_steps, self.dialect.describe(), self.notices
        )

    def labelled(
        self,
        label: str,
        id: str | None = None,
        features: str | Iterable[str] | None = None,
        time: str | bool | None = None,
        one_hot: str | Iterable[str] = (),
        missing: str = "forward",
        scale: str = "standardise",
        max_steps: int | None = None,
    ) -> LabelledSequences:
        """Read chosen columns as sequences of which each has a label.

        Args:
            label: the column that says what a sequence is an example of; the same in all rows of a sequence.
            id: the column that parts the table into sequences; None takes the suggestion.
            features: as in ``sequences``, like what follows; the label is never one of them by itself.
            time: the column that orders and labels the steps.
            one_hot: columns of which each distinct cell becomes a feature.
            missing: what becomes of missing cells.
            scale: how features are brought to a common range.
            max_steps: keep only the first steps of longer sequences.

        Raises:
            SequenceError: there is no such column, nothing parts the table, or a sequence has two labels.

        Example:
            >>> table = open_table(b"who,x,mood\\na,1,glad\\na,2,glad\\nb,5,sad\\nb,4,sad\\n")
            >>> table.labelled("mood", id="who").labels
            ('glad', 'sad')
        """
        if label not in self._held:
            wanted = f"one of its columns: {listing(self._held, most=20)}"
            raise SequenceError(self.name, f"no column '{label}'", wanted, "Check the spelling and the header.")
        if label == id:
            found, remedy = f"column '{label}' as label and as id", "Choose another column for one of them."
            raise SequenceError(self.name, found, "each column in one part", remedy)
        rest = {name: held for name, held in self._held.items() if name != label}
        others = replace(self, suggested=suggest(list(rest.values())), _held=rest)
        id = id or others.suggested.id
        if id is None:
            found, remedy = "no column that parts the table into sequences", "Name it in id=."
            raise SequenceError(self.name, found, "rows of several sequences", remedy)
        read = others.sequences(features, id, time, one_hot, missing, scale, max_steps)
        return label_sequences(self.name, read, self._held, id, label)

    def label_columns(self, id: str | None = None) -> tuple[str, ...]:
        """Name the columns that can label the sequences: the same in all rows of each, but not the same in all.

        Args:
            id: the column that parts the table into sequences; None takes the suggestion.

        Example:
            >>> table = open_table(b"who,x,mood\\na,1,glad\\na,2,glad\\nb,5,sad\\nb,4,sad\\nc,1,sad\\nc,2,sad\\n")
            >>> table.label_columns(id="who")
            ('mood',)
        """
        id = id or self.suggested.id
        if id is None or id not in self._held:
            return ()
        found = []
        for name, held in self._held.items():
            labels, torn = labels_by_id(self._held[id], held)
            if not torn and 1 < len(set(labels.values())) < len(labels):
                found.append(name)
        return tuple(found)


def open_table(
    source: ByteSource,
    *,
    name: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    comment: str | None = None,
    day_first: bool | None = None,
    max_bytes: int = MAX_BYTES,
    max_columns: int = MAX_COLUMNS,
    progress: Progress | None = None,
) -> Table:
    """Open delimited text (CSV, TSV, …) or Parquet, finding by itself how it is written.

    Args:
        source: a path, bytes, or an open file.
        name: what to call it; None takes the file's name.
        delimiter: what stands between cells; ``" "`` is any run of blanks and tabs. This and what follows: None finds
            it, anything else is obeyed.
        decimal: the mark before a fraction.
        thousands: the mark between groups of three digits.
        header: whether the first row holds names.
        encoding: the text's encoding, by its Python name.
        comment: what lines to pass over begin with.
        day_first: whether 1/2/2019 is the first of February.
        max_bytes: the largest size read.
        max_columns: the most columns read.
        progress: called while text is parsed, with the bytes read and all there are; what it raises ends the reading.

    Raises:
        SequenceError: it is no such table; the message says where, what was found, what was wanted, and what to do.

    Example:
        >>> open_table(b"Zeit;Druck\\n01.02.2019;1,5\\n02.02.2019;1,75\\n").dialect.describe()
        'Semicolon-separated, decimal comma, UTF-8, first row is the header'
    """
    content = read_table_file(source, name, encoding, max_bytes)
    if content.kind == "parquet":
        cells = parse_parquet(content, max_bytes, max_columns)
    else:
        told = Told(delimiter, decimal, thousands, header, comment)
        cells = parse_text(content, find_layout(content, told, max_columns), max_columns, progress)
    writing = Writing(cells.dialect.decimal, cells.dialect.thousands)
    free = decimal is None and thousands is None
    held = {column: hold(column, cells.frame[at], writing, free, day_first) for at, column in enumerate(cells.names)}
    notices = cells.notices + tuple(notice for one in held.values() for notice in one.notices)
    rows = len(cells.frame)
    if rows < 2:
        remedy = "Choose a longer table; a GRU reads one row after another."
        raise SequenceError(content.name, "1 data row", "at least 2 steps", remedy)
    if all(one.column.kind == "empty" for one in held.values()):
        raise SequenceError(content.name, "no cell that is not missing", "numbers", "Choose another file.")
    columns = tuple(one.column for one in held.values())
    return Table(content.name, cells.dialect, columns, suggest(list(held.values())), rows, notices, held)


def read_table(
    source: ByteSource,
    features: str | Iterable[str] | None = None,
    id: str | bool | None = None,
    time: str | bool | None = None,
    scale: str = "standardise",
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
    max_bytes: int = MAX_BYTES,
    max_columns: int = MAX_COLUMNS,
    max_steps: int | None = None,
) -> Sequences:
    """Open a table and read it as sequences; the arguments are those of ``open_table`` and ``Table.sequences``.

    Raises:
        SequenceError: the source is no table of numbers, or a column cannot play its part.

    Example:
        >>> seqs = read_table(b"who,x\\na,1\\na,2\\nb,5\\nb,4\\n", id="who", scale="none")
        >>> [(one.name, one.values.ravel().tolist()) for one in seqs]
        [('who a', [1.0, 2.0]), ('who b', [5.0, 4.0])]
    """
    table = open_table(
        source,
        name=name,
        delimiter=delimiter,
        decimal=decimal,
        thousands=thousands,
        header=header,
        encoding=encoding,
        comment=comment,
        day_first=day_first,
        max_bytes=max_bytes,
        max_columns=max_columns,
    )
    return table.sequences(features, id, time, one_hot, missing, scale, max_steps)
