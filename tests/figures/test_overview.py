"""Views of long sequences: columns that hide no extreme, true to their steps, within what a browser is sent."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from lopsided import stack

import gru_viz
from gru_viz import LongTrace, TraceError, Weights
from gru_viz.figures import draw, inspect
from gru_viz.figures.budget import (
    MOST_BYTES,
    MOST_STEPS,
    choose_window,
    most_bins,
    most_steps,
    traced_together,
)
from gru_viz.figures.inspector import pack, unpack_heatmap, work_out_units
from gru_viz.figures.overview import compare_overviews, input_limits, largest_values, order_long, overview
from gru_viz.figures.view import compare

pytestmark = pytest.mark.usefixtures("unchecked")
STEPS, SPIKE = 20_000, 13_577


def streamed(name: str = "torch", steps: int = STEPS, hidden: int = 5) -> LongTrace:
    weights = Weights.from_matrices(name, stack(name, 3, hidden, 2, 1, dtype="float32"))
    x = np.sin(np.arange(3 * steps).reshape(steps, 3) / 900).astype(np.float32)
    if steps > SPIKE:
        x[SPIKE, 1] = 40
    return gru_viz.stream(weights, x)


@pytest.fixture(scope="module")
def long() -> LongTrace:
    return streamed()


def header(packed: bytes) -> dict[str, Any]:
    size = int.from_bytes(packed[:4], "little")
    found: dict[str, Any] = json.loads(packed[4 : 4 + size])
    return found


# --- what a column shows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [None, (3000, 17_000), (13_000, 14_500)])
def test_columns_lie_on_their_steps_and_say_what_the_steps_do(long: LongTrace, window: tuple[int, int] | None) -> None:
    view = overview(long, layer=1, window=window, columns=300)
    start, stop = window or (0, STEPS)
    assert view.edges is not None
    assert view.columns <= 300
    assert view.edges[0] <= start
    assert view.edges[-1] >= stop
    assert (view.first, view.steps) == (view.edges[0] + 1, view.edges[-1] - view.edges[0])
    exact = long.window(view.edges[0], view.edges[-1])
    for panel in view.panels:
        values = exact.layers[1].forward.quantities[panel.key][0].T
        assert panel.extremes is not None
        for k in range(0, view.columns, 37):
            own = values[:, view.edges[k] - view.edges[0] : view.edges[k + 1] - view.edges[0]]
            np.testing.assert_allclose(panel.extremes[0][:, k], own.min(1), atol=1e-6)
            np.testing.assert_allclose(panel.extremes[1][:, k], own.max(1), atol=1e-6)
            shown = panel.values[:, k]
            summaries = np.stack([own.min(1), own.max(1), own.mean(1)])
            assert (np.abs(shown - summaries) < 1e-5).any(0).all()


def test_one_step_in_many_is_seen_from_far_away(long: LongTrace) -> None:
    view = overview(long, columns=200)
    assert view.edges is not None
    column = int(np.searchsorted(view.edges, SPIKE, "right")) - 1
    seen = [np.abs(p.values - np.median(p.values, 1, keepdims=True)).max(0) for p in view.panels]
    assert any(int(each.argmax()) == column for each in seen)
    curve = view.curves[1]
    assert curve.extremes is not None
    assert curve.extremes.high[column] == 40
    assert int(curve.extremes.high.argmax()) == column


def test_neighbouring_units_share_a_row_and_keep_their_extremes() -> None:
    long = streamed(hidden=300, steps=3000)
    view = overview(long, columns=100)
    assert most_bins(4, 300, long.features).grouped == 3
    panel = view.panels[-1]
    assert panel.values.shape[0] == len(panel.rows) == 100
    assert panel.rows[:2] == ("1–3", "4–6")
    assert len(view.units) == 300
    bins = long.bins("hidden", 0, 3000, 100)
    assert panel.extremes is not None
    np.testing.assert_array_equal(panel.extremes[1][1], bins.high[3:6].max(0))
    peak = overview(long, order="peak", columns=100).panels[0].rows
    assert any("more" in row for row in peak)


def test_colours_and_axes_are_those_of_the_whole_in_every_window() -> None:
    long = streamed("torch_lstm")
    largest, whole = largest_values(long, 0, "forward"), overview(long, columns=100)
    part = overview(long, window=(2000, 6000), columns=100)
    exact = inspect(long.window(2000, 3000), before=2000, largest=largest)
    for views in zip(whole.panels, part.panels, exact.panels, strict=True):
        assert len({(each.low, each.high, each.colours) for each in views}) == 1
    assert whole.curve_limits == part.curve_limits == input_limits(long)
    assert exact.first == 2001


@pytest.mark.parametrize("by", ["index", "peak", "time_scale", "similarity"])
@pytest.mark.parametrize("name", ["torch", "torch_rnn", "torch_lstm"])
def test_every_order_is_an_order_of_all_units(name: str, by: str) -> None:
    long = streamed(name, steps=3000)
    assert sorted(order_long(long, by, layer=1)) == list(range(5))


def test_the_order_of_a_long_trace_is_that_of_its_steps_where_the_bins_can_tell(long: LongTrace) -> None:
    run = gru_viz.trace(long.weights, long.inputs).layers[0].forward
    for by in ("index", "time_scale"):
        np.testing.assert_array_equal(order_long(long, by), gru_viz.analysis.order_units(run, by))


def test_an_unknown_order_is_refused(long: LongTrace) -> None:
    with pytest.raises(TraceError, match="by height"):
        order_long(long, "by height")


def test_two_long_traces_differ_by_their_means(long: LongTrace) -> None:
    other = gru_viz.stream(long.weights.read_as("d2l_equation"), long.inputs)
    view = compare_overviews(long, other, "hidden", ("one", "two"), columns=100)
    a, b = (each.bins("hidden", 0, STEPS, 100).mean for each in (long, other))
    np.testing.assert_array_equal(view.panels[-1].values, a - b)
    assert "means of each column" in view.panels[-1].meaning
    itself = compare_overviews(long, long, "hidden", ("one", "two"), columns=100).panels[-1]
    assert not itself.values.any()
    assert (itself.low, itself.high) == (-0.01, 0.01)
    shorter = gru_viz.stream(long.weights, long.inputs[: STEPS - 555])
    part = compare_overviews(long, shorter, "hidden", ("one", "two"), columns=100)
    assert part.first + part.steps - 1 <= STEPS - 555
    assert not part.panels[-1].values.any()
    with pytest.raises(TraceError, match="cell"):
        compare_overviews(long, other, "cell", ("one", "two"))


def test_a_drawn_column_covers_its_steps(long: LongTrace) -> None:
    view = overview(long, columns=100)
    assert view.edges is not None
    width = view.edges[1] - view.edges[0]
    heatmap = next(each for each in draw(view).data if each.type == "heatmap")
    assert heatmap.x0 - heatmap.dx / 2 == 0.5
    assert heatmap.dx == width
    assert f"{width:,} steps" in heatmap.hovertemplate
    lines = [each for each in draw(view).data if each.type == "scatter"]
    assert [each.fill for each in lines] == [None, "tonexty", None] * 3


# --- bytes --------------------------------------------------------------------------------------------------------

SIZES = [("torch", 16), ("torch", 64), ("torch", 512), ("torch", 1024), ("torch_lstm", 128), ("torch_rnn", 16)]


@pytest.mark.parametrize("features", [3, 40])
@pytest.mark.parametrize(("variant", "hidden"), SIZES)
def test_no_view_of_many_steps_is_more_than_a_browser_should_be_sent(variant: str, hidden: int, features: int) -> None:
    weights = gru_viz.random_weights(variant, features, hidden)
    x = np.random.default_rng(0).standard_normal((2000, features)).astype(np.float32)
    long = gru_viz.stream(weights, x)
    view = overview(long)
    packed = pack(view, [], 0, 0, 2000, "x", (1, 2000), "subject", 100)
    assert len(packed) <= MOST_BYTES
    assert view.columns >= 600
    both = compare_overviews(long, long, "hidden", ("one", "two"))
    assert len(pack(both, [], 0, 0, 2000, "x")) <= MOST_BYTES


@pytest.mark.parametrize("features", [3, 40])
@pytest.mark.parametrize(("variant", "hidden"), SIZES)
def test_no_view_of_single_steps_is_either(variant: str, hidden: int, features: int) -> None:
    weights = gru_viz.random_weights(variant, features, hidden)
    most = most_steps(weights, [f"x{j + 1}" for j in range(features)])
    x = np.random.default_rng(0).standard_normal((most, features)).astype(np.float32)
    trace = gru_viz.trace(weights, x)
    packed = pack(inspect(trace), [work_out_units(trace, 0)], 0, 1, most, "x")
    assert len(packed) <= MOST_BYTES
    worked = [work_out_units(trace, 0, title=title) for title in ("one", "two")]
    assert len(pack(compare(trace, trace, "hidden", ("one", "two")), worked, 0, 1, most, "x")) <= MOST_BYTES


def test_a_few_units_are_shown_as_finely_as_a_screen_can() -> None:
    assert most_steps(gru_viz.random_weights("torch", 3, 16)) == MOST_STEPS
    assert most_bins(4, 16).columns >= 1500


# --- the part that is shown ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2001, 50_000, 1_000_000])
@pytest.mark.parametrize("most", [150, 2000])
def test_a_window_holds_what_is_wanted_and_stays_for_a_small_move(length: int, most: int) -> None:
    for start, wanted in (
        (0, 1),
        (length - 1, 1),
        (min(length // 2, length - most), most),
        (length - most, most),
        (length // 3, most // 3),
    ):
        window = choose_window(start, start + wanted, length, most)
        assert window is not None
        first, last = window
        assert 0 <= first <= start
        assert start + wanted <= last <= length
        assert last - first <= most
    assert choose_window(0, most + 1, length, most) is None
    assert choose_window(1000, 1020, 1_000_000, most) == choose_window(1001, 1021, 1_000_000, most)


def test_what_is_traced_at_once_fits_the_memory() -> None:
    weights = gru_viz.random_weights("torch", 3, 64)
    assert traced_together(weights, [100] * 500)
    assert not traced_together(weights, [100] * 5000)
    assert not traced_together(weights, [100, MOST_STEPS + 1])
    assert traced_together(weights, [0])


# --- what is sent to the browser -------------------------------------------------------------------------------------


def test_the_block_has_columns_edges_and_extremes(long: LongTrace) -> None:
    view = overview(long, columns=150)
    packed = pack(view, [], 2, 0, STEPS, "x", (1, STEPS), "subject", 2000, 900)
    sent = header(packed)
    assert sent["edges"] == list(view.edges or ())
    assert (sent["columns"], sent["steps"], sent["total"]) == (view.columns, STEPS, STEPS)
    assert (sent["zoom"], sent["subject"], sent["single"], sent["pixels"]) == ([1, STEPS], "subject", 2000, 900)
    assert sent["formulas"] == []
    blobs = packed[4 + int.from_bytes(packed[:4], "little") :]
    for about, panel in zip(sent["panels"], view.panels, strict=True):
        assert panel.extremes is not None
        for offset, values in zip((about["offset"], *about["extremes"]), (panel.values, *panel.extremes), strict=True):
            back = unpack_heatmap(
                blobs[offset : offset + 3 * ((values.size + 1) // 2)], values.shape, about["low"], about["high"]
            )
            assert np.abs(back - values).max() <= (about["high"] - about["low"]) / 8000
    lines = [sent["figure"]["data"][each["trace"]]["name"] for each in sent["curves"]]
    assert lines == [name for x in ("x1", "x2", "x3") for name in (f"{x}, reach", f"{x}, reach", x)]


def test_a_window_of_a_long_trace_is_packed_as_its_steps_are_counted(long: LongTrace) -> None:
    trace = long.window(5000, 5200)
    sent = header(pack(inspect(trace, before=5000), [work_out_units(trace, 0)], 0, 0, STEPS, "x"))
    assert (sent["first"], sent["steps"], sent["total"], sent["edges"]) == (5001, 200, STEPS, None)
    assert len(sent["formulas"][0]["units"]) == 5
