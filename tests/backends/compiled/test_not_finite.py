"""NaN and infinity come out where they come out of torch, and stay in their own row of the batch and model."""

from __future__ import annotations

import math

import pytest
import torch
from recurrence_reference import VARIANTS, arguments, looped

from gru_viz.backends import compiled
from gru_viz.conventions import CONVENTIONS

every_variant = pytest.mark.parametrize("name", VARIANTS)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
ODD = [math.nan, math.inf, -math.inf]


@every_dtype
@every_variant
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("where", ["projected", "weight", "bias", "state"])
def test_it_goes_where_it_goes_in_the_equations(name: str, dtype: torch.dtype, odd: float, where: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, models=2, steps=4, batch=3, hidden=5, dtype=dtype)
    tensor = {"projected": there.projected, "weight": there.weight, "bias": there.bias, "state": there.states[-1]}[
        where
    ]
    tensor[(1, *(size // 2 for size in tensor.shape[1:]))] = odd
    ours, theirs = compiled.recurrence(convention, *there), looped(convention, *there)
    torch.testing.assert_close(ours, theirs, equal_nan=True, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_a_row_of_nan_stays_one_row_as_in_torch(kind: str) -> None:
    convention = CONVENTIONS["torch" if kind == "GRU" else f"torch_{kind.lower()}"]
    torch.manual_seed(0)
    layer = getattr(torch.nn, kind)(2, 6)
    x = torch.randn(5, 4, 2)
    x[2, 1, 0] = math.nan
    w, u, b, c = layer.parameters()
    states = tuple(torch.zeros(1, 4, 6) for _ in convention.states)
    ours = compiled.recurrence(convention, torch.nn.functional.linear(x, w, b)[None], u[None], c[None], states)[0]
    assert torch.equal(ours.isnan(), layer(x)[0].isnan())
    assert ours.isnan()[2:, 1].all()
    assert not ours[:, [0, 2, 3]].isnan().any()


@every_variant
def test_the_gradient_of_one_nan_reaches_its_model_alone(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, models=3, hidden=5, dtype=torch.float32)
    there.projected[1, 2, 0, 0] = math.nan
    leaves = [each.requires_grad_() for each in there.tensors]
    gradients = torch.autograd.grad(compiled.recurrence(convention, *there).sum(), leaves)
    for each in gradients:
        assert not each[[0, 2]].isnan().any()
    assert gradients[1][1].isnan().any()
