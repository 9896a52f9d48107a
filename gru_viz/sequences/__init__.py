"""The user's data in: tables, text and built-in examples become sequences."""

from gru_viz.sequences.columns import Column
from gru_viz.sequences.dialect import Dialect
from gru_viz.sequences.examples import EXAMPLES, Example
from gru_viz.sequences.labelled import LabelledSequences
from gru_viz.sequences.model import Scaling, Sequence, Sequences
from gru_viz.sequences.suggest import Choice
from gru_viz.sequences.table import MAX_BYTES, Table, open_table, read_table
from gru_viz.sequences.text import read_text

__all__ = [
    "EXAMPLES",
    "MAX_BYTES",
    "Choice",
    "Column",
    "Dialect",
    "Example",
    "LabelledSequences",
    "Scaling",
    "Sequence",
    "Sequences",
    "Table",
    "open_table",
    "read_table",
    "read_text",
]
