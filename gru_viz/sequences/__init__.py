"""Reads tables, text and built-in examples as sequences of feature vectors.

The containers are imported at once. The readers need pandas, so each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gru_viz.sequences.given_scaling import read_scaling
from gru_viz.sequences.scaling import Scaling
from gru_viz.sequences.sequence import LabelledSequences, Sequence, Sequences

if TYPE_CHECKING:
    from gru_viz.sequences.column_parsing import Column
    from gru_viz.sequences.column_roles import ColumnRoles
    from gru_viz.sequences.dialect import Dialect
    from gru_viz.sequences.examples import EXAMPLES, Example
    from gru_viz.sequences.one_hot_text import read_text
    from gru_viz.sequences.table import MAX_BYTES, Table, open_table, read_table

__all__ = [
    "EXAMPLES",
    "MAX_BYTES",
    "Column",
    "ColumnRoles",
    "Dialect",
    "Example",
    "LabelledSequences",
    "Scaling",
    "Sequence",
    "Sequences",
    "Table",
    "open_table",
    "read_scaling",
    "read_table",
    "read_text",
]

_MODULES = {
    "EXAMPLES": "examples",
    "MAX_BYTES": "table",
    "Column": "column_parsing",
    "Dialect": "dialect",
    "Example": "examples",
    "ColumnRoles": "column_roles",
    "Table": "table",
    "open_table": "table",
    "read_table": "table",
    "read_text": "one_hot_text",
}
"""Public name → the module that is imported when the name is first used."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
