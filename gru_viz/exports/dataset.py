"""A trace as an xarray dataset: every axis named, every quantity a variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gru_viz.conventions import Quantity
from gru_viz.exports.facts import facts
from gru_viz.exports.tables import DIRECTIONS
from gru_viz.optional import optional_packages
from gru_viz.trace import Trace

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["to_xarray"]

AXES = ("sequence", "step", "layer", "direction", "unit")


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
