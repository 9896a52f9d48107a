"""All ways to compute a recurrence are one function with one gradient, and none leaves torch changed."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from lopsided import ALL, RESET_AFTER, RESET_BEFORE, matrices

from gru_viz import Weights
from gru_viz.backends import compiled
from gru_viz.conventions import CONVENTIONS
from gru_viz.equations import Parameters
from gru_viz.errors import TrainingError
from gru_viz.training import Lane
from gru_viz.training.recurrence import choose, choose_for_run, run_layer, why_not

pytestmark = pytest.mark.usefixtures("unchecked")
TORCH = (*RESET_AFTER, "torch_lstm", "torch_rnn")


def stacked(name: str, models: int = 2) -> Parameters:
    """Lopsided parameters of several models, in float64."""
    drawn = [Weights.from_matrices(name, matrices(name, 3, 5, seed=s)).layers[0][0].parameters() for s in range(models)]
    return Parameters(*(torch.stack(parts).requires_grad_() for parts in zip(*drawn, strict=True)))


def outcome(backend: str, name: str, onednn: bool = True, convention: object = None) -> list[torch.Tensor]:
    """The hidden states and every gradient of a lopsided sum of them."""
    p, x = stacked(name), torch.randn(2, 7, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    hidden = run_layer(backend, convention or CONVENTIONS[name], p, x.requires_grad_(), onednn=onednn)  # type: ignore[arg-type]
    weight = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return [hidden.detach(), *torch.autograd.grad((hidden * weight).sum(), [*p, x])]


def differ(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", TORCH)
def test_torch_and_the_equations_have_the_same_states_and_gradients(name: str) -> None:
    scratch = outcome("scratch", name)
    assert all(gradient.abs().max() > 1e-3 for gradient in scratch)
    assert differ(outcome("torch", name), scratch) < 1e-11


@pytest.mark.parametrize("name", ALL)
def test_the_kernel_and_the_equations_have_the_same_states_and_gradients(name: str) -> None:
    assert differ(outcome("compiled", name), outcome("scratch", name)) < 1e-11


def test_torch_takes_where_z_takes() -> None:
    """No published variant resets after and takes; the relabelling must hold all the same."""
    from dataclasses import replace

    takes = replace(CONVENTIONS["torch"], update="takes")
    scratch = outcome("scratch", "torch", convention=takes)
    assert differ(outcome("torch", "torch", convention=takes), scratch) < 1e-11
    assert differ(scratch, outcome("scratch", "torch")) > 0.1


def test_the_agreement_of_the_ways_can_fail() -> None:
    assert differ(outcome("scratch", "keras_reset_before"), outcome("scratch", "d2l_code")) > 0.1
    assert differ(outcome("torch", "torch"), outcome("scratch", "onnx_linear_before_reset")) > 0.1


@pytest.mark.parametrize("name", ALL)
def test_a_way_is_chosen_that_can(name: str) -> None:
    assert choose(Lane(cell=name)) == "compiled"
    assert choose(Lane(cell=name, backend="scratch")) == "scratch"
    assert why_not("scratch", Lane(cell=name)) is None
    if name in RESET_BEFORE:
        with pytest.raises(TrainingError, match="before the recurrent product"):
            choose(Lane(cell=name, backend="torch"))
        assert choose(Lane(cell=name, device="cuda")) == "scratch"
    else:
        assert choose(Lane(cell=name, device="cuda")) == "torch"
    with pytest.raises(TrainingError, match="runs on the CPU"):
        choose(Lane(cell=name, backend="compiled", device="cuda"))


# --- the process's switch ------------------------------------------------------------------------------------------


def lstm(onednn: bool) -> torch.Tensor:
    p = Parameters(*(part.detach().float() for part in stacked("torch_lstm")))
    x = torch.randn(2, 20, 4, 3, generator=torch.Generator().manual_seed(1))
    return run_layer("torch", CONVENTIONS["torch_lstm"], p, x, onednn=onednn)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("onednn", [True, False])
def test_the_switch_is_put_back(monkeypatch: pytest.MonkeyPatch, before: bool, onednn: bool) -> None:
    seen = []
    forward = torch.lstm
    monkeypatch.setattr(torch, "lstm", lambda *a: seen.append(bool(torch.backends.mkldnn.enabled)) or forward(*a))
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", before)
    lstm(onednn)
    assert seen == [before and onednn] * 2
    assert torch.backends.mkldnn.enabled == before


def test_the_switch_is_put_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(torch, "lstm", broken)
    with pytest.raises(RuntimeError, match="broken"):
        lstm(False)
    assert torch.backends.mkldnn.enabled


def test_lanes_that_want_it_differently_do_not_disturb_each_other() -> None:
    alone = {wanted: lstm(wanted) for wanted in (True, False)}
    wrong = []

    def run(wanted: bool) -> None:
        for _ in range(60):
            if not torch.equal(lstm(wanted), alone[wanted]):
                wrong.append(wanted)

    threads = [threading.Thread(target=run, args=(wanted,)) for wanted in (True, False, True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert torch.backends.mkldnn.enabled


def test_a_gradient_is_that_of_the_forward_pass_wherever_the_switch_stands() -> None:
    p = stacked("torch_lstm")
    single = Parameters(*(part.detach().float().requires_grad_() for part in p))
    x = torch.randn(2, 20, 4, 3, generator=torch.Generator().manual_seed(1))
    gradients = []
    for later in (True, False):
        hidden = run_layer("torch", CONVENTIONS["torch_lstm"], single, x, onednn=True)
        torch.backends.mkldnn.enabled = later
        try:
            gradients.append(torch.autograd.grad(hidden.sum(), list(single)))
        finally:
            torch.backends.mkldnn.enabled = True
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(*gradients, strict=True))


LANES = {
    "GRU": Lane("GRU"),
    "LSTM": Lane("LSTM", cell="torch_lstm"),
    "before": Lane("before", cell="onnx"),
    "asked": Lane("asked", backend="scratch"),
    "gpu": Lane("gpu", device="cuda"),
}


@pytest.mark.parametrize(
    ("stored", "lanes", "chosen"),
    [
        ("gru lstm", "GRU LSTM", "compiled compiled"),
        ("gru", "GRU LSTM", "torch torch"),
        ("", "GRU LSTM asked", "torch torch scratch"),
        ("lstm", "LSTM asked", "compiled scratch"),
        ("", "GRU before", "compiled compiled"),  # torch has no such GRU: both wait for the kernels
        ("gru lstm", "GRU gpu", "torch torch"),  # the same backend for both
        ("", "gpu before", "torch compiled"),
    ],
)
def test_the_lanes_of_a_run_get_one_backend_with_which_they_can_begin(
    monkeypatch: pytest.MonkeyPatch, stored: str, lanes: str, chosen: str
) -> None:
    monkeypatch.setattr(compiled, "is_ready", lambda convention, _: convention.cell in stored.split())
    run = [LANES[name] for name in lanes.split()]
    assert choose_for_run(run) == dict(zip(lanes.split(), chosen.split(), strict=True))


def test_a_run_without_numba_begins_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "is_ready", lambda *_: False)
    monkeypatch.setattr(compiled, "why_not", lambda _: "There is no numba.")
    assert choose_for_run([LANES["GRU"], LANES["LSTM"]]) == {"GRU": "torch", "LSTM": "torch"}
    assert choose_for_run([LANES["GRU"], LANES["before"]]) == {"GRU": "torch", "before": "scratch"}
