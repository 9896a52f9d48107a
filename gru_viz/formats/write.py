"""Writes weights as a file for PyTorch, Keras or ONNX, or as safetensors or NPZ."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import numpy as np

from gru_viz.conventions import Convention, convention as lookup, with_functions
from gru_viz.errors import ConventionError, FormatError
from gru_viz.formats.model_file import Format
from gru_viz.optional import optional_packages
from gru_viz.weights import Weights, convert

__all__ = ["convert_for", "write_model"]


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
    converted = convert_for(weights, format)
    data = _WRITERS[format](weights, converted)
    if path is not None:
        try:
            Path(path).write_bytes(data)
        except OSError as error:
            found = f"a path that cannot be written ({error.strerror or error})"
            raise FormatError(str(path), found, "a writable file", "Check the path.") from error
    return data


def convert_for(weights: Weights, format: Format) -> Weights:
    """Express a network in the convention that a format has, without writing it.

    Raises:
        ConventionError: the framework has no such network, and no exact conversion exists.
        FormatError: the format is unknown, or the network is too large for it.
        MissingPackageError: the format's package is not installed.
    """
    if format not in _WRITERS:
        raise FormatError("format", repr(format), f"one of {', '.join(get_args(Format))}", "Choose one of these.")
    package = _PACKAGES.get(format)
    with optional_packages(f"a {format} file"):
        if package and find_spec(package) is None:
            raise ModuleNotFoundError(name=package)
    if format == "PyTorch":
        return weights.as_torch()
    return {"Keras": _as_keras, "ONNX": _as_onnx}.get(format, lambda given: given)(weights)


def _as_keras(weights: Weights) -> Weights:
    """In the dtype of the weights; float32 if float16 biases must be summed, which have more digits than either."""
    cell = weights.convention.cell
    gru = "keras_reset_after" if weights.convention.reset == "after" else "keras_reset_before"
    to = _with_functions_of(weights, gru if cell == "gru" else f"keras_{cell}")
    if to.gate_function not in ("sigmoid", KERAS_HARD_SIGMOID):
        found, wanted = f"gates with {to.gate_function}", f"sigmoid or {KERAS_HARD_SIGMOID}"
        raise ConventionError("Keras", found, wanted, "Write it as ONNX, safetensors or NPZ.")
    if to.biases < weights.convention.biases:
        dtype = np.result_type(weights.dtype, np.float32)
        layers = [[{n: a.astype(dtype) for n, a in c.matrices.items()} for c in layer] for layer in weights.layers]
        weights = Weights.from_matrices(weights.convention, layers, weights.origin)
    return convert(weights, to=to)


def _as_onnx(weights: Weights) -> Weights:
    cell = weights.convention.cell
    gru = "onnx_linear_before_reset" if weights.convention.reset == "after" else "onnx"
    size = weights.parameters * weights.dtype.itemsize
    if size > LARGEST_ONNX:
        wanted = f"at most {LARGEST_ONNX:,}"
        raise FormatError("ONNX", f"matrices of {size:,} bytes", wanted, "Write it as safetensors.")
    if weights.convention.state_function == "linear":
        remedy = "Write it as safetensors or NPZ."
        raise ConventionError("ONNX", "states without a function", "tanh, relu, softsign or sigmoid", remedy)
    return convert(weights, to=_with_functions_of(weights, gru if cell == "gru" else f"onnx_{cell}"))


def _with_functions_of(weights: Weights, name: str) -> Convention:
    """A framework's convention, with the functions that the weights have."""
    return with_functions(lookup(name), weights.convention.gate_function, weights.convention.state_function)


def _pytorch(weights: Weights, converted: Weights) -> bytes:
    import torch

    state = converted.to_module().state_dict()
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


def _safetensors(weights: Weights, _: Weights) -> bytes:
    import safetensors.numpy

    facts = {"origin": weights.origin, "convention": weights.convention.name}
    return safetensors.numpy.save(_named(weights), facts)


def _npz(weights: Weights, _: Weights) -> bytes:
    file = io.BytesIO()
    facts: dict[str, Any] = {"origin": np.array(weights.origin), "convention": np.array(weights.convention.name)}
    np.savez(file, allow_pickle=False, **_named(weights), **facts)
    return file.getvalue()


_WRITERS: Mapping[str, Callable[[Weights, Weights], bytes]] = {
    "PyTorch": _pytorch,
    "safetensors": _safetensors,
    "NPZ": _npz,
    "Keras": lambda _, converted: import_module("gru_viz.formats.write_keras").keras_file(converted),
    "ONNX": lambda _, converted: import_module("gru_viz.formats.write_onnx").onnx_file(converted),
}
"""Format → the function that writes the weights, given as they are and as converted for it; the packages that a file
needs are imported with the first such file."""

_PACKAGES = {"Keras": "h5py", "ONNX": "onnx", "safetensors": "safetensors"}

KERAS_HARD_SIGMOID = f"hard_sigmoid({1 / 6!r},0.5)"
"""The hard sigmoid of Keras 3."""
LARGEST_ONNX = (1 << 31) - (1 << 20)
"""The most bytes of matrices in a file; a protobuf message is limited to 2 GiB."""
