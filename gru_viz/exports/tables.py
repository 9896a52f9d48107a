"""A trace as a dataframe: wide, a column for each unit; or tidy, a row for each value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from gru_viz.trace import Trace

__all__ = ["to_table", "to_tidy"]

DIRECTIONS = ("forward", "backward")


def to_table(trace: Trace, before: int = 0) -> pd.DataFrame:
    """One row a step: sequence, step (counted from 1), time, inputs as read, then every quantity of every unit.

    Columns of quantities are called ``layer1.forward.update.5`` for unit 5, counted from 1 as on the screen.

    Args:
        trace: what to write.
        before: how many steps of the sequence come before the trace, where it is that of a window.

    Example:
        >>> import torch, gru_viz
        >>> table = to_table(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1))))
        >>> table.shape, table.columns[3], table.columns[-1]
        ((3, 12), 'input.x1', 'layer1.forward.hidden.2')
    """
    parts = []
    for i, n in enumerate(trace.lengths):
        labels = trace.time[i] or ("",) * n
        columns: dict[str, object] = {
            "sequence": [trace.names[i]] * n,
            "step": np.arange(before + 1, before + n + 1),
            "time": list(labels[:n]),
        }
        for j, name in enumerate(trace.features):
            columns[f"input.{name}"] = trace.inputs[i, :n, j]
        for k, layer in enumerate(trace.layers, 1):
            for direction, run in zip(DIRECTIONS, layer.directions, strict=False):
                for name, values in run.quantities.items():
                    for unit in range(values.shape[2]):
                        columns[f"layer{k}.{direction}.{name}.{unit + 1}"] = values[i, :n, unit]
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


class _Block(NamedTuple):
    """One quantity of one sequence, layer and direction: values (steps, units); all but the values are codes."""

    sequence: int
    layer: int
    direction: int
    quantity: int
    values: np.ndarray


def to_tidy(trace: Trace) -> pd.DataFrame:
    """One row a value: sequence, step (from 1), time, layer (from 1), direction, quantity, unit (from 1), value.

    Text is categorical, with quantities in reading order, so that a plot of the table shows them as the maps do. The
    inputs have no units: they are in ``to_table``.

    Example:
        >>> import torch, gru_viz
        >>> table = to_tidy(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1))))
        >>> table.shape, list(table.columns)
        ((24, 8), ['sequence', 'step', 'time', 'layer', 'direction', 'quantity', 'unit', 'value'])
        >>> table.groupby("quantity", observed=True)["value"].mean().index.tolist()
        ['reset', 'update', 'candidate', 'hidden']
    """
    blocks = list(_blocks(trace))
    labels = [trace.time[i] or ("",) * n for i, n in enumerate(trace.lengths)]
    moments = {label: code for code, label in enumerate(dict.fromkeys(each for own in labels for each in own))}
    names = {name: code for code, name in enumerate(dict.fromkeys(trace.names))}
    codes = [np.array([moments[label] for label in own], np.int64) for own in labels]

    def spread(of: str) -> np.ndarray:
        return np.repeat([getattr(block, of) for block in blocks], [block.values.size for block in blocks])

    def stepwise(of: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([np.repeat(of[b.sequence][: len(b.values)], b.values.shape[1]) for b in blocks])

    sequences = spread("sequence")
    return pd.DataFrame(
        {
            "sequence": _categories(np.array([names[name] for name in trace.names])[sequences], names),
            "step": stepwise([np.arange(1, n + 1) for n in trace.lengths]),
            "time": _categories(stepwise(codes), moments),
            "layer": spread("layer"),
            "direction": _categories(spread("direction"), DIRECTIONS[: len(trace.layers[0].directions)]),
            "quantity": _categories(spread("quantity"), [q.name for q in trace.convention.quantities]),
            "unit": np.concatenate([np.tile(np.arange(1, b.values.shape[1] + 1), len(b.values)) for b in blocks]),
            "value": np.concatenate([b.values.ravel() for b in blocks]),
        }
    )


def _blocks(trace: Trace) -> Iterator[_Block]:
    for i, n in enumerate(trace.lengths):
        for k, layer in enumerate(trace.layers, 1):
            for d, run in enumerate(layer.directions):
                for q, quantity in enumerate(trace.convention.quantities):
                    yield _Block(i, k, d, q, run.quantities[quantity.name][i, :n])


def _categories(codes: np.ndarray, names: Iterable[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, pd.Index(list(names)))
