"""Runs the layers of an ONNX model in onnxruntime and compares them with gru_viz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from onnx import NodeProto, OperatorSetIdProto, TensorProto, helper, numpy_helper

from gru_viz.formats.framework_check import compare, probe
from gru_viz.formats.layer_chain import LayerChain
from gru_viz.formats.model_file import FrameworkCheck
from gru_viz.formats.onnx_chain import Followed
from gru_viz.formats.onnx_graph import STANDARD, Scope
from gru_viz.weights import Weights

__all__ = ["Front", "RecurrentNode", "check_against_onnxruntime"]

MOST_RUN = 64 << 20
"""A network with more parameters is not run in onnxruntime: that would take minutes."""
BATCH, STEPS = 6, 24
"""The sequences and steps that go through the layers in front, where the file does not fix them."""


@dataclass(frozen=True)
class Front:
    """The nodes in front of a network, as a graph of their own; all are of kinds that ``onnx_chain`` knows.

    Attributes:
        chain: the layers that they are.
        nodes: the nodes, the lowest first.
        constants: name → what they read besides.
        source, axes, shape: the value that they start from, its axes, and their lengths where the file fixes them.
        target: the value that the network reads.
        time_first: whether time is its first axis, and not its second.
        opsets: the versions of the operators.
    """

    chain: LayerChain
    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, np.ndarray]
    source: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    target: str
    time_first: bool
    opsets: tuple[OperatorSetIdProto, ...]

    @classmethod
    def of(cls, scope: Scope, found: Followed, target: str, opsets: Sequence[OperatorSetIdProto]) -> Front | None:
        """The front of a network; None if there is none, or part of it is unknown."""
        if not found.origin.chain or found.origin.unknown or not found.source:
            return None
        names = {name for node in found.nodes for name in node.input if name}
        constants = {name: array for name in sorted(names) if (array := scope.constant(name)) is not None}
        declared = [each.type.tensor_type for each in scope.graph.input if each.name == found.source]
        shape = [axis.dim_value for axis in declared[0].shape.dim] if declared else []
        known = tuple(opset for opset in opsets if opset.domain in STANDARD)
        axes = found.axes
        shape = shape if len(shape) == len(axes) else [0] * len(axes)
        return cls(
            found.origin.chain,
            found.nodes,
            constants,
            found.source,
            axes,
            tuple(shape),
            target,
            found.time_first,
            known,
        )

    def run(self, features: int) -> tuple[np.ndarray, np.ndarray]:
        """What the network reads for random inputs, (batch, time, ·): by gru_viz, and by onnxruntime."""
        wanted = {"B": BATCH, "T": STEPS, "F": self.chain.inputs or features, "1": 1}
        sizes = {axis: n or wanted[axis] for axis, n in zip(self.axes, self.shape, strict=True)}
        rng = np.random.default_rng(0)
        x = rng.standard_normal((sizes["B"], sizes["T"], wanted["F"])).astype(np.float32)
        order = [axis for axis in self.axes if axis != "1"]
        given = x.transpose(["BTF".index(axis) for axis in order]).reshape([sizes[axis] for axis in self.axes])
        theirs = _run(self.nodes, self.constants, {self.source: given}, self.target, self.opsets)
        return self.chain(x), theirs.swapaxes(0, 1) if self.time_first else theirs


class RecurrentNode(NamedTuple):
    """A recurrent node and its matrices, (directions, …)."""

    kind: str
    direction: str
    linear_before_reset: int
    w: np.ndarray
    r: np.ndarray
    b: np.ndarray
    functions: Mapping[str, Any] = MappingProxyType({})


def check_against_onnxruntime(
    weights: Weights, nodes: Sequence[RecurrentNode], front: Front | None = None
) -> FrameworkCheck | None:
    """Compare a stack of nodes with onnxruntime; None if that is not installed or the network is very large.

    Each layer runs as a model of its own, in float32 and with time first, as onnxruntime requires on a CPU. Where
    layers stand in front, random inputs go through these first.
    """
    if find_spec("onnxruntime") is None or weights.parameters > MOST_RUN:
        return None
    import onnxruntime

    name = f"onnxruntime {onnxruntime.__version__}"
    x = probe(weights)
    states = x.astype(np.float32).swapaxes(0, 1)
    if front is not None:
        try:
            x, read = front.run(weights.features)
            states = read.swapaxes(0, 1)
        except Exception:  # onnxruntime's own error types; a front that it does not run alone
            name += ", the network without what stands in front"
    with np.errstate(over="ignore", invalid="ignore"):  # numbers beyond float32 become infinite
        nodes = [node._replace(**{k: getattr(node, k).astype(np.float32) for k in "wrb"}) for node in nodes]
    for node in nodes:
        y = _run_layer(node, states)  # (time, directions, batch, units)
        states = y.transpose(0, 2, 1, 3).reshape(*states.shape[:2], -1)
    if nodes[-1].direction == "reverse":  # gru_viz adds a forward half of zeros
        states = np.concatenate([np.zeros_like(states), states], -1)
    return compare(name, weights, x, states.swapaxes(0, 1))


def _run_layer(node: RecurrentNode, x: np.ndarray) -> np.ndarray:
    known: dict[str, Any] = {"linear_before_reset": node.linear_before_reset} if node.kind == "GRU" else {}
    known |= node.functions
    inner = helper.make_node(
        node.kind, ["x", "W", "R", "B"], ["y"], hidden_size=node.r.shape[2], direction=node.direction, **known
    )
    opset = helper.make_opsetid("", 14)
    return _run([inner], {"W": node.w, "R": node.r, "B": node.b}, {"x": x}, "y", [opset])


def _run(
    nodes: Sequence[NodeProto],
    constants: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray],
    output: str,
    opsets: Sequence[OperatorSetIdProto],
) -> np.ndarray:
    """The output of some nodes, run by onnxruntime in one thread."""
    import onnxruntime

    graph = helper.make_graph(
        list(nodes),
        "part",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name, x in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=list(opsets), ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, dict(inputs))[0]
    return found
