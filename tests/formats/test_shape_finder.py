"""Networks written by hand, or saved under short names, are found by shape; what is open is reported and offered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from files import npz, saved
from lopsided import inputs, matrices
from torch import nn

import gru_viz
from gru_viz import FormatError, read_model
from gru_viz.formats import FoundModel

X = inputs(1, 9, 3)


def hidden(found: FoundModel, reading: str = "") -> np.ndarray:
    return gru_viz.trace((found.read_as(reading) if reading else found).weights, X).hidden[0]


class ByHand(nn.Module):
    """A GRU as tutorials write it: which equations, and under which names its layers are saved."""

    def __init__(self, before: bool, takes: bool, names: dict[str, str], units: int = 5) -> None:
        super().__init__()
        self.before, self.takes, self.names, self.units = before, takes, names, units
        for gate in "rzn":
            self.add_module(names["x" + gate], nn.Linear(3, units))
            self.add_module(names["h" + gate], nn.Linear(units, units))
        self.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer = {key: self.get_submodule(name) for key, name in self.names.items()}
        h, found = x.new_zeros(self.units), []
        for now in x:
            r, z = (torch.sigmoid(layer["x" + g](now) + layer["h" + g](h)) for g in "rz")
            n = torch.tanh(layer["xn"](now) + (layer["hn"](r * h) if self.before else r * layer["hn"](h)))
            h = (1 - z) * h + z * n if self.takes else (1 - z) * n + z * h
            found.append(h)
        return torch.stack(found)


WORDS = {"r": "reset", "z": "update", "n": "new"}
SCHEMES = {
    "W_ir": {f"{s}{g}": f"W_{'i' if s == 'x' else 'h'}{g}" for s in "xh" for g in "rzn"},
    "w_xr": {f"{s}{g}": f"w_{s}{g if g != 'n' else 'h'}" for s in "xh" for g in "rzn"},
    "fc_r_x": {f"{s}{g}": f"fc_{'u' if g == 'z' else g}_{s}" for s in "xh" for g in "rzn"},
    "reset gate": {f"{s}{g}": f"{'input' if s == 'x' else 'hidden'}_{WORDS[g]}" for s in "xh" for g in "rzn"},
    "Wr and Ur": {f"{s}{g}": f"{'W' if s == 'x' else 'U'}{g}" for s in "xh" for g in "rzn"},
}


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("takes", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_gru_of_separate_linear_layers_has_the_right_reading_among_those_offered(
    scheme: str, takes: bool, before: bool
) -> None:
    module = ByHand(before, takes, SCHEMES[scheme])
    theirs = module(torch.from_numpy(X[0])).detach().numpy()
    found = read_model(saved({f"cell.{name}": tensor for name, tensor in module.state_dict().items()})).model()
    assert found.weights.units == (5,)
    readings = (found.weights.convention.name, *found.alternatives)
    fitting = [name for name in readings if np.abs(hidden(found, name) - theirs).max() < 1e-12]
    assert len(fitting) == 1, readings
    assert len(readings) == len(set(readings))
    if "Found by shape" in found.notices[0]:
        assert found.assumed
        assert found.title_of(fitting[0])


class Fused(nn.Module):
    def __init__(self, gates: int, names: tuple[str, str]) -> None:
        super().__init__()
        self.add_module(names[0], nn.Linear(3, 5 * gates))
        self.add_module(names[1], nn.Linear(5, 5 * gates))
        self.double()


@pytest.mark.parametrize(
    "names", [("x2h", "h2h"), ("i2h", "h2h"), ("linear_ih", "linear_hh"), ("input_map", "hidden_map")]
)
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_two_linear_layers_of_all_gates_are_read_as_torch_stacks_them(cell: str, names: tuple[str, str]) -> None:
    gates = {"gru": 3, "lstm": 4, "rnn": 1}[cell]
    module = Fused(gates, names)
    theirs = {"gru": nn.GRUCell, "lstm": nn.LSTMCell, "rnn": nn.RNNCell}[cell](3, 5).double()
    for layer, kind in ((names[0], "ih"), (names[1], "hh")):
        getattr(theirs, f"weight_{kind}").data = module.get_submodule(layer).weight.data
        getattr(theirs, f"bias_{kind}").data = module.get_submodule(layer).bias.data
    state, wanted = None, []
    for now in torch.from_numpy(X[0]):
        out = theirs(now[None], state)
        state = out
        wanted.append((out[0] if cell == "lstm" else out)[0])
    found = read_model(saved({f"deep.cell.{name}": tensor for name, tensor in module.state_dict().items()})).model()
    assert found.name == "deep.cell"
    np.testing.assert_allclose(hidden(found), torch.stack(wanted).detach().numpy(), atol=1e-12)
    assert found.assumed.endswith("is assumed")


KERAS = {"keras_reset_after": "keras_reset_before", "keras_reset_before": "torch", "keras_lstm": "torch_lstm"}


@pytest.mark.parametrize("names", [None, ("gru1_kernel", "gru1_rec_kernel", "gru1_bias"), ("w", "u", "b"),
                                   ("net/W", "net/R_rec", "net/b")])  # fmt: skip
@pytest.mark.parametrize("name", KERAS)
def test_arrays_of_keras_under_short_names_or_none(name: str, names: tuple[str, ...] | None) -> None:
    arrays = matrices(name)
    beside = {"dense_kernel": np.ones((5, 2)), "dense_bias": np.ones(2)}
    listed = [*arrays.values(), *beside.values()]
    data = (
        {f"arr_{k}": a for k, a in enumerate(listed)}
        if names is None
        else dict(zip(names, listed, strict=False)) | beside
    )
    found = read_model(npz(data)).model()
    assert found.weights.convention.name == name
    wanted = gru_viz.trace(gru_viz.Weights.from_matrices(name, arrays), X).hidden[0]
    np.testing.assert_array_equal(hidden(found), wanted)
    assert found.alternatives
    assert "Found by shape" in found.notices[0]


def flax(cell: str) -> tuple[dict[str, np.ndarray], Any]:
    """The parameters of flax.linen's cells, and torch's cell with the same numbers."""
    gates, kind = ("rzn", nn.GRUCell) if cell == "GRUCell" else ("ifgo", nn.LSTMCell)
    theirs = kind(3, 5).double()
    found: dict[str, np.ndarray] = {}
    theirs.bias_hh.data.zero_()
    if cell != "GRUCell":
        theirs.bias_hh.data.uniform_(-1, 1)
        theirs.bias_ih.data.zero_()
    for k, gate in enumerate(gates):
        rows = slice(5 * k, 5 * k + 5)
        found[f"params/{cell}_0/i{gate}/kernel"] = theirs.weight_ih.data[rows].T.numpy()
        found[f"params/{cell}_0/h{gate}/kernel"] = theirs.weight_hh.data[rows].T.numpy()
        if cell != "GRUCell":
            found[f"params/{cell}_0/h{gate}/bias"] = theirs.bias_hh.data[rows].numpy()
        else:
            found[f"params/{cell}_0/i{gate}/bias"] = theirs.bias_ih.data[rows].numpy()
            if gate == "n":
                theirs.bias_hh.data[rows] = torch.linspace(-1, 1, 5)
                found[f"params/{cell}_0/hn/bias"] = theirs.bias_hh.data[rows].numpy()
    return found, theirs


@pytest.mark.parametrize("cell", ["GRUCell", "OptimizedLSTMCell"])
def test_cells_of_flax(cell: str) -> None:
    arrays, theirs = flax(cell)
    state, wanted = None, []
    for now in torch.from_numpy(X[0]):
        state = theirs(now[None], state)
        wanted.append((state if cell == "GRUCell" else state[0])[0])
    found = read_model(npz(arrays)).model()
    np.testing.assert_allclose(hidden(found), torch.stack(wanted).detach().numpy(), atol=1e-12)
    assert found.name == f"params/{cell}_0"


@pytest.mark.parametrize("state_first", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gates_that_read_input_and_state_side_by_side(cell: str, state_first: bool) -> None:
    words = {"gru": ("reset_gate", "update_gate", "candidate"), "lstm": ("forget", "input", "cell", "output")}[cell]
    layers = {word: nn.Linear(8, 5).double() for word in words}
    h = c = torch.zeros(5, dtype=torch.float64)
    wanted = []
    for now in torch.from_numpy(X[0]):

        def joined(state: torch.Tensor) -> torch.Tensor:
            return torch.cat([state, now] if state_first else [now, state])  # noqa: B023

        with torch.no_grad():
            if cell == "lstm":
                f, i, g, o = (layers[word](joined(h)) for word in words)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            else:
                r, z = (torch.sigmoid(layers[word](joined(h))) for word in words[:2])
                h = (1 - z) * h + z * torch.tanh(layers["candidate"](joined(r * h)))
        wanted.append(h)
    found = read_model(saved(nn.ModuleDict(layers).state_dict())).model()
    readings = (found.weights.convention.name, *found.alternatives)
    fitting = [name for name in readings if np.abs(hidden(found, name) - torch.stack(wanted).numpy()).max() < 1e-12]
    assert len(fitting) == 1, readings
    assert ("state first" in found.title_of(fitting[0])) == state_first


def test_two_cells_by_hand_feed_each_other() -> None:
    low, high = Fused(3, ("x2h", "h2h")), nn.ModuleDict({"x2h": nn.Linear(5, 12), "h2h": nn.Linear(4, 12)})
    state = {f"cells.{k}.{name}": t for k, each in enumerate((low, high)) for name, t in each.state_dict().items()}
    file = read_model(saved(state))
    assert file.names == ("cells.0", "cells.1")
    assert file.model("cells.1").features == 3
    assert "cells.0 feeds cells.1" in file.model("cells.1").assumed


@pytest.mark.parametrize(
    "shapes",
    [
        {"fc1": (15, 3), "fc2": (2, 15)},
        {"layer1": (15, 3), "layer2": (5, 15), "layer3": (2, 5)},
        {"in_proj_weight": (15, 5), "out_proj": (5, 5), "b.in_proj_weight": (15, 5)},
        {"encoder": (16, 16), "decoder": (16, 16)},
        {"a": (12, 4), "z": (3, 3), "q": (7, 7), "b": (12, 9)},
    ],
)
def test_other_networks_are_not_taken_for_recurrent_ones(shapes: dict[str, tuple[int, int]]) -> None:
    state = {f"{name}.weight": torch.ones(shape) for name, shape in shapes.items()}
    with pytest.raises(FormatError, match="no recurrent layer"):
        read_model(saved(state))
