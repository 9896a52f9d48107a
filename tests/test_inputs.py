"""What trace takes: layers of Keras, arrays with time first, and initial states for every layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lopsided import inputs

import gru_viz
from gru_viz import ConventionError, TraceError

X = inputs(4, 7, 3)


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


KERAS: dict[str, Any] = {
    "GRU": lambda layers: layers.GRU(5, return_sequences=True, bias_initializer="glorot_normal"),
    "GRU, reset before": lambda layers: layers.GRU(5, return_sequences=True, reset_after=False),
    "LSTM, hard sigmoid": lambda layers: layers.LSTM(5, return_sequences=True, recurrent_activation="hard_sigmoid"),
    "SimpleRNN, ReLU": lambda layers: layers.SimpleRNN(5, return_sequences=True, activation="relu", use_bias=False),
    "Bidirectional": lambda layers: layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
    "cells": lambda layers: layers.RNN([layers.GRUCell(4), layers.GRUCell(5)], return_sequences=True),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KERAS)
def test_a_layer_of_keras_is_traced(keras, name: str) -> None:
    layer, x = KERAS[name](keras.layers), X.astype("float32")
    theirs = np.asarray(layer(x).detach())
    trace = gru_viz.trace(layer, x)
    top = np.concatenate([run.hidden for run in trace.layers[-1].directions], -1)
    assert np.abs(top - theirs).max() < 2e-6
    assert trace.proof.holds
    assert trace.weights.origin == f"keras.layers.{type(layer).__name__}"


@pytest.mark.filterwarnings("ignore")
def test_layers_of_keras_that_are_not_traced_say_why(keras) -> None:
    layers = keras.layers
    unbuilt, backward, odd, dense = (
        layers.GRU(5), layers.GRU(5, go_backwards=True), layers.LSTM(5, activation="elu"), layers.Dense(5)
    )  # fmt: skip
    for layer in (backward, odd, dense):
        layer(X.astype("float32"))
    for layer, words in ((unbuilt, "is built"), (backward, "go_backwards"), (odd, "elu"), (dense, "Dense")):
        with pytest.raises(ConventionError, match=words):
            gru_viz.trace(layer, X)


def torch_states(module: torch.nn.GRU, x: np.ndarray, *state: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return module(torch.from_numpy(x), *state)[0].numpy()


def test_time_first_is_settled_by_an_argument_and_said_where_it_is_open() -> None:
    module = torch.nn.GRU(3, 5).double()  # reads (time, batch, features)
    time_first = np.ascontiguousarray(X.swapaxes(0, 1))
    theirs = torch_states(module, time_first).swapaxes(0, 1)
    for given, option in ((time_first, True), (torch.from_numpy(time_first), True), (X, False)):
        trace = gru_viz.trace(module, given, time_first=option)
        np.testing.assert_allclose(trace.hidden, theirs, atol=1e-12)
        assert "axes" not in trace.details
    open_ = gru_viz.trace(module, X)
    np.testing.assert_allclose(open_.hidden, theirs, atol=1e-12)
    assert "was read as (batch, time, features)" in open_.details["axes"]
    assert "time_first=True" in open_.details["axes"]
    batch_first = torch.nn.GRU(3, 5, batch_first=True).double()
    for x, model in ((X, batch_first), (X[0], module), (list(X), module), (X, gru_viz.Weights.from_module(module))):
        assert "axes" not in gru_viz.trace(model, x).details


def test_lengths_and_an_initial_state_show_which_axis_is_time() -> None:
    module = torch.nn.GRU(3, 5).double()
    time_first, h0 = np.ascontiguousarray(X.swapaxes(0, 1)), inputs(1, 4, 5)
    theirs = torch_states(module, time_first, torch.from_numpy(h0)).swapaxes(0, 1)
    for given in (time_first, X):
        trace = gru_viz.trace(module, given, h0=h0)
        np.testing.assert_allclose(trace.hidden, theirs, atol=1e-12)
        assert "axes" not in trace.details
    short = gru_viz.trace(module, time_first, lengths=[7, 7, 5, 2])
    assert short.lengths == (7, 7, 5, 2)
    assert "axes" not in short.details


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_an_initial_state_for_another_number_of_layers_is_an_error(kind: str) -> None:
    module = getattr(torch.nn, kind)(3, 5, num_layers=2, bidirectional=True, batch_first=True).double()
    right, wrong = inputs(4, 4, 5), inputs(1, 4, 5)
    pair = (lambda state: (state, state)) if kind == "LSTM" else (lambda state: state)
    assert gru_viz.trace(module, X, h0=pair(right)).proof.holds
    for state in (wrong, list(wrong), torch.from_numpy(wrong), inputs(2, 4, 5)):
        with pytest.raises(TraceError, match=r"layers and directions; wanted 4"):
            gru_viz.trace(module, X, h0=pair(state))
