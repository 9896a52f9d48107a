"""Trained models in and out: PyTorch, safetensors, NPZ, Keras, ONNX; read as data, never run as programs."""

from gru_viz.formats.found import Check, Embedding, FoundModel, Head, ModelFile

__all__ = ["Check", "Embedding", "FoundModel", "Head", "ModelFile"]
