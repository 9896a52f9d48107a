"""What is written is loaded by the framework it is for, runs there as here, and comes back as it was."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from lopsided import ALL, CELL, RESET_BEFORE, inputs, matrices, stack

import gru_viz
from gru_viz import ConventionError, FormatError, Weights, read_model
from gru_viz.formats import write_model

pytestmark = pytest.mark.usefixtures("unchecked")
SHAPES = [(1, 1), (3, 1), (2, 2)]
DTYPES = ("float16", "float32", "float64")
OWN = ("safetensors", "NPZ")


def network(name: str, layers: int = 1, directions: int = 1, dtype: str = "float64") -> Weights:
    return Weights.from_matrices(
        name, stack(name, layers=layers, directions=directions, dtype=dtype, scale=0.5), "a test"
    )


def states(weights: Weights, x: np.ndarray) -> np.ndarray:
    return np.concatenate([each.hidden for each in gru_viz.trace(weights, x).layers[-1].directions], -1)


def keras_states(data: bytes, x: np.ndarray, folder: Path) -> np.ndarray:
    keras = pytest.importorskip("keras")
    (folder / "m.keras").write_bytes(data)
    loaded = keras.models.load_model(folder / "m.keras")
    with torch.no_grad():
        return np.asarray(loaded(x.astype(loaded.dtype)).cpu(), "float64")


def onnx_states(data: bytes, x: np.ndarray, folder: Path) -> np.ndarray:
    runtime = pytest.importorskip("onnxruntime")
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {"x": x.astype("float32")})[0]
    return result


def torch_states(data: bytes, x: np.ndarray, folder: Path) -> np.ndarray:
    state = torch.load(io.BytesIO(data), weights_only=True)
    width, units = state["weight_ih_l0"].shape
    gates = width // state["weight_hh_l0"].shape[1]
    kind = {1: torch.nn.RNN, 3: torch.nn.GRU, 4: torch.nn.LSTM}[gates]
    layers, both = (
        sum(name.startswith("weight_ih") and "reverse" not in name for name in state),
        "weight_ih_l0_reverse" in state,
    )
    module = kind(
        units, width // gates, layers, bidirectional=both, batch_first=True, dtype=state["weight_ih_l0"].dtype
    )
    module.load_state_dict(state)
    with torch.no_grad():
        return module.to(torch.float64)(torch.tensor(x.astype("float64")))[0].numpy()


Runs = Callable[[bytes, np.ndarray, Path], np.ndarray]
RUNNING: dict[str, Runs] = {"PyTorch": torch_states, "Keras": keras_states, "ONNX": onnx_states}
BOUND = {  # what the framework computes in, where that is coarser than the numbers
    ("PyTorch", "float16"): 1e-6,
    ("Keras", "float16"): 4e-3,
    ("Keras", "float64"): 1e-6,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("layers", "directions"), SHAPES)
@pytest.mark.parametrize("name", ["torch", "keras_reset_before", "chung_2014", "torch_lstm", "onnx_rnn"])
@pytest.mark.parametrize("format", RUNNING)
def test_the_framework_runs_what_was_written(
    format: Any, name: str, layers: int, directions: int, tmp_path: Path
) -> None:
    if format == "PyTorch" and name in RESET_BEFORE:
        with pytest.raises(ConventionError, match="reset"):
            write_model(network(name), format)
        return
    dtype = DTYPES[(layers + directions) % 3]
    weights, x = network(name, layers, directions, dtype), inputs(2, 6, 3, dtype="float32")
    ours, data = states(weights, x.astype(np.result_type(weights.dtype, "float32"))), write_model(weights, format)
    assert np.abs(RUNNING[format](data, x, tmp_path) - ours).max() < BOUND.get((format, dtype), 1e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("format", ["PyTorch", "safetensors", "NPZ", "Keras", "ONNX"])
def test_what_was_written_is_read_back(format: Any, name: str) -> None:
    cases = list(zip(DTYPES, SHAPES, strict=True))
    for dtype, (layers, directions) in cases if format in OWN else cases[ALL.index(name) % 3 :][:1]:
        weights, x = network(name, layers, directions, dtype), inputs(2, 6, 3, dtype="float32")
        try:
            data = write_model(weights, format)
        except ConventionError as error:
            refused = format, name in RESET_BEFORE, "reset" in str(error)
            assert refused == ("PyTorch", True, True)
            continue
        found = read_model(data, "model").model().weights
        if format not in OWN:
            wide = x.astype(np.result_type(weights.dtype, "float32"))
            assert np.abs(states(found, wide) - states(weights, wide)).max() < (1e-13 if dtype == "float64" else 1e-6)
        assert (found.convention.cell, found.units, found.bidirectional) == (CELL[name], weights.units, directions == 2)
        if format in OWN:
            assert found.convention == weights.convention
            assert found.dtype == weights.dtype
            for k, layer in enumerate(weights.layers):
                for d, cell in enumerate(layer):
                    for key, array in cell.matrices.items():
                        assert np.array_equal(found.matrices_of(k, d)[key], array)  # type: ignore[arg-type]


def test_where_the_numbers_come_from_travels_with_them() -> None:
    weights = network("torch")
    state = torch.load(io.BytesIO(write_model(weights, "PyTorch")), weights_only=True)
    assert state._metadata[""]["origin"] == "a test"
    props = {each.key: each.value for each in onnx.load_from_string(write_model(weights, "ONNX")).metadata_props}
    assert props == {"origin": "a test", "convention": "onnx_linear_before_reset"}
    with np.load(io.BytesIO(write_model(weights, "NPZ"))) as arrays:
        assert (str(arrays["origin"]), str(arrays["convention"])) == ("a test", "torch")
    for format in ("safetensors", "Keras"):
        data = write_model(weights, format)  # type: ignore[arg-type]
        assert b"a test" in data


def test_two_float16_biases_are_not_rounded_when_they_are_summed() -> None:
    found = read_model(write_model(network("torch_lstm", dtype="float16"), "Keras"), "m.keras").model().weights
    assert found.dtype == np.float32


def test_layers_of_unequal_size_go_where_there_is_a_place_for_them() -> None:
    layers = [[matrices("torch", i, h, seed=k)] for k, (i, h) in enumerate([(3, 5), (5, 2)])]
    weights = Weights.from_matrices("torch", layers)
    for format in ("Keras", "ONNX"):
        assert read_model(write_model(weights, format), "m").model().weights.units == (5, 2)  # type: ignore[arg-type]
    with pytest.raises(ConventionError, match="5, 2 units"):
        write_model(weights, "PyTorch")


def test_the_same_weights_give_the_same_bytes_and_a_path_gets_them(tmp_path: Path) -> None:
    weights = network("onnx", 2, 2)
    for format in ("NPZ", "Keras", "ONNX"):
        data = write_model(weights, format, tmp_path / "out")  # type: ignore[arg-type]
        assert data == write_model(weights, format) == (tmp_path / "out").read_bytes()  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="out/no"):
        write_model(weights, "NPZ", tmp_path / "out" / "no")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(FormatError, match="one of PyTorch"):
        write_model(network("torch"), "TensorFlow")  # type: ignore[arg-type]
