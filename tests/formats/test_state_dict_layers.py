"""What stands around a network in a PyTorch file is found by widths and order, applied, and reported as assumed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from files import saved, table
from lopsided import inputs
from safetensors.torch import save as save_safetensors
from torch import nn

import gru_viz
from gru_viz import read_model
from gru_viz.formats import FoundModel, fit

X = inputs(12, 3, dtype="float32")


class Model(nn.Module):
    """Layers in front, a network, and a head, as their names in the file come."""

    def __init__(self, front: nn.Module, width: int, head: nn.Module | None = None) -> None:
        super().__init__()
        self.front, self.rnn = front, nn.GRU(width, 5, batch_first=True)
        self.drop = nn.Dropout(0.1)
        self.head = head or nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if isinstance(self.front, nn.Conv1d):
            x = self.front(x.swapaxes(1, 2)).swapaxes(1, 2)
        else:
            x = self.front(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:2], -1)
        states = self.rnn(x)[0]
        return states, self.head(states.reshape(-1, 5)).reshape(*states.shape[:2], -1)


def made(front: nn.Module, width: int, head: nn.Module | None = None) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for each in (front, head):
            for buffer in each.buffers() if each else ():
                if buffer.dtype == torch.float32:
                    buffer.uniform_(0.5, 2.0)
        return Model(front, width, head).eval()


def both(module: Model) -> list[bytes]:
    return [saved(module.state_dict()), saved(module)]


def states(found: FoundModel, x: np.ndarray = X) -> np.ndarray:
    return gru_viz.trace(found.weights, fit(found, table(x))).hidden[0]


@pytest.mark.parametrize(
    ("front", "width"),
    [
        (lambda: nn.Linear(3, 4), 4),
        (lambda: nn.Linear(3, 3, bias=True), 3),
        (lambda: nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 4), nn.ReLU()), 4),
        (lambda: nn.BatchNorm1d(3), 3),
        (lambda: nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 4)), 4),
    ],
)
def test_the_layers_just_before_a_network_are_applied_and_assumed(front, width: int) -> None:
    module = made(front(), width)
    theirs = module(torch.from_numpy(X)[None])[0][0].detach().numpy()
    for data in both(module):
        found = read_model(data).model("rnn")
        assert np.abs(states(found) - theirs).max() < 2e-6
        assert (found.features, found.fronts[1:]) == (3, (type(found.before)(),))
        assert found.assumed.startswith("front")
        assert found.assumed.endswith("in front is assumed")
        assert any("does not say what reads what" in notice for notice in found.notices)
        assert (
            np.abs(states(found.with_front(found.fronts[1]), X[:, :1] * np.ones(width, "float32")) - theirs).max()
            > 1e-3
        )


def test_activations_of_a_module_saved_whole_are_known() -> None:
    front = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.3), nn.Linear(4, 4), nn.Tanh())
    head = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.SiLU(), nn.Linear(4, 2), nn.Softmax(-1))
    module = made(front, 4, head)
    theirs, answers = (each[0].detach().numpy() for each in module(torch.from_numpy(X)[None]))
    found = read_model(saved(module)).model()
    assert np.abs(states(found) - theirs).max() < 2e-6
    answer, inner = found.heads
    assert (answer.assumed, answer.activation, answer.hidden, inner.hidden) == ("", "softmax", False, True)
    run = gru_viz.trace(found.weights, fit(found, table(X)))
    assert np.abs(answer.outputs(run)[0] - answers).max() < 2e-6


@pytest.mark.parametrize("format", ["PyTorch", "safetensors"])
def test_a_head_of_several_layers_answers_and_what_is_between_is_assumed(format: str) -> None:
    head = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 1))
    module = made(nn.Identity(), 3, head)
    answers = module(torch.from_numpy(X)[None])[1][0].detach().numpy()
    data = saved(module.state_dict()) if format == "PyTorch" else save_safetensors(module.state_dict())
    found = read_model(data).model()
    answer, plain, inner = found.heads
    assert (answer.name, plain.name, inner.name) == ("head.3", "head.3, nothing between", "head.0")
    assert answer.assumed == "relu between head.0 and head.2 is assumed"
    assert any(answer.assumed in notice for notice in found.notices)
    run = gru_viz.trace(found.weights, X)
    assert np.abs(answer.outputs(run)[0] - answers).max() < 2e-6
    assert np.abs(plain.outputs(run)[0] - answers).max() > 1e-4
    assert inner.outputs(run).shape == (1, 12, 4)


def test_numbered_layers_are_one_head_and_two_heads_stay_two() -> None:
    rnn = {f"rnn.{name}": tensor for name, tensor in nn.GRU(3, 5).state_dict().items()}

    def names(**sizes: tuple[int, int]) -> list[tuple[str, bool]]:
        linear = {f"{name}.{leaf}": torch.ones(shape) for name, (i, o) in sizes.items()
                  for leaf, shape in (("weight", (o, i)), ("bias", (o,)))}  # fmt: skip
        heads = read_model(saved(rnn | linear)).model().heads
        return [(head.name, head.hidden) for head in heads if "nothing" not in head.name]

    assert names(fc1=(5, 8), fc2=(8, 3)) == [("fc2", False), ("fc1", True)]
    assert names(fc1=(5, 5), fc2=(5, 3)) == [("fc2", False), ("fc2, alone", False), ("fc1", True)]
    assert names(mean=(5, 2), deviation=(5, 2)) == [("mean", False), ("deviation", False)]
    assert names(attention=(5, 5), fc=(5, 2)) == [("fc", False), ("attention", False)]


def test_networks_that_feed_each_other() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm1, self.dropout = nn.LSTM(3, 8, batch_first=True, bidirectional=True), nn.Dropout(0.2)
            self.lstm2 = nn.LSTM(16, 5, batch_first=True)
            self.fc = nn.Linear(5, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lstm2(self.dropout(self.lstm1(x)[0]))[0]

    module = Two().eval()
    file = read_model(saved(module.state_dict()))
    found = file.model("lstm2")
    assert (found.features, found.weights.features, found.assumed) == (3, 16, "lstm1 feeds lstm2")
    theirs = module(torch.from_numpy(X)[None])[0].detach().numpy()
    assert np.abs(states(found) - theirs).max() < 2e-6
    assert file.model("lstm1").before.layers == ()


def test_what_is_no_front_is_none() -> None:
    """A head that is declared first, an embedding, attention, layers of another width, layers after the network."""
    rnn = {f"rnn.{name}": tensor for name, tensor in nn.GRU(4, 5).state_dict().items()}
    before = {
        "fc": (4, 5), "attention.linear": (4, 9), "encoder_embedding": (30, 4), "other": (7, 2),
    }  # fmt: skip
    for name, shape in before.items():
        state = {f"{name}.weight": torch.ones(shape), **rnn}
        if "embedding" not in name:
            state = {f"{name}.bias": torch.ones(shape[0]), **state}
        assert read_model(saved(state)).model().before.layers == (), name
    after = {**rnn, "inner.weight": torch.ones(4, 7), "inner.bias": torch.ones(4)}
    assert read_model(saved(after)).model().before.layers == ()


def test_a_convolution_is_applied_where_its_settings_are_in_the_file_and_reported_where_not() -> None:
    module = made(nn.Conv1d(3, 4, 3, padding=1), 4)
    theirs = module(torch.from_numpy(X)[None])[0][0].detach().numpy()
    found = read_model(saved(module)).model()
    assert np.abs(states(found) - theirs).max() < 2e-6
    alone = read_model(saved(module.state_dict())).model()
    assert alone.before.layers == ()
    assert alone.unapplied == "front, a convolution whose stride and padding the file does not say"
    assert any("not applied: front" in notice for notice in alone.notices)


def test_a_table_as_wide_as_the_network_is_read_without_the_assumed_front() -> None:
    found = read_model(saved(made(nn.Linear(3, 4), 4).state_dict())).model()
    wide = table(inputs(12, 4, dtype="float32"))
    fitted = fit(found, wide)
    np.testing.assert_array_equal(fitted[0].values, wide[0].values)
    assert "not applied in front of it: Dense front" in fitted.notices[-1]
