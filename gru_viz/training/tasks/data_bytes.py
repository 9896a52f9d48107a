"""A user's data as bytes and back, so that a run can resume without the uploaded file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gru_viz.errors import TrainingError
from gru_viz.sequences import LabelledSequences, Scaling, Sequence, Sequences

__all__ = ["pack_data", "unpack_data"]

Data = str | Sequences | LabelledSequences | None
HEADER = "header"
"""The uint8 array with everything but numbers, as JSON; safetensors' own header is too small for a long text."""


def pack_data(data: Data) -> bytes:
    """Write a task's data as safetensors: numbers as arrays, text as JSON, no code."""
    arrays: dict[str, np.ndarray] = {}
    header: dict[str, Any] = {"kind": "none"}
    if isinstance(data, str):
        header = {"kind": "text", "text": data}
    elif isinstance(data, LabelledSequences):
        arrays, header = _pack(data.sequences)
        header |= {"kind": "labelled", "label": data.label, "labels": data.labels}
    elif data is not None:
        arrays, header = _pack(data)
        header |= {"kind": "sequences"}
    written = json.dumps(header).encode("ascii")
    return save({**arrays, HEADER: np.frombuffer(written, np.uint8)})


def unpack_data(packed: bytes) -> Data:
    """Read what ``pack_data`` wrote.

    Raises:
        TrainingError: the bytes are damaged, or not of ``pack_data``.
    """
    try:
        arrays = load(packed)
        text = next((array for array in arrays.values() if array.dtype == np.uint8), np.zeros(0, np.uint8))
        header = json.loads(text.tobytes())  # earlier versions named the array differently
        match header["kind"]:
            case "none":
                return None
            case "text":
                return str(header["text"])
            case "sequences":
                return _unpack(arrays, header)
            case "labelled":
                return LabelledSequences(_unpack(arrays, header), tuple(header["labels"]), header["label"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise TrainingError("data", f"damaged bytes ({error})", "what was packed", "Choose the data again.") from error
    raise TrainingError("data", f"data of the kind {header['kind']!r}", "what was packed", "Choose the data again.")


def _pack(data: Sequences) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    empty = np.zeros((0, len(data.features)), np.float32)
    arrays = {
        "values": np.concatenate([empty, *(item.values for item in data)]),
        "lengths": np.array(data.lengths, np.int64),
        "centre": np.asarray(data.scaling.centre, np.float64),
        "scale": np.asarray(data.scaling.scale, np.float64),
    }
    header = {
        "method": data.scaling.method,
        "features": data.features,
        "names": [item.name for item in data],
        "time": [None if item.time is None else list(item.time) for item in data],
        "notices": data.notices,
        "source": data.source,
        "details": data.details,
    }
    return arrays, header


def _unpack(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Sequences:
    features = tuple(header["features"])
    parts = np.split(arrays["values"], np.cumsum(arrays["lengths"])[:-1])
    items = tuple(
        Sequence(values, features, None if time is None else tuple(time), name)
        for values, time, name in zip(parts, header["time"], header["names"], strict=bool(header["names"]))
    )
    scaling = Scaling(header["method"], features, arrays["centre"], arrays["scale"])
    return Sequences(items, scaling, tuple(header["notices"]), header["source"], header["details"])
