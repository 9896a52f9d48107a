"""onnxruntime runs graphs as exporters and helpers write them; what is read from them must show the same states."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from lopsided import inputs, matrices, stack
from onnx import NodeProto, TensorProto, helper, numpy_helper

import gru_viz
from gru_viz import FormatError, Weights, read_model
from gru_viz.formats import write_model

runtime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.usefixtures("unchecked")
GRUS = ("onnx", "onnx_linear_before_reset")
CELLS = {"onnx": "GRU", "onnx_linear_before_reset": "GRU", "onnx_lstm": "LSTM", "onnx_rnn": "RNN"}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
BATCH, STEPS = 2, 7


def model(
    nodes: list[NodeProto], constants: dict[str, np.ndarray], x: tuple[Any, ...] = (None, None, 3), **functions: Any
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8, **functions)
    data: bytes = made.SerializeToString()
    return data


def ran(data: bytes, x: np.ndarray) -> np.ndarray:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {"x": x})[0]
    return result


def arrays(name: str, directions: int = 1, features: int = 3, hidden: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """W, R and B of a node, (directions, …)."""
    (layer,) = stack(name, features, hidden, directions=directions, seed=seed, dtype="float32", scale=0.5)
    return {key: np.stack([cell[key] for cell in layer]) for key in ("W", "R", "B")}


def node(name: str, inputs: list[str], output: str = "y", **given: Any) -> NodeProto:
    after = {"linear_before_reset": 1} if name == "onnx_linear_before_reset" else {}
    return helper.make_node(CELLS[name], inputs, [output], hidden_size=5, **after, **given)


def both(weights: Weights, x: np.ndarray) -> list[np.ndarray]:
    return [direction.hidden for direction in gru_viz.trace(weights, x).layers[-1].directions]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", CELLS)
def test_every_operator_in_every_direction(name: str, direction: str) -> None:
    data = model([node(name, ["x", "W", "R", "B"], direction=direction)], arrays(name, DIRECTIONS[direction]))
    file, x = read_model(data, "x.onnx"), inputs(BATCH, STEPS, 3, dtype="float32")
    found = file.model()
    assert (file.format, found.weights.convention.name) == ("ONNX", name)
    assert found.check is not None
    assert found.check.agrees
    assert found.check.framework.startswith("onnxruntime")
    theirs = ran(data, x.swapaxes(0, 1)).transpose(1, 2, 0, 3)  # (directions, batch, time, units)
    ours = both(found.weights, x)
    if direction == "reverse":
        assert not ours[0].any()
        ours = ours[1:]
        assert "reads sequences backward only" in found.notices[0]
    assert np.abs(np.stack(ours) - theirs).max() < 2e-6


@pytest.mark.parametrize("name", CELLS)
def test_where_the_axes_lie_changes_nothing(name: str) -> None:
    """onnxruntime runs no layout=1, onnx's own evaluator runs an LSTM so: hold layout 1 against layout 0."""
    constants = arrays(name)
    models = [model([node(name, ["x", "W", "R", "B"], layout=k)], constants) for k in (0, 1)]
    a, b = (read_model(data, "x.onnx").model() for data in models)
    assert all(np.array_equal(a.weights.matrices[key], b.weights.matrices[key]) for key in ("W", "R", "B"))
    assert b.check is not None
    assert b.check.agrees


def test_the_check_can_fail() -> None:
    from gru_viz.formats.onnx_check import RecurrentNode, check_against_onnxruntime as check

    w, r, b = arrays("onnx").values()
    weights = Weights.from_matrices("onnx", {"W": w[0], "R": r[0], "B": b[0]})
    assert check(weights, [RecurrentNode("GRU", "forward", 0, w, r, b)]).agrees
    assert not check(weights, [RecurrentNode("GRU", "forward", 1, w, r, b)]).agrees


def test_no_bias_and_defaults_written_out() -> None:
    constants = {name: array for name, array in arrays("onnx_lstm", 2).items() if name != "B"}
    functions = ["sigmoid", "Tanh", "tanh", "Sigmoid", "Tanh", "Tanh"]
    data = model([node("onnx_lstm", ["x", "W", "R"], direction="bidirectional", activations=functions)], constants)
    found = read_model(data, "x.onnx").model()
    assert found.check is not None
    assert found.check.agrees
    assert not found.weights.matrices_of(0, 1)["B"].any()


def test_an_initial_state_in_the_file_is_reported() -> None:
    constants = arrays("onnx") | {"h0": np.full((1, BATCH, 5), 0.5, "float32")}
    data = model([node("onnx", ["x", "W", "R", "B", "", "h0"])], constants)
    found, x = read_model(data, "x.onnx").model(), inputs(BATCH, STEPS, 3, dtype="float32")
    assert "has an initial state" in found.notices[0]
    theirs = ran(data, x.swapaxes(0, 1))[:, 0].swapaxes(0, 1)
    assert np.abs(gru_viz.trace(found.weights, x, h0=constants["h0"]).hidden - theirs).max() < 2e-6


def chained(name: str, direction: str, between: list[NodeProto]) -> bytes:
    """Two layers, with the nodes between that take y0 to x1."""
    d = DIRECTIONS[direction]
    constants = {f"{key}{k}": a for k in (0, 1) for key, a in arrays(name, d, 3 if k == 0 else 5 * d, seed=k).items()}
    constants |= {"one": np.array([1]), "merge": np.array([0, 0, -1]), "flat": np.array([-1, BATCH, 5 * d])}
    layers = []
    for k, (x, y) in enumerate([("x", "y0"), ("x1", "y")]):
        layers.append(node(name, [x, f"W{k}", f"R{k}", f"B{k}"], y, direction=direction))
    return model([layers[0], *between, layers[1]], constants)


def op(kind: str, *inputs: str, to: str, **given: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs), [to], **given)


JOINING = {
    "squeeze": ("forward", [op("Squeeze", "y0", "one", to="x1")]),
    "reshape": ("forward", [op("Squeeze", "y0", "one", to="a"), op("Reshape", "a", "flat", to="x1")]),
    "there and back": (
        "forward",
        [op("Squeeze", "y0", "one", to="a"), op("Transpose", "a", to="b", perm=[1, 0, 2]), op("Identity", "b", to="c"),
         op("Dropout", "c", to="d"), op("Transpose", "d", to="x1", perm=[1, 0, 2])],
    ),
    "reverse": ("reverse", [op("Squeeze", "y0", "one", to="x1")]),
    "both": ("bidirectional", [op("Transpose", "y0", to="a", perm=[0, 2, 1, 3]), op("Reshape", "a", "merge", to="x1")]),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("way", JOINING)
def test_layers_are_joined_through_what_only_moves_axes(name: str, way: str) -> None:
    direction, between = JOINING[way]
    data = chained(name, direction, between)
    found, x = read_model(data, "x.onnx").model(), inputs(BATCH, STEPS, 3, dtype="float32")
    assert len(found.weights.layers) == 2
    assert found.check is not None
    assert found.check.agrees
    theirs = ran(data, x.swapaxes(0, 1)).transpose(1, 2, 0, 3)
    assert np.abs(np.stack(both(found.weights, x)[-len(theirs) :]) - theirs).max() < 2e-6


NOT_JOINING = {
    "a function": [op("Squeeze", "y0", "one", to="a"), op("Relu", "a", to="x1")],
    "time and batch swapped": [op("Squeeze", "y0", "one", to="a"), op("Transpose", "a", to="x1", perm=[1, 0, 2])],
    "added to itself": [op("Squeeze", "y0", "one", to="a"), op("Add", "a", "a", to="x1")],
}


@pytest.mark.parametrize("way", NOT_JOINING)
def test_layers_are_not_joined_through_anything_else(way: str) -> None:
    assert len(read_model(chained("onnx", "forward", NOT_JOINING[way]), "x.onnx").models) == 2


def test_directions_merged_in_the_wrong_order_are_not_joined() -> None:
    between = [op("Transpose", "y0", to="a", perm=[0, 2, 3, 1]), op("Reshape", "a", "merge", to="x1")]
    assert len(read_model(chained("onnx", "bidirectional", between), "x.onnx").models) == 2


# --- exporters --------------------------------------------------------------------------------------------------


class Letters(torch.nn.Module):
    def __init__(self, kind: type[torch.nn.Module], both: bool) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(9, 3)
        self.inner = kind(3, 5, num_layers=3, bidirectional=both, batch_first=True, dropout=0.2)
        self.answer = torch.nn.Linear(10 if both else 5, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = self.inner(self.embedding(x))[0]
        return torch.softmax(self.answer(states[:, -1]), -1), states


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM, torch.nn.RNN])
def test_what_torch_exports(kind: type[torch.nn.Module], both_ways: bool, fold: bool) -> None:
    torch.manual_seed(0)
    module, symbols = Letters(kind, both_ways).eval(), torch.randint(0, 9, (BATCH, STEPS))
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "batch", 1: "time"}}
        torch.onnx.export(
            module, (symbols,), file, dynamo=False, do_constant_folding=fold, input_names=["x"], dynamic_axes=axes
        )
    found = read_model(file.getvalue(), "letters.onnx").model()
    assert found.check is not None
    assert found.check.agrees
    assert len(found.weights.layers) == 3
    (table,), (head,) = found.embeddings, found.heads
    assert (table.name, head.name, head.activation) == ("embedding", "answer", "softmax")
    ours = np.concatenate(both(found.weights, table.matrix[symbols.numpy()]), -1)
    with torch.no_grad():
        answers, theirs = (each.numpy() for each in module(symbols))
    assert np.abs(ours - theirs).max() < 1e-6
    logits = ours[:, -1] @ head.weight.T + head.bias
    assert np.abs(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True) - answers).max() < 1e-6


def test_a_network_in_a_branch_and_one_in_a_function() -> None:
    constants = arrays("onnx")
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    branch = helper.make_graph([node("onnx", ["x", "W", "R", "B"], "z")], "b",
                               [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)], tensors)  # fmt: skip
    stored_nodes = [
        helper.make_node("Constant", [], [name], value=tensor) for name, tensor in zip("WRB", tensors, strict=True)
    ]
    function = helper.make_function(
        "own", "F", ["x"], ["y"], [*stored_nodes, node("onnx", ["x", "W", "R", "B"])], [helper.make_opsetid("", 14)]
    )
    outer = [
        helper.make_node("If", ["c"], ["a"], "choose", then_branch=branch, else_branch=branch),
        helper.make_node("F", ["x"], ["y"], domain="own"),
    ]
    data = model(outer, {"c": np.array(True)}, functions=[function])
    file = read_model(data, "x.onnx")
    assert len(file.models) == 3
    assert all(np.array_equal(each.weights.matrices["W"], constants["W"][0]) for each in file.models)
    assert any(name.startswith("choose/") for name in file.names)
    assert any(name.startswith("F/") for name in file.names)


@pytest.mark.parametrize("stored", ["raw", "typed"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_numbers_of_every_type_however_they_are_stored(dtype: str, stored: str) -> None:
    constants = arrays("onnx_rnn")
    number = {"float16": 10, "bfloat16": 16, "float32": 1, "float64": 11}[dtype]
    tensors = []
    for name, array in constants.items():
        exact = array.astype("float16").astype("float64")
        exact = exact if dtype != "bfloat16" else torch.tensor(exact).bfloat16().double().numpy()
        constants[name] = exact
        kind = helper.tensor_dtype_to_np_dtype(number)
        raw = stored == "raw"
        numbers = exact.astype(kind).tobytes() if raw else exact.ravel()
        tensors.append(helper.make_tensor(name, number, array.shape, numbers, raw))
    casts = [helper.make_node("Cast", [name], [f"{name}f"], to=TensorProto.FLOAT) for name in constants]
    built = onnx.load_from_string(model([*casts, node("onnx_rnn", ["x", "Wf", "Rf", "Bf"])], {}))
    built.graph.initializer.extend(tensors)
    found = read_model(built.SerializeToString(), "x.onnx").model()
    assert str(found.weights.dtype) == {"bfloat16": "float32"}.get(dtype, dtype)
    assert all(np.array_equal(found.weights.matrices[name], array[0]) for name, array in constants.items())


def test_one_that_is_refused_leaves_the_others() -> None:
    data = model(
        [node("onnx", ["x", "W", "R", "B"]), node("onnx", ["x", "W", "R", "B"], "z", clip=1.0)], arrays("onnx")
    )
    file = read_model(data, "x.onnx")
    assert len(file.models) == 1
    assert any("clip" in notice for notice in file.notices)
    with pytest.raises(FormatError, match="clip"):
        read_model(model([node("onnx", ["x", "W", "R", "B"], clip=1.0)], arrays("onnx")), "x.onnx")


def test_layers_of_unequal_size() -> None:
    layers = [[matrices("onnx_lstm", i, h, seed=k)] for k, (i, h) in enumerate([(3, 5), (5, 2), (2, 6)])]
    found = read_model(write_model(Weights.from_matrices("onnx_lstm", layers), "ONNX"), "x.onnx").model()
    assert found.weights.units == (5, 2, 6)
    assert found.check is not None
    assert found.check.agrees
