"""Files of cells with other functions: hard sigmoid gates and ReLU states, as their frameworks compute them."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from files import network, npz, saved
from lopsided import inputs, matrices
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save as save_safetensors

import gru_viz
from gru_viz import FormatError, read_model
from gru_viz.formats import FoundModel, write_model

HARD = f"+hard_sigmoid({1 / 6!r},0.5)"
X = inputs(2, 9, 3, dtype="float32")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    return pytest.importorskip("keras")


def hidden(found: FoundModel) -> np.ndarray:
    run = gru_viz.trace(found.weights, X)
    assert run.proof.holds
    return np.concatenate([each.hidden for each in run.layers[-1].directions], -1)


@pytest.mark.parametrize(
    ("layer", "options", "suffix"),
    [
        ("GRU", {"recurrent_activation": "hard_sigmoid"}, HARD),
        ("GRU", {"reset_after": False, "activation": "relu"}, "+relu"),
        ("LSTM", {"recurrent_activation": "hard_sigmoid", "activation": "softsign"}, HARD + "+softsign"),
        ("LSTM", {"activation": None}, "+linear"),
        ("SimpleRNN", {"activation": "relu"}, "+relu"),
    ],
)  # fmt: skip
def test_keras_3_computes_the_same(keras, tmp_path: Path, layer: str, options: dict[str, Any], suffix: str) -> None:
    made = getattr(keras.layers, layer)(5, return_sequences=True, **options)
    model = keras.Sequential([keras.layers.Input((None, 3)), keras.layers.Bidirectional(made)])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.4, np.shape(each)) for each in model.get_weights()])
    for ending in ("m.keras", "m.h5"):
        model.save(tmp_path / ending)
        found = read_model(tmp_path / ending).model()
        assert found.weights.convention.name.endswith(suffix)
        assert np.abs(hidden(found) - np.asarray(model(X).detach())).max() < 2e-6


def keras_2(path: Path, version: str, kernels: dict[str, np.ndarray], config: dict[str, Any] | None) -> Path:
    """A file of Keras 2 with one LSTM, written as it wrote them; only the weights without a configuration."""
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if config else file
        group.attrs["layer_names"] = [b"lstm_1"]
        group.attrs["keras_version"] = version.encode()
        file.attrs["keras_version"] = version.encode()
        for name, array in kernels.items():
            group[f"lstm_1/lstm_1/{name}:0"] = array
        if config:
            layer = {"class_name": "LSTM", "config": {"name": "lstm_1", "units": 5, "return_sequences": True, **config}}
            whole = {"class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}
            file.attrs["model_config"] = json.dumps(whole).encode()
    return path


def test_the_hard_sigmoid_of_keras_2_is_the_steeper_one(tmp_path: Path) -> None:
    kernels = {name: a.astype("float32") for name, a in matrices("keras_lstm").items()}
    said = {"activation": "tanh", "recurrent_activation": "hard_sigmoid"}
    found = read_model(keras_2(tmp_path / "m.h5", "2.2.4", kernels, said)).model()
    assert found.weights.convention.name == "keras_lstm+hard_sigmoid(0.2,0.5)"
    assert (found.assumed, found.alternatives) == ("", ())
    old = read_model(keras_2(tmp_path / "old.h5", "2.2.4", kernels, None)).model()
    assert old.weights.convention.name == "keras_lstm+hard_sigmoid(0.2,0.5)"
    assert old.assumed == "hard sigmoid gates are assumed, as in Keras 2.2.4"
    assert old.read_as(old.alternatives[0]).weights.convention.name == "keras_lstm"
    for version in ("2.2.4-tf", "2.9.0"):
        new = read_model(keras_2(tmp_path / "new.h5", version, kernels, None)).model()
        assert new.weights.convention.name == "keras_lstm"
        assert new.alternatives == ("keras_lstm+hard_sigmoid(0.2,0.5)",)
        assert "sigmoid gates are assumed" in new.assumed


def onnx_model(kind: str, both: bool, **functions: Any) -> bytes:
    directions = 2 if both else 1
    cells = [
        matrices(f"onnx_{kind.lower()}" if kind != "GRU" else "onnx", seed=k, scale=0.5) for k in range(directions)
    ]
    tensors = [numpy_helper.from_array(np.stack([c[n] for c in cells]).astype("float32"), n) for n in ("W", "R", "B")]
    where = {"direction": "bidirectional" if both else "forward"}
    node = helper.make_node(kind, ["x", "W", "R", "B"], ["y"], "cell", hidden_size=5, **where, **functions)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    graph = helper.make_graph([node], "g", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8).SerializeToString()


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    ("kind", "named", "numbers", "suffix"),
    [
        ("RNN", ["Relu"], {}, "+relu"),
        ("GRU", ["HardSigmoid", "Tanh"], {}, "+hard_sigmoid(0.2,0.5)"),
        ("GRU", ["HardSigmoid", "Softsign"], {"activation_alpha": [0.3], "activation_beta": [0.4]},
         "+hard_sigmoid(0.3,0.4)+softsign"),
        ("LSTM", ["HardSigmoid", "Tanh", "Tanh"], {"activation_alpha": [0.25]}, "+hard_sigmoid(0.25,0.5)"),
        ("LSTM", ["sigmoid", "relu", "relu"], {}, "+relu"),
    ],
)  # fmt: skip
def test_onnxruntime_computes_the_same(
    kind: str, named: list[str], numbers: dict[str, list[float]], suffix: str, both: bool
) -> None:
    count = 2 if both else 1
    given = {key: each * count for key, each in numbers.items()}
    found = read_model(onnx_model(kind, both, activations=named * count, **given), "m.onnx").model()
    assert found.weights.convention.name.partition("+")[2] == suffix[1:]
    assert found.check is not None
    assert found.check.agrees
    assert found.check.difference < 2e-6
    hidden(found)


@pytest.mark.parametrize(
    "named", [["Sigmoid", "Tanh", "Relu"], ["Tanh", "Tanh", "Tanh"], ["Sigmoid", "Elu", "Elu"], ["Sigmoid"]]
)
def test_other_functions_of_onnx_are_refused_by_name(named: list[str]) -> None:
    with pytest.raises(FormatError, match=r"the activations .*" + named[-1]):
        read_model(onnx_model("LSTM", False, activations=named), "m.onnx")


def test_an_rnn_of_which_the_file_does_not_say_is_assumed_to_be_tanh_and_relu_is_offered() -> None:
    state = network("rnn").state_dict()
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    for data in (saved(state), save_safetensors(arrays), npz(arrays)):
        found = read_model(data).model()
        assert found.weights.convention.name == "torch_rnn"
        assert found.assumed == "tanh is assumed"
        other = found.read_as("torch_rnn+relu")
        assert found.alternatives == ("torch_rnn+relu",)
        module = torch.nn.RNN(3, 5, nonlinearity="relu", batch_first=True)
        module.load_state_dict(state)
        assert np.abs(hidden(other) - module(torch.from_numpy(X))[0].detach().numpy()).max() < 1e-5


@pytest.mark.parametrize("suffix", ["+relu", HARD])
def test_what_is_written_is_read_again(suffix: str) -> None:
    for name, formats in (("torch", ("ONNX", "Keras", "NPZ")), ("onnx_lstm", ("ONNX", "Keras", "safetensors"))):
        weights = gru_viz.random_weights(name + suffix, features=3, hidden=5, layers=2)
        for format in formats:
            found = read_model(write_model(weights, format), "m").model()
            assert found.weights.convention.name.endswith(suffix) or (format == "ONNX" and "hard" in suffix)
            assert np.abs(hidden(found) - hidden(FoundModel("", weights))).max() < 2e-6
    relu = gru_viz.random_weights("torch_rnn+relu", features=3, hidden=5)
    assert np.abs(hidden(read_model(write_model(relu, "PyTorch")).model()) - hidden(FoundModel("", relu))).max() < 1e-6
