"""Builds the layers of a Keras model that stand in front of a network or on top of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gru_viz.formats import layer_chain
from gru_viz.formats.activations import is_known
from gru_viz.formats.keras_graph import EACH_STEP, POOLED, Applied, KerasConfig, name_in_config
from gru_viz.formats.keras_h5 import KerasVariables
from gru_viz.formats.layer_chain import ChainLayer, LayerChain

__all__ = ["KerasChains"]

EPSILON = 1e-7
"""What Keras divides by at least in a Normalization."""


class _CannotApplyError(ValueError):
    """A layer that gru_viz does not compute; its argument says why, as the rest of a sentence."""


@dataclass(frozen=True)
class KerasChains:
    """Builds chains of layers from their configurations and variables.

    Attributes:
        variables: of the file.
        version: of the Keras that wrote it, such as ``"2.9.0"``; ``""`` if unknown.
    """

    variables: KerasVariables
    version: str

    def chain(self, applied: Sequence[Applied]) -> tuple[LayerChain, str]:
        """The layers, and in words the first one that cannot be applied, if there is one."""
        layers: list[ChainLayer] = []
        for k, each in enumerate(applied):
            if each.kind in POOLED:
                continue
            arrays = self.variables.arrays(each.place)
            try:
                made = BUILDERS[each.kind](self, each, arrays)
            except _CannotApplyError as problem:
                return LayerChain(tuple(layers)), f"{each.name} ({each.kind}){problem}"
            except (ValueError, IndexError, KeyError, TypeError) as problem:
                return LayerChain(tuple(layers)), f"{each.name} ({each.kind}), whose numbers are incomplete: {problem}"
            ends = not all(above.kind in EACH_STEP for above in applied[k + 1 :])
            masks = (layer for layer in made if isinstance(layer, layer_chain.MaskingLayer))
            layers += [replace(mask, drops=False) for mask in masks] if ends and each.kind == "Masking" else made
        return LayerChain(tuple(layers)), ""

    @property
    def hard_sigmoid(self) -> str:
        """The hard sigmoid of this version of Keras, which Keras 3 made flatter."""
        return f"hard_sigmoid({1 / 6!r},0.5)" if self.version.startswith("3.") else "hard_sigmoid(0.2,0.5)"

    def activation(self, value: object) -> str:
        """An activation in a configuration, by the name that ``activations`` has for it."""
        name = name_in_config(value)
        known = {
            "linear": "",
            "hard_sigmoid": self.hard_sigmoid,
            "leaky_relu": "leaky_relu(0.2)",
        }
        return known.get(name, name)

    def known_activation(self, config: KerasConfig) -> str:
        """The activation of a layer.

        Raises:
            _CannotApplyError: it is unknown, or code.
        """
        name = self.activation(config.get("activation"))
        if not is_known(name):
            raise _CannotApplyError(f", whose activation is {name}")
        return name


def _only(config: KerasConfig, **wanted: Any) -> None:
    """Raise unless the settings are as wanted, or not given."""
    for key, value in wanted.items():
        if key in config and config[key] not in (value if isinstance(value, tuple) else (value,)):
            raise _CannotApplyError(f" with {key}={config[key]!r}")


def _one(value: object) -> int:
    """A setting of one axis, written as a number or as a list of one."""
    found = value[0] if isinstance(value, list) else value
    if not isinstance(found, int) or not 0 < found < 1 << 16:
        raise _CannotApplyError(f" with the size {value!r}")
    return found


def _last_axis(config: KerasConfig) -> None:
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, 2):
        raise _CannotApplyError(f" over axis {axis!r}")


def _dense(chains: KerasChains, each: Applied, arrays: Sequence[np.ndarray]) -> list[ChainLayer]:
    kernel, *bias = arrays
    zeros = np.zeros(kernel.shape[1], kernel.dtype)
    activation = chains.known_activation(each.config)
    return [layer_chain.DenseLayer(each.name, kernel.T, bias[0] if bias else zeros, activation)]


def _normalization(_: KerasChains, each: Applied, arrays: Sequence[np.ndarray]) -> list[ChainLayer]:
    _only(each.config, invert=False)
    given = [each.config.get("mean"), each.config.get("variance")]
    if each.config.get("axis") is not None:
        _last_axis(each.config)
    numbers = arrays[:2] if None in given else [np.asarray(number, np.float64) for number in given]
    mean, variance = (np.ravel(number).astype(np.float64) for number in numbers)
    return [layer_chain.ScalingLayer(each.name, mean, np.maximum(np.sqrt(variance), EPSILON))]


def _batch_normalization(_: KerasChains, each: Applied, arrays: Sequence[np.ndarray]) -> list[ChainLayer]:
    _last_axis(each.config)
    _only(each.config, renorm=False)
    left = [array.astype(np.float64) for array in arrays]
    gamma = left.pop(0) if each.config.get("scale", True) else np.ones_like(left[-1])
    beta = left.pop(0) if each.config.get("center", True) else np.zeros_like(left[-1])
    mean, variance = left
    deviation = np.sqrt(variance + each.config.get("epsilon", 1e-3))
    return [layer_chain.ScalingLayer(each.name, mean, deviation, gamma, beta, "BatchNormalization")]


def _layer_normalization(_: KerasChains, each: Applied, arrays: Sequence[np.ndarray]) -> list[ChainLayer]:
    _last_axis(each.config)
    _only(each.config, rms_scaling=False)
    left = list(arrays)
    gamma = left.pop(0) if each.config.get("scale", True) else None
    beta = left.pop(0) if each.config.get("center", True) else None
    if gamma is None and beta is None:
        raise _CannotApplyError(" without a scale and a centre")
    gamma = np.ones_like(beta) if gamma is None else gamma
    beta = np.zeros_like(gamma) if beta is None else beta
    return [layer_chain.NormalizationLayer(each.name, gamma, beta, float(each.config.get("epsilon", 1e-3)))]


def _rescaling(_: KerasChains, each: Applied, __: Sequence[np.ndarray]) -> list[ChainLayer]:
    scale, offset = (np.atleast_1d(np.asarray(each.config.get(k, d), float)) for k, d in (("scale", 1), ("offset", 0)))
    scale, offset = np.broadcast_arrays(scale, offset)
    if scale.ndim > 1 or not scale.all():
        raise _CannotApplyError(" with a scale of 0")
    return [layer_chain.ScalingLayer(each.name, np.zeros_like(scale), np.ones_like(scale), scale, offset, "Rescaling")]


def _activation(chains: KerasChains, each: Applied, _: Sequence[np.ndarray]) -> list[ChainLayer]:
    config = each.config
    if each.kind == "Softmax":
        _last_axis(config)
        return [layer_chain.ActivationLayer(each.name, "softmax")]
    if each.kind == "LeakyReLU":
        return [
            layer_chain.ActivationLayer(
                each.name, f"leaky_relu({config.get('negative_slope', config.get('alpha', 0.3))})"
            )
        ]
    if each.kind == "ELU":
        return [layer_chain.ActivationLayer(each.name, f"elu({config.get('alpha', 1.0)})")]
    if each.kind == "ReLU":
        _only(config, threshold=(0, None), max_value=(None, 6))
        slope, most = config.get("negative_slope") or 0.0, config.get("max_value")
        if slope and most:
            raise _CannotApplyError(" with a slope and a maximum")
        name = f"leaky_relu({slope})" if slope else "relu6" if most else "relu"
        return [layer_chain.ActivationLayer(each.name, name)]
    return [layer_chain.ActivationLayer(each.name, chains.known_activation(config))]


def _convolution(chains: KerasChains, each: Applied, arrays: Sequence[np.ndarray]) -> list[ChainLayer]:
    config = each.config
    _only(config, data_format="channels_last", padding=("valid", "same", "causal"))
    sizes = {"stride": _one(config.get("strides", 1)), "dilation": _one(config.get("dilation_rate", 1)),
             "padding": config.get("padding", "valid")}  # fmt: skip
    activation = chains.known_activation(config)
    kernel, *rest = arrays
    if each.kind == "Conv1D" or each.kind == "Convolution1D":
        groups = _one(config.get("groups", 1))
        bias = rest[0] if rest else np.zeros(kernel.shape[2], kernel.dtype)
        return [layer_chain.ConvolutionLayer(each.name, kernel, bias, groups=groups, activation=activation, **sizes)]
    width, features, each_out = kernel.shape
    kernel = kernel.reshape(width, 1, features * each_out)
    if each.kind == "DepthwiseConv1D":
        bias = rest[0] if rest else np.zeros(kernel.shape[2], kernel.dtype)
        return [layer_chain.ConvolutionLayer(each.name, kernel, bias, groups=features, activation=activation, **sizes)]
    none = np.zeros(kernel.shape[2], kernel.dtype)
    points, *biases = rest
    return [
        layer_chain.ConvolutionLayer(each.name, kernel, none, groups=features, **sizes),
        layer_chain.DenseLayer(each.name, points[0].T, biases[0] if biases else np.zeros(points.shape[2]), activation),
    ]


def _pooling(_: KerasChains, each: Applied, __: Sequence[np.ndarray]) -> list[ChainLayer]:
    config = each.config
    _only(config, data_format="channels_last", padding=("valid", "same"))
    width = _one(config.get("pool_size", 2))
    stride = _one(width if config.get("strides") is None else config["strides"])
    how = "max" if each.kind.startswith("Max") else "average"
    return [layer_chain.PoolingLayer(each.name, how, width, stride, config.get("padding", "valid"))]


def _padding(_: KerasChains, each: Applied, __: Sequence[np.ndarray]) -> list[ChainLayer]:
    key, sign = ("cropping", -1) if each.kind == "Cropping1D" else ("padding", 1)
    given = each.config.get(key, 1)
    before, after = (given, given) if isinstance(given, int) else given
    if not all(isinstance(n, int) and 0 <= n < 1 << 16 for n in (before, after)):
        raise _CannotApplyError(f" with {key}={given!r}")
    return [layer_chain.PaddingLayer(each.name, sign * before, sign * after)]


def _masking(_: KerasChains, each: Applied, __: Sequence[np.ndarray]) -> list[ChainLayer]:
    return [layer_chain.MaskingLayer(each.name, float(each.config.get("mask_value", 0.0)))]


def _repeat(_: KerasChains, each: Applied, __: Sequence[np.ndarray]) -> list[ChainLayer]:
    return [layer_chain.RepeatLayer(each.name, _one(each.config.get("n")))]


BUILDERS: Mapping[str, Callable[[KerasChains, Applied, Sequence[np.ndarray]], list[ChainLayer]]] = {
    "Dense": _dense,
    "Normalization": _normalization,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Rescaling": _rescaling,
    **dict.fromkeys(("Activation", "Softmax", "ReLU", "LeakyReLU", "ELU"), _activation),
    **dict.fromkeys(("Conv1D", "Convolution1D", "SeparableConv1D", "DepthwiseConv1D"), _convolution),
    **dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), _pooling),
    **dict.fromkeys(("ZeroPadding1D", "Cropping1D"), _padding),
    "Masking": _masking,
    "RepeatVector": _repeat,
}
