"""Sequences of which each has a label: what it is an example of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gru_viz.errors import SequenceError
from gru_viz.sequences.columns import Held
from gru_viz.sequences.labels import labels_of
from gru_viz.sequences.model import Sequences
from gru_viz.sequences.words import count, listing

__all__ = ["LabelledSequences", "label_sequences", "labels_by_id"]


@dataclass(frozen=True, eq=False)
class LabelledSequences:
    """Sequences, and for each of them a label.

    Attributes:
        sequences: what is read.
        labels: one for each sequence.
        label: what the labels say, such as the name of their column.

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
            found, wanted = (
                count(len(self.labels), "label"),
                f"one for each of {count(len(self.sequences), 'sequence')}",
            )
            raise SequenceError(self.label, found, wanted, "Give as many labels as sequences.")

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences on what was left out, filled in or assumed."""
        return self.sequences.notices


def labels_by_id(id: Held, label: Held) -> tuple[dict[str, str], list[tuple[str, list[str]]]]:
    """What each sequence is labelled, by its name, and the names of those with more than one label.

    Rows without an id or a label say nothing about it.
    """
    there = ~(np.asarray(pd.isna(id.values)) | np.asarray(pd.isna(label.values)))
    if id.values.dtype.kind == "f":
        there &= np.isfinite(np.where(there, id.values, 0))
    codes, distinct = pd.factorize(id.values[there])
    kinds, labels = pd.factorize(label.values[there])
    names = tuple(f"{id.column.name} {text}" for text in labels_of(np.asarray(distinct)))
    said = labels_of(np.asarray(labels))
    found: dict[str, list[str]] = {}
    for pair in np.unique(codes * len(labels) + kinds).tolist():
        code, kind = divmod(pair, len(labels))
        found.setdefault(names[code], []).append(said[kind])
    return (
        {name: each[0] for name, each in found.items()},
        [(name, each) for name, each in found.items() if len(each) > 1],
    )


def label_sequences(
    where: str, sequences: Sequences, held: Mapping[str, Held], id: str, label: str
) -> LabelledSequences:
    """Give each sequence its label; those without one are left out.

    Raises:
        SequenceError: one has two labels, or none has one.
    """
    labels, torn = labels_by_id(held[id], held[label])
    if torn:
        name, several = torn[0]
        found = f"{name} with the labels {listing(several, most=2)} in column '{label}'"
        more = f" ({count(len(torn), 'sequence')} in all have several)" if len(torn) > 1 else ""
        remedy = "Choose another label or id, or correct the table."
        raise SequenceError(where, f"{found}{more}", "one label in all rows of a sequence", remedy)
    kept = tuple(item for item in sequences if item.name in labels)
    without = [item.name for item in sequences if item.name not in labels]
    if not kept:
        raise SequenceError(where, f"no label in column '{label}'", "one for each sequence", "Choose another label.")
    said = (f"{count(len(without), 'sequence')} without a label left out: {listing(without)}.",) if without else ()
    rest = Sequences(kept, sequences.scaling, (*sequences.notices, *said), sequences.source, sequences.details)
    return LabelledSequences(rest, tuple(labels[item.name] for item in kept), label)
