"""Reads a model file of any format: detects the format and calls its reader."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from gru_viz.byte_source import ByteSource
from gru_viz.formats import pytorch
from gru_viz.formats.array_files import read_npz, read_safetensors
from gru_viz.formats.model_bytes import LIMITS, Limits, ModelBytes, NamedArrays, load
from gru_viz.formats.model_file import ModelFile
from gru_viz.formats.network_finder import find_networks
from gru_viz.formats.parametrizations import fold_parametrizations
from gru_viz.optional import optional_packages

__all__ = ["read_model"]

_FLAT: dict[str, Callable[[ModelBytes], NamedArrays]] = {
    "PyTorch": pytorch.read,
    "safetensors": read_safetensors,
    "NPZ": read_npz,
}
_GRAPHS = {"Keras": "keras", "ONNX": "onnx"}
"""Format → the module that reads it, imported with the first such file."""


def read_model(source: ByteSource, name: str | None = None, limits: Limits = LIMITS) -> ModelFile:
    """Read the recurrent networks of a model file, as data: no code in it is run.

    Args:
        source: a path, bytes, or a file opened as bytes: PyTorch (a state_dict, a checkpoint, a whole module, a
            TorchScript archive), safetensors, NPZ, Keras (``.keras``, ``.weights.h5``, ``.h5``) or ONNX; the format is
            detected from the content.
        name: the file's name in messages; by default that of the path or file.
        limits: the largest sizes accepted.

    Returns:
        The file's networks, each with its weights, embeddings and heads.

    Raises:
        FormatError: the file is in none of these formats, is damaged, contains code, or has no known recurrent
            network.
        MissingPackageError: h5py (Keras) or onnx is not installed.

    Example:
        >>> import io, torch
        >>> file = io.BytesIO()
        >>> torch.save({"state_dict": torch.nn.GRU(3, 4, num_layers=2).state_dict()}, file)
        >>> found = read_model(file.getvalue(), "gru.pt").model()
        >>> found.weights.features, found.weights.hidden, len(found.weights.layers), found.check.agrees
        (3, 4, 2, True)
    """
    content = load(source, name, limits)
    if content.format in _FLAT:
        arrays = fold_parametrizations(_FLAT[content.format](content))
        models, notices = find_networks(arrays, content.name, limits)
        return ModelFile(content.name, content.format, models, notices)
    with optional_packages(f"{content.name}, a {content.format} file"):
        reader = import_module(f"gru_viz.formats.{_GRAPHS[content.format]}")
    file: ModelFile = reader.read(content)
    return file
