"""What torch.save writes: every tensor is what torch itself loads, whatever stands beside it."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from files import net, network, saved
from hostile.kinds import Calls
from lopsided import inputs

import gru_viz
from gru_viz.errors import FormatError
from gru_viz.formats import pytorch, read_model
from gru_viz.formats.model_bytes import load


class Settings:
    """A class of the user's, which a reader elsewhere has not."""

    def __init__(self) -> None:
        self.rate = 0.1
        self.nested = {"a": [1, 2, (3, None)]}


def every_kind() -> dict[str, torch.Tensor]:
    numbers = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    named = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool", "complex64", "uint16")
    return {
        **{name: numbers.to(getattr(torch, name)) for name in named},
        "transposed": numbers.T,
        "window": numbers[1:3, 2:5],
        "steps": numbers[::2, ::3],
        "shared": numbers,
        "number": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "expanded": torch.arange(3.0).expand(1, 3),
        "parameter": torch.nn.Parameter(numbers + 1),
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_tensor_is_what_torch_loads(legacy: bool, protocol: int) -> None:
    tensors = every_kind()
    data = saved(tensors, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    arrays = pytorch.read(load(data)).arrays
    assert list(arrays) == list(tensors)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, tensors[name].detach().numpy(), err_msg=name)
        assert array.dtype == tensors[name].detach().numpy().dtype


def test_the_other_byte_order_is_turned_round() -> None:
    state, out = network("gru").state_dict(), io.BytesIO()
    swapped = saved({name: torch.from_numpy(tensor.numpy().byteswap()) for name, tensor in state.items()})
    with zipfile.ZipFile(io.BytesIO(swapped)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, b"big" if entry.endswith("byteorder") else old.read(entry))
    found = read_model(out.getvalue()).model().weights.matrices
    np.testing.assert_array_equal(found["weight_hh"], state["weight_hh_l0"].numpy())


def checkpoint(legacy: bool = False, **beside: Any) -> bytes:
    module = net()
    optimiser = torch.optim.Adam(module.parameters())
    module.reader(torch.zeros(1, 1, 3))[0].sum().backward()
    optimiser.step()
    return saved(
        {
            "epoch": 3,
            "state_dict": module.state_dict(),
            "optimizer_states": [optimiser.state_dict()],
            "optimizer": optimiser.state_dict(),
            **beside,
        },
        _use_new_zipfile_serialization=not legacy,
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_is_searched_and_whatever_stands_beside_the_weights_is_left_alone(legacy: bool) -> None:
    beside = {
        "hyper_parameters": argparse.Namespace(rate=0.1, path=Path("a/b"), when=datetime.date(2026, 1, 2)),
        "settings": Settings(),
        "counts": collections.Counter("abc"),
        "table": collections.defaultdict(list, a=[1]),
        "score": np.float64(0.5),
        "array": np.arange(3),
        "words": {"set": {1, 2}, "bytes": b"\0\xff", "complex": 1j, "big": 1 << 80, (1, 2): "key", 10**5000: [1]},
        "loss": torch.nn.CrossEntropyLoss(),
    }
    file = read_model(checkpoint(legacy, **beside), "run.ckpt")
    assert file.names == ("reader",)
    assert file.model().heads[0].name == "answers"
    assert "saved whole (torch.nn.modules.loss.CrossEntropyLoss)" in file.notices[0]


def test_every_copy_is_found_and_prefixes_do_no_harm() -> None:
    state = network("lstm").state_dict()
    wrapped = {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}
    file = read_model(saved({"model": wrapped, "ema": [{"model_state_dict": state}]}))
    assert file.names == ("model.module._orig_mod", "ema.0.model_state_dict")


def test_equal_paths_are_both_read() -> None:
    a, b = network("gru", seed=1).state_dict(), network("gru", seed=2).state_dict()
    arrays = pytorch.read(load(saved({"a.b": a, "a": {"b": b}}))).arrays
    assert len(arrays) == 8
    np.testing.assert_array_equal(arrays["a.b.weight_ih_l0'"], b["weight_ih_l0"].numpy())


class Wrapped(torch.nn.Module):
    """Layers in containers, a buffer, a tensor beside them, and an object that is no module."""

    def __init__(self, kind: type[torch.nn.Module]) -> None:
        super().__init__()
        self.inner = torch.nn.ModuleList([kind(3, 5, num_layers=2, bidirectional=True)])
        self.head = torch.nn.Sequential(torch.nn.Linear(10, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
        self.register_buffer("mean", torch.arange(3.0))
        self.settings = Settings()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.inner[0](x)[0])


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM, torch.nn.RNN])
def test_a_module_that_was_saved_whole_is_read_as_its_state_dict(kind: type[torch.nn.Module], legacy: bool) -> None:
    module = Wrapped(kind)
    data = saved(module, _use_new_zipfile_serialization=not legacy)
    arrays = pytorch.read(load(data)).arrays
    assert list(arrays) == list(module.state_dict())
    for name, tensor in module.state_dict().items():
        np.testing.assert_array_equal(arrays[name], tensor.numpy())
    file = read_model(data, "whole.pt")
    assert file.names == ("inner.0",)
    assert "test_pytorch.Wrapped)" in file.notices[0]
    assert file.model().check.agrees  # type: ignore[union-attr]
    assert read_model(saved({"net": module, "epoch": 3})).names == ("net.inner.0",)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.LSTM])
def test_torchscript_is_read_as_its_state_dict(kind: type[torch.nn.Module]) -> None:
    module = kind(3, 5, num_layers=2)
    for program in (torch.jit.script(module), torch.jit.trace(module, torch.zeros(4, 1, 3))):
        out = io.BytesIO()
        torch.jit.save(program, out)
        arrays = pytorch.read(load(out.getvalue())).arrays
        assert list(arrays) == list(module.state_dict())
        np.testing.assert_array_equal(arrays["weight_hh_l1"], module.weight_hh_l1.detach().numpy())
        assert read_model(out.getvalue()).model().check.agrees  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["whole", "script", "trace", "config", "word language model"])
@pytest.mark.parametrize("function", ["relu", "tanh"])
def test_the_nonlinearity_of_an_rnn_is_what_the_file_says(function: str, how: str) -> None:
    module = torch.nn.RNN(3, 5, nonlinearity=function)
    out = io.BytesIO()
    if how in ("script", "trace"):
        torch.jit.save(
            torch.jit.script(module) if how == "script" else torch.jit.trace(module, torch.zeros(1, 1, 3)), out
        )
    else:
        beside = {"config": {"nonlinearity": function}, "word language model": {"model": f"RNN_{function.upper()}"}}
        torch.save(module if how == "whole" else {**beside[how], "weights": module.state_dict()}, out)
    found = read_model(out.getvalue()).model()
    assert found.notices[0].startswith(f"The nonlinearity of the RNN is {function}, as")
    assert (found.assumed, found.alternatives) == ("", ())
    x = torch.from_numpy(inputs(2, 4, 3, dtype="float32"))
    theirs = module(x.swapaxes(0, 1))[0].swapaxes(0, 1).detach().numpy()
    np.testing.assert_allclose(gru_viz.trace(found.weights, x.numpy()).hidden, theirs, rtol=0, atol=1e-6)
    assert found.check.agrees  # type: ignore[union-attr]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", ">f4"])
def test_arrays_of_numpy_are_read_from_the_pickle(dtype: str, protocol: int) -> None:
    numbers = np.arange(12).reshape(3, 4).astype(dtype)
    tensors = {"plain": numbers, "columns": np.asfortranarray(numbers), "empty": numbers[:0], "one": numbers[:1, 0]}
    arrays = pytorch.read(load(saved({**tensors, "objects": np.array([None])}, pickle_protocol=protocol))).arrays
    assert list(arrays) == list(tensors)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, tensors[name], err_msg=name)
    state = {name: tensor.numpy() for name, tensor in network("gru").state_dict().items()}
    assert read_model(saved(state, pickle_protocol=protocol)).model().check.agrees  # type: ignore[union-attr]


class Kind(enum.Enum):
    """A configuration's choice, whose pickle calls its class."""

    GRU = "gru"


def test_a_class_of_the_authors_own_that_a_pickle_calls_is_a_name() -> None:
    file = read_model(saved({"kind": Kind.GRU, "state_dict": network("gru").state_dict()}))
    assert file.model().check.agrees  # type: ignore[union-attr]


def test_control_characters_in_names_are_replaced() -> None:
    state = {f"\x1b[31mred\u202e.{name}": tensor for name, tensor in network("gru").state_dict().items()}
    file = read_model(saved(state))
    assert file.names == ("\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}",)
    with pytest.raises(FormatError) as caught:
        read_model(saved({"\x1b\u202e.weight_ih_l0": torch.zeros(15, 3)}), "a\x07.pt")
    assert str(caught.value).isprintable()


def test_tensors_that_are_not_plain_numbers_are_named_where_they_matter_and_passed_where_not() -> None:
    state: dict[str, Any] = dict(network("gru").state_dict())
    odd = {
        "a quantised tensor": Calls(torch._utils._rebuild_qtensor),
        "a sparse tensor": torch.eye(15, 5).to_sparse(),
        "a meta tensor": torch.zeros(15, 5, device="meta"),
        "numbers of type int8": torch.zeros(15, 5, dtype=torch.int8),
        "torch.float8_e4m3fn": torch.zeros(15, 5).to(torch.float8_e4m3fn),
    }
    for what, tensor in odd.items():
        with pytest.raises(FormatError, match=f"x.pt, weight_hh_l0: found .*{what}"):
            read_model(saved({**state, "weight_hh_l0": tensor}), "x.pt")
        assert read_model(saved({**state, "elsewhere": tensor})).names == ("",)
