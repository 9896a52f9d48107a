"""Writes weights as a ``.keras`` file: a Sequential model of GRU, LSTM or SimpleRNN layers with return_sequences."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import h5py

from gru_viz.weights import Weights

__all__ = ["keras_file"]

CLASSES = {"gru": ("GRU", "gru"), "lstm": ("LSTM", "lstm"), "rnn": ("SimpleRNN", "simple_rnn")}
ORDER = ("kernel", "recurrent_kernel", "bias")


def keras_file(ours: Weights) -> bytes:
    """Return the bytes of a file with weights that are in Keras' convention, in their dtype."""
    about = {"keras_version": "3.0.0", "date_saved": "1980-01-01@00:00:00"}
    about |= {"origin": ours.origin, "convention": ours.convention.name}
    parts = {
        "metadata.json": json.dumps(about).encode(),
        "config.json": json.dumps(_config(ours)).encode(),
        "model.weights.h5": _weights_h5(ours),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return file.getvalue()


def _config(weights: Weights) -> dict[str, Any]:
    dtype, shape = str(weights.dtype), [None, None, weights.features]
    layers = [_entry("InputLayer", name="input", batch_shape=shape, dtype=dtype)]
    layers += [_layer(weights, k, dtype) for k in range(len(weights.layers))]
    model = _entry("Sequential", name="gru_viz", dtype=dtype, layers=layers)
    return model | {"module": "keras", "build_config": {"input_shape": shape}}


def _layer(weights: Weights, k: int, dtype: str) -> dict[str, Any]:
    kind, name = CLASSES[weights.convention.cell]
    config: dict[str, Any] = {
        "name": f"{name}_{k}",
        "dtype": dtype,
        "units": weights.layers[k][0].hidden,
        "activation": weights.convention.state_function,
        "use_bias": True,
        "recurrent_initializer": "glorot_uniform",  # Keras' default has no float16 on a CPU; the weights overwrite it
        "return_sequences": True,
    }
    if kind != "SimpleRNN":
        config["recurrent_activation"] = weights.convention.gate_function.partition("(")[0]
    if kind == "GRU":
        config["reset_after"] = weights.convention.reset == "after"
    layer = _entry(kind, **config)
    if not weights.bidirectional:
        return layer
    return _entry("Bidirectional", name=f"both_{k}", dtype=dtype, layer=layer, merge_mode="concat")


def _entry(kind: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None}


def _weights_h5(weights: Weights) -> bytes:
    base = "bidirectional" if weights.bidirectional else CLASSES[weights.convention.cell][1]
    inner = ("forward_layer/cell", "backward_layer/cell") if weights.bidirectional else ("cell",)
    file = io.BytesIO()
    with h5py.File(file, "w") as datasets:
        for k, layer in enumerate(weights.layers):
            group = f"layers/{base}_{k}" if k else f"layers/{base}"
            for cell, place in zip(layer, inner, strict=True):
                for n, name in enumerate(ORDER):
                    datasets[f"{group}/{place}/vars/{n}"] = cell.matrices[name]
    return file.getvalue()
