"""A trace to a file: CSV, Parquet or NPZ, with the variant, seed, versions and scaling inside."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from gru_viz.escape_formula import escape_formula
from gru_viz.exports.tables import DIRECTIONS, facts, to_table
from gru_viz.trace import Trace

__all__ = ["to_csv", "to_npz", "to_parquet"]

INNER_START = re.compile(r"([,;]\s*)([=+\-@])")
LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def to_csv(trace: Trace, before: int = 0) -> bytes:
    """UTF-8 CSV; the facts stand above the table in lines that start with ``#``.

    Text that a spreadsheet would take for a formula is given a leading apostrophe; line breaks become spaces.

    Args:
        trace: what to write.
        before: how many steps of the sequence come before the trace, where it is that of a window.

    Example:
        >>> import torch, gru_viz
        >>> to_csv(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1)))).decode().splitlines()[0]
        '# variant: torch'
    """
    table = to_table(trace, before)
    for column in ("sequence", "time"):
        table[column] = [escape_formula(text) for text in table[column]]
    table.columns = pd.Index([escape_formula(name) for name in table.columns])
    file = io.BytesIO()
    file.write("".join(f"# {key}: {_one_line(value)}\n" for key, value in _facts(trace, before).items()).encode())
    # Every text is quoted, so that a reader that skips comments keeps names with a #.
    pa.csv.write_csv(pa.Table.from_pandas(table, preserve_index=False), file)
    return file.getvalue()


def to_parquet(trace: Trace, before: int = 0) -> bytes:
    """Parquet; the facts are in the schema's metadata, under ``gru_viz``; ``before`` as for ``to_csv``."""
    table = pa.Table.from_pandas(to_table(trace, before), preserve_index=False)
    metadata = {
        **(table.schema.metadata or {}),
        b"gru_viz": json.dumps(_facts(trace, before), ensure_ascii=False).encode(),
    }
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), file)
    return file.getvalue()


def to_npz(trace: Trace, before: int = 0) -> bytes:
    """Compressed NPZ: ``inputs``, ``lengths``, ``layer1.forward.update`` … (batch, time, units), and ``facts`` as JSON.

    ``before`` is as for ``to_csv``.

    Example:
        >>> import torch, gru_viz
        >>> file = np.load(io.BytesIO(to_npz(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1))))))
        >>> file["layer1.forward.update"].shape
        (1, 3, 2)
    """
    arrays: dict[str, np.ndarray] = {
        "inputs": trace.inputs,
        "lengths": np.array(trace.lengths),
        "facts": np.array(json.dumps(_facts(trace, before), ensure_ascii=False)),
        "time": np.array(json.dumps(trace.time, ensure_ascii=False, default=list)),
    }
    for k, layer in enumerate(trace.layers, 1):
        for direction, run in zip(DIRECTIONS, layer.directions, strict=False):
            for name, values in run.quantities.items():
                arrays[f"layer{k}.{direction}.{name}"] = values
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _facts(trace: Trace, before: int) -> dict[str, str]:
    return facts(trace) | ({"steps_before": str(before)} if before else {})


def _one_line(value: str) -> str:
    """A fact on one line; JSON stays the JSON it was, with escapes for what would start a formula or end the line."""
    if not value.startswith(("[", "{")):
        return escape_formula(" ".join(value.split()))
    escaped = INNER_START.sub(lambda found: f"{found[1]}\\u{ord(found[2]):04x}", value)
    return "".join(f"\\u{ord(c):04x}" if c in LINE_ENDS else c for c in escaped)
