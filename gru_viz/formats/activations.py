"""Activation functions by the names that frameworks give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from gru_viz.errors import FormatError

__all__ = ["ACTIVATIONS", "activate", "is_known"]

Function = Callable[..., np.ndarray]
_CALL = re.compile(r"([a-z_0-9]*)(?:\((.+)\))?")


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _log_softmax(x: np.ndarray) -> np.ndarray:
    below = x - x.max(-1, keepdims=True)
    return below - np.log(np.exp(below).sum(-1, keepdims=True))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(x / 2)) / 2


def _elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _gelu(x: np.ndarray) -> np.ndarray:
    import torch

    return torch.nn.functional.gelu(torch.from_numpy(np.ascontiguousarray(x))).numpy()


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0)


def _hard_sigmoid(x: np.ndarray, alpha: float = 0.2, beta: float = 0.5) -> np.ndarray:
    return np.clip(alpha * x + beta, 0, 1)


ACTIVATIONS: Mapping[str, Function] = MappingProxyType(
    {
        "": lambda x: x,
        "linear": lambda x: x,
        "softmax": _softmax,
        "log_softmax": _log_softmax,
        "sigmoid": _sigmoid,
        "hard_sigmoid": _hard_sigmoid,
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
        "relu6": lambda x: np.clip(x, 0, 6),
        "leaky_relu": lambda x, alpha=0.01: np.where(x > 0, x, alpha * x),
        "elu": _elu,
        "selu": lambda x: 1.0507009873554804934 * _elu(x, 1.6732632423543772848),
        "softplus": _softplus,
        "softsign": lambda x: x / (1 + np.abs(x)),
        "silu": lambda x: x * _sigmoid(x),
        "swish": lambda x: x * _sigmoid(x),
        "hard_silu": lambda x: x * _hard_sigmoid(x, 1 / 6),
        "hard_swish": lambda x: x * _hard_sigmoid(x, 1 / 6),
        "mish": lambda x: x * np.tanh(_softplus(x)),
        "gelu": _gelu,
        "gelu_tanh": _gelu_tanh,
        "exponential": np.exp,
    }
)
"""Name → function over the last axis; its numbers follow the name in brackets, as in ``"leaky_relu(0.2)"``."""


def is_known(name: str) -> bool:
    """Whether an activation can be computed."""
    match = _CALL.fullmatch(name)
    return match is not None and match[1] in ACTIVATIONS


def activate(name: str, values: np.ndarray) -> np.ndarray:
    """Apply an activation to values (…, features).

    Raises:
        FormatError: it is unknown.

    Example:
        >>> activate("leaky_relu(0.5)", np.array([-2.0, 2.0])).tolist()
        [-1.0, 2.0]
    """
    match = _CALL.fullmatch(name)
    if match is None or match[1] not in ACTIVATIONS:
        known = ", ".join(each for each in ACTIVATIONS if each)
        remedy = "Give it activation='' to see what goes into the activation."
        raise FormatError("activation", repr(name), f"one of {known}", remedy)
    numbers = [float(each) for each in match[2].split(",")] if match[2] else []
    return ACTIVATIONS[match[1]](values, *numbers)
