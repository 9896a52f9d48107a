"""On a GPU: proven, equal to the CPU, and torch's precision switches left as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from lopsided import ALL, inputs, stack

import gru_viz
from gru_viz import CONVENTIONS, Weights
from gru_viz.equations import Parameters

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")

AGREES = {"float32": 1e-4, "float64": 1e-10}
KNOBS = (torch.backends.cudnn.rnn, torch.backends.cuda.matmul)


@pytest.fixture
def turn() -> Iterator[Callable[[str], None]]:
    """Set torch's precision for one test."""
    before = [knob.fp32_precision for knob in KNOBS]

    def set_all(setting: str) -> None:
        for knob in KNOBS:
            knob.fp32_precision = setting

    yield set_all
    for knob, setting in zip(KNOBS, before, strict=True):
        knob.fp32_precision = setting


@pytest.mark.parametrize("backend", ["auto", "scratch"])
@pytest.mark.parametrize("dtype", AGREES)
@pytest.mark.parametrize("name", ALL)
def test_the_gpu_shows_what_the_cpu_shows_with_proof(name: str, dtype: str, backend: str) -> None:
    scale = 0.5 if dtype == "float32" else 1.0
    w = Weights.from_matrices(name, stack(name, 3, 40, 2, 2, dtype=dtype, scale=scale / 40**0.5))
    x, lengths = inputs(3, 60, 3, dtype=dtype), [60, 0, 31]
    cpu, gpu = (gru_viz.trace(w, x, lengths=lengths, backend=backend, device=d) for d in ("cpu", "cuda"))  # type: ignore[arg-type]
    assert gpu.device.startswith("cuda")
    assert gpu.proof.difference <= {"float32": 1e-5, "float64": 1e-12}[dtype]
    for a, b in zip(cpu.layers, gpu.layers, strict=True):
        for mine, theirs in zip(a.directions, b.directions, strict=True):
            for q, values in mine.quantities.items():
                difference = np.abs(values - theirs.quantities[q])
                assert np.array_equal(np.isnan(values), np.isnan(theirs.quantities[q]))
                assert np.nanmax(difference) < AGREES[dtype]


@pytest.mark.parametrize("setting", ["tf32", "ieee"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_precision_switches_are_restored(setting: str, fails: bool, turn: Callable[[str], None]) -> None:
    turn(setting)
    w = gru_viz.random_weights("torch", 3, 16)
    if fails:
        with pytest.raises(gru_viz.TraceError):
            gru_viz.trace(w, inputs(4, 3), h0=np.zeros(7), device="cuda")
    else:
        assert gru_viz.trace(w, inputs(4, 3), device="cuda").proof.holds
    assert [knob.fp32_precision for knob in KNOBS] == [setting] * 2


def test_an_input_on_the_gpu_is_read() -> None:
    w, x = gru_viz.random_weights("torch", 3, 16), inputs(4, 3, dtype="float32")
    there = gru_viz.trace(w, torch.tensor(x, device="cuda"), h0=torch.zeros(16, device="cuda"), device="cuda")
    assert np.abs(there.hidden - gru_viz.trace(w, x).hidden).max() < 1e-5
    assert gru_viz.trace(w, torch.tensor(x, device="cuda")).device == "cpu"


def test_a_device_index_that_is_not_there_is_refused() -> None:
    with pytest.raises(gru_viz.DeviceError):
        gru_viz.trace(gru_viz.random_weights("torch", 3, 4), inputs(4, 3), device=f"cuda:{torch.cuda.device_count()}")


@pytest.mark.parametrize("setting", ["tf32", "ieee"])
def test_a_proof_is_computed_without_tf32_whatever_torch_is_set_to(setting: str, turn: Callable[[str], None]) -> None:
    turn(setting)
    for name in ("torch", "torch_lstm", "cho_2014_v3"):
        there = gru_viz.trace(gru_viz.random_weights(name, 8, 256), inputs(16, 300, 8, dtype="float32"), device="cuda")
        assert there.proof.difference <= 1e-5


def test_a_reset_before_the_product_is_run_by_the_equations() -> None:
    trace = gru_viz.trace(gru_viz.random_weights("cho_2014_v3", 3, 16), inputs(2, 200, 3), device="cuda")
    assert (trace.backend, trace.proof.holds) == ("scratch", True)


# --- training -----------------------------------------------------------------------------------------------------


def parts(name: str) -> tuple[Parameters, torch.Tensor]:
    """Parameters and an input of 150 steps."""
    w = Weights.from_matrices(name, stack(name, 3, 40, 1, 1, dtype="float64", scale=0.1, seed=0))
    x = torch.randn(2, 150, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return w.layers[0][0].parameters("cpu", torch.float64), x


@pytest.mark.parametrize("way", ["torch", "scratch"])
@pytest.mark.parametrize("cell", ["torch", "torch_lstm"])
def test_gradients_there_are_those_here(cell: str, way: str) -> None:
    from gru_viz.training.recurrence import run_layer

    found = []
    for device in ("cpu", "cuda"):
        p, x = parts(cell)
        p = Parameters(*(each[None].to(device).detach().requires_grad_() for each in p))
        loss = run_layer(way, CONVENTIONS[cell], p, x.transpose(0, 1)[None].to(device)).square().mean()
        found.append([each.cpu() for each in torch.autograd.grad(loss, list(p))])
    for here, there in zip(*found, strict=True):
        assert (here - there).abs().max() <= 1e-10 * here.abs().max()


@pytest.mark.parametrize("cell", ["torch", "torch_lstm", "torch_rnn", "cho_2014_v3"])
def test_training_there_follows_training_here(cell: str) -> None:
    from gru_viz.training import Curve, Lane, Settings, train

    def curves(device: str) -> dict[str, Curve]:
        lane = Lane(cell=cell, hidden=12, layers=2, dropout=0.0, device=device, backend="auto")
        found = train(Settings("adding", {"length": 10}, (lane,), updates=30, seeds=2))
        return {curve.measure: curve for curve in found}

    here, there = curves("cpu"), curves("cuda")
    for measure, curve in here.items():
        np.testing.assert_allclose(there[measure].values, curve.values, rtol=1e-2, atol=1e-3)


def test_a_training_there_goes_on_as_if_it_had_never_stopped() -> None:
    from gru_viz.training import Lane, Point, Settings, Trainer, make_task

    lane = Lane(hidden=12, layers=2, dropout=0.2, device="cuda")
    settings = Settings("adding", {"length": 10}, (lane,), updates=30, seeds=2)
    task = make_task(settings)
    whole = {(r.measure, r.update): r.values for r in Trainer(task, settings, "GRU") if isinstance(r, Point)}
    half = Trainer(task, settings, "GRU", until=15)
    list(half)
    for record in Trainer(task, settings, "GRU", checkpoint=half.checkpoint()):
        if isinstance(record, Point):
            assert record.values == pytest.approx(whole[record.measure, record.update], rel=1e-5)
