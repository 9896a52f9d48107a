"""A trace as a dataframe, wide or tidy, and as an xarray dataset; and the facts that every export contains."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from gru_viz.conventions import Quantity
from gru_viz.optional import optional_packages
from gru_viz.trace import Trace
from gru_viz.version import __version__

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["facts", "to_table", "to_tidy", "to_xarray"]

DIRECTIONS = ("forward", "backward")
AXES = ("sequence", "step", "layer", "direction", "unit")


def facts(trace: Trace) -> dict[str, str]:
    """What must travel with a trace: what ran, on what, how its inputs were scaled, and how it was proven.

    Example:
        >>> import gru_viz
        >>> facts(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1))))["variant"]
        'torch'
    """
    scaling = trace.scaling
    scales = [] if scaling is None else zip(scaling.features, scaling.centre, scaling.scale, strict=True)
    return {
        "variant": trace.convention.name,
        "variant_title": trace.convention.title,
        "reset": trace.convention.reset or "",
        "update": trace.convention.update or "",
        "weights": trace.weights.origin,
        "features": json.dumps(trace.features, ensure_ascii=False),
        "sequences": json.dumps(trace.names, ensure_ascii=False),
        "scaling_method": "" if scaling is None else scaling.method,
        "scaling": json.dumps({name: {"centre": float(c), "scale": float(s)} for name, c, s in scales}),
        "backend": trace.backend,
        "device": trace.device,
        "dtype": trace.dtype,
        "proof": repr(trace.proof.difference),
        "witness": trace.proof.witness,
        "gru_viz": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


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


def to_xarray(trace: Trace) -> xr.Dataset:
    """One variable a quantity, over (sequence, step, layer, direction, unit), with the facts as attributes.

    Steps, layers and units count from 1, as on the screen; ``time`` has the label of each step. Values are NaN past
    the end of a sequence, and past the last unit of a layer that is smaller than another. ``inputs`` is over
    (sequence, step, feature), ``length`` over (sequence).

    Raises:
        MissingPackageError: xarray is not installed.

    Example:
        >>> import torch, gru_viz
        >>> data = to_xarray(gru_viz.trace(torch.nn.GRU(1, 4, num_layers=2), np.zeros((3, 1))))
        >>> data["update"].sel(layer=2, direction="forward", unit=4).dims
        ('sequence', 'step')
    """
    with optional_packages("to_xarray"):
        import xarray as xr
    steps, layers = trace.inputs.shape[1], len(trace.layers)
    directions = DIRECTIONS[: len(trace.layers[0].directions)]
    units = max(run.weights.hidden for layer in trace.layers for run in layer.directions)
    shape = (len(trace.lengths), steps, layers, len(directions), units)
    labels = np.array([_padded(own or (), steps) for own in trace.time], dtype=np.str_).reshape(shape[:2])
    return xr.Dataset(
        {
            **{q.name: (AXES, _stacked(trace, q, shape), _about(q)) for q in trace.convention.quantities},
            "inputs": (("sequence", "step", "feature"), trace.inputs, {"long_name": "input x"}),
            "length": ("sequence", np.array(trace.lengths), {"long_name": "steps of the sequence"}),
        },
        coords={
            "sequence": np.array(trace.names, np.str_),
            "step": np.arange(1, steps + 1),
            "layer": np.arange(1, layers + 1),
            "direction": np.array(directions, np.str_),
            "unit": np.arange(1, units + 1),
            "feature": np.array(trace.features, np.str_),
            "time": (("sequence", "step"), labels),
        },
        attrs=dict(facts(trace)),
    )


def _stacked(trace: Trace, quantity: Quantity, shape: tuple[int, ...]) -> np.ndarray:
    whole = np.full(shape, np.nan, trace.inputs.dtype)
    for k, layer in enumerate(trace.layers):
        for d, run in enumerate(layer.directions):
            values = run.quantities[quantity.name]
            whole[:, :, k, d, : values.shape[2]] = values
    return whole


def _about(q: Quantity) -> dict[str, object]:
    return {"long_name": q.name.replace("_", " "), "symbol": q.symbol, "meaning": q.meaning, "kind": q.kind}


def _padded(labels: Sequence[str], steps: int) -> list[str]:
    return [*labels[:steps], *("",) * (steps - len(labels))]
