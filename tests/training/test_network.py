"""The models of a lane: independent, drawn by their seeds, counted as their variants count, the same however run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from loops import Small, settings
from lopsided import ALL, BIASES, CELL, inputs

import gru_viz
from gru_viz import random_weights
from gru_viz.equations import Parameters
from gru_viz.errors import TrainingError
from gru_viz.training import Lane, Network, Trainer, count_parameters, equal_hidden, network as network_module
from gru_viz.training.network import estimate_memory
from gru_viz.training.settings import OPTIMISERS

pytestmark = pytest.mark.usefixtures("unchecked")
X = inputs(4, 6, 3, dtype="float32")


@pytest.mark.parametrize("name", ALL)
def test_every_variant_trains_and_keeps_absent_biases_at_zero(name: str) -> None:
    lane = Lane("a", cell=name, hidden=4, layers=2, optimiser="adamw", learning_rate=0.05, backend="scratch")
    running = Trainer(Small(), settings([lane], updates=6), "a")
    before = running.network.stacked()
    list(running)
    after = running.network.stacked()
    biases = BIASES.get(name, 2)
    for key, values in after.items():
        kind = key.split(".")[1]
        absent = {"bias_input": biases == 0, "bias_recurrent": biases < 2}.get(kind, False)
        assert np.any(values) != absent, key
        gates = np.array_split(values != before[key], 1 if key.startswith("head") else len(values[0]) // 4, axis=1)
        assert all(gate.any() != absent for gate in gates), key
    running.network.weights(1)  # and what was learnt can be written in the variant's own names, which refuses no bias


@pytest.mark.parametrize("name", ALL)
def test_what_it_answers_is_what_the_trace_of_its_weights_shows(name: str) -> None:
    network = Network(Lane(cell=name, hidden=4, layers=2), 3, 2, (5, 6))
    answers = network.predict(X, "every")
    for model in range(2):
        hidden = gru_viz.trace(network.weights(model), X).layers[-1].hidden
        head = network.arrays(model)
        assert np.abs(hidden @ head["head.weight"].T + head["head.bias"] - answers[model]).max() < 1e-5


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", ALL)
def test_parameters_are_counted_as_the_weights_count_them(name: str, layers: int) -> None:
    weights = random_weights(name, 3, 5, layers)
    assert count_parameters(name, 3, 5, layers, 2) == weights.parameters + 2 * 5 + 2
    network = Network(Lane(cell=name, hidden=5, layers=layers), 3, 2, (0,))
    absent = 2 - (BIASES.get(name, 2))
    rows = {"gru": 15, "lstm": 20, "rnn": 5}[CELL[name]]
    numbers = sum(tensor[0].numel() for tensor in network.parameters.values())
    assert numbers == count_parameters(name, 3, 5, layers, 2) + absent * rows * layers


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("wanted", [1, 100, 3393, 5000, 100_000])
@pytest.mark.parametrize("name", ["torch", "chung_2014", "torch_lstm", "torch_rnn"])
def test_no_other_hidden_size_comes_closer(name: str, wanted: int, layers: int) -> None:
    found = equal_hidden(name, 3, layers, 2, wanted)
    away = [abs(count_parameters(name, 3, size, layers, 2) - wanted) for size in range(1, 400)]
    assert away[found - 1] == min(away)


def test_a_model_is_the_one_that_its_seed_alone_gives() -> None:
    lane = Lane(hidden=5, layers=2)
    together, alone = Network(lane, 3, 2, (3, 4, 5)), Network(lane, 3, 2, (4,))
    for name, array in alone.arrays().items():
        assert np.array_equal(array, together.arrays(1)[name])
        assert not np.array_equal(array, together.arrays(0)[name])


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_no_model_hears_of_another(optimiser: str) -> None:
    """Whatever happens to one model, the others stay as they were, to the last bit."""
    lane = Lane("a", hidden=4, optimiser=optimiser, clip=0.1)
    running, disturbed = (Trainer(Small(), settings([lane]), "a") for _ in range(2))
    with torch.no_grad():
        disturbed.network.parameters["layer0.weight_recurrent"][1] *= 3
    list(running), list(disturbed)
    for name, values in running.network.stacked().items():
        others = disturbed.network.stacked()[name]
        assert np.array_equal(values[[0, 2]], others[[0, 2]]), name
        assert not np.array_equal(values[1], others[1]), name


@pytest.mark.parametrize("initialisation", ["keras", "tf1", "chrono"])
@pytest.mark.parametrize("cell", ["torch", "torch_lstm"])
def test_initialisations_reach_the_lane(cell: str, initialisation: str) -> None:
    network = Network(Lane(cell=cell, hidden=4, layers=2, initialisation=initialisation), 3, 1, (0, 1))
    for layer in range(2):
        bias = network.parameters[f"layer{layer}.bias_input"].detach().view(2, -1, 4)
        forget, write = (bias[:, 1], bias[:, 0])
        if initialisation == "chrono":
            assert (forget >= 0).all()
            assert forget.unique().numel() == forget.numel()
            assert torch.equal(write, -forget if cell == "torch_lstm" else torch.zeros_like(write))
        else:
            ones = initialisation == "tf1" or cell == "torch_lstm"
            assert torch.equal(forget, torch.full_like(forget, float(ones)))
            assert torch.equal(write, torch.full_like(write, float(cell == "torch" and ones)))
        assert not network.parameters[f"layer{layer}.bias_recurrent"].any()


def test_dropout_hides_its_share_between_layers_and_nothing_while_measuring() -> None:
    lane = Lane(hidden=200, layers=2, dropout=0.25)
    network = Network(lane, 3, 1, (0, 1))
    x = torch.from_numpy(X).expand(2, *X.shape)

    def drawn(*seeds: int) -> torch.Tensor:
        return network.forward(x, "every", None, [torch.Generator().manual_seed(s) for s in seeds])

    plain = network.forward(x, "every")
    assert torch.equal(plain, network.forward(x, "every"))
    assert torch.equal(drawn(1, 2), drawn(1, 2))
    assert torch.equal(drawn(1, 2)[0], drawn(1, 3)[0])
    assert not torch.equal(drawn(1, 2)[1], drawn(1, 3)[1])
    assert not torch.equal(drawn(1, 2), plain)
    single = Network(replace(lane, layers=1), 3, 1, (0, 1))
    generators = [torch.Generator().manual_seed(1)] * 2
    assert torch.equal(single.forward(x, "every", None, generators), single.forward(x, "every"))


def test_what_dropout_leaves_is_scaled_up_so_that_the_mean_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def ones(backend: str, convention: object, p: Parameters, x: torch.Tensor, *, onednn: bool) -> torch.Tensor:
        seen.append(x)
        return x.new_ones(*x.shape[:3], p.weight_recurrent.shape[-1])

    monkeypatch.setattr(network_module, "run_layer", ones)
    network = Network(Lane(hidden=200, layers=2, dropout=0.25), 3, 1, (0, 1))
    generators = [torch.Generator().manual_seed(s) for s in (1, 2)]
    network.forward(torch.from_numpy(X).expand(2, *X.shape), "every", None, generators)
    assert seen[1].unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert float(seen[1].mean()) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("cell", ["torch", "torch_lstm", "torch_rnn", "chung_2014"])
def test_what_follows_the_end_of_a_sequence_is_not_read(cell: str) -> None:
    network, lengths = Network(Lane(cell=cell, hidden=4, layers=2), 3, 2, (0, 1)), np.array([1, 6, 3, 5])
    answers = network.predict(X, "last", lengths)
    for row, n in enumerate(lengths):
        assert np.allclose(answers[:, row], network.predict(X[row : row + 1, :n], "last")[:, 0], atol=1e-6)


def test_it_answers_to_arrays_that_must_not_be_written() -> None:
    frozen, lengths = X.astype(np.float64), np.array([1, 6, 3, 5], np.int32)
    frozen.flags.writeable = lengths.flags.writeable = False
    network = Network(Lane(hidden=4), 3, 2, (0,))
    assert np.array_equal(
        network.predict(frozen, "last", lengths), network.predict(X, "last", lengths.astype(np.int64))
    )


def test_parameters_come_back_and_others_are_refused() -> None:
    lane = Lane(hidden=4)
    one, other = Network(lane, 3, 2, (0, 1)), Network(lane, 3, 2, (7, 8))
    other.load(one.stacked())
    assert all(np.array_equal(a, other.stacked()[name]) for name, a in one.stacked().items())
    alone = Network(lane, 3, 2, (9,))
    alone.load(one.arrays(1))
    assert np.array_equal(alone.predict(X, "last")[0], one.predict(X, "last")[1])
    for wrong in (one.arrays(0), Network(lane, 4, 2, (0, 1)).stacked(), {}):
        with pytest.raises(TrainingError, match="Load parameters that the same model has saved"):
            one.load(wrong)


def test_the_estimate_of_memory_grows_with_all_that_costs() -> None:
    lane, made = Lane(hidden=32), settings([Lane()])
    least = estimate_memory(lane, 3, 1, 50, made)
    assert least > 4 * 3 * 5 * 50 * 32 * 4
    for larger in (
        estimate_memory(replace(lane, hidden=64), 3, 1, 50, made),
        estimate_memory(replace(lane, layers=2), 3, 1, 50, made),
        estimate_memory(lane, 3, 1, 100, made),
        estimate_memory(lane, 3, 1, 50, replace(made, batch=10)),
        estimate_memory(lane, 3, 1, 50, replace(made, seeds=6)),
    ):
        assert larger > 1.5 * least
