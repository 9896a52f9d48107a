"""Reading a model: from anywhere, whatever it is called, the same network as the framework's own."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from files import hidden_states, net, network, npz, saved
from lopsided import inputs
from safetensors.torch import save as save_safetensors

import gru_viz
from gru_viz.errors import FormatError, MissingPackageError
from gru_viz.formats import Limits, read_model


def as_torch(state: dict[str, torch.Tensor]) -> bytes:
    return saved(state)


def as_legacy(state: dict[str, torch.Tensor]) -> bytes:
    return saved(state, _use_new_zipfile_serialization=False)


def as_npz(state: dict[str, torch.Tensor]) -> bytes:
    return npz({name: tensor.numpy() for name, tensor in state.items()}, compressed=True)


WRITERS = {"PyTorch": as_torch, "legacy": as_legacy, "safetensors": save_safetensors, "NPZ": as_npz}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_what_torch_wrote_gives_the_states_that_torch_gives(
    cell: str, layers: int, dtype: torch.dtype, writer: str
) -> None:
    module = network(cell, dtype, num_layers=layers, bidirectional=layers > 1, bias=layers < 3)
    data = WRITERS[writer]({f"deep.down.{name}": tensor for name, tensor in module.state_dict().items()})
    file = read_model(data)
    assert file.format == ("PyTorch" if writer == "legacy" else writer)
    assert file.names == ("deep.down",)
    weights = file.model().weights
    assert (len(weights.layers), weights.bidirectional, str(weights.dtype)) == (layers, layers > 1, str(dtype)[6:])
    for name, tensor in module.state_dict().items():
        matrix, _, place = name.partition("_l")
        found = weights.matrices_of(int(place[0]), int(place.endswith("reverse")))[matrix]
        np.testing.assert_array_equal(found, tensor.numpy())
    x = inputs(4, 9, 3)
    trace = gru_viz.trace(weights, x.astype(weights.dtype if dtype == torch.float64 else np.float32))
    top = np.concatenate([each.hidden for each in trace.layers[-1].directions], -1)
    np.testing.assert_allclose(top, hidden_states(module, x), rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-6)
    check = file.model().check
    assert check is not None
    assert check.agrees
    assert check.framework.startswith("torch 2")
    assert check.bound < (1e-11 if dtype == torch.float64 else 1e-3)


@pytest.mark.parametrize("writer", ["PyTorch", "legacy", "safetensors"])
def test_bfloat16_is_widened_exactly(writer: str) -> None:
    module = network("gru", torch.bfloat16)
    weights = read_model(WRITERS[writer](module.state_dict())).model().weights
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights.matrices["weight_ih"], module.weight_ih_l0.detach().float().numpy())


def test_a_wrong_network_would_not_pass_the_check() -> None:
    from gru_viz.formats.framework_check import compare, probe
    from gru_viz.weights import Weights

    module = network("gru")
    weights, x = Weights.from_module(module), probe(Weights.from_module(module))
    theirs = module(torch.from_numpy(x))[0].detach().numpy()
    assert compare("torch", weights, x, theirs).agrees
    assert not compare("torch", weights.read_as("keras_reset_before"), x, theirs).agrees
    assert not compare("torch", weights, x, theirs[:, ::-1]).agrees
    assert not compare("torch", weights, x, theirs + 1e-3).agrees
    assert not compare("torch", weights, x, theirs[..., :-1]).agrees
    assert not compare("torch", weights, x, np.where(theirs == theirs.max(), np.nan, theirs)).agrees


def test_from_a_path_bytes_and_an_open_file_whatever_the_name(tmp_path: Path) -> None:
    data = saved(net().state_dict())
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    with path.open("rb") as opened:
        files = [read_model(path), read_model(str(path)), read_model(opened), gru_viz.read_model(data, "mine.h5")]
    assert [file.format for file in files] == ["PyTorch"] * 4
    assert [file.name for file in files] == ["weights.safetensors"] * 3 + ["mine.h5"]
    assert read_model(io.BytesIO(data)).name == "model"
    with path.open() as text, pytest.raises(FormatError, match=r"opened|readable"):
        read_model(text)  # type: ignore[arg-type]
    for source, words in (
        (tmp_path, "a folder"),
        (tmp_path / "none.pt", "no readable file"),
        ("nul\0.pt", "no readable file"),
        (42, "a int; wanted a path, bytes or an open file"),
        (b"", "an empty file"),
    ):
        with pytest.raises(FormatError, match=words):
            read_model(source)  # type: ignore[arg-type]


def test_what_stands_around_a_network_is_found_with_it() -> None:
    module = net()
    for data in (saved(module.state_dict()), save_safetensors(module.state_dict()), as_npz(module.state_dict())):
        found = read_model(data, "net").model("reader")
        assert [each.name for each in found.embeddings] == ["symbols"]
        assert [each.name for each in found.heads] == ["answers"]
        np.testing.assert_array_equal(found.embeddings[0].matrix, module.symbols.weight.detach().numpy())
        np.testing.assert_array_equal(found.heads[0].weight, module.answers.weight.detach().numpy())
        np.testing.assert_array_equal(found.heads[0].bias, module.answers.bias.detach().numpy())
        assert found.weights.origin == "net, reader"


def test_a_network_is_chosen_by_the_end_of_its_name_where_that_is_one() -> None:
    state = {f"{which}.reader.{name}": t for which in "ab" for name, t in network("gru").state_dict().items()}
    file = read_model(saved({"model": {"net": state}, "mean": torch.zeros(3)}))
    assert file.model("b.reader").name == file.model("model.net.b.reader").name == "model.net.b.reader"
    for name in ("reader", None, "eader", ""):
        with pytest.raises(FormatError, match=r"'model\.net\.a\.reader', 'model\.net\.b\.reader'"):
            file.model(name)


def test_the_arrays_of_python_2_are_read_and_records_beside_the_weights_are_not() -> None:
    matrices = {name: tensor.numpy() for name, tensor in network("gru").state_dict().items()}
    whole = npz(matrices | {"log": np.zeros(3, [("a", "<f4"), ("b", "<i8")])})
    old = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(old, "w") as target:
        for entry in source.namelist():
            target.writestr(entry, re.sub(rb"\((\d+),(.*)\), \}  ", rb"(\1L,\2), } ", source.read(entry), count=1))
    assert b"'shape': (15L, 3), }" in old.getvalue()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for data in (whole, old.getvalue()):
            weights = read_model(data).model().weights
            assert all((weights.matrices_of(0, 0)[name[:-3]] == array).all() for name, array in matrices.items())
    assert warned == []


def test_the_caps_are_checked_and_named() -> None:
    data = saved(net().state_dict())
    assert read_model(data, limits=Limits(max_bytes=len(data), max_networks=1)).names == ("reader",)
    for limits, words in (
        (Limits(max_bytes=len(data) - 1), f"at most {len(data) - 1:,} bytes"),
        (Limits(max_array_bytes=1000), "at most 1,000"),
        (Limits(max_entries=5), "at most 5"),
        (Limits(max_steps=20), "more than 20 steps"),
        (Limits(max_networks=0), "1 recurrent networks; wanted at most 0"),
    ):
        for source in (data, io.BytesIO(data)):
            with pytest.raises(FormatError, match=words):
                read_model(source, limits=limits)


def test_reading_draws_nothing_and_changes_nothing() -> None:
    before = torch.random.get_rng_state()
    found = read_model(saved(net().state_dict())).model()
    assert torch.equal(before, torch.random.get_rng_state())
    with pytest.raises(ValueError, match="read-only"):
        found.weights.matrices_of(0)["weight_ih"][0, 0] = 1


def test_a_package_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for module in [name for name in sys.modules if name.startswith(("gru_viz.formats.keras", "gru_viz.formats.onnx"))]:
        monkeypatch.delitem(sys.modules, module)
    for package in ("h5py", "onnx"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=r"'h5py'.*pip install \"gru_viz\[formats\]\""):
        read_model(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(MissingPackageError, match=r"'onnx'.*pip install \"gru_viz\[formats\]\""):
        read_model(b"\x08\x08\x12\x02ab")
