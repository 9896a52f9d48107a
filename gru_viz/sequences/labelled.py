"""Sequences with one label each, for classification, read from a column of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.column_parsing import ParsedColumn
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.sequence import Sequences
from gru_viz.sequences.step_labels import label_steps

__all__ = ["LabelledSequences", "label_sequences", "labels_by_id"]


@dataclass(frozen=True, eq=False)
class LabelledSequences:
    """Sequences with a label for each.

    Attributes:
        sequences: the sequences.
        labels: one for each sequence.
        label: what the labels mean, such as the name of their column.

    Example:
        >>> from gru_viz.sequences import open_table
        >>> table = open_table(b"who,x,mood\\na,1,glad\\na,2,glad\\nb,5,sad\\nb,4,sad\\n")
        >>> both = table.labelled("mood", id="who")
        >>> [(one.name, label) for one, label in zip(both.sequences, both.labels)]
        [('who a', 'glad'), ('who b', 'sad')]
    """

    sequences: Sequences
    labels: tuple[str, ...]
    label: str = "label"

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.sequences):
            found = count(len(self.labels), "label")
            wanted = f"one for each of {count(len(self.sequences), 'sequence')}"
            raise SequenceError(self.label, found, wanted, "Pass as many labels as sequences.")

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about what was left out, filled or assumed."""
        return self.sequences.notices


def labels_by_id(id: ParsedColumn, label: ParsedColumn) -> tuple[dict[str, str], list[tuple[str, list[str]]]]:
    """Find the label of each sequence; rows without an id or a label are ignored.

    Returns:
        Name of a sequence → its label, and the names and labels of sequences with more than one label.
    """
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


def label_sequences(
    where: str, sequences: Sequences, columns: Mapping[str, ParsedColumn], id: str, label: str
) -> LabelledSequences:
    """Label each sequence; those without a label are left out.

    Args:
        where: the name of the table, for errors.
        sequences: the sequences read from it.
        columns: its columns by name.
        id: the column that identifies the sequence of a row.
        label: the column of the labels.

    Raises:
        SequenceError: a sequence has two labels, or none has one.
    """
    labels, conflicts = labels_by_id(columns[id], columns[label])
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
