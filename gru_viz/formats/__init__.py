"""Trained models in and out: PyTorch, safetensors, NPZ, Keras, ONNX; read as data, never run as programs."""

from gru_viz.formats.fit import fit
from gru_viz.formats.model_bytes import LIMITS, Limits
from gru_viz.formats.model_file import Embedding, FoundModel, FrameworkCheck, Head, ModelFile
from gru_viz.formats.read import read_model
from gru_viz.formats.write import convert_for, write_model

__all__ = [
    "LIMITS",
    "Embedding",
    "FoundModel",
    "FrameworkCheck",
    "Head",
    "Limits",
    "ModelFile",
    "convert_for",
    "fit",
    "read_model",
    "write_model",
]
