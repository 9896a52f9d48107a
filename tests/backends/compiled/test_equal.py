"""The kernels compute what the equations say, and what torch's own layers compute, and so do their gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings, strategies as st
from recurrence_reference import VARIANTS, Arguments, arguments, distance, looped, with_gradients
from torch import Tensor

from gru_viz.backends import compiled
from gru_viz.conventions import Convention

BOUND = {torch.float64: 1e-12, torch.float32: 1e-5}
every_variant = pytest.mark.parametrize("name", VARIANTS)
every_dtype = pytest.mark.parametrize("dtype", BOUND, ids=str)


@every_dtype
@every_variant
@pytest.mark.parametrize("hidden", [1, 3, 17, 40, 64])
def test_it_equals_the_equations(name: str, dtype: torch.dtype, hidden: int) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, models=2, batch=5, hidden=hidden, dtype=dtype)
    assert distance(with_gradients(convention, there), with_gradients(convention, there, looped)) < BOUND[dtype]


@settings(max_examples=40)
@given(
    name=st.sampled_from(sorted(VARIANTS)),
    models=st.integers(1, 3),
    steps=st.integers(1, 6),
    batch=st.integers(1, 20),
    hidden=st.integers(1, 36),
    dtype=st.sampled_from(sorted(BOUND, key=str)),
    seed=st.integers(0, 2**31),
)
def test_it_equals_the_equations_whatever_the_shape(
    name: str, models: int, steps: int, batch: int, hidden: int, dtype: torch.dtype, seed: int
) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, models, steps, batch, hidden, dtype=dtype, seed=seed)
    assert distance(with_gradients(convention, there), with_gradients(convention, there, looped)) < BOUND[dtype]


@every_variant
@pytest.mark.parametrize("wrong", ["weight", "bias", "state", "reset", "update"])
def test_the_comparison_can_fail(name: str, wrong: str) -> None:
    """A last row, a last unit, or another variant is enough to differ."""
    convention = other = VARIANTS[name]
    there = arguments(convention)
    changed = Arguments(*(each.clone() for each in there[:3]), tuple(each.clone() for each in there.states))
    if wrong in ("reset", "update"):
        names = {("after", "keeps"): 0, ("after", "takes"): 1, ("before", "keeps"): 2, ("before", "takes"): 3}
        if convention.reset is None:
            pytest.skip("has no such choice")
        flipped = names[convention.reset, convention.update] ^ (2 if wrong == "reset" else 1)  # type: ignore[index]
        other = list(VARIANTS.values())[flipped]
    else:
        tensor = {"weight": changed.weight, "bias": changed.bias, "state": changed.states[-1]}[wrong]
        tensor.view(-1)[-1] += 1e-3
    assert distance(with_gradients(convention, there), with_gradients(other, changed, looped)) > 1e-6


@every_variant
def test_its_gradients_are_those_of_finite_differences(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, models=2, steps=3, batch=2, hidden=3)

    def run(projected: Tensor, weight: Tensor, bias: Tensor, *states: Tensor) -> Tensor:
        return compiled.recurrence(convention, projected, weight, bias, states)

    assert torch.autograd.gradcheck(run, tuple(each.requires_grad_() for each in there.tensors))


@every_dtype
@pytest.mark.parametrize(("name", "kind"), [("after_keeps", "GRU"), ("lstm", "LSTM"), ("rnn", "RNN")])
def test_it_equals_torchs_own_layer(name: str, kind: str, dtype: torch.dtype) -> None:
    """Input weights included, so that the gradients of W and b through the projection are compared too."""
    torch.manual_seed(3)
    convention: Convention = VARIANTS[name]
    layer = getattr(torch.nn, kind)(4, 33, dtype=dtype)
    x = torch.randn(20, 6, 4, dtype=dtype)
    states = [torch.randn(1, 6, 33, dtype=dtype, requires_grad=True) for _ in convention.states]
    inputs = [*layer.parameters(), *states]
    w, u, b, c = layer.parameters()

    theirs = layer(x, tuple(states) if len(states) == 2 else states[0])[0]
    ours = compiled.recurrence(convention, torch.nn.functional.linear(x, w, b)[None], u[None], c[None], tuple(states))[
        0
    ]
    weights = torch.randn_like(theirs)
    assert (
        distance(
            [ours, *torch.autograd.grad(ours, inputs, weights)], [theirs, *torch.autograd.grad(theirs, inputs, weights)]
        )
        < BOUND[dtype]
    )


@every_dtype
@every_variant
def test_a_thousand_steps(name: str, dtype: torch.dtype) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, steps=1000, batch=2, hidden=5, dtype=dtype, scale=0.5)
    assert distance(with_gradients(convention, there), with_gradients(convention, there, looped)) < BOUND[dtype]


@every_dtype
@every_variant
def test_large_weights_saturate_as_the_equations_do(name: str, dtype: torch.dtype) -> None:
    """One step, since with such weights a trajectory is chaotic."""
    convention = VARIANTS[name]
    there = arguments(convention, steps=1, hidden=9, dtype=dtype, scale=50.0)
    ours, theirs = with_gradients(convention, there)[0], looped(convention, *there)
    assert distance([ours], [theirs]) < BOUND[dtype]
    assert ours.isfinite().all()


@pytest.mark.parametrize("steps", [1, 4])
@every_variant
def test_without_gradients_it_keeps_nothing_and_gives_the_same(name: str, steps: int) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, models=2, steps=steps)
    plain = compiled.recurrence(convention, *there)
    assert not plain.requires_grad
    assert torch.equal(plain, with_gradients(convention, there)[0])


@every_variant
def test_a_gradient_in_one_argument_alone(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention)
    every = with_gradients(convention, there)[1:]
    random = torch.Generator().manual_seed(1)
    for n, expected in enumerate(every):
        tensors = [each.clone() for each in there.tensors]
        tensors[n].requires_grad_()
        hidden = compiled.recurrence(convention, *tensors[:3], tuple(tensors[3:]))
        weights = torch.randn(hidden.shape, generator=random.manual_seed(1), dtype=torch.float64)
        assert torch.equal(torch.autograd.grad(hidden, tensors[n], weights)[0], expected)


@every_variant
def test_the_same_graph_can_be_differentiated_twice_over(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention)
    there.weight.requires_grad_()
    total = compiled.recurrence(convention, *there).square().sum()
    first = torch.autograd.grad(total, there.weight, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(total, there.weight)[0])


@every_variant
def test_nothing_is_written_into_the_arguments(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention)
    before = [each.clone() for each in there.tensors]
    for each in there.tensors:
        each.requires_grad_()
    compiled.recurrence(convention, *there).sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(before, there.tensors, strict=True))


@every_variant
def test_overwriting_what_the_backward_pass_needs_is_refused(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention)
    there.weight.requires_grad_()
    hidden = compiled.recurrence(convention, *there)
    with pytest.raises(RuntimeError, match="modified inplace"):
        hidden[:, 0] = 0.0


@every_variant
@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (2, 0, 3, 4), (2, 3, 0, 4), (2, 3, 3, 0)])
def test_nothing_comes_of_nothing(name: str, shape: tuple[int, int, int, int]) -> None:
    convention = VARIANTS[name]
    models, steps, batch, hidden = shape
    there = arguments(convention, models, steps, batch, hidden or 1)
    if not hidden:
        there = Arguments(
            there.projected[..., :0],
            there.weight[:, :0, :0],
            there.bias[:, :0],
            tuple(s[..., :0] for s in there.states),
        )
    results = with_gradients(convention, there)
    assert results[0].shape == shape
    assert [each.shape for each in results[1:]] == [each.shape for each in there.tensors]
    assert all((each == 0).all() for each in results[2:3])
