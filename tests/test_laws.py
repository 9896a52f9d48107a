"""The laws of DESIGN: parity, closure, causality, relabelling. Limits and twins are in test_equations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import textbook
import torch
from hypothesis import given, strategies as st
from lopsided import ALL, CELL, GRUS, RESET_AFTER, TAKES, inputs, matrices, stack

import gru_viz
from gru_viz import Trace, Weights
from gru_viz.trace import DirectionTrace

EVERYWHERE = ("compiled", "loop", "scratch")
"""The backends that run every variant."""

pytestmark = pytest.mark.usefixtures("unchecked")  # many runs: annotations are checked in the other files
MODULES = {"torch": torch.nn.GRU, "torch_lstm": torch.nn.LSTM, "torch_rnn": torch.nn.RNN}
TOLERANCE = {"float64": 1e-12, "float32": 1e-6}


def start_of(name: str, layers: int, directions: int, batch: int, hidden: int, dtype: str = "float64") -> object:
    h0 = np.tanh(inputs(layers * directions, batch, hidden, seed=3, dtype=dtype))
    return (h0, 2 * inputs(layers * directions, batch, hidden, seed=4, dtype=dtype)) if "lstm" in name else h0


def network(name: str, features: int = 3, hidden: int = 5, layers: int = 1, directions: int = 1, dtype: str = "float64",
            seed: int = 0) -> Weights:  # fmt: skip
    """A lopsided network whose upper layers are tame enough that float32 rounding does not grow."""
    scale = 1.0 if dtype == "float64" else 0.5
    return Weights.from_matrices(
        name, stack(name, features, hidden, layers, directions, seed=seed, dtype=dtype, scale=scale)
    )


def runs(trace: Trace) -> list[DirectionTrace]:
    return [run for layer in trace.layers for run in layer.directions]


def largest_difference(a: Trace, b: Trace) -> float:
    """Over all layers, directions and quantities; NaN in one must be NaN in the other."""
    worst = 0.0
    for mine, theirs in zip(runs(a), runs(b), strict=True):
        for name, values in mine.quantities.items():
            assert np.array_equal(np.isnan(values), np.isnan(theirs.quantities[name]))
            difference = np.abs(values - theirs.quantities[name])
            worst = max(worst, float(np.nanmax(difference, initial=0.0)))
    return worst


# --- parity -----------------------------------------------------------------------------------------------------


@given(
    features=st.integers(1, 4),
    hidden=st.integers(1, 6),
    layers=st.integers(1, 3),
    directions=st.integers(1, 2),
    lengths=st.lists(st.integers(0, 7), min_size=1, max_size=4),
    seed=st.integers(0, 999),
)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", MODULES)
def test_parity_every_backend_equals_the_bare_module(
    name: str, dtype: str, features: int, hidden: int, layers: int, directions: int, lengths: list[int], seed: int
) -> None:
    w = network(name, features, hidden, layers, directions, dtype, seed)
    x = inputs(len(lengths), max(lengths), features, seed=seed, dtype=dtype)
    h0 = start_of(name, layers, directions, len(lengths), hidden, dtype)
    scratch, *others = (
        gru_viz.trace(w, x, h0=h0, lengths=lengths, backend=b)  # type: ignore[arg-type]
        for b in ("scratch", "torch", "loop", "compiled")
    )
    for each in (scratch, *others):
        assert largest_difference(scratch, each) < TOLERANCE[dtype], each.backend
        assert each.dtype == dtype
        assert each.proof.holds, each.proof
    top = np.concatenate([run.hidden for run in scratch.layers[-1].directions], -1)
    for i, n in enumerate(lengths):
        assert np.isnan(top[i, n:]).all()
    bare = bare_module(w, x, lengths, h0)
    assert np.nanmax(np.abs(top - bare), initial=0.0) < TOLERANCE[dtype]
    assert np.array_equal(np.isnan(top), np.isnan(bare))


def bare_module(w: Weights, x: np.ndarray, lengths: list[int], h0: object) -> np.ndarray:
    """torch's own output, built here without the library's to_module, over packed sequences; NaN past the ends."""
    module = MODULES[w.convention.name](
        w.features, w.hidden, len(w.layers), batch_first=True, bidirectional=w.bidirectional,
        dtype=getattr(torch, str(w.dtype)),
    )  # fmt: skip
    module.load_state_dict(
        {
            f"{key}_l{k}{'_reverse' * d}": torch.tensor(array)
            for k, layer in enumerate(w.layers)
            for d, cell in enumerate(layer)
            for key, array in cell.matrices.items()
        }
    )
    output = np.full((*x.shape[:2], w.hidden * len(w.layers[0])), np.nan, x.dtype)
    kept = [i for i, n in enumerate(lengths) if n]
    if not kept:
        return output
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.tensor(x[kept]), torch.tensor([lengths[i] for i in kept]), batch_first=True, enforce_sorted=False
    )
    states = [torch.tensor(s[:, kept]) for s in (h0 if isinstance(h0, tuple) else (h0,))]  # type: ignore[index]
    with torch.no_grad():
        ran = module(packed, tuple(states) if len(states) > 1 else states[0])[0]
    theirs, _ = torch.nn.utils.rnn.pad_packed_sequence(ran, batch_first=True, total_length=x.shape[1])
    for row, i in enumerate(kept):
        output[i, : lengths[i]] = theirs[row, : lengths[i]].numpy()
    return output


@given(
    features=st.integers(1, 4),
    hidden=st.integers(1, 40),
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=40),
    directions=st.integers(1, 2),
    seed=st.integers(0, 999),
)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ["torch", "chung_2014", "onnx", "torch_lstm", "torch_rnn"])
def test_parity_of_the_kernels_at_every_width_and_length(
    name: str, dtype: str, features: int, hidden: int, lengths: list[int], directions: int, seed: int
) -> None:
    """Units beside, on and past the vectors and panels; more rows than go together; more steps than a block has."""
    w = network(name, features, hidden, 1, directions, dtype, seed)
    x = inputs(len(lengths), max(lengths), features, seed=seed, dtype=dtype) / max(1, hidden / 5)
    h0 = start_of(name, 1, directions, len(lengths), hidden, dtype)
    scratch, compiled = (gru_viz.trace(w, x, h0=h0, lengths=lengths, backend=b) for b in ("scratch", "compiled"))  # type: ignore[arg-type]
    if hidden < 8:  # a wide network with such weights is chaotic
        assert largest_difference(scratch, compiled) < 4 * TOLERANCE[dtype]
    assert compiled.proof.holds, (compiled.proof.difference, compiled.proof.bound)
    alone = gru_viz.trace(w, x[:1], h0=_rows(h0, 1), lengths=lengths[:1], backend="compiled")
    for whole, one in zip(runs(compiled), runs(alone), strict=True):
        for q in whole.quantities:
            assert np.array_equal(whole.quantities[q][:1], one.quantities[q], equal_nan=True), (
                "bits depend on neighbours"
            )


def _rows(h0: object, count: int) -> object:
    return tuple(s[:, :count] for s in h0) if isinstance(h0, tuple) else h0[:, :count]  # type: ignore[index]


@pytest.mark.parametrize(("dtype", "near", "closed"), [("float32", 5e-7, 1e-6), ("float64", 1e-14, 1e-13)])
@pytest.mark.parametrize("name", ALL)
def test_the_kernels_gates_are_those_of_the_equations_from_the_same_states(
    name: str, dtype: str, near: float, closed: float
) -> None:
    w = gru_viz.random_weights(name, features=7, hidden=48, bidirectional=True, seed=3, dtype=dtype)
    trace = gru_viz.trace(w, inputs(2, 300, 7, dtype=dtype), backend="compiled")
    for run in runs(trace):
        p, x = run.weights.parameters(dtype=torch.float64), torch.tensor(run.inputs).double()
        h = torch.tensor(run.previous()).double()
        gates = gru_viz.equations.gates(run.convention, p, gru_viz.equations.project(p, x), h)
        for gate, values in gates.items():
            assert np.abs(run.quantities[gate] - values.numpy()).max() < near, gate
        assert gap(run) < closed


def test_the_kernels_give_the_same_bits_in_threads_side_by_side_and_in_one_that_shares() -> None:
    w, x = network("torch", 3, 70, directions=2, dtype="float32"), inputs(37, 90, 3, dtype="float32")
    lengths = list(range(54, 91))
    once = gru_viz.trace(w, x, lengths=lengths, backend="compiled")
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(lambda _: gru_viz.trace(w, x, lengths=lengths, backend="compiled"), range(8)))
    torch.set_num_threads(3)
    try:
        others.append(gru_viz.trace(w, x, lengths=lengths, backend="compiled"))
    finally:
        torch.set_num_threads(1)
    for each in others:
        assert largest_difference(once, each) == 0


def test_parity_can_fail() -> None:
    """Two gates swapped, or z the other way, are differences far beyond the tolerance."""
    w, x = network("torch"), inputs(2, 8, 3)
    arrays = dict(w.matrices)
    swapped = {k: np.concatenate([v[5:10], v[:5], v[10:]]) for k, v in arrays.items()}
    negated = {k: np.concatenate([v[:5], -v[5:10], v[10:]]) for k, v in arrays.items()}
    right = gru_viz.trace(w, x)
    for wrong in (swapped, negated):
        assert largest_difference(right, gru_viz.trace(Weights.from_matrices("torch", wrong), x)) > 1e-2


# --- closure ----------------------------------------------------------------------------------------------------


def rebuilt(run: DirectionTrace, sequence: int) -> dict[str, np.ndarray]:
    """The states that follow from the recorded gates, by numpy, from the public arrays alone."""
    q = {name: values[sequence, : run.lengths[sequence]] for name, values in run.quantities.items()}

    def before(state: str) -> np.ndarray:
        start = run.initial[state][sequence][None]
        return np.concatenate([q[state][1:], start] if run.backward else [start, q[state][:-1]])[: len(q[state])]

    kind = run.convention
    if kind.cell == "lstm":
        cell = q["forget"] * before("cell") + q["input"] * q["cell_candidate"]
        return {"cell": cell, "hidden": q["output"] * np.tanh(q["cell"])}
    if kind.cell == "rnn":
        return {"hidden": q["hidden"]}
    z, n, h = q["update"], q["candidate"], before("hidden")
    return {"hidden": (1 - z) * h + z * n if kind.name in TAKES else (1 - z) * n + z * h}


def gap(run: DirectionTrace) -> float:
    return max(
        float(np.abs(values - run.quantities[state][i, :n]).max(initial=0.0))
        for i, n in enumerate(run.lengths)
        for state, values in rebuilt(run, i).items()
    )


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ALL)
def test_closure_the_recorded_gates_rebuild_the_recorded_states(name: str, dtype: str, backend: str) -> None:
    w = network(name, layers=2, directions=2, dtype=dtype)
    trace = gru_viz.trace(
        w, inputs(3, 9, 3), h0=start_of(name, 2, 2, 3, 5), lengths=[9, 1, 5], backend=backend  # type: ignore[arg-type]
    )  # fmt: skip
    assert max(map(gap, runs(trace))) < TOLERANCE[dtype]


@pytest.mark.parametrize("name", GRUS)
def test_closure_can_fail(name: str) -> None:
    """Gates swapped, or z shown the other way round, do not rebuild the states."""
    run = gru_viz.trace(network(name), inputs(1, 9, 3)).layers[0].forward
    q = dict(run.quantities)
    for wrong in (q | {"update": 1 - q["update"]}, q | {"update": q["reset"]}, q | {"candidate": q["hidden"]}):
        fake = DirectionTrace(run.weights, wrong, run.inputs, run.initial, run.lengths)
        assert gap(fake) > 1e-2


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("name", ALL)
def test_closure_and_proof_hold_for_huge_weights_over_a_long_run(name: str, backend: str) -> None:
    """×20 makes a GRU chaotic: gates are held against the twin from the recorded states, not along a trajectory."""
    arrays, x = matrices(name, 3, 5, scale=20), inputs(3000, 3)
    trace = gru_viz.trace(Weights.from_matrices(name, arrays), x, backend=backend)  # type: ignore[arg-type]
    run = trace.layers[0].forward
    assert trace.proof.holds, trace.proof
    assert gap(run) < 1e-12
    h = run.previous()[0]
    for t in range(0, 3000, 7):
        if CELL[name] == "gru":
            twin = textbook.run_gru(name, arrays, x[t : t + 1], h[t])
        elif CELL[name] == "lstm":
            twin = textbook.run_lstm(name, arrays, x[t : t + 1], h[t], run.previous("cell")[0, t])
        else:
            twin = textbook.run_rnn(name, arrays, x[t : t + 1], h[t])
        assert all(np.abs(run.quantities[q][0, t] - values[0]).max() < 1e-11 for q, values in twin.items())


@pytest.mark.parametrize("backend", [*EVERYWHERE, "torch"])
def test_torchs_own_weights_twentyfold_are_proven_in_float32_within_their_rounding(backend: str) -> None:
    once = gru_viz.random_weights("torch", features=4, hidden=16, seed=1)
    w = Weights.from_matrices("torch", {k: 20 * v for k, v in once.matrices.items()})
    trace = gru_viz.trace(w, inputs(3000, 4, dtype="float32"), backend=backend)  # type: ignore[arg-type]
    assert trace.proof.difference < 5e-5
    assert gap(trace.layers[0].forward) < 5e-5


# --- causality --------------------------------------------------------------------------------------------------


@given(cut=st.integers(0, 12), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", ALL)
def test_causality_the_trace_of_a_prefix_is_the_prefix_of_the_trace(name: str, cut: int, seed: int) -> None:
    w, x, h0 = network(name, seed=seed), inputs(2, 12, 3, seed=seed), start_of(name, 1, 1, 2, 5)
    whole, part = gru_viz.trace(w, x, h0=h0), gru_viz.trace(w, x[:, :cut], h0=h0)
    for q in whole.convention.quantities:
        a, b = getattr(whole, q.name)[:, :cut], getattr(part, q.name)
        assert a.shape == b.shape
        assert np.abs(a - b).max(initial=0.0) < 1e-14


@pytest.mark.parametrize("name", ALL)
def test_causality_in_a_stack_of_forward_layers(name: str) -> None:
    w, x = network(name, layers=3), inputs(2, 12, 3)
    whole, part = gru_viz.trace(w, x), gru_viz.trace(w, x[:, :7])
    for a, b in zip(runs(whole), runs(part), strict=True):
        for q in a.quantities:
            assert np.abs(a.quantities[q][:, :7] - b.quantities[q]).max() < 1e-14


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("name", ALL)
def test_causality_mirrored_the_backward_direction_depends_only_on_what_follows(name: str, backend: str) -> None:
    w, x = network(name, directions=2), inputs(2, 12, 3)
    whole, part = (gru_viz.trace(w, each, backend=backend) for each in (x, x[:, 5:]))  # type: ignore[arg-type]
    for q in whole.convention.quantities:
        back = whole.layers[0].backward
        late = part.layers[0].backward
        assert back is not None
        assert late is not None
        assert np.abs(back.quantities[q.name][:, 5:] - late.quantities[q.name]).max() < 1e-14
        forward = whole.layers[0].forward.quantities[q.name][:, 5:]
        assert np.abs(forward - part.layers[0].forward.quantities[q.name]).max() > 1e-3


@pytest.mark.parametrize("name", ALL)
def test_the_backward_direction_is_the_forward_one_over_the_flipped_sequence(name: str) -> None:
    cells = stack(name, directions=2)[0]
    x, lengths = inputs(3, 9, 3), [9, 1, 6]
    both = gru_viz.trace(Weights.from_matrices(name, [cells]), x, lengths=lengths)
    for i, n in enumerate(lengths):
        alone = gru_viz.trace(Weights.from_matrices(name, cells[1]), x[i, :n][::-1])
        back = both.layers[0].backward
        assert back is not None
        for q in alone.convention.quantities:
            assert np.abs(getattr(alone, q.name)[0][::-1] - back.quantities[q.name][i, :n]).max() < 1e-14


@pytest.mark.parametrize("name", ALL)
def test_a_sequence_is_traced_alike_alone_and_in_a_batch(name: str) -> None:
    """Padding and neighbours leave no mark, whatever stands in the padding."""
    w, x, lengths = network(name, layers=2, directions=2), inputs(3, 9, 3), [4, 9, 0]
    clean = gru_viz.trace(w, x, lengths=lengths)
    dirty = x.copy()
    dirty[0, 4:], dirty[2] = np.nan, np.inf
    assert largest_difference(clean, gru_viz.trace(w, dirty, lengths=lengths)) == 0
    for i, n in enumerate(lengths):
        alone = gru_viz.trace(w, x[i, :n])
        for a, b in zip(runs(clean), runs(alone), strict=True):
            for q, values in b.quantities.items():
                assert np.abs(a.quantities[q][i, :n] - values[0]).max(initial=0.0) < 1e-13


# --- relabelling ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["cho_2014_v3", "onnx", "d2l_equation", "keras_reset_before", "tf1"])
@pytest.mark.parametrize("name", TAKES)
def test_relabelling_the_update_gate_flips_exactly_z_and_nothing_else(name: str, other: str) -> None:
    w, x, h0 = network(name, layers=2, directions=2), inputs(2, 9, 3), start_of(name, 2, 2, 2, 5)
    takes, keeps = gru_viz.trace(w, x, h0=h0), gru_viz.trace(gru_viz.convert(w, to=other), x, h0=h0)
    for a, b in zip(runs(takes), runs(keeps), strict=True):
        assert np.abs(a.update - (1 - b.update)).max() < 1e-14
        assert np.abs(a.update - b.update).max() > 1e-2
        for q in ("reset", "candidate", "hidden"):
            assert np.abs(a.quantities[q] - b.quantities[q]).max() < 1e-14


@pytest.mark.parametrize("name", RESET_AFTER)
def test_placing_the_reset_elsewhere_is_no_relabelling(name: str) -> None:
    w, x = network(name), inputs(2, 9, 3)
    moved = gru_viz.trace(w.read_as("onnx"), x)
    own = gru_viz.trace(w, x)
    assert np.abs(own.hidden - moved.hidden).max() > 1e-3
    assert np.abs(own.hidden[:, 0] - moved.hidden[:, 0]).max() < (1e-14 if "b_h" not in _parts(name) else np.inf)


def _parts(name: str) -> set[str]:
    return {p.part for matrix in gru_viz.CONVENTIONS[name].matrices for row in matrix.grid for p in row}


# --- NaN and infinity -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", MODULES)
def test_nan_and_infinity_pass_through_as_in_torch_and_are_no_failure_of_the_proof(name: str, bad: float) -> None:
    w, x, h0 = network(name, layers=2), inputs(2, 9, 3), start_of(name, 2, 1, 2, 5)
    x[0, 4, 1] = bad
    bare = bare_module(w, x, [9, 9], h0)
    for backend in (*EVERYWHERE, "torch"):
        trace = gru_viz.trace(w, x, h0=h0, backend=backend)  # type: ignore[arg-type]
        top = trace.layers[-1].hidden
        assert np.array_equal(np.isnan(top), np.isnan(bare))
        assert np.nanmax(np.abs(top - bare)) < 1e-12
        assert trace.proof.holds
    assert np.isnan(bare[0, 4:]).all() == bool(np.isnan(bad))
    assert not np.isnan(bare[0, :4]).any()
    assert not np.isnan(bare[1]).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", GRUS)
def test_every_variant_carries_nan_from_where_it_stands_and_no_earlier(name: str, bad: float) -> None:
    x = inputs(2, 9, 3)
    x[0, 4, 1] = bad
    trace = gru_viz.trace(network(name), x)
    assert trace.proof.holds
    assert np.isnan(trace.hidden[0, 4:]).all() == bool(np.isnan(bad))
    assert not np.isnan(trace.hidden[0, :4]).any()
    assert not np.isnan(trace.hidden[1]).any()
