"""Optimisers are torch's to the last bit, one schedule is one formula, and clipping is Pascanu's, model by model."""

from __future__ import annotations

import math

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from gru_viz.training import Lane
from gru_viz.training.optimiser import Optimiser, clip_each, scheduled
from gru_viz.training.settings import OPTIMISERS, SCHEDULES

TORCH = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.01, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, foreach=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, fused=True),
}
NAMES = ("one", "one.more", "three")


def some(seed: int) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=rng) for shape in ((2, 3, 4), (2, 5), (2, 1, 1))]


def make(name: str, parameters: list[torch.Tensor]) -> Optimiser:
    return Optimiser(Lane(optimiser=name), dict(zip(NAMES, parameters, strict=True)))


def descend(optimiser: Optimiser | torch.optim.Optimizer, parameters: list[torch.Tensor], updates: range) -> None:
    """With another learning rate at each update."""
    for update in updates:
        for parameter, gradient in zip(parameters, some(100 + update), strict=True):
            parameter.grad = gradient
        rate = 0.01 / (1 + update)
        if isinstance(optimiser, Optimiser):
            optimiser.step(rate)
            optimiser.zero_grad()
            assert all(parameter.grad is None for parameter in parameters)
            continue
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()


def stored_by(optimiser: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """The state of one of torch's optimisers, as it is on the disk of whoever trained with one."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{NAMES[at]}.{what}": t.numpy().copy() for at, each in state.items() for what, t in each.items()}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_does_what_torch_s_does_to_the_last_bit(name: str) -> None:
    mine, theirs = ([p.requires_grad_() for p in some(0)] for _ in range(2))
    optimiser, rival = make(name, mine), TORCH[name](theirs)
    assert optimiser.arrays() == {}
    for updates in (range(3), range(3, 20)):
        descend(optimiser, mine, updates)
        descend(rival, theirs, updates)
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
        arrays, wanted = optimiser.arrays(), stored_by(rival)
        assert arrays.keys() == wanted.keys()
        for key, array in arrays.items():
            assert array.dtype == wanted[key].dtype
            assert np.array_equal(array, wanted[key]), key
    assert not any(torch.allclose(a, b, atol=1e-3) for a, b in zip(mine, some(0), strict=True))


@pytest.mark.parametrize("axes", ["as they are", "as a file keeps them"])
@pytest.mark.parametrize("made", [0, 1, 7])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_it_goes_on_from_the_state_of_one_of_torch_s(name: str, made: int, axes: str) -> None:
    theirs = [p.requires_grad_() for p in some(0)]
    rival = TORCH[name](theirs)
    descend(rival, theirs, range(made))
    saved = stored_by(rival)
    if axes != "as they are":
        saved = {key: np.ascontiguousarray(array) for key, array in saved.items()}
    mine = [p.detach().clone().requires_grad_() for p in theirs]
    optimiser = make(name, mine)
    optimiser.restore(saved)
    assert optimiser.arrays().keys() == saved.keys()
    descend(rival, theirs, range(made, made + 5))
    descend(optimiser, mine, range(made, made + 5))
    assert all(torch.equal(a, b) for a, b in zip(theirs, mine, strict=True))


def test_a_state_is_a_copy() -> None:
    parameters = [p.requires_grad_() for p in some(0)]
    optimiser = make("adam", parameters)
    descend(optimiser, parameters, range(1))
    saved = optimiser.arrays()
    before = {key: array.copy() for key, array in saved.items()}
    optimiser.restore(saved)
    descend(optimiser, parameters, range(1, 3))
    assert all(np.array_equal(saved[key], array) for key, array in before.items())


def test_what_has_no_gradient_is_left_alone() -> None:
    parameters = [p.requires_grad_() for p in some(0)]
    optimiser = make("adam", parameters)
    for parameter, gradient in zip(parameters[1:], some(1)[1:], strict=True):
        parameter.grad = gradient
    optimiser.step(0.01)
    assert torch.equal(parameters[0], some(0)[0])
    assert not torch.equal(parameters[1], some(0)[1])
    assert {key.rpartition(".")[0] for key in optimiser.arrays()} == {"optimiser.one.more", "optimiser.three"}


# --- schedules -----------------------------------------------------------------------------------------------------


def formula(schedule: str, update: int, planned: int) -> float:
    """As the schedules are described, written again."""
    t = min(update, planned - 1) / planned
    falling = {"cosine": t, "warmup": (t - 0.1) / 0.9}
    if schedule == "warmup" and t < 0.1:
        return min(1.0, (min(update, planned - 1) + 1) / (planned / 10))
    if schedule in falling:
        return 1 - 0.9 * math.sin(math.pi / 2 * falling[schedule]) ** 2
    return {"constant": 1.0, "halving": 2.0 ** -math.floor(4 * t)}[schedule]


@pytest.mark.parametrize("schedule", SCHEDULES)
@hypothesis.settings(max_examples=100)
@given(st.integers(1, 3000), st.floats(0, 1.2))
def test_a_schedule_is_its_formula(schedule: str, planned: int, share: float) -> None:
    update = int(share * planned)
    assert scheduled(schedule, 0.3, update, planned) == pytest.approx(0.3 * formula(schedule, update, planned))


@pytest.mark.parametrize("planned", [1, 2, 5, 10, 11, 99, 1000])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_rate_is_positive_never_above_what_was_asked_and_stays_past_the_end(schedule: str, planned: int) -> None:
    rates = [scheduled(schedule, 1.0, update, planned) for update in range(planned + 50)]
    assert all(0 < rate <= 1 for rate in rates)
    assert max(rates) == pytest.approx(1.0)
    assert len(set(rates[planned - 1 :])) == 1
    rising = rates[: max(1, planned // 10)] if schedule == "warmup" else rates[:1]
    assert rising == sorted(rising)
    assert rates[len(rising) :] == sorted(rates[len(rising) :], reverse=True)
    ends = {"constant": 1.0, "cosine": 0.1, "warmup": 0.1, "halving": 0.125}
    if planned >= 99:
        assert rates[-1] == pytest.approx(ends[schedule], abs=1e-3)


# --- clipping ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.sampled_from([0.0, 1e-3, 0.5, 1.0, 100.0]), st.sampled_from([1e-6, 1.0, 1e6]))
def test_clipping_is_torch_s_for_each_model(seed: int, most: float, scale: float) -> None:
    gradients = [scale * g for g in some(seed)]
    gradients[1][1] *= 30
    wanted, norms = [g.clone() for g in gradients], []
    for model in range(2):
        parts = [torch.zeros_like(g[model]).requires_grad_() for g in wanted]
        for part, g in zip(parts, wanted, strict=True):
            part.grad = g[model].clone()
        norms.append(torch.nn.utils.clip_grad_norm_(parts, most or math.inf))
        for part, g in zip(parts, wanted, strict=True):
            assert part.grad is not None
            g[model] = part.grad
    mine = clip_each(gradients, most)
    assert torch.allclose(mine, torch.stack(norms), rtol=1e-5)
    for g, w in zip(gradients, wanted, strict=True):
        assert torch.allclose(g, w, rtol=1e-5 if scale >= 1 else 3e-3, atol=0)  # torch adds 1e-6 to the norm


def test_a_norm_of_nothing_and_one_beyond_all_numbers_are_reported() -> None:
    gradients = [torch.tensor([[0.0, 0.0], [torch.inf, 1.0], [torch.nan, 1.0], [3.0, 4.0]])]
    norms = clip_each(gradients, 1.0)
    assert norms[0] == 0
    assert not torch.isfinite(norms[1:3]).any()
    assert torch.equal(gradients[0][[0, 3]], torch.tensor([[0.0, 0.0], [0.6, 0.8]]))
