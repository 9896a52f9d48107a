"""Cells with other functions: hard sigmoid gates, ReLU states; as Keras, ONNX and torch compute them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lopsided import inputs, stack

import gru_viz
from gru_viz import CONVENTIONS, ConventionError, Weights
from gru_viz.analysis import work_out
from gru_viz.backends import why_not
from gru_viz.conventions import convention

HARD = "hard_sigmoid(0.2,0.5)"
NAMES = ("torch_rnn+relu", f"torch+{HARD}", f"keras_reset_before+{HARD}", f"torch_lstm+{HARD}", "torch_lstm+relu",
         "onnx_lstm+hard_sigmoid(0.25,0.4)+relu", f"chung_2014+{HARD}+softsign", "torch+linear")  # fmt: skip


def weights(name: str, layers: int = 1, directions: int = 1) -> Weights:
    base = name.partition("+")[0]
    scaled = [
        [{n: 0.4 * a for n, a in cell.items()} for cell in layer]
        for layer in stack(base, layers=layers, directions=directions)
    ]
    return Weights.from_matrices(name, scaled)


def by_hand(name: str, w: Weights, x: np.ndarray) -> dict[str, np.ndarray]:
    """The states of one layer, written once more in numpy."""
    kind = convention(name)
    alpha, beta = (0.25, 0.4) if "0.25" in name else (0.2, 0.5)
    gate = (lambda v: np.clip(alpha * v + beta, 0, 1)) if "hard" in name else lambda v: 1 / (1 + np.exp(-v))
    state = {"relu": lambda v: np.maximum(v, 0), "softsign": lambda v: v / (1 + np.abs(v)), "linear": lambda v: v}.get(
        name.rpartition("+")[2], np.tanh
    )
    blocks = w.layers[0][0].blocks()
    h = c = np.zeros((len(x), w.hidden))
    found: dict[str, list[np.ndarray]] = {"hidden": [], "cell": []}

    def sums(g: str, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return now @ blocks["W", g].T + blocks["b", g], seen @ blocks["U", g].T + blocks["b_h", g]

    for now in x.swapaxes(0, 1):  # noqa: B007, the sums read it
        if kind.cell == "rnn":
            h = state(sum(sums("hidden", h)))
        elif kind.cell == "lstm":
            i, f, o = (gate(sum(sums(g, h))) for g in ("input", "forget", "output"))
            c = f * c + i * state(sum(sums("cell_candidate", h)))
            h = o * state(c)
        else:
            r, z = (gate(sum(sums(g, h))) for g in ("reset", "update"))
            given, recurrent = sums("candidate", h if kind.reset == "after" else r * h)
            n = state(given + (r * recurrent if kind.reset == "after" else recurrent))
            h = z * h + (1 - z) * n if kind.update == "keeps" else z * n + (1 - z) * h
        found["hidden"].append(h), found["cell"].append(c)
    return {q: np.stack(each, 1) for q, each in found.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_function_is_computed_proven_and_written_out(name: str) -> None:
    w, x = weights(name), inputs(2, 9, 3)
    trace = gru_viz.trace(w, x)
    for state in trace.convention.states:
        np.testing.assert_allclose(trace.layers[0].forward.quantities[state], by_hand(name, w, x)[state], atol=1e-12)
    assert trace.proof.holds
    assert trace.convention.name == name
    quantities = trace.layers[0].forward.quantities
    for quantity in trace.convention.quantities:
        if quantity.bounded:
            assert np.abs(quantities[quantity.name]).max() <= 1, quantity.name
    formula = work_out(trace.layers[0].forward, unit=1)
    text = formula.text(4)
    assert ("clip(" in text) == ("hard" in name)
    assert ("max(0, " in text) == ("relu" in name)


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_would_see_the_usual_functions(name: str) -> None:
    """The trace of the plain convention is not proven by the witness of this one."""
    from dataclasses import replace

    w, x = weights(name), inputs(2, 9, 3) * 3
    usual = gru_viz.trace(Weights.from_matrices(name.partition("+")[0], dict(w.matrices)), x)
    wrong = replace(usual.layers[0].forward, weights=w.layers[0][0])
    assert not replace(usual, layers=(replace(usual.layers[0], forward=wrong),), weights=w).proof.holds


@pytest.mark.parametrize("both", [False, True])
def test_a_relu_rnn_of_torch_runs_in_torch(both: bool) -> None:
    module = torch.nn.RNN(3, 5, num_layers=2, nonlinearity="relu", bidirectional=both, batch_first=True).double()
    x = inputs(2, 9, 3)
    for backend in ("auto", "torch", "scratch"):
        trace = gru_viz.trace(module, x, backend=backend)  # type: ignore[arg-type]
        assert trace.convention.name == "torch_rnn+relu"
        assert trace.proof.holds
        top = np.concatenate([run.hidden for run in trace.layers[-1].directions], -1)
        np.testing.assert_allclose(top, module(torch.from_numpy(x))[0].detach().numpy(), atol=1e-12)
    assert trace.weights.to_module().nonlinearity == "relu"
    assert "torch.nn.RNN" in gru_viz.trace(module, x).proof.witness
    with gru_viz.watch(module) as seen:
        module(torch.from_numpy(x))
    assert seen[""].convention.name == "torch_rnn+relu"
    assert seen[""].proof.holds


def test_large_states_are_proven_against_their_size() -> None:
    w = Weights.from_matrices("torch_rnn+relu", {n: 2.0 * np.abs(a) for n, a in stack("torch_rnn")[0][0].items()})
    trace = gru_viz.trace(w, np.abs(inputs(1, 40, 3)))
    assert trace.hidden.max() > 1e6
    assert trace.proof.holds


@pytest.mark.parametrize("name", NAMES)
def test_kernels_for_the_usual_functions_say_that_they_cannot_run_it(name: str) -> None:
    for backend in ("compiled", "torch"):
        runs = backend == "torch" and name == "torch_rnn+relu"
        assert (why_not(backend, convention(name)) is None) == runs
    w, x, h0 = weights(name, layers=2, directions=2), inputs(3, 8, 3), 0.5 * inputs(4, 3, 5)
    start = (h0, 0.1 * h0) if w.convention.cell == "lstm" else h0
    traces = [gru_viz.trace(w, x, start, [8, 5, 0], backend=each) for each in ("auto", "loop", "scratch")]
    assert traces[0].backend == "loop"
    for run, other in zip(traces[1].runs, traces[2].runs, strict=True):
        for quantity, values in run.quantities.items():
            np.testing.assert_allclose(values, other.quantities[quantity], rtol=1e-11, atol=1e-12)
    assert traces[1].proof.holds


def test_other_functions_are_another_model() -> None:
    for name, to in (("torch_rnn+relu", "torch_rnn"), ("torch", f"torch+{HARD}"), (f"torch_lstm+{HARD}", "keras_lstm")):
        with pytest.raises(ConventionError, match="Other functions make another model"):
            gru_viz.convert(weights(name), to=to)
    same = gru_viz.convert(weights(f"torch+{HARD}"), to=f"keras_reset_after+{HARD}")
    assert same.convention.name == f"keras_reset_after+{HARD}"
    x = inputs(2, 9, 3)
    np.testing.assert_allclose(
        gru_viz.trace(same, x).hidden, gru_viz.trace(weights(f"torch+{HARD}"), x).hidden, atol=1e-12
    )


def test_names_of_variants() -> None:
    assert convention("torch_rnn+relu").title == "torch.nn.RNN, ReLU"
    assert convention("torch_rnn+relu").cell_title == "ReLU RNN"
    own = convention("ai_summer+reset_before+takes_new")
    assert (own.reset, own.update, own.matrices) == ("before", "takes", CONVENTIONS["ai_summer"].matrices)
    for wrong in ("torch+gelu", "nothing+relu", "torch_rnn+hard_sigmoid(0.2,0.5)", "torch_lstm+reset_before", "torch+"):
        with pytest.raises(ConventionError):
            convention(wrong)


def test_relu_of_an_lstm_on_many_steps_is_drawn_on_a_scale_of_its_own() -> None:
    from gru_viz.figures import inspect

    trace: Any = gru_viz.trace(weights("torch_lstm+relu"), inputs(1, 30, 3) * 9)
    panel = next(each for each in inspect(trace).panels if each.key == "cell_candidate")
    assert panel.high >= np.abs(panel.values).max()
