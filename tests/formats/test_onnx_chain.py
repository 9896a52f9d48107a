"""What stands in front of a network in an ONNX graph is applied, and onnxruntime agrees with it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from files import table
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import nn

import gru_viz
from gru_viz import FormatError, read_model
from gru_viz.formats import fit, layer_chain

onnxruntime = pytest.importorskip("onnxruntime")
STEPS = 20
X = np.random.default_rng(0).normal(1.0, 2.0, (STEPS, 3)).astype("float32")

pytestmark = pytest.mark.filterwarnings("ignore")


class OverTime(nn.Module):
    """A layer that reads (batch, features, time)."""

    def __init__(self, *inner: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x.transpose(1, 2)).transpose(1, 2)


class Arithmetic(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (1.0 - (x - torch.tensor([1.0, 2.0, 3.0])) / torch.tensor([2.0, 4.0, 0.5])) * 0.5


class Rows(nn.Module):
    """A linear layer over merged steps and sequences, as tf2onnx writes one."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(x.reshape(-1, 3))).reshape(-1, STEPS, 4)


FRONTS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 6, bias=False)),
    "activations": lambda: nn.Sequential(
        nn.Linear(3, 4), nn.LeakyReLU(0.2), nn.ELU(0.5), nn.Hardsigmoid(), nn.Softplus()
    ),
    "relu 6": lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU6(), nn.SELU(), nn.Softmax(-1)),
    "layer norm": lambda: nn.Sequential(nn.LayerNorm(3), nn.Tanh()),
    "batch norm": lambda: OverTime(nn.BatchNorm1d(3)),
    "convolution": lambda: OverTime(nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU()),
    "strided convolution": lambda: OverTime(nn.Conv1d(3, 6, 4, stride=2, dilation=2, groups=3)),
    "padded convolution": lambda: OverTime(nn.ConstantPad1d((4, 0), 0.0), nn.Conv1d(3, 4, 5)),
    "pooling": lambda: OverTime(nn.Conv1d(3, 4, 3), nn.MaxPool1d(2), nn.AvgPool1d(3, 2, padding=1)),
    "arithmetic": Arithmetic,
    "rows": Rows,
}


class Model(nn.Module):
    def __init__(self, front: nn.Module, width: int, batch_first: bool) -> None:
        super().__init__()
        self.front, self.batch_first = front, batch_first
        self.rnn = nn.LSTM(width, 5, num_layers=2, batch_first=batch_first, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(10, 4), nn.Tanh(), nn.Linear(4, 2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        read = self.front(x)
        states = self.rnn(read if self.batch_first else read.transpose(0, 1))[0]
        states = states if self.batch_first else states.transpose(0, 1)
        return states, self.head(states)


def exported(module: nn.Module) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(1, STEPS, 3),), file, dynamo=False, input_names=["x"], opset_version=17,
                          dynamic_axes={"x": {0: "batch"}})  # fmt: skip
    return file.getvalue()


@pytest.mark.parametrize("front", FRONTS)
def test_the_states_are_those_of_the_model(front: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = FRONTS[front]()
        for buffer in made.buffers():
            if buffer.dtype == torch.float32:
                buffer.uniform_(0.5, 2.0)
        module = Model(made, made.eval()(torch.zeros(1, STEPS, 3)).shape[2], batch_first=len(front) % 2 == 0).eval()
    found = read_model(exported(module), "m.onnx").model()
    assert (found.features, found.unapplied, len(found.weights.layers)) == (3, "", 2)
    assert found.check is not None
    assert found.check.agrees
    assert "without" not in found.check.framework
    run = gru_viz.trace(found.weights, fit(found, table(X)))
    states, answers = (each.detach().numpy() for each in module(torch.from_numpy(X)[None]))
    top = run.layers[-1]
    assert np.abs(np.concatenate([top.forward.hidden, top.backward.hidden], -1) - states).max() < 2e-6
    answer, inner = found.heads
    assert (answer.hidden, inner.hidden, answer.below.layers[0].activation) == (False, True, "tanh")
    assert np.abs(answer.outputs(run) - answers).max() < 2e-6


def test_the_check_would_see_a_wrong_front(monkeypatch: pytest.MonkeyPatch) -> None:
    data = exported(Model(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)), 4, batch_first=True).eval())
    assert read_model(data, "m.onnx").model().check.agrees  # type: ignore[union-attr]
    monkeypatch.setattr(layer_chain.NormalizationLayer, "transform", lambda layer, values: values)
    assert not read_model(data, "m.onnx").model().check.agrees  # type: ignore[union-attr]


def graph(nodes: list[NodeProto], constants: dict[str, np.ndarray], producer: str = "") -> bytes:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [STEPS, "batch", 3])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    made = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], producer_name=producer, ir_version=8)
    return model.SerializeToString()


def gru(reads: str, **given: Any) -> NodeProto:
    return helper.make_node("GRU", [reads, "W", "R"], ["y"], "gru", hidden_size=5, **given)


RNG = np.random.default_rng(1)
MATRICES = {name: RNG.normal(0, 0.3, (1, 15, n)).astype("float32") for name, n in (("W", 3), ("R", 5))}


@pytest.mark.parametrize(
    ("between", "word"),
    [
        ([helper.make_node("Add", ["x", "x"], ["a"], "twice")], "joins two values"),
        ([helper.make_node("Erf", ["x"], ["a"], "strange")], "strange"),
        ([helper.make_node("Transpose", ["x"], ["a"], "swap", perm=[1, 0, 2]),
          helper.make_node("Reshape", ["a", "shape"], ["b"], "fold"),
          helper.make_node("Reshape", ["b", "shape"], ["c"])], "fold"),
        ([helper.make_node("Clip", ["x", "low", "high"], ["a"], "clip")], "clip"),
    ],
)  # fmt: skip
def test_what_cannot_be_applied_is_reported(between: list[NodeProto], word: str) -> None:
    constants = {"low": np.float32(0), "high": np.float32(1), "shape": np.array([-1, 1, 3])}
    data = graph([*between, gru(between[-1].output[0])], {**MATRICES, **constants})
    found = read_model(data, "m.onnx").model()
    assert word in found.unapplied
    assert any("not applied" in notice for notice in found.notices)


def test_a_network_that_reads_another_one_through_layers_is_fed_by_it() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.norm, self.high = nn.GRU(3, 4), nn.LayerNorm(4), nn.GRU(4, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.high(self.norm(self.low(x.transpose(0, 1))[0]))[0].transpose(0, 1)

    module = Two().eval()
    file = read_model(exported(module), "m.onnx")
    found = file.models[1]
    assert (len(file.models), found.features, found.weights.features) == (2, 3, 4)
    assert found.check.agrees  # type: ignore[union-attr]
    run = gru_viz.trace(found.weights, fit(found, table(X)))
    assert np.abs(run.hidden - module(torch.from_numpy(X)[None]).detach().numpy()).max() < 2e-6


@pytest.mark.parametrize("producer", ["pytorch", "tf2onnx"])
def test_a_reset_before_the_product_from_pytorch_is_reported(producer: str) -> None:
    for after in (0, 1):
        file = read_model(graph([gru("x", linear_before_reset=after)], MATRICES, producer), "m.onnx")
        assert any("another model" in each for each in file.notices) == (producer == "pytorch" and not after)
        assert file.model().weights.convention.reset == ("after" if after else "before")


def taken_apart(cell: type[nn.Module]) -> bytes:
    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x, self.h = nn.Linear(3, 20 if cell is nn.LSTM else 15), nn.Linear(5, 20 if cell is nn.LSTM else 15)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = c = x.new_zeros(x.shape[0], 5)
            for t in range(3):
                a, b = self.x(x[:, t]), self.h(h)
                if cell is nn.LSTM:
                    i, f, g, o = (a + b).chunk(4, 1)
                    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                    h = torch.sigmoid(o) * torch.tanh(c)
                else:
                    (r, z, n), (r2, z2, n2) = a.chunk(3, 1), b.chunk(3, 1)
                    z = torch.sigmoid(z + z2)
                    h = (1 - z) * torch.tanh(n + torch.sigmoid(r + r2) * n2) + z * h
            return h

    return exported(Step().eval())


@pytest.mark.parametrize(("cell", "words"), [(nn.LSTM, "an LSTM taken apart"), (nn.GRU, "a GRU taken apart")])
def test_a_network_taken_apart_is_named_with_the_way_to_export_it(cell: type[nn.Module], words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        read_model(taken_apart(cell), "m.onnx")
    assert "torch.onnx.export" in caught.value.remedy


def test_files_of_tensorflow_are_named_with_the_way_to_save_them() -> None:
    for data, words in (
        (b"\x08\x01\x12\x84\x05\x0a\x20" + bytes(640), "SavedModel"),
        (b"\x08\x01\x12\x08\x12\x06" + bytes(6), "SavedModel"),
        (bytes(300) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "checkpoint"),
    ):
        with pytest.raises(FormatError, match=words) as caught:
            read_model(data, "saved_model.pb")
        assert "model.save(" in caught.value.remedy


def test_too_many_networks_are_refused_before_they_are_assembled() -> None:
    nodes = [helper.make_node("GRU", ["x", "W", "R"], [f"y{k}"], hidden_size=5) for k in range(300)]
    with pytest.raises(FormatError, match=r"300 recurrent networks; wanted at most 256"):
        read_model(graph(nodes, MATRICES), "m.onnx")
