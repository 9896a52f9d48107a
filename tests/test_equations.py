"""The equations against textbook implementations of every variant, on all quantities, and their limits."""

from __future__ import annotations

import jaxtyping
import numpy as np
import pytest
import textbook
import torch
from lopsided import GRUS, TAKES, inputs, matrices

import gru_viz
from gru_viz import CONVENTIONS, Trace, Weights, equations

QUANTITIES = ("reset", "update", "candidate", "hidden")
SIZES = [(3, 5), (4, 2), (1, 1)]


def run(name: str, arrays: dict[str, np.ndarray], x: np.ndarray, h0: np.ndarray | None = None) -> Trace:
    return gru_viz.trace(Weights.from_matrices(name, arrays), x, h0=h0)


def worst(trace: Trace, twin: dict[str, np.ndarray]) -> float:
    return max(np.abs(getattr(trace, name)[0] - values).max() for name, values in twin.items())


@pytest.mark.parametrize(("features", "hidden"), SIZES)
@pytest.mark.parametrize("name", GRUS)
def test_every_gru_equals_its_textbook_twin(name: str, features: int, hidden: int) -> None:
    arrays, x, h0 = matrices(name, features, hidden), inputs(9, features), np.tanh(inputs(hidden))
    trace = run(name, arrays, x, h0)
    twin = textbook.run_gru(name, arrays, x, h0)
    assert set(twin) == set(QUANTITIES)
    assert worst(trace, twin) < 1e-13
    assert trace.proof.holds


@pytest.mark.parametrize("name", textbook.LSTM_ORDER)
def test_an_lstm_equals_its_textbook_twin(name: str) -> None:
    arrays, x, h0, c0 = matrices(name), inputs(9, 3), np.tanh(inputs(5)), 2 * inputs(5, seed=8)
    trace = gru_viz.trace(Weights.from_matrices(name, arrays), x, h0=(h0, c0))
    twin = textbook.run_lstm(name, arrays, x, h0, c0)
    assert set(twin) == {q.name for q in trace.convention.quantities}
    assert worst(trace, twin) < 1e-13
    assert trace.proof.holds


@pytest.mark.parametrize("name", ["torch_rnn", "keras_rnn", "onnx_rnn"])
def test_an_rnn_equals_its_textbook_twin(name: str) -> None:
    arrays, x, h0 = matrices(name), inputs(9, 3), np.tanh(inputs(5))
    assert worst(run(name, arrays, x, h0), textbook.run_rnn(name, arrays, x, h0)) < 1e-13


@pytest.mark.parametrize("name", GRUS)
def test_the_comparison_with_the_twin_can_fail(name: str) -> None:
    """A variant that chose otherwise on any one point must not pass for this one."""
    arrays, x, h0 = matrices(name), inputs(9, 3), np.tanh(inputs(5))
    trace = run(name, arrays, x, h0)
    for other in GRUS:
        if set(other_arrays := matrices(other)) != set(arrays) or textbook.GRU[other] is textbook.GRU[name]:
            continue
        if all(other_arrays[k].shape == arrays[k].shape for k in arrays):
            assert worst(trace, textbook.run_gru(other, arrays, x, h0)) > 1e-2, other
    for a, b in (("reset", "update"), ("update", "candidate")):
        twin = textbook.run_gru(name, arrays, x, h0)
        twin[a], twin[b] = twin[b], twin[a]
        assert worst(trace, twin) > 1e-2
    twin = textbook.run_gru(name, arrays, x, h0)
    twin["update"] = 1 - twin["update"]
    assert worst(trace, twin) > 1e-2


def with_bias(name: str, gate: str, value: float) -> equations.Parameters:
    """A cell in torch's stacking with one gate's bias so large that the gate is shut or open."""
    p = Weights.from_matrices(name, matrices(name)).layers[0][0].parameters()
    order = CONVENTIONS[name].gates.index(gate)
    bias = p.bias_input.clone()
    bias[5 * order : 5 * order + 5] = value
    return p._replace(bias_input=bias)


def one_step(name: str, p: equations.Parameters, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    kind = CONVENTIONS[name]
    return equations.state(kind, equations.gates(kind, p, equations.project(p, x), h), h)["hidden"]


@pytest.mark.parametrize("name", GRUS)
def test_limit_an_update_gate_that_keeps_copies_the_state(name: str) -> None:
    keep = -1e4 if name in TAKES else 1e4
    x, h = torch.tensor(inputs(7, 3)), torch.tensor(np.tanh(inputs(7, 5)))
    assert torch.equal(one_step(name, with_bias(name, "update", keep), x, h), h)
    assert not torch.allclose(one_step(name, with_bias(name, "update", -keep), x, h), h, atol=1e-2)


@pytest.mark.parametrize("name", GRUS)
def test_limit_taking_with_the_reset_shut_has_no_memory(name: str) -> None:
    take = 1e4 if name in TAKES else -1e4
    p = with_bias(name, "update", take)
    shut = with_bias(name, "reset", -1e4)
    bias = p.bias_input.clone()
    bias[:5] = shut.bias_input[:5]
    x = torch.tensor(inputs(7, 3))
    pasts = [torch.tensor(np.tanh(inputs(7, 5, seed=s))) for s in (1, 2)]
    forgets = [one_step(name, p._replace(bias_input=bias), x, past) for past in pasts]
    assert torch.equal(*forgets)
    remembers = [one_step(name, p, x, past) for past in pasts]
    assert not torch.allclose(*remembers, atol=1e-2)


@pytest.mark.parametrize("name", [*GRUS, "torch_lstm", "torch_rnn"])
def test_gates_and_states_stay_in_the_range_of_their_meaning(name: str) -> None:
    trace = gru_viz.trace(Weights.from_matrices(name, matrices(name, scale=20)), 5 * inputs(40, 3))
    for q in trace.convention.quantities:
        values = getattr(trace, q.name)
        if q.name != "cell":
            assert q.low <= values.min() <= values.max() <= q.high


@pytest.mark.parametrize("axes", [(), (4,), (2, 3, 4)])
@pytest.mark.parametrize("name", [*GRUS, "torch_lstm", "torch_rnn"])
def test_the_equations_take_any_leading_axes(name: str, axes: tuple[int, ...]) -> None:
    kind = CONVENTIONS[name]
    p = Weights.from_matrices(name, matrices(name)).layers[0][0].parameters()
    x, h = torch.tensor(inputs(*axes, 3)), torch.tensor(inputs(*axes, 5))
    previous = [h] * len(kind.states)
    whole = equations.gates(kind, p, equations.project(p, x), h)
    new = equations.state(kind, whole, *previous)
    flat = equations.gates(kind, p, equations.project(p, x.reshape(-1, 3)), h.reshape(-1, 5))
    for gate, values in flat.items():
        torch.testing.assert_close(whole[gate].reshape(-1, 5), values, rtol=0, atol=1e-14)
    assert new["hidden"].shape == h.shape


def test_wrong_shapes_are_caught_by_their_annotations() -> None:
    """Shape checking is on: two axes that must agree and do not are refused before any arithmetic."""
    p = Weights.from_matrices("torch", matrices("torch")).layers[0][0].parameters()
    with pytest.raises(jaxtyping.TypeCheckError):
        equations.state(
            CONVENTIONS["torch"], dict.fromkeys(("reset", "update", "candidate"), torch.zeros(5)), torch.zeros(4)
        )
    with pytest.raises(jaxtyping.TypeCheckError):
        equations.project(p, torch.zeros(2, 3, dtype=torch.int64))
