"""Blocks of steps over memory that is used again, as a captured graph sees them: the equations' numbers, each time."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from lopsided import ALL, stack
from torch import Tensor

from gru_viz import CONVENTIONS, Weights, captured, equations
from gru_viz.captured import run_captured
from gru_viz.equations import Parameters

SIZES = 3, 5
DTYPES = {torch.float32: 2e-6, torch.float64: 1e-13}


def cell(name: str, dtype: torch.dtype, seed: int = 0) -> tuple[Parameters, dict[str, Tensor]]:
    """Parameters of a cell, and two states to start from."""
    weights = Weights.from_matrices(name, stack(name, *SIZES, 1, 1, dtype="float64", scale=0.4, seed=seed))
    rng = torch.Generator().manual_seed(seed)
    p = weights.layers[0][0].parameters(torch.device("cpu"), dtype)
    return p, {s: torch.randn(2, SIZES[1], generator=rng, dtype=dtype) for s in CONVENTIONS[name].states}


def by_the_equations(name: str, p: Parameters, x: Tensor, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
    convention = CONVENTIONS[name]
    told: dict[str, list[Tensor]] = {q.name: [] for q in convention.quantities}
    carried = [start[s] for s in convention.states]
    for step in equations.project(p, x).unbind(1):
        gates = equations.gates(convention, p, step, carried[0])
        new = equations.state(convention, gates, *carried)
        carried = [new[s] for s in convention.states]
        for q, values in told.items():
            values.append({**gates, **new}[q])
    return {q: torch.stack(values, 1) for q, values in told.items()}


def difference(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[q] - b[q]).abs().max()) for q in a)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALL)
def test_blocks_and_what_is_left_are_the_equations(name: str, dtype: torch.dtype) -> None:
    """Again and again over the same memory, with other weights, inputs and states each time."""
    for seed, time in enumerate((8, 9, 11, 3)):
        p, start = cell(name, dtype, seed)
        x = torch.randn(2, time, SIZES[0], generator=torch.Generator().manual_seed(seed), dtype=dtype)
        found = run_captured(CONVENTIONS[name], p, x, start, capture=False, steps=4)
        assert difference(found, by_the_equations(name, p, x, start)) < DTYPES[dtype]


def test_one_shape_is_built_once_and_can_be_let_go_of() -> None:
    captured.forget()
    p, start = cell("cho_2014_v3", torch.float32)
    for time in (8, 13):
        run_captured(CONVENTIONS["cho_2014_v3"], p, torch.zeros(2, time, 3), start, capture=False, steps=4)
    assert captured._loop.cache_info().misses == 1
    captured.forget()
    assert captured._loop.cache_info().currsize == 0


def test_a_block_is_as_large_as_the_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    captured.forget()
    monkeypatch.setattr(captured, "CELLS", 2 * 15 * 5)
    p, start = cell("cho_2014_v3", torch.float32)
    x = torch.randn(2, 12, 3)
    found = run_captured(CONVENTIONS["cho_2014_v3"], p, x, start, capture=False)
    assert difference(found, by_the_equations("cho_2014_v3", p, x, start)) < 2e-6
    assert captured._loop.cache_info().currsize == 1
    monkeypatch.setattr(captured, "CELLS", 1)
    assert difference(run_captured(CONVENTIONS["cho_2014_v3"], p, x, start, capture=False), found) < 2e-6
    assert captured._loop.cache_info().currsize == 1, "a step at a time needs no memory of its own"


@pytest.mark.parametrize("shape", [(2, 0, 3), (0, 8, 3)])
def test_nothing_to_read_gives_nothing(shape: tuple[int, ...]) -> None:
    p, start = cell("cho_2014_v3", torch.float32)
    start = {s: state[: shape[0]] for s, state in start.items()}
    found = run_captured(CONVENTIONS["cho_2014_v3"], p, torch.zeros(shape), start, capture=False, steps=4)
    assert {tuple(values.shape) for values in found.values()} == {(*shape[:2], SIZES[1])}


def test_threads_of_one_shape_do_not_disturb_each_other() -> None:
    def of(seed: int) -> float:
        p, start = cell("chung_2014", torch.float64, seed)
        x = torch.randn(2, 40, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        found = run_captured(CONVENTIONS["chung_2014"], p, x, start, capture=False, steps=4)
        return difference(found, by_the_equations("chung_2014", p, x, start))

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(of, range(8))) < 1e-13


def test_what_was_made_without_gradients_is_used_again_with_them() -> None:
    p, start = cell("chung_2014", torch.float64)
    x = torch.randn(2, 8, 3, dtype=torch.float64)
    with torch.inference_mode():
        first = run_captured(CONVENTIONS["chung_2014"], p, x, start, capture=False, steps=4)
    again = run_captured(CONVENTIONS["chung_2014"], p, x, start, capture=False, steps=4)
    assert difference(first, again) == 0
