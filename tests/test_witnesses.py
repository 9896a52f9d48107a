"""Outside witnesses: Keras, onnxruntime and torch run the same matrices and must show the same states.

Their weights are set in their own layout from ``Weights.matrices``; nothing of gru_viz runs inside them.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lopsided import GRUS, RESET_AFTER, RESET_BEFORE, inputs, matrices, stack

import gru_viz
from gru_viz import Weights, convert

SIZES = [(3, 5), (4, 2), (1, 7)]
BATCH, STEPS = 2, 9


def keras_states(w: Weights, x: np.ndarray, h0: np.ndarray | None, reset_after: bool) -> np.ndarray:
    keras = pytest.importorskip("keras")
    layer = keras.layers.GRU(w.hidden, return_sequences=True, reset_after=reset_after, dtype=str(w.dtype))
    layer.build((None, None, w.features))
    layer.set_weights([w.matrices[name] for name in ("kernel", "recurrent_kernel", "bias")])
    with torch.no_grad():
        return np.asarray(layer(x, initial_state=np.zeros((len(x), w.hidden), x.dtype) if h0 is None else h0[0]))


def onnx_states(
    w: Weights, x: np.ndarray, h0: np.ndarray | None, linear_before_reset: int, lengths: list[int] | None = None
) -> np.ndarray:
    """onnxruntime's Y, (directions, batch, time, hidden); float32, the only type its GRU has."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    helper, directions = onnx.helper, len(w.layers[0])
    batch, steps, _ = x.shape
    constants = {
        name: np.stack([cell.matrices[name] for cell in w.layers[0]]).astype(np.float32) for name in ("W", "R", "B")
    }
    constants["lengths"] = np.array(lengths or [steps] * batch, np.int32)
    constants["h0"] = np.zeros((directions, batch, w.hidden), np.float32) if h0 is None else h0.astype(np.float32)
    node = helper.make_node(
        "GRU",
        ["x", "W", "R", "B", "lengths", "h0"],
        ["Y"],
        hidden_size=w.hidden,
        linear_before_reset=linear_before_reset,
        direction="bidirectional" if directions == 2 else "forward",
    )
    graph = helper.make_graph(
        [node],
        "gru",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [steps, batch, w.features])],
        [helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x.astype(np.float32).swapaxes(0, 1)})[0].transpose(1, 2, 0, 3)


def case(name: str, features: int, hidden: int, start: bool) -> tuple[Weights, np.ndarray, np.ndarray | None]:
    w = Weights.from_matrices(name, matrices(name, features, hidden))
    h0 = np.tanh(inputs(1, BATCH, hidden, seed=3)) if start else None
    return w, inputs(BATCH, STEPS, features), h0


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize(("features", "hidden"), SIZES)
@pytest.mark.parametrize("name", GRUS)
def test_keras_agrees_with_every_variant(name: str, features: int, hidden: int, start: bool) -> None:
    w, x, h0 = case(name, features, hidden, start)
    after = name in RESET_AFTER
    theirs = keras_states(convert(w, to="keras_reset_after" if after else "keras_reset_before"), x, h0, after)
    difference = np.abs(gru_viz.trace(w, x, h0=h0, backend="scratch").hidden - theirs).max()
    assert difference < (1e-13 if after else 1e-6)  # Keras computes reset_after=False partly in float32


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize(("features", "hidden"), SIZES)
@pytest.mark.parametrize("name", GRUS)
def test_onnxruntime_agrees_with_every_variant(name: str, features: int, hidden: int, start: bool) -> None:
    w, x, h0 = case(name, features, hidden, start)
    after = name in RESET_AFTER
    theirs = onnx_states(convert(w, to="onnx_linear_before_reset" if after else "onnx"), x, h0, int(after))[0]
    assert np.abs(gru_viz.trace(w, x, h0=h0, backend="scratch").hidden - theirs).max() < 2e-6


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize(("features", "hidden"), SIZES)
@pytest.mark.parametrize("name", RESET_AFTER)
def test_torch_agrees_with_every_reset_after_variant(name: str, features: int, hidden: int, start: bool) -> None:
    w, x, h0 = case(name, features, hidden, start)
    arrays = convert(w, to="torch").matrices
    module = torch.nn.GRU(features, hidden, batch_first=True, dtype=torch.float64)
    module.load_state_dict({f"{key}_l0": torch.tensor(array) for key, array in arrays.items()})
    with torch.no_grad():
        theirs = module(torch.tensor(x), None if h0 is None else torch.tensor(h0))[0].numpy()
    assert np.abs(gru_viz.trace(w, x, h0=h0, backend="scratch").hidden - theirs).max() < 1e-13


@pytest.mark.parametrize("linear_before_reset", [0, 1])
def test_onnxruntime_agrees_in_both_directions_with_unequal_lengths(linear_before_reset: int) -> None:
    name = ("onnx", "onnx_linear_before_reset")[linear_before_reset]
    w, x, lengths = Weights.from_matrices(name, stack(name, directions=2)), inputs(3, STEPS, 3), [STEPS, 1, 5]
    h0 = np.tanh(inputs(2, 3, 5, seed=3))
    theirs = onnx_states(w, x, h0, linear_before_reset, lengths)
    for d, run in enumerate(gru_viz.trace(w, x, h0=h0, lengths=lengths).layers[0].directions):
        for i, n in enumerate(lengths):
            assert np.abs(run.hidden[i, :n] - theirs[d, i, :n]).max() < 2e-6


def test_keras_agrees_with_the_lstm() -> None:
    """Blocks i, f, c, o and one bias in Keras; i, f, g, o and two in torch: reordered here by hand."""
    keras = pytest.importorskip("keras")
    arrays, x = matrices("torch_lstm"), inputs(BATCH, STEPS, 3)
    h0, c0 = np.tanh(inputs(1, BATCH, 5, seed=3)), 2 * inputs(1, BATCH, 5, seed=4)
    layer = keras.layers.LSTM(5, return_sequences=True, dtype="float64")
    layer.build((None, None, 3))
    layer.set_weights([arrays["weight_ih"].T, arrays["weight_hh"].T, arrays["bias_ih"] + arrays["bias_hh"]])
    with torch.no_grad():
        theirs = np.asarray(layer(x, initial_state=[h0[0], c0[0]]))
    trace = gru_viz.trace(Weights.from_matrices("torch_lstm", arrays), x, h0=(h0, c0), backend="scratch")
    assert np.abs(trace.hidden - theirs).max() < 1e-13


# --- the witnesses can disagree ---------------------------------------------------------------------------------


def swap_update_and_reset(w: Weights) -> Weights:
    """The mistake everyone makes once: torch's order of blocks handed to a framework that has z first."""

    def swapped(array: np.ndarray, axis: int) -> np.ndarray:
        z, r, *rest = np.split(array, 6 if array.ndim == 1 and len(array) == 6 * w.hidden else 3, axis)
        return np.concatenate([r, z, *rest], axis)

    return Weights.from_matrices(
        w.convention, {k: swapped(v, 0 if w.convention.name.startswith("onnx") else -1) for k, v in w.matrices.items()}
    )


@pytest.mark.parametrize("name", ["keras_reset_after", "keras_reset_before", "onnx", "onnx_linear_before_reset"])
def test_the_witnesses_catch_swapped_gates_and_the_other_reset(name: str) -> None:
    w, x, h0 = case(name, 3, 5, start=True)

    def theirs(weights: Weights, after: bool) -> np.ndarray:
        if name.startswith("onnx"):
            return onnx_states(weights, x, h0, int(after))[0]
        bias = {"bias": np.zeros((2, 15) if after else 15)}
        fitting = Weights.from_matrices(
            "keras_reset_after" if after else "keras_reset_before", dict(weights.matrices) | bias
        )
        return keras_states(fitting, x, h0, after)

    after = name in RESET_AFTER
    own = gru_viz.trace(w, x, h0=h0).hidden
    assert np.abs(own - theirs(swap_update_and_reset(w), after)).max() > 1e-2
    if name.startswith("keras"):
        unbiased = Weights.from_matrices(name, dict(w.matrices) | {"bias": np.zeros_like(w.matrices["bias"])})
        own = gru_viz.trace(unbiased, x, h0=h0).hidden
    assert np.abs(own - theirs(w, after)).max() < 2e-6
    assert np.abs(own - theirs(w, not after)).max() > 1e-2


@pytest.mark.parametrize("name", RESET_BEFORE)
def test_torch_cannot_run_a_reset_before_variant(name: str) -> None:
    w, x, _ = case(name, 3, 5, start=False)
    read = w.read_as("torch").to_module()
    with torch.no_grad():
        theirs = read(torch.tensor(x))[0].numpy()
    assert np.abs(gru_viz.trace(w, x).hidden - theirs).max() > 1e-2
