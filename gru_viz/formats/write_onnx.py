"""Writes weights as an ONNX model from x (batch, time, features) to the top layer's hidden states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from gru_viz.conventions import hard_sigmoid
from gru_viz.weights import Weights

__all__ = ["onnx_file"]

OPSET, IR = 14, 8
NAMES = {"sigmoid": "Sigmoid", "hard_sigmoid": "HardSigmoid", "tanh": "Tanh", "relu": "Relu", "softsign": "Softsign"}
"""The functions that ONNX has for gates and states."""
SQUEEZED, MERGED = "one direction", "directions side by side"


def onnx_file(ours: Weights) -> bytes:
    """The file's bytes for weights in ONNX's convention; matrices are stored in their dtype, and nodes compute in
    float32, as all runtimes can."""
    constants = {
        f"{name}_l{k}": np.stack([cell.matrices[name] for cell in layer])
        for k, layer in enumerate(ours.layers)
        for name in ("W", "R", "B")
    }
    shape = MERGED if ours.bidirectional else SQUEEZED
    constants[shape] = np.array([0, 0, -1] if ours.bidirectional else [1])
    width = sum(cell.hidden for cell in ours.layers[-1])
    graph = helper.make_graph(
        list(_nodes(ours, shape)),
        "gru_viz",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "time", ours.features])],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["batch", "time", width])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph, producer_name="gru_viz", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR
    )
    helper.set_model_props(model, {"origin": ours.origin, "convention": ours.convention.name})
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _functions(weights: Weights) -> dict[str, Any]:
    """The attributes of a node that name its functions, where they are not sigmoid and tanh."""
    kind, directions = weights.convention, 2 if weights.bidirectional else 1
    gate, state = kind.functions
    if gate in ("", "sigmoid") and state == "tanh":
        return {}
    names = {"gru": (gate, state), "lstm": (gate, state, state), "rnn": (state,)}[kind.cell]
    functions = [NAMES["hard_sigmoid" if each.startswith("hard") else each] for each in names]
    found: dict[str, Any] = {"activations": functions * directions}
    if gate.startswith("hard"):
        slope, offset = hard_sigmoid(gate)
        found |= {"activation_alpha": [slope] * directions, "activation_beta": [offset] * directions}
    return found


def _nodes(weights: Weights, shape: str) -> Iterator[NodeProto]:
    kind = weights.convention.cell.upper()
    known: dict[str, Any] = {"linear_before_reset": int(weights.convention.reset == "after")} if kind == "GRU" else {}
    known |= _functions(weights)
    direction = "bidirectional" if weights.bidirectional else "forward"
    reads = "time_first"
    yield helper.make_node("Transpose", ["x"], [reads], perm=[1, 0, 2])
    for k, layer in enumerate(weights.layers):
        names = [f"W_l{k}", f"R_l{k}", f"B_l{k}"]
        if weights.dtype != np.float32:
            for name in names:
                yield helper.make_node("Cast", [name], [f"{name}, float32"], to=TensorProto.FLOAT)
            names = [f"{name}, float32" for name in names]
        states, up = f"states_l{k}", f"hidden_l{k}"
        yield helper.make_node(
            kind, [reads, *names], [states], f"{kind.lower()}_l{k}", hidden_size=layer[0].hidden, direction=direction,
            **known,
        )  # fmt: skip
        if weights.bidirectional:
            yield helper.make_node("Transpose", [states], [f"{states}, moved"], perm=[0, 2, 1, 3])
            yield helper.make_node("Reshape", [f"{states}, moved", shape], [up])
        else:
            yield helper.make_node("Squeeze", [states, shape], [up])
        reads = up
    yield helper.make_node("Transpose", [reads], ["hidden"], perm=[1, 0, 2])
