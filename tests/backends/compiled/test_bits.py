"""The same arguments give the same bits: alone or beside others, in one thread or several, now or later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from recurrence_reference import VARIANTS, arguments, with_gradients
from torch import Tensor

from gru_viz.backends import compiled

every_variant = pytest.mark.parametrize("name", VARIANTS)
SHAPES = [(3, 6, 5, 17), (4, 3, 1, 3), (2, 9, 32, 32)]


def same_bits(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@every_variant
@pytest.mark.parametrize("shape", SHAPES)
def test_a_model_among_others_is_the_model_alone(name: str, shape: tuple[int, int, int, int]) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, *shape, dtype=torch.float32)
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(5))

    def run(given: list[Tensor], upstream: Tensor) -> list[Tensor]:
        leaves = [each.clone().requires_grad_() for each in given]
        hidden = compiled.recurrence(convention, *leaves[:3], tuple(leaves[3:]))
        return [hidden.detach(), *torch.autograd.grad(hidden, leaves, upstream)]

    together = run(list(there.tensors), weights)
    for n in range(shape[0]):
        alone = run(list(there.model(n).tensors), weights[n : n + 1])
        assert same_bits([each[n : n + 1] for each in together], alone)


@every_variant
def test_threads_change_nothing(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, models=5, batch=7, hidden=9, dtype=torch.float32)
    expected = with_gradients(convention, there)
    for threads in (2, 3, 5, 8):
        shared = with_gradients(convention, there, lambda *each, n=threads: compiled.recurrence(*each, threads=n))
        assert same_bits(shared, expected)


@every_variant
def test_calls_at_the_same_time_do_not_disturb_one_another(name: str) -> None:
    convention = VARIANTS[name]
    theres = [arguments(convention, steps=40, batch=4, hidden=17, seed=seed) for seed in range(8)]
    expected = [with_gradients(convention, each) for each in theres]
    assert not same_bits(expected[0], expected[1])
    with ThreadPoolExecutor(8) as pool:
        for results in zip(
            *[pool.map(lambda each: with_gradients(convention, each), theres) for _ in range(3)], strict=True
        ):
            for result in results:
                assert any(same_bits(result, each) for each in expected)


@every_variant
def test_torchs_settings_change_nothing(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, batch=8, hidden=33, dtype=torch.float32)
    expected = with_gradients(convention, there)
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    try:
        torch.set_num_threads(2)
        torch.set_default_dtype(torch.float64)
        assert same_bits(with_gradients(convention, there), expected)
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)


@every_variant
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_strides_change_nothing(name: str, dtype: torch.dtype) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, models=2, dtype=dtype)
    strided = [each.transpose(0, -1).contiguous().transpose(0, -1) for each in there.tensors]
    assert not strided[0].is_contiguous()
    assert torch.equal(
        compiled.recurrence(convention, *strided[:3], tuple(strided[3:])), compiled.recurrence(convention, *there)
    )


@every_variant
def test_a_run_is_causal_to_the_bit(name: str) -> None:
    convention = VARIANTS[name]
    there = arguments(convention, steps=9, hidden=17, dtype=torch.float32)
    whole = compiled.recurrence(convention, *there)
    prefix = compiled.recurrence(convention, there.projected[:, :4], *there[1:])
    assert torch.equal(whole[:, :4], prefix)
