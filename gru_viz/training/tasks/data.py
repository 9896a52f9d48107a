"""A user's data as bytes and back, so that a run can be carried on where its data are gone from the screen."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gru_viz.errors import TrainingError
from gru_viz.sequences import LabelledSequences, Scaling, Sequence, Sequences

__all__ = ["pack", "unpack"]

Data = str | Sequences | LabelledSequences | None
TOLD = "told"
"""The array that holds what is no number, as JSON in UTF-8; a file's own header could not hold a long one."""


def pack(data: Data) -> bytes:
    """Write a task's data as safetensors: numbers as they are, words as JSON; nothing in it can be a program.

    Example:
        >>> unpack(pack("To be"))
        'To be'
    """
    arrays: dict[str, np.ndarray] = {}
    told: dict[str, Any] = {"kind": "none"}
    if isinstance(data, str):
        told = {"kind": "text", "text": data}
    elif isinstance(data, LabelledSequences):
        arrays, told = _packed(data.sequences)
        told |= {"kind": "labelled", "label": data.label, "labels": data.labels}
    elif data is not None:
        arrays, told = _packed(data)
        told |= {"kind": "sequences"}
    written = json.dumps(told).encode("ascii")
    return save({**arrays, TOLD: np.frombuffer(written, np.uint8)})


def unpack(packed: bytes) -> Data:
    """Read what ``pack`` wrote.

    Raises:
        TrainingError: the bytes are damaged, or something else.
    """
    try:
        arrays = load(packed)
        told = json.loads(arrays[TOLD].tobytes())
        match told["kind"]:
            case "none":
                return None
            case "text":
                return str(told["text"])
            case "sequences":
                return _unpacked(arrays, told)
            case "labelled":
                return LabelledSequences(_unpacked(arrays, told), tuple(told["labels"]), told["label"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise TrainingError("data", f"damaged bytes ({error})", "what was packed", "Choose the data again.") from error
    raise TrainingError("data", f"data of the kind {told['kind']!r}", "what was packed", "Choose the data again.")


def _packed(data: Sequences) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    empty = np.zeros((0, len(data.features)), np.float32)
    arrays = {
        "values": np.concatenate([empty, *(item.values for item in data)]),
        "lengths": np.array(data.lengths, np.int64),
        "centre": np.asarray(data.scaling.centre, np.float64),
        "scale": np.asarray(data.scaling.scale, np.float64),
    }
    told = {
        "method": data.scaling.method,
        "features": data.features,
        "names": [item.name for item in data],
        "time": [None if item.time is None else list(item.time) for item in data],
        "notices": data.notices,
        "source": data.source,
        "details": data.details,
    }
    return arrays, told


def _unpacked(arrays: dict[str, np.ndarray], told: dict[str, Any]) -> Sequences:
    features = tuple(told["features"])
    parts = np.split(arrays["values"], np.cumsum(arrays["lengths"])[:-1])
    items = tuple(
        Sequence(values, features, None if time is None else tuple(time), name)
        for values, time, name in zip(parts, told["time"], told["names"], strict=bool(told["names"]))
    )
    scaling = Scaling(told["method"], features, arrays["centre"], arrays["scale"])
    return Sequences(items, scaling, tuple(told["notices"]), told["source"], told["details"])
