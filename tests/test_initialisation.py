"""Random weights: the same arguments, the same numbers; torch's are torch's; one seed is one model."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lopsided import ALL, CELL, GRUS, RESET_AFTER, RESET_BEFORE, TAKES, inputs

import gru_viz
from gru_viz import CONVENTIONS, ConventionError, Weights, random_weights
from gru_viz.initialisation import INITIALISATIONS

MODULES = {"torch": torch.nn.GRU, "torch_lstm": torch.nn.LSTM, "torch_rnn": torch.nn.RNN}


def arrays(w: Weights) -> list[tuple[str, np.ndarray]]:
    return [item for layer in w.layers for cell in layer for item in cell.matrices.items()]


def blocks(w: Weights) -> dict[tuple[str, str], np.ndarray]:
    return w.layers[0][0].blocks()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", MODULES)
def test_torchs_initialisation_is_the_module_that_manual_seed_gives(
    name: str, layers: int, bidirectional: bool, dtype: str
) -> None:
    w = random_weights(name, 3, 5, layers, bidirectional, seed=42, dtype=dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        module = MODULES[name](3, 5, layers, bidirectional=bidirectional, dtype=getattr(torch, dtype))
    for (_, mine), theirs in zip(arrays(w), module.parameters(), strict=True):
        assert mine.dtype == dtype
        assert np.array_equal(mine, theirs.detach().numpy())


@pytest.mark.parametrize("initialisation", INITIALISATIONS)
@pytest.mark.parametrize("name", ALL)
def test_the_same_arguments_give_the_same_numbers_and_another_seed_others(name: str, initialisation: str) -> None:
    def draw(seed: int) -> list[tuple[str, np.ndarray]]:
        return arrays(random_weights(name, 3, 5, 2, True, seed, initialisation))

    first = draw(7)
    torch.rand(3)  # whatever else is drawn in between
    assert all(a == b and np.array_equal(u, v) for (a, u), (b, v) in zip(first, draw(7), strict=True))
    assert any(not np.array_equal(u, v) for (_, u), (_, v) in zip(first, draw(8), strict=True))


@pytest.mark.parametrize("initialisation", INITIALISATIONS)
def test_the_global_random_state_is_neither_read_nor_moved(initialisation: str) -> None:
    before = torch.random.get_rng_state()
    random_weights("torch", 3, 5, 2, True, 0, initialisation)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("group", [RESET_AFTER, RESET_BEFORE])
def test_one_seed_is_one_model_over_all_variants_that_merely_relabel(group: tuple[str, ...]) -> None:
    """Keras' initialisation has no bias, so that variants without any can express it too."""
    x = inputs(2, 9, 3)
    traces = {name: gru_viz.trace(random_weights(name, 3, 5, 2, True, 5, "keras", "float64"), x) for name in group}
    first = traces[group[0]].layers[-1]
    for name, trace in traces.items():
        layer = trace.layers[-1]
        for a, b in zip(first.directions, layer.directions, strict=True):
            assert np.abs(a.hidden - b.hidden).max() < 1e-13, name
            assert np.abs(a.candidate - b.candidate).max() < 1e-13, name
            flips = (group[0] in TAKES) != (name in TAKES)
            assert np.abs(a.update - (1 - b.update if flips else b.update)).max() < 1e-13, name


@pytest.mark.parametrize("initialisation", INITIALISATIONS)
@pytest.mark.parametrize("name", GRUS)
def test_one_seed_keeps_the_matrices_even_where_the_reset_moves(name: str, initialisation: str) -> None:
    own = blocks(random_weights(name, 3, 5, seed=5, initialisation=initialisation))
    torch_like = blocks(random_weights("torch", 3, 5, seed=5, initialisation=initialisation))
    for part in "WU":
        for gate in ("reset", "update", "candidate"):
            sign = -1 if gate == "update" and name in TAKES else 1
            assert np.array_equal(own[part, gate], sign * torch_like[part, gate])


def test_torchs_bound_is_one_over_the_root_of_the_units() -> None:
    w = random_weights("torch", 30, 64)
    for _, array in arrays(w):
        assert 0.95 * 64**-0.5 < np.abs(array).max() <= 64**-0.5


@pytest.mark.parametrize("name", MODULES)
def test_keras_initialisation_is_glorot_orthogonal_and_zero(name: str) -> None:
    w = random_weights(name, 30, 16, initialisation="keras", dtype="float64")
    stacked = len(CONVENTIONS[name].gates) * 16
    limit = math.sqrt(6 / (30 + stacked))
    assert 0.95 * limit < np.abs(w.matrices["weight_ih"]).max() <= limit
    u = w.matrices["weight_hh"]
    assert np.abs(u.T @ u - np.eye(16)).max() < 1e-12
    assert not w.matrices["bias_hh"].any()
    forget = np.r_[np.zeros(16), np.ones(16), np.zeros(32)] if CELL[name] == "lstm" else np.zeros(stacked)
    assert np.array_equal(w.matrices["bias_ih"], forget)


def test_tensorflow_1_opens_both_gates_and_not_the_candidate() -> None:
    w = random_weights("tf1", 3, 5, initialisation="tf1")
    assert np.array_equal(w.matrices["gates/bias"], np.ones(10))
    assert not w.matrices["candidate/bias"].any()


@pytest.mark.parametrize("name", ["torch", "keras_reset_before", "torch_lstm"])
def test_chrono_gives_memories_between_1_and_100_steps(name: str) -> None:
    found = blocks(random_weights(name, 3, 400, initialisation="chrono"))
    keeps = found["b", "forget" if name == "torch_lstm" else "update"]
    assert math.log(1) <= keeps.min() < math.log(3)
    assert math.log(90) < keeps.max() <= math.log(99)
    if name == "torch_lstm":
        assert np.array_equal(found["b", "input"], -keeps)
        assert not found["b", "output"].any()
    else:
        assert not found["b", "reset"].any()
    assert not any(found["b_h", gate].any() for gate in CONVENTIONS[name].gates)


def test_the_origin_says_how_they_were_drawn() -> None:
    origin = random_weights("torch", 3, 5, seed=9, initialisation="chrono").origin
    assert "9" in origin
    assert "chrono" in origin


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"features": 0}, "features"),
        ({"hidden": 0}, "hidden"),
        ({"hidden": -3}, "hidden"),
        ({"layers": 0}, "layers"),
        ({"convention": "gru"}, "convention"),
        ({"initialisation": "xavier"}, "xavier"),
        ({"dtype": "float23"}, "dtype"),
        ({"dtype": "int64"}, "dtype"),
    ],
)
def test_wrong_arguments_are_answered_in_words(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(ConventionError) as caught:
        random_weights(**({"convention": "torch", "features": 3, "hidden": 5} | wrong))  # type: ignore[arg-type]
    for part in (caught.value.where, caught.value.found, caught.value.wanted, caught.value.remedy):
        assert part.strip()
    assert word in str(caught.value)
