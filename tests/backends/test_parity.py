"""Every backend computes what the equations say: each variant, precision and direction, at unequal lengths.

The sequences are of 7, 0, 1 and 4 steps, the initial states are not zero, and the second layer reads the first. The
reference is "scratch", the equations step by step.
"""

from __future__ import annotations

import numpy as np
import pytest
from lopsided import ALL, inputs, stack

import gru_viz
from gru_viz import CONVENTIONS, TraceError, Weights
from gru_viz.backends import BACKENDS, choose_backend, why_not

LENGTHS = (7, 0, 1, 4)
TOLERANCE = {"float32": 5e-6, "float64": 1e-13}
OTHERS = tuple(name for name in BACKENDS if name != "scratch")


def start_of(states: tuple[str, ...], count: int, dtype: str) -> object:
    hidden, cell = (inputs(count, len(LENGTHS), 5, seed=seed, dtype=dtype) for seed in (3, 4))
    return (np.tanh(hidden), 2 * cell) if "cell" in states else np.tanh(hidden)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("backend", OTHERS)
def test_a_backend_computes_what_the_equations_say(backend: str, name: str, dtype: str, directions: int) -> None:
    convention = CONVENTIONS[name]
    weights = Weights.from_matrices(name, stack(name, 3, 5, 2, directions, dtype=dtype, scale=0.7))
    if why_not(backend, convention) is not None:
        with pytest.raises(TraceError):
            choose_backend(backend, weights)
        return
    x = inputs(len(LENGTHS), max(LENGTHS), 3, dtype=dtype)
    h0 = start_of(convention.states, 2 * directions, dtype)
    found, reference = (gru_viz.trace(weights, x, h0, LENGTHS, each) for each in (backend, "scratch"))  # type: ignore[arg-type]
    assert found.backend == backend
    assert found.proof.holds
    for ours, theirs in zip(found.layers, reference.layers, strict=True):
        for run, true in zip(ours.directions, theirs.directions, strict=True):
            assert run.quantities.keys() == true.quantities.keys()
            for quantity, values in run.quantities.items():
                wanted = true.quantities[quantity]
                assert values.dtype == dtype
                assert np.array_equal(np.isnan(values), np.isnan(wanted))
                assert np.nanmax(np.abs(values - wanted)) < TOLERANCE[dtype], quantity


def test_the_comparison_can_fail() -> None:
    """The comparison is not of a backend with itself: another place of the reset gate is another model."""
    x, after = inputs(7, 3), Weights.from_matrices("torch", stack("torch"))
    before = after.read_as("onnx")
    difference = gru_viz.trace(before, x, backend="compiled").hidden - gru_viz.trace(after, x, backend="scratch").hidden
    assert np.abs(difference).max() > 1e-2


@pytest.mark.parametrize("name", ALL)
def test_auto_takes_the_fastest_backend_that_can_run(name: str) -> None:
    weights = Weights.from_matrices(name, stack(name))
    assert choose_backend("auto", weights).name == "compiled"
    fused = why_not("torch", CONVENTIONS[name]) is None
    assert choose_backend("auto", weights, "cuda:0").name == ("torch" if fused else "scratch")


@pytest.mark.parametrize("backend", ["compiled", "loop"])
def test_a_backend_for_the_cpu_is_refused_on_a_gpu_with_the_reason(backend: str) -> None:
    reason = why_not(backend, CONVENTIONS["torch"], "cuda")
    assert reason is not None
    assert "cuda" in reason
    with pytest.raises(TraceError) as caught:
        choose_backend(backend, Weights.from_matrices("torch", stack("torch")), "cuda")
    assert caught.value.found == reason.rstrip(".")
