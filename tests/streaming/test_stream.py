"""A streamed run is the trace of the whole: in every window exactly, in every bin to the last bit of low and high."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lopsided
import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import gru_viz
from gru_viz import LongTrace, Trace, TraceError, Weights
from gru_viz.sequences import Scaling, Sequence, Sequences
from gru_viz.streaming.long import WINDOWS, TraceLike
from gru_viz.trace import LayerTrace

pytestmark = pytest.mark.usefixtures("small", "unchecked")

KINDS = {
    "gru": ("torch", 1, 1),
    "reset before": ("chung_2014", 2, 1),
    "lstm": ("torch_lstm", 2, 2),
    "rnn": ("torch_rnn", 1, 2),
    "stacked": ("torch", 3, 1),
    "both directions": ("keras_reset_before", 2, 2),
}
WHERE = [(0, 1), (0, 211), (40, 41), (31, 33), (32, 64), (100, 170), (205, 211), (210, 211)]


def network(kind: str, dtype: str = "float64") -> Weights:
    convention, layers, directions = KINDS[kind]
    stack = lopsided.stack(convention, layers=layers, directions=directions, scale=0.5, dtype=dtype)
    return Weights.from_matrices(convention, stack)


def h0_of(weights: Weights) -> Any:
    count = sum(map(len, weights.layers))
    states = [np.random.default_rng(n).uniform(-0.9, 0.9, (count, 1, 5)) for n in range(2)]
    return tuple(states) if weights.convention.cell == "lstm" else states[0]


def both(kind: str, length: int = 211, dtype: str = "float64") -> tuple[LongTrace, Trace]:
    weights, x = network(kind, dtype), lopsided.inputs(length, 3, dtype=dtype)
    return gru_viz.stream(weights, x, h0_of(weights)), gru_viz.trace(weights, x, h0_of(weights))


def assert_slice(part: Trace, whole: Trace, start: int, stop: int, atol: float = 1e-12) -> None:
    assert part.lengths == (stop - start,)
    for one, all_ in zip(part.layers, whole.layers, strict=True):
        for run, true in zip(one.directions, all_.directions, strict=True):
            assert run.backward == true.backward
            np.testing.assert_allclose(run.inputs, true.inputs[:, start:stop], atol=atol)
            for name, values in true.quantities.items():
                np.testing.assert_allclose(run.quantities[name], values[:, start:stop], atol=atol)
            for state in true.convention.states:
                np.testing.assert_allclose(run.previous(state), true.previous(state)[:, start:stop], atol=atol)


def assert_bins(traced: TraceLike, whole: Trace, start: int, stop: int, columns: int, atol: float = 1e-12) -> None:
    for k, layer in enumerate(whole.layers):
        for direction, run in zip(("forward", "backward"), layer.directions, strict=False):
            for name, values in {**run.quantities, "inputs": whole.inputs}.items():
                bins = traced.bins(name, start, stop, columns, k, direction)
                edges = bins.edges
                widths = np.diff(edges)
                assert 1 <= len(widths) <= columns
                assert edges[0] <= start < edges[1]
                assert edges[-2] < stop <= edges[-1] <= traced.lengths[0]
                assert (widths[:-1] == bins.width).all()
                assert widths[-1] == bins.width or edges[-1] == traced.lengths[0]
                assert len(widths) == 1 or (edges[:-1] % bins.width == 0).all()
                covered = values[0, : edges[-1]]
                np.testing.assert_allclose(bins.low, np.minimum.reduceat(covered, edges[:-1]).T, atol=atol)
                np.testing.assert_allclose(bins.high, np.maximum.reduceat(covered, edges[:-1]).T, atol=atol)
                mean = np.add.reduceat(covered, edges[:-1]) / widths[:, None]
                np.testing.assert_allclose(bins.mean, mean.T, atol=atol)


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_is_the_slice_of_the_whole(kind: str) -> None:
    long, whole = both(kind)
    assert long.length == len(long) == 211
    for start, stop in WHERE:
        for traced in (long, whole):
            part = traced.window(start, stop)
            assert_slice(part, whole, start, stop)
            assert part.proof.holds


@pytest.mark.parametrize("kind", KINDS)
def test_bins_are_those_of_the_whole(kind: str) -> None:
    long, whole = both(kind)
    for start, stop in WHERE:
        for columns in (1, 7, 300):
            assert_bins(long, whole, start, stop, columns)
            assert_bins(whole, whole, start, stop, columns)


def test_a_trace_of_several_sequences_is_cut_and_binned_one_by_one() -> None:
    lengths = [30, 0, 12]
    whole = gru_viz.trace(network("gru"), lopsided.inputs(3, 30, 3), lengths=lengths)
    part = whole.window(2, 12, sequence=2)
    assert (part.lengths, part.names) == ((10,), ("sequence 3",))
    np.testing.assert_array_equal(part.hidden[0], whole.hidden[2, 2:12])
    np.testing.assert_array_equal(part.layers[0].forward.previous()[0, 0], whole.hidden[2, 1])
    np.testing.assert_array_equal(whole.bins("hidden", 0, 12, 1, sequence=2).high[:, 0], whole.hidden[2, :12].max(0))
    with pytest.raises(TraceError, match="steps"):
        whole.window(0, 13, sequence=2)


@given(st.integers(0, 140), st.data())
def test_any_length_any_window_any_columns(length: int, data: st.DataObject) -> None:
    long, whole = both("both directions", length)
    start = data.draw(st.integers(0, max(length - 1, 0)))
    stop = data.draw(st.integers(min(start + 1, length), length))
    assert_slice(long.window(start, stop), whole, start, stop)
    if length:
        assert_bins(long, whole, start, stop, data.draw(st.integers(1, 50)))


def test_float32_stays_float32() -> None:
    long, whole = both("stacked", dtype="float32")
    assert long.dtype == "float32"
    assert long.bins("hidden", 0, 211, 10).low.dtype == long.window(3, 5).layers[0].hidden.dtype == np.float32
    assert_slice(long.window(20, 70), whole, 20, 70, atol=2e-6)
    assert_bins(long, whole, 20, 70, 5, atol=2e-6)


def test_what_a_bin_says_and_what_its_window_shows_is_the_same() -> None:
    """Low and high are taken over as they are: no rounding, no interpolation."""
    long, _ = both("gru")
    bins = long.bins("update", 0, 211, 20)
    shown = [long.window(a, b).update[0] for a, b in zip(bins.edges, bins.edges[1:], strict=False)]
    np.testing.assert_allclose(bins.low.T, [each.min(0) for each in shown], atol=1e-15)
    np.testing.assert_allclose(bins.high.T, [each.max(0) for each in shown], atol=1e-15)


def test_the_size_of_the_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    small, whole = both("both directions")
    monkeypatch.setattr("gru_viz.streaming.plan.LONGEST_CHUNK", 128)
    wide, _ = both("both directions")
    for long in (small, wide):
        assert_bins(long, whole, 0, 211, 30)
    assert wide.plan.chunk == 4 * small.plan.chunk


def test_panning_keeps_the_bins() -> None:
    long, _ = both("gru")
    one, other = long.bins("hidden", 0, 160, 20), long.bins("hidden", 24, 184, 20)
    assert one.width == other.width
    shared = np.intersect1d(one.edges, other.edges)
    assert len(shared) > 10
    at = [np.searchsorted(bins.edges, shared[:-1]) for bins in (one, other)]
    assert np.array_equal(one.mean[:, at[0]], other.mean[:, at[1]])


def test_all_quantities_have_the_same_edges() -> None:
    long, _ = both("both directions")
    for start, stop, columns in ((0, 211, 30), (50, 60, 30), (3, 200, 7)):
        edges = [
            long.bins(name, start, stop, columns, layer, direction).edges
            for name in ("inputs", "update", "hidden")
            for layer in (0, 1)
            for direction in ("forward", "backward")
        ]
        assert all(np.array_equal(each, edges[0]) for each in edges)


@pytest.mark.parametrize("kind", KINDS)
def test_the_proof_is_that_of_every_chunk(kind: str) -> None:
    long, whole = both(kind)
    assert long.proof.holds
    assert 0 < long.proof.difference <= long.proof.bound <= 2 * whole.proof.bound
    assert long.proof.witness == whole.proof.witness
    assert (long.backend, long.device) == (whole.backend, whole.device)


def test_one_bad_chunk_is_enough_to_be_unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Trace] = []
    true = gru_viz.streaming.chunk_runner.trace

    def faulty(*args: Any, **more: Any) -> Trace:
        one = true(*args, **more)
        if len(seen) == 2:
            run = one.layers[0].forward
            run = replace(run, quantities={**run.quantities, "update": run.update * 0.9})
            one = replace(one, layers=(LayerTrace(run),))
        seen.append(one)
        return seen[-1]

    monkeypatch.setattr("gru_viz.streaming.chunk_runner.trace", faulty)
    long = gru_viz.stream(network("gru"), lopsided.inputs(211, 3))
    assert len(seen) > 4
    assert long.proof.difference == seen[2].proof.difference > 1e-4
    assert not long.proof.holds


def test_what_a_sequence_is_called_goes_along() -> None:
    labels = tuple(f"day {n}" for n in range(60))
    one = Sequence(np.zeros((60, 3), np.float32), ("a", "b", "c"), labels, "river")
    scaling = Scaling("standardise", ("a", "b", "c"), np.ones(3), np.full(3, 2.0))
    long = gru_viz.stream(network("gru", "float32"), Sequences((one,), scaling, details={"kind": "x"}))
    assert (long.names, long.features, long.scaling) == (("river",), ("a", "b", "c"), scaling)
    assert long.details["kind"] == "x"
    part = long.window(10, 12)
    assert (part.names, part.features, part.scaling) == (("river",), ("a", "b", "c"), scaling)
    assert part.time == (("day 10", "day 11"),)
    alone = gru_viz.stream(network("gru", "float32"), one)
    assert (alone.names, alone.scaling) == (("river",), None)


def test_a_module_and_a_tensor_will_do() -> None:
    gru, x = torch.nn.GRU(3, 5), torch.randn(70, 3)
    assert_slice(gru_viz.stream(gru, x).window(30, 50), gru_viz.trace(gru, x), 30, 50, atol=1e-6)


def test_a_nan_is_seen_from_afar() -> None:
    x = lopsided.inputs(211, 3)
    x[150, 1] = np.nan
    long = gru_viz.stream(network("gru"), x)
    bins = long.bins("update", 0, 211, 20)
    after = bins.edges[1:] > 150
    assert np.isnan(bins.mean[:, after]).all()
    assert not np.isnan(bins.mean[:, ~after]).any()
    assert np.isnan(long.bins("inputs", 0, 211, 20).high).sum() == 1


@pytest.mark.parametrize(("kind", "passes"), [("gru", 1), ("both directions", 4)])
def test_progress_comes_after_each_chunk_and_ends_at_the_end(kind: str, passes: int) -> None:
    reported: list[tuple[int, int]] = []
    gru_viz.stream(network(kind), lopsided.inputs(211, 3), progress=lambda *each: reported.append(each))
    assert {total for _, total in reported} == {211 * passes}
    done = [each for each, _ in reported]
    assert done == sorted(done)
    assert len(set(done)) == passes * 7
    assert done[-1] == 211 * passes


class EnoughError(Exception):
    """What somebody raises who has seen enough."""


def test_what_progress_raises_ends_the_run_and_leaves_no_file(open_files: Callable[[], int]) -> None:
    def stop(done: int, total: int) -> None:
        if done > 60:
            raise EnoughError

    before = open_files()
    with pytest.raises(EnoughError) as raised:
        gru_viz.stream(network("lstm"), lopsided.inputs(211, 3), progress=stop)
    assert open_files() == before
    del raised


def test_a_long_trace_leaves_no_file_either(open_files: Callable[[], int]) -> None:
    before = open_files()
    long, _ = both("gru")
    assert open_files() == before + 1
    del long
    assert open_files() == before


def test_several_threads_read_one_trace() -> None:
    long, whole = both("both directions")
    failed: list[BaseException] = []

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(8):
                start, stop = sorted(rng.choice(212, 2, replace=False))
                assert_slice(long.window(start, stop), whole, start, stop)
                assert_bins(long, whole, start, stop, 9)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]


def test_nothing_of_it_can_be_changed() -> None:
    long, _ = both("gru")
    with pytest.raises(AttributeError):
        long.proof = 0.0  # type: ignore[misc]
    for array in (long.inputs, long.window(0, 5).hidden, long.bins("hidden", 0, 211, 9).mean):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_caller_may_still_write_to_what_was_passed() -> None:
    x = lopsided.inputs(50, 3)
    gru_viz.stream(network("gru"), x)
    x[0] = 0


WRONG: dict[str, tuple[Callable[[LongTrace], object], str]] = {
    "before the begin": (lambda t: t.window(-1, 5), "found -1 to 5"),
    "after the end": (lambda t: t.bins("hidden", 0, 212, 5), "found 0 to 212; wanted a step or more within 0 to 211"),
    "no step": (lambda t: t.window(7, 7), "found 7 to 7"),
    "no column": (lambda t: t.bins("hidden", 0, 9, 0), "columns: found 0"),
    "no such quantity": (lambda t: t.bins("forget", 0, 9, 5), "reset, update, candidate, hidden, inputs"),
    "no such layer": (lambda t: t.bins("hidden", 0, 9, 5, 1), "layer: found 1"),
    "no such direction": (lambda t: t.bins("hidden", 0, 9, 5, 0, "backward"), "'backward'; wanted 'forward'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_there_is_refused(wrong: str) -> None:
    ask, message = WRONG[wrong]
    with pytest.raises(TraceError, match=message):
        ask(both("gru")[0])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 9, 3)), r"found shape \(2, 9, 3\); wanted \(time, 3\)"),
        (np.zeros((9, 4)), r"found shape \(9, 4\)"),
        (np.array([["a"] * 3]), "wanted numbers"),
        ([np.zeros((9, 3))], "found list"),
        (Sequences((), Scaling("none", (), np.zeros(0), np.ones(0))), "found 0 sequences; wanted one"),
    ],
)
def test_what_cannot_be_read_is_refused(x: Any, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        gru_viz.stream(network("gru"), x)


def test_a_backend_or_device_that_is_not_there_is_refused_at_once() -> None:
    with pytest.raises(TraceError, match="backend"):
        gru_viz.stream(network("reset before"), np.zeros((5, 3)), backend="torch")
    with pytest.raises(gru_viz.DeviceError):
        gru_viz.stream(network("gru"), np.zeros((5, 3)), device="cuda:99")


def test_without_numba_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, _ = both("both directions")
    monkeypatch.setitem(sys.modules, "numba", None)
    long, whole = both("both directions")
    assert (compiled.backend, long.backend) == ("compiled", whole.backend)
    assert whole.backend != "compiled"
    assert_slice(long.window(30, 90), whole, 30, 90)
    assert_bins(long, whole, 0, 211, 20)
    for name in ("update", "hidden", "inputs"):
        one, other = (each.bins(name, 0, 211, 20, 1, "backward") for each in (compiled, long))
        np.testing.assert_allclose(one.mean, other.mean, atol=1e-12)


def test_a_disk_with_little_room_makes_the_narrowest_bins_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gru_viz.streaming.pyramid.Scratch.free", 2 * 24_000)
    long, whole = both("gru")
    assert long.plan.base == 8
    assert_bins(long, whole, 0, 211, 40)


def test_windows_that_were_run_again_are_kept_for_the_other_quantities(monkeypatch: pytest.MonkeyPatch) -> None:
    long, _ = both("gru")
    hidden = long.bins("hidden", 100, 110, 10)
    with monkeypatch.context() as patched:
        patched.setattr("gru_viz.streaming.chunk_runner.trace", None)  # nothing runs here
        assert long.bins("update", 100, 110, 10).edges.tolist() == hidden.edges.tolist()
        with pytest.raises(TypeError):
            long.bins("hidden", 100, 110, 5)
    monkeypatch.setattr("gru_viz.streaming.long.REMEMBERED", 0)
    long.bins("hidden", 20, 30, 10)
    assert len(long.cached_windows) == 1


def test_where_few_columns_are_asked_for_nothing_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    long, whole = both("gru")
    assert len(long) > long.recomputed >= 16
    monkeypatch.setattr("gru_viz.streaming.chunk_runner.trace", None)
    assert_bins(long, whole, 0, 16, 1)


def test_of_many_windows_the_latest_are_kept(open_files: Callable[[], int]) -> None:
    long, _ = both("gru")
    before = open_files()
    for start in range(0, 200, 10):
        long.bins("hidden", start, start + 10, 10)
    assert len(long.cached_windows) == open_files() - before == WINDOWS
    assert long.cached_windows[-1][0] == 190
