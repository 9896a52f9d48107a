"""The user's data in: tables, text and built-in examples become sequences."""

from gru_viz.sequences.columns import Column
from gru_viz.sequences.dialect import Dialect
from gru_viz.sequences.model import Scaling, Sequence, Sequences
from gru_viz.sequences.suggest import Choice
from gru_viz.sequences.table import Table, open_table, read_table

__all__ = ["Choice", "Column", "Dialect", "Scaling", "Sequence", "Sequences", "Table", "open_table", "read_table"]
