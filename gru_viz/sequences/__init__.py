"""The user's data in: tables, text and built-in examples become sequences.

What sequences are is here at once; what reads them brings a dataframe library, and is loaded when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gru_viz.sequences.model import Scaling, Sequence, Sequences

if TYPE_CHECKING:
    from gru_viz.sequences.columns import Column
    from gru_viz.sequences.dialect import Dialect
    from gru_viz.sequences.examples import EXAMPLES, Example
    from gru_viz.sequences.labelled import LabelledSequences
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

_HOMES = {
    "EXAMPLES": "examples",
    "MAX_BYTES": "table",
    "Choice": "suggest",
    "Column": "columns",
    "Dialect": "dialect",
    "Example": "examples",
    "LabelledSequences": "labelled",
    "Table": "table",
    "open_table": "table",
    "read_table": "table",
    "read_text": "text",
}
"""Where each name lives that is loaded when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
