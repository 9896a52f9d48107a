"""Compares the recurrent nodes of an ONNX model with onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from gru_viz.formats.framework_check import compare, probe
from gru_viz.formats.model_file import FrameworkCheck
from gru_viz.weights import Weights

__all__ = ["RecurrentNode", "check_against_onnxruntime"]

MOST = 64 << 20
"""Parameters of a network beyond which it is not run: reading a file should not take minutes."""


class RecurrentNode(NamedTuple):
    """A recurrent node and its matrices, (directions, …)."""

    kind: str
    direction: str
    linear_before_reset: int
    w: np.ndarray
    r: np.ndarray
    b: np.ndarray


def check_against_onnxruntime(weights: Weights, nodes: Sequence[RecurrentNode]) -> FrameworkCheck | None:
    """Run a stack of nodes in onnxruntime and compare the hidden states.

    Each layer runs as a model of its own, in float32 and with time first, as onnxruntime requires on a CPU.

    Returns:
        None if onnxruntime is not installed or the network is very large.
    """
    if find_spec("onnxruntime") is None or weights.parameters > MOST:
        return None
    import onnxruntime

    x = probe(weights)
    with np.errstate(over="ignore", invalid="ignore"):  # numbers beyond float32 become infinite
        nodes = [node._replace(**{k: getattr(node, k).astype(np.float32) for k in "wrb"}) for node in nodes]
    states = x.astype(np.float32).swapaxes(0, 1)
    for node in nodes:
        y = _layer(node, states)  # (time, directions, batch, units)
        states = y.transpose(0, 2, 1, 3).reshape(*states.shape[:2], -1)
    if nodes[-1].direction == "reverse":  # gru_viz adds a forward half of zeros
        states = np.concatenate([np.zeros_like(states), states], -1)
    return compare(f"onnxruntime {onnxruntime.__version__}", weights, x, states.swapaxes(0, 1))


def _layer(node: RecurrentNode, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    constants = {"W": node.w, "R": node.r, "B": node.b}
    known: dict[str, Any] = {"linear_before_reset": node.linear_before_reset} if node.kind == "GRU" else {}
    inner = helper.make_node(
        node.kind, ["x", *constants], ["y"], hidden_size=node.r.shape[2], direction=node.direction, **known
    )
    graph = helper.make_graph(
        [inner],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    states: np.ndarray = session.run(None, {"x": x})[0]
    return states
