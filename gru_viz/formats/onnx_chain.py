"""Follows a value of an ONNX graph back to the model's input or a recurrent node, through the layers between."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import GraphProto, NodeProto

from gru_viz.formats.layer_chain import (
    ActivationLayer,
    ChainLayer,
    ConvolutionLayer,
    DenseLayer,
    LayerChain,
    NormalizationLayer,
    PaddingLayer,
    PoolingLayer,
    ScalingLayer,
)
from gru_viz.formats.layer_stacks import Origin
from gru_viz.formats.model_bytes import printable
from gru_viz.formats.onnx_graph import FLOATS, STANDARD, Scope, attributes, axes_of

__all__ = ["Followed", "follow", "follow_head", "layer_name"]

LONGEST = 200
"""The most nodes between a network and the input."""
MOST_STEPS = 1 << 16
"""The most steps that a convolution or a padding may span."""
ROWS = ("*", "F")
"""The axes of values whose steps and sequences are merged into rows."""

Axes = tuple[str, ...]
"""The meaning of each axis of a value: B batch, T time, F features, 1 a single entry, * steps and sequences merged."""


class _CannotApplyError(ValueError):
    """A node that gru_viz does not compute; its argument says why, as the rest of a sentence."""


@dataclass(frozen=True)
class Followed:
    """Where a value comes from.

    Attributes:
        origin: the input or network, and the layers between.
        nodes: the nodes between, the lowest first.
        source: the name of the value that they start from.
        axes: its axes.
        time_first: whether time is the first axis of the value that was followed.
    """

    origin: Origin
    nodes: tuple[NodeProto, ...] = ()
    source: str = ""
    axes: Axes = ()
    time_first: bool = True


@dataclass(frozen=True)
class _Step:
    """A node on the way: the value below it and its axes, and the layer that it is, if it does not only move axes."""

    below: str
    axes: Axes
    layer: ChainLayer | None = None


def follow(scope: Scope, name: str, axes: Axes) -> Followed:
    """Follow what a recurrent node reads, with axes such as ("T", "B", "F")."""
    return replace(_Walk(scope).to_origin(name, axes), time_first=axes[0] == "T")


def follow_head(scope: Scope, name: str) -> Origin:
    """Follow what a linear layer reads, of any rank with features last, to the states of a recurrent node."""
    return _Walk(scope, any_rank=True).to_origin(name, ROWS).origin


def layer_name(node: NodeProto, scope: Scope) -> str:
    """The name of a linear layer: that of its matrix in PyTorch's files, else the node's."""
    matrix = node.input[1] if len(node.input) > 1 else ""
    known = matrix.endswith(".weight") or not node.name
    return scope.prefix + printable(matrix.removesuffix(".weight") if known else node.name)


class _Walk:
    """One way back through a graph."""

    def __init__(self, scope: Scope, any_rank: bool = False) -> None:
        self.scope, self.any_rank = scope, any_rank
        self.merged: Axes = ()

    def to_origin(self, name: str, axes: Axes) -> Followed:
        layers: list[ChainLayer] = []
        nodes: list[NodeProto] = []
        for _ in range(LONGEST):
            kind, source, unknown = self._ends_at(name, axes)
            if kind:
                return Followed(Origin(kind, source, _merged(layers[::-1]), unknown), tuple(nodes[::-1]), name, axes)
            node = self.scope.makers[name][0]
            try:
                step = self._step(node, axes)
            except _CannotApplyError as problem:
                what = f"{printable(node.name or node.output[0])} ({printable(node.op_type)}){problem}"
                return Followed(Origin("other", "", _merged(layers[::-1]), what))
            nodes.append(node)
            layers += [step.layer] if step.layer else []
            name, axes = step.below, step.axes
        return Followed(Origin(unknown=f"more than {LONGEST} nodes"))

    def _ends_at(self, name: str, axes: Axes) -> tuple[str, str, str]:
        """The kind and name of the origin, if the way ends at this value, and what of it is unknown."""
        flow = self.scope.flow(name)
        if flow.kind == "table":
            return "table", flow.source, ""
        if flow.kind == "last" or (flow.kind == "states" and self.any_rank):
            return flow.kind, flow.source, "" if self.any_rank else f"some of the states of {flow.source}"
        if flow.kind == "states":
            alike = flow.axes == tuple(axis if axis != "F" else flow.axes[-1] for axis in axes)
            if alike and flow.axes[-1:] in (("H",), ("DH",)):
                return "states", flow.source, ""
            return "", "", ""
        if name in self.scope.makers:
            return "", "", ""
        graph = self.scope.graph
        is_input = isinstance(graph, GraphProto) and any(each.name == name for each in graph.input)
        if is_input and self.scope.outer is None and sorted(axis for axis in axes if axis != "1") == ["B", "F", "T"]:
            return "input", printable(name), ""
        return "other", "", f"{printable(name)}, which is not an input of the model" * (not self.any_rank)

    def _step(self, node: NodeProto, axes: Axes) -> _Step:
        if node.domain not in STANDARD or node.op_type not in STEPS:
            raise _CannotApplyError("")
        return STEPS[node.op_type](self, node, axes)

    def constant(self, node: NodeProto, k: int) -> np.ndarray:
        """The constant input of a node."""
        name = node.input[k] if k < len(node.input) else ""
        array = self.scope.constant(name)
        if array is None:
            raise _CannotApplyError(
                f", whose input {printable(name)} is not constant" if name else ", which lacks an input"
            )
        return array

    def vector(self, array: np.ndarray, axes: Axes) -> np.ndarray:
        """A constant that is broadcast to a value, as one number for each feature or for all."""
        wide = array.reshape((1,) * (len(axes) - array.ndim) + array.shape) if array.ndim <= len(axes) else array
        if wide.ndim != len(axes) or any(n != 1 and axis != "F" for n, axis in zip(wide.shape, axes, strict=False)):
            raise _CannotApplyError(f" with numbers of shape {array.shape}")
        return np.ravel(wide).astype(np.float64)


def _unchanged(_: _Walk, node: NodeProto, axes: Axes) -> _Step:
    if node.op_type == "Cast" and attributes(node).get("to") not in FLOATS:
        raise _CannotApplyError("")
    return _Step(node.input[0], axes)


def _transposed(_: _Walk, node: NodeProto, axes: Axes) -> _Step:
    order = attributes(node).get("perm", range(len(axes))[::-1])
    if sorted(order) != list(range(len(axes))):
        raise _CannotApplyError("")
    below = list(axes)
    for k, place in enumerate(order):
        below[place] = axes[k]
    return _Step(node.input[0], tuple(below))


def _squeezed(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    if walk.any_rank:
        return _Step(node.input[0], axes)
    given = axes_of(node, walk.scope)
    if given is None:
        raise _CannotApplyError("")
    if node.op_type == "Unsqueeze":
        gone = {k % len(axes) for k in given}
        if any(axes[k] != "1" for k in gone):
            raise _CannotApplyError("")
        return _Step(node.input[0], tuple(axis for k, axis in enumerate(axes) if k not in gone))
    rank = len(axes) + len(given)
    added = {k % rank for k in given}
    rest = iter(axes)
    return _Step(node.input[0], tuple("1" if k in added else next(rest) for k in range(rank)))


def _reshaped(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    """A Reshape that merges steps and sequences into rows, or that takes them apart again."""
    if walk.any_rank:
        return _Step(node.input[0], axes)
    rank, _ = walk.scope.target_shape(node)
    if rank != len(axes) or node.op_type == "Flatten":
        raise _CannotApplyError("")
    if axes == ROWS and walk.merged:
        axes, walk.merged = walk.merged, ()
        return _Step(node.input[0], axes)
    if len(axes) == 3 and axes[-1] == "F" and not walk.merged:
        walk.merged = axes
        return _Step(node.input[0], ROWS)
    raise _CannotApplyError("")


def _product(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    given, matrix = attributes(node), walk.constant(node, 1)
    plain = given.get("alpha", 1.0) == given.get("beta", 1.0) == 1 and not given.get("transA")
    if axes[-1:] != ("F",) or matrix.ndim != 2 or matrix.dtype.kind != "f" or not plain:
        raise _CannotApplyError("")
    weight = matrix if given.get("transB") else matrix.T
    bias = np.zeros(len(weight), weight.dtype)
    if node.op_type == "Gemm" and len(node.input) > 2 and node.input[2]:
        bias = np.broadcast_to(np.ravel(walk.constant(node, 2)), bias.shape).copy()
    return _Step(node.input[0], axes, DenseLayer(layer_name(node, walk.scope), weight, bias))


def _arithmetic(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    """A sum, difference, product or quotient with a constant."""
    constants = [walk.scope.constant(name) for name in node.input[:2]]
    if constants[0] is None and constants[1] is None:
        raise _CannotApplyError(", which joins two values")
    first = constants[0] is not None
    number = walk.vector(walk.constant(node, 0 if first else 1), axes)
    one, zero, kind = np.ones_like(number), np.zeros_like(number), node.op_type
    parts = {
        ("Add", True): (zero, one, one, number),
        ("Add", False): (zero, one, one, number),
        ("Sub", False): (number, one, one, zero),
        ("Sub", True): (zero, one, -one, number),
        ("Mul", True): (zero, one, number, zero),
        ("Mul", False): (zero, one, number, zero),
        ("Div", False): (zero, number, one, zero),
    }.get((kind, first))
    if parts is None or number.dtype.kind != "f" or (kind == "Div" and not number.all()):
        raise _CannotApplyError("")
    return _Step(node.input[1 if first else 0], axes, ScalingLayer(printable(node.name), *parts, kind))


def _batch_normalized(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    given = attributes(node)
    if axes[1:2] != ("F",) or given.get("training_mode"):
        raise _CannotApplyError("")
    gamma, beta, mean, variance = (walk.constant(node, k).astype(np.float64) for k in range(1, 5))
    deviation = np.sqrt(variance + given.get("epsilon", 1e-5))
    layer = ScalingLayer(printable(node.name), mean, deviation, gamma, beta, "BatchNormalization")
    return _Step(node.input[0], axes, layer)


def _layer_normalized(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    given = attributes(node)
    if axes[-1:] != ("F",) or given.get("axis", -1) not in (-1, len(axes) - 1):
        raise _CannotApplyError("")
    gamma = walk.constant(node, 1)
    beta = walk.constant(node, 2) if len(node.input) > 2 and node.input[2] else np.zeros_like(gamma)
    layer = NormalizationLayer(printable(node.name), gamma, beta, given.get("epsilon", 1e-5))
    return _Step(node.input[0], axes, layer)


def _activated(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    return _Step(node.input[0], axes, ActivationLayer(printable(node.name), _activation(walk, node, axes)))


def _activation(walk: _Walk, node: NodeProto, axes: Axes) -> str:
    """The name of a node's function among ``activations``."""
    given, kind = attributes(node), node.op_type
    if kind in ("Softmax", "LogSoftmax"):
        axis = given.get("axis", -1)
        if axes[axis if -len(axes) <= axis < len(axes) else -1] != "F":
            raise _CannotApplyError("")
        return {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[kind]
    if kind == "Clip":
        limits = (
            [float(walk.constant(node, k)) for k in (1, 2)] if len(node.input) > 2 else [given["min"], given["max"]]
        )
        if limits != [0.0, 6.0]:
            raise _CannotApplyError(f" to {limits[0]:g} … {limits[1]:g}")
        return "relu6"
    if kind == "Gelu":
        return "gelu_tanh" if given.get("approximate") == b"tanh" else "gelu"
    if kind == "Selu" and given:
        raise _CannotApplyError(" with numbers of its own")
    numbers = {"LeakyRelu": ("alpha", 0.01), "Elu": ("alpha", 1.0)}
    if kind == "HardSigmoid":
        return f"hard_sigmoid({given.get('alpha', 0.2)!r}, {given.get('beta', 0.5)!r})"
    name = {"LeakyRelu": "leaky_relu", "HardSwish": "hard_swish"}.get(kind, kind.lower())
    if kind in numbers:
        key, default = numbers[kind]
        return f"{name}({given.get(key, default)!r})"
    return name


def _span(node: NodeProto, axes: Axes, count: int) -> tuple[int, int, int, str | tuple[int, int]]:
    """Width, stride, dilation and padding over time of a convolution or pooling with ``count`` spatial axes."""
    given, spatial = attributes(node), axes[2:]
    if axes[:2] != ("B", "F") or sorted(spatial) not in (["T"], ["1", "T"]) or len(spatial) != count:
        raise _CannotApplyError("")
    at = spatial.index("T")
    kernel, strides, dilations = (list(given.get(key, [1] * count)) for key in ("kernel_shape", "strides", "dilations"))
    pads = list(given.get("pads", [0] * 2 * count))
    for other in {0, count - 1} - {at}:
        if kernel[other] != 1 or strides[other] != 1 or pads[other] or pads[count + other]:
            raise _CannotApplyError("")
    auto = given.get("auto_pad", b"NOTSET").decode()
    padding: str | tuple[int, int] = (pads[at], pads[count + at])
    if auto != "NOTSET":
        padding = {"VALID": "valid", "SAME_UPPER": "same"}.get(auto, "")
    sizes = (kernel[at], strides[at], dilations[at])
    if not padding or min(sizes) < 1 or max(math.prod(sizes), *pads) > MOST_STEPS or min(pads) < 0:
        raise _CannotApplyError("")
    return *sizes, padding


def _convolved(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    weight = walk.constant(node, 1)
    node_axes = axes[2:]
    if weight.ndim != len(axes) or weight.dtype.kind != "f":
        raise _CannotApplyError("")
    width, stride, dilation, padding = _span(_with_kernel(node, weight.shape[2:]), axes, len(node_axes))
    groups = attributes(node).get("group", 1)
    if groups < 1 or weight.shape[0] % groups:
        raise _CannotApplyError("")
    kernel = weight.reshape(*weight.shape[:2], width).transpose(2, 1, 0)
    bias = walk.constant(node, 2) if len(node.input) > 2 and node.input[2] else np.zeros(len(weight), weight.dtype)
    name = layer_name(node, walk.scope)
    return _Step(node.input[0], axes, ConvolutionLayer(name, kernel, bias, stride, dilation, groups, padding))


def _with_kernel(node: NodeProto, shape: Sequence[int]) -> NodeProto:
    """A convolution's node with the size of its kernel, which it may leave to its matrix."""
    if "kernel_shape" in attributes(node):
        return node
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.attribute.add(name="kernel_shape", ints=shape, type=7)
    return copy


def _pooled(_: _Walk, node: NodeProto, axes: Axes) -> _Step:
    given = attributes(node)
    width, stride, dilation, padding = _span(node, axes, len(axes) - 2)
    if dilation != 1 or given.get("ceil_mode") or given.get("storage_order"):
        raise _CannotApplyError("")
    how = "max" if node.op_type == "MaxPool" else "average"
    counts = bool(given.get("count_include_pad", 0))
    return _Step(node.input[0], axes, PoolingLayer(printable(node.name), how, width, stride, padding, counts))


def _padded(walk: _Walk, node: NodeProto, axes: Axes) -> _Step:
    given = attributes(node)
    pads = walk.constant(node, 1).ravel().tolist() if len(node.input) > 1 else list(given.get("pads", ()))
    fill = walk.scope.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1)
    if given.get("mode", b"constant") != b"constant" or fill is None or fill.any() or len(node.input) > 3:
        raise _CannotApplyError("")
    at = axes.index("T") if "T" in axes else -1
    if (
        len(pads) != 2 * len(axes)
        or any(n and k % len(axes) != at for k, n in enumerate(pads))
        or max(pads) > MOST_STEPS
    ):
        raise _CannotApplyError("")
    return _Step(node.input[0], axes, PaddingLayer(printable(node.name), pads[at], pads[len(axes) + at]))


FUNCTIONS = ("Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh", "Elu", "Selu", "Softplus", "Softsign", "Softmax",
             "LogSoftmax", "Gelu", "HardSwish", "Mish", "Clip")  # fmt: skip
STEPS: Mapping[str, Callable[[_Walk, NodeProto, Axes], _Step]] = {
    **dict.fromkeys(("Identity", "Dropout", "Cast"), _unchanged),
    **dict.fromkeys(("Squeeze", "Unsqueeze"), _squeezed),
    **dict.fromkeys(("Reshape", "Flatten"), _reshaped),
    **dict.fromkeys(("MatMul", "Gemm"), _product),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pooled),
    **dict.fromkeys(FUNCTIONS, _activated),
    "Transpose": _transposed,
    "BatchNormalization": _batch_normalized,
    "LayerNormalization": _layer_normalized,
    "Conv": _convolved,
    "Pad": _padded,
}
"""Operators that may stand between, each with what it means for the value below it."""


def _merged(layers: Sequence[ChainLayer]) -> LayerChain:
    """The layers, with a sum that is a bias and an activation as parts of the layer that they belong to."""
    found: list[ChainLayer] = []
    for layer in layers:
        last = found[-1] if found else None
        if isinstance(last, (DenseLayer, ConvolutionLayer)) and not last.activation:
            if isinstance(layer, ScalingLayer) and layer.called == "Add":
                found[-1] = replace(last, bias=last.bias + layer.beta)
                continue
            if isinstance(layer, ActivationLayer):
                found[-1] = replace(last, activation=layer.activation)
                continue
        found.append(layer)
    return LayerChain(tuple(found))
