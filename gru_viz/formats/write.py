"""Writes weights as a file for PyTorch, Keras or ONNX, or as safetensors or NPZ."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
import safetensors.numpy
import torch

from gru_viz.errors import FormatError
from gru_viz.formats.model_file import Format
from gru_viz.weights import Weights

__all__ = ["write_model"]


def write_model(weights: Weights, format: Format, path: str | os.PathLike[str] | None = None) -> bytes:
    """Write a network for a framework, converted exactly, or in its own convention.

    Args:
        weights: the network.
        format: ``"PyTorch"``, a state_dict for ``torch.nn.GRU``, ``LSTM`` or ``RNN``; ``"Keras"``, a ``.keras`` file
            for ``keras.models.load_model``; ``"ONNX"``, a model from x (batch, time, features) in float32 to all
            hidden states; ``"safetensors"`` or ``"NPZ"``, its matrices under their names in its own convention,
            followed by ``_l0`` for the layer and ``_reverse`` for the backward direction.
        path: a file to write the bytes to, if any.

    Returns:
        The file's bytes, with the network's origin and convention as metadata.

    Raises:
        ConventionError: the framework has no such network, and no exact conversion exists.
        FormatError: the format is unknown, the network is too large for it, or the path cannot be written.
        MissingPackageError: the format's package is not installed.

    Example:
        >>> from gru_viz import random_weights
        >>> from gru_viz.formats import read_model
        >>> weights = random_weights("torch", features=3, hidden=4, layers=2)
        >>> read_model(write_model(weights, "Keras"), "gru.keras").model().weights.convention.name
        'keras_reset_after'
    """
    if format not in _WRITERS:
        raise FormatError("format", repr(format), f"one of {', '.join(get_args(Format))}", "Choose one of these.")
    data = _WRITERS[format](weights)
    if path is not None:
        try:
            Path(path).write_bytes(data)
        except OSError as error:
            found = f"a path that cannot be written ({error.strerror or error})"
            raise FormatError(str(path), found, "a writable file", "Check the path.") from error
    return data


def _pytorch(weights: Weights) -> bytes:
    state = weights.to_module().state_dict()
    facts = {"origin": weights.origin, "convention": weights.convention.name}
    metadata = vars(state)["_metadata"]
    metadata[""] = metadata[""] | facts  # load_state_dict ignores unknown keys
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _named(weights: Weights) -> dict[str, np.ndarray]:
    """Every matrix by its name, layer and direction."""
    return {
        f"{name}_l{k}{'_reverse' * d}": np.ascontiguousarray(array)
        for k, layer in enumerate(weights.layers)
        for d, cell in enumerate(layer)
        for name, array in cell.matrices.items()
    }


def _safetensors(weights: Weights) -> bytes:
    facts = {"origin": weights.origin, "convention": weights.convention.name}
    return safetensors.numpy.save(_named(weights), facts)


def _npz(weights: Weights) -> bytes:
    file = io.BytesIO()
    facts: dict[str, Any] = {"origin": np.array(weights.origin), "convention": np.array(weights.convention.name)}
    np.savez(file, allow_pickle=False, **_named(weights), **facts)
    return file.getvalue()


_WRITERS: Mapping[str, Callable[[Weights], bytes]] = {
    "PyTorch": _pytorch,
    "safetensors": _safetensors,
    "NPZ": _npz,
    "Keras": lambda weights: import_module("gru_viz.formats.write_keras").keras_file(weights),
    "ONNX": lambda weights: import_module("gru_viz.formats.write_onnx").onnx_file(weights),
}
"""The packages of Keras and ONNX files are imported with the first such file."""
