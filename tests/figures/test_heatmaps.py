"""Pictures: scales fixed by meaning, words that follow the variant, and nothing from a file taken for markup."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, strategies as st
from lopsided import ALL, CELL, GRUS, TAKES, inputs, matrices, stack

import gru_viz
from gru_viz import Trace, TraceError, Weights
from gru_viz.analysis import ORDERS, order_units, survey
from gru_viz.figures import comparison, heatmaps, inspect
from gru_viz.figures.picture import rgba
from gru_viz.figures.view import average_view
from gru_viz.sequences import Scaling, Sequence, Sequences

pytestmark = pytest.mark.usefixtures("unchecked")

GATES = {"gru": ["reset", "update"], "lstm": ["input", "forget", "output"], "rnn": []}
STATES = {"gru": ["candidate", "hidden"], "lstm": ["cell_candidate", "cell", "hidden"], "rnn": ["hidden"]}
NAUGHTY = ("<b>bold</b>", "a & b", "%{y}", '"quoted"', "<a href='x'>link</a>", "$x^2$", "ordinary")


def traced(
    name: str = "torch", steps: int = 12, scale: float = 1.0, layers: int = 1, directions: int = 1, **how: Any
) -> Trace:
    w = Weights.from_matrices(name, stack(name, 3, 5, layers, directions, dtype="float32", scale=scale))
    return gru_viz.trace(w, inputs(steps, 3, dtype="float32"), **how)


def named(
    features: tuple[str, ...], steps: int = 9, labels: tuple[str, ...] | None = None, one_hot: bool = False
) -> Trace:
    n = len(features)
    values = inputs(steps, n, dtype="float32") * (3 if not one_hot else 1)
    if one_hot:
        values = np.eye(n, dtype=np.float32)[np.arange(steps) % n]
    scaling = Scaling("standardise", features, np.full(n, 10.0), np.full(n, 2.0))
    seqs = Sequences((Sequence(values, features, labels, "the <i>one</i>"),), scaling)
    return gru_viz.trace(Weights.from_matrices("torch", matrices("torch", n, 4, dtype="float32")), seqs)


def maps(figure: go.Figure) -> list[Any]:
    return [each for each in figure.data if each.type == "heatmap"]


def notes(figure: go.Figure, kind: str) -> list[str]:
    """The texts of a kind as a reader sees them."""
    return [html.unescape(re.sub("<[^>]*>", "", each.text)) for each in figure.layout.annotations if each.name == kind]


def texts(figure: go.Figure) -> list[str]:
    """Everything plotly would draw or show on hover."""
    found = [each.text for each in figure.layout.annotations] + list(figure.layout.xaxis.ticktext or ())
    for each in figure.data:
        found += [each.name, each.hovertemplate, *(each.text if each.text is not None else ())]
        found += list(each.y) if each.type == "heatmap" else []
    return found


# --- scales -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.001, 1.0, 40.0])
@pytest.mark.parametrize("name", ALL)
def test_scales_are_fixed_by_meaning_whatever_the_data(name: str, scale: float) -> None:
    figure = heatmaps(traced(name, scale=scale))
    panels = inspect(traced(name, scale=scale)).panels
    assert [p.key for p in panels] == [q.name for q in gru_viz.CONVENTIONS[name].quantities]
    assert sorted(p.key for p in panels) == sorted(GATES[CELL[name]] + STATES[CELL[name]])
    for each, panel in zip(maps(figure), panels, strict=True):
        if panel.key == "cell":  # the one quantity without a bound
            assert each.zmin == -each.zmax
            continue
        assert (each.zmin, each.zmax) == ((0, 1) if panel.key in GATES[CELL[name]] else (-1, 1)), panel.key
        assert each.zauto is not True
        assert not each.autocolorscale


def test_gates_share_one_sequential_map_and_states_one_that_is_pale_at_zero() -> None:
    figures = [heatmaps(traced(name)) for name in ("torch", "chung_2014", "torch_lstm")]
    colours: dict[bool, set[Any]] = {True: set(), False: set()}
    for each in (m for f in figures for m in maps(f)):
        colours[each.zmin == 0].add(each.colorscale)
    assert len(colours[True]) == len(colours[False]) == 1
    states = dict(*colours[False])
    brightness = {at: sum(int(c[i : i + 2], 16) for i in (1, 3, 5)) for at, c in states.items()}
    assert max(brightness, key=brightness.__getitem__) == 0.5
    assert colours[True] != colours[False]


@pytest.mark.parametrize(("largest", "bound"), [(0.3, 1), (1.0, 1), (1.01, 2), (2, 2), (2.1, 5), (5.01, 10), (11, 20), (49, 50), (51, 100), (1999, 2000)])  # fmt: skip  # noqa: E501
def test_the_cell_s_scale_grows_in_round_steps_and_says_so(largest: float, bound: float) -> None:
    """With the output gate of no interest, the cell counts up from c0: it forgets nothing."""
    arrays = {key: np.zeros_like(array) for key, array in matrices("torch_lstm", 1, 2).items()}
    arrays["bias_ih"][2:4] = 100  # forget nothing
    w = Weights.from_matrices("torch_lstm", arrays)
    c0 = np.array([[[largest, -largest / 3]]])
    figure = heatmaps(gru_viz.trace(w, np.zeros((4, 1)), h0=(np.zeros_like(c0), c0)))
    cell = next(m for m in maps(figure) if m.name.startswith("cell state"))
    assert float(np.abs(cell.z).max()) == pytest.approx(largest)
    assert (cell.zmin, cell.zmax) == (-bound, bound)
    legend = next(text for text, m in zip(notes(figure, "legend"), maps(figure), strict=True) if m is cell)
    assert legend.startswith(f"−{bound:g} ")
    assert legend.endswith(f" {bound:g}")


# --- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRUS)
def test_the_ends_of_the_update_gate_say_what_this_variant_does_there(name: str) -> None:
    figure = heatmaps(traced(name))
    legend = dict(zip([m.name for m in maps(figure)], notes(figure, "legend"), strict=True))["update gate z"]
    low, high = ("keeps the old", "takes the new") if name in TAKES else ("takes the new", "keeps the old")
    assert legend.startswith(f"0 {low} ")
    assert legend.endswith(f" 1 {high}")


@pytest.mark.parametrize("name", ["torch", "gru_simple", "torch_lstm", "torch_rnn"])
def test_every_map_has_its_name_its_meaning_and_the_words_of_its_colours(name: str) -> None:
    figure = heatmaps(traced(name))
    titles = [text for text in notes(figure, "title") if not text.startswith("input x")]
    for quantity, title, drawn in zip(gru_viz.CONVENTIONS[name].quantities, titles, maps(figure), strict=True):
        assert title.startswith(drawn.name)
        assert quantity.name.replace("_", " ") in drawn.name
        assert drawn.name.endswith(f" {quantity.symbol}")
        assert quantity.meaning in title
    assert len(notes(figure, "legend")) == len(titles)


# --- choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("layer", "direction"), [(0, "forward"), (1, "backward")])
def test_rows_are_the_units_in_the_order_asked_for(order: str, layer: int, direction: str) -> None:
    trace = traced(layers=2, directions=2, steps=15)
    run = getattr(trace.layers[layer], direction)
    units = order_units(run, order)
    figure = heatmaps(trace, layer=layer, direction=direction, order=order)
    for each, quantity in zip(maps(figure), ("reset", "update", "candidate", "hidden"), strict=True):
        assert list(each.y) == [str(u + 1) for u in units]
        assert np.array_equal(each.z, run.quantities[quantity][0].T[units])


def test_the_four_maps_are_four_different_things() -> None:
    pictures = [np.asarray(m.z) for m in maps(heatmaps(traced(layers=2, directions=2)))]
    assert all(not np.array_equal(a, b) for i, a in enumerate(pictures) for b in pictures[:i])


@given(start=st.integers(0, 11), width=st.integers(1, 12))
def test_a_window_is_a_part_of_the_whole_under_its_own_numbers(start: int, width: int) -> None:
    trace = traced()
    stop = min(start + width, 12)
    part, whole = heatmaps(trace, window=(start, stop)), heatmaps(trace)
    for a, b in zip(maps(part), maps(whole), strict=True):
        assert np.array_equal(a.z, np.asarray(b.z)[:, start:stop])
        assert (a.x0, a.dx, a.zmin, a.zmax) == (start + 1, 1, b.zmin, b.zmax)
    assert list(part.layout.xaxis.range) == [start + 0.5, stop + 0.5]


def test_all_rows_share_one_axis_of_steps() -> None:
    figure = heatmaps(traced())
    assert {each.xaxis for each in figure.data} == {"x"}
    assert len({each.yaxis for each in figure.data}) == 5
    assert [each.name for each in figure.data if each.type == "scatter"] == ["x1", "x2", "x3"]


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("name", ["torch", "torch_lstm", "torch_rnn"])
def test_the_shortest_sequences_are_drawn(name: str, steps: int) -> None:
    w = Weights.from_matrices(name, matrices(name))
    figure = heatmaps(gru_viz.trace(w, inputs(1, 3, 3), lengths=[steps]), order="similarity")
    assert all(np.asarray(m.z).shape[1] == steps for m in maps(figure))


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [({"layer": 1}, "layer"), ({"layer": -1}, "layer"), ({"sequence": 1}, "sequence"), ({"sequence": -1}, "sequence"),
     ({"direction": "backward"}, "forward"), ({"direction": "up"}, "direction"), ({"order": "size"}, "similarity")],
)  # fmt: skip
def test_a_choice_that_is_not_there_names_those_that_are(choices: dict[str, Any], wanted: str) -> None:
    with pytest.raises(TraceError, match=wanted):
        heatmaps(traced(), **choices)


# --- labels and names from files ----------------------------------------------------------------------------------


def test_time_labels_name_the_steps() -> None:
    labels = tuple(f"2019-02-{day:02d}" for day in range(1, 10))
    axis = heatmaps(named(("a",), labels=labels)).layout.xaxis
    assert len(axis.tickvals) == len(axis.ticktext) > 1
    assert all(labels[at - 1] == text for at, text in zip(axis.tickvals, axis.ticktext, strict=True))


def test_time_labels_of_a_window_stay_with_their_steps() -> None:
    labels = tuple("abcdefghi")
    figure = heatmaps(named(("a",), labels=labels), window=(3, 7))
    assert dict(zip(figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext, strict=True)) == dict(
        zip(range(4, 8), "defg", strict=True)
    )
    assert list(figure.data[0].text) == list("defg")


def test_long_labels_leave_room_for_each_other() -> None:
    labels = tuple(f"a rather long label, number {k:03d}" for k in range(300))
    axis = heatmaps(named(("a",), steps=300, labels=labels)).layout.xaxis
    assert 2 <= len(axis.ticktext) <= 12


@pytest.mark.parametrize("features", [NAUGHTY[:6], NAUGHTY], ids=["curves", "strip"])
def test_no_text_of_a_file_becomes_markup(features: tuple[str, ...]) -> None:
    labels = ("<script>alert(1)</script>", "<b>2</b>", "a & b", *("x",) * 6)
    trace = named(features, labels=labels)
    for figure in (heatmaps(trace), comparison(trace, trace, names=("<b>one</b>", "<i>two</i>"))):
        shown = texts(figure)
        for given_text in (*features, *labels):
            if "<" in given_text:
                assert not any(given_text in text for text in shown), given_text
        drawn = " ".join(shown)
        allowed = r"</?b>|<i>|</i>|<br>|<extra></extra>|<span style='color:[^'<>]*'>|</span>"
        assert "<" not in re.sub(allowed, "", drawn)
        assert "<b>bold" not in drawn
        assert "<b>one</b></b>" not in drawn
        assert "<b><b>" not in drawn
        names = {html.unescape(text) for text in shown}
        assert set(features) <= names


@pytest.mark.parametrize("count", [1, 6, 7, 30])
def test_few_features_are_curves_and_many_a_strip(count: int) -> None:
    features = tuple(f"f{k}" for k in range(count))
    trace = named(features)
    figure = heatmaps(trace)
    curves = [each for each in figure.data if each.type == "scatter"]
    if count <= 6:
        assert [c.name for c in curves] == list(features)
        for j, curve in enumerate(curves):
            assert np.array_equal(curve.y, trace.inputs[0, :, j])
            assert np.allclose(curve.customdata, trace.inputs[0, :, j] * 2.0 + 10)  # hover gives the original value
        return
    assert curves == []
    strip = maps(figure)[0]
    assert list(strip.y) == list(features)
    assert np.array_equal(strip.z, trace.inputs[0].T)
    assert strip.zmin == -strip.zmax
    assert strip.zmax in (1, 2, 5, 10, 20)
    assert strip.zmax >= np.abs(strip.z).max()


def test_characters_are_a_strip_from_0_to_1() -> None:
    strip = maps(heatmaps(named(tuple("abcdefgh"), one_hot=True)))[0]
    assert (strip.zmin, strip.zmax) == (0, 1)


# --- comparisons --------------------------------------------------------------------------------------------------


def pair(a: str = "torch", b: str = "d2l_equation") -> tuple[Trace, Trace]:
    w = Weights.from_matrices(a, matrices(a, dtype="float32"))
    x = inputs(14, 3, dtype="float32")
    return gru_viz.trace(w, x), gru_viz.trace(w.read_as(b), x)


@pytest.mark.parametrize("quantity", ["reset", "update", "candidate", "hidden"])
@pytest.mark.parametrize("order", ["index", "peak"])
def test_the_difference_is_first_less_second_unit_by_unit(quantity: str, order: str) -> None:
    a, b = pair()
    figure = comparison(a, b, quantity, order=order)
    first, second, difference = maps(figure)
    units = order_units(a.layers[0].forward, order)
    assert np.array_equal(first.z, getattr(a, quantity)[0].T[units])
    assert np.array_equal(second.z, getattr(b, quantity)[0].T[units])
    assert np.array_equal(difference.z, np.asarray(first.z) - np.asarray(second.z))
    assert {tuple(m.y) for m in (first, second, difference)} == {tuple(str(u + 1) for u in units)}
    assert (
        (first.zmin, first.zmax)
        == (second.zmin, second.zmax)
        == ((0, 1) if quantity in ("reset", "update") else (-1, 1))
    )
    assert difference.zmin == -difference.zmax


def shifted(trace: Trace, by: float) -> Trace:
    """The same trace, its hidden state off by so much in one place."""
    run = trace.layers[0].forward
    h = np.array(run.hidden, np.float64)
    h[0, 3, 1] += by
    run = dataclasses.replace(run, quantities={**run.quantities, "hidden": h})
    return dataclasses.replace(trace, layers=(dataclasses.replace(trace.layers[0], forward=run),))


@pytest.mark.parametrize(("by", "bound"), [(0, 0.01), (1e-7, 0.01), (0.0099, 0.01), (0.011, 0.02), (-0.03, 0.05), (0.07, 0.1), (0.15, 0.2), (-0.4, 0.5), (0.9, 1.0), (1.5, 2.0)])  # fmt: skip  # noqa: E501
def test_the_difference_s_scale_is_a_ladder_that_rounding_does_not_climb(by: float, bound: float) -> None:
    a = traced()
    figure = comparison(shifted(a, by), a)
    difference = maps(figure)[-1]
    assert (difference.zmin, difference.zmax) == (-bound, bound)
    assert notes(figure, "legend")[-1].startswith(f"−{bound:g} second is higher")
    assert notes(figure, "legend")[-1].endswith(f"{bound:g} first is higher")
    if abs(by) < 1e-6:  # rounding stays in the pale middle
        assert np.abs(difference.z).max() < 1e-4 * difference.zmax
    largest = float(re.search(r"at most (\S+)", notes(figure, "title")[-1]).group(1))  # type: ignore[union-attr]
    assert largest == pytest.approx(abs(by), rel=0.05, abs=1e-12)


def test_unequal_lengths_are_compared_over_the_steps_both_have() -> None:
    w = Weights.from_matrices("torch", matrices("torch", dtype="float32"))
    both = gru_viz.trace(w, inputs(2, 12, 3, dtype="float32"), lengths=[12, 7])
    for sequences in ((0, 1), (1, 0)):
        figure = comparison(both, both, sequences=sequences, names=("one", "two"))
        for each in maps(figure):
            assert np.asarray(each.z).shape == (5, 7)
            assert np.isfinite(each.z).all()
        curves = [each.name for each in figure.data if each.type == "scatter"]
        assert len(curves) == 6, "both inputs are drawn where they differ"
        assert list(figure.layout.xaxis.range) == [0.5, 7.5]


def test_the_same_input_is_drawn_once() -> None:
    a, b = pair()
    assert [each.name for each in comparison(a, b).data if each.type == "scatter"] == ["x1", "x2", "x3"]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_comparison_of_states_that_are_not_numbers_is_drawn(broken: float) -> None:
    a = traced()
    run = shifted(a, broken)
    figure = comparison(run, a)
    assert maps(figure)[-1].zmax == 0.01


def test_a_comparison_without_a_single_number_is_drawn() -> None:
    w = Weights.from_matrices("torch", matrices("torch"))
    a = gru_viz.trace(w, np.full((4, 3), np.nan))
    assert np.isnan(maps(comparison(a, a))[-1].z).all()
    assert np.isnan(maps(heatmaps(a))[-1].z).all()


@pytest.mark.parametrize("steps", [0, 1])
def test_the_shortest_sequences_are_compared(steps: int) -> None:
    w = Weights.from_matrices("torch", matrices("torch"))
    a = gru_viz.trace(w, inputs(1, 3, 3), lengths=[steps])
    assert np.asarray(maps(comparison(a, a))[-1].z).shape == (5, steps)


def test_what_cannot_be_compared_says_why() -> None:
    a = traced("torch")
    with pytest.raises(TraceError, match="reset"):
        comparison(a, traced("torch_lstm"), "reset")
    with pytest.raises(TraceError, match="forget"):
        comparison(a, traced("torch_lstm"), "forget")
    smaller = gru_viz.trace(Weights.from_matrices("torch", matrices("torch", 3, 4)), inputs(12, 3))
    with pytest.raises(TraceError, match="5 and 4 units"):
        comparison(a, smaller)
    with pytest.raises(TraceError, match="layer"):
        comparison(a, a, layer=1)


def test_hidden_states_of_different_cells_can_be_compared() -> None:
    assert len(maps(comparison(traced("torch"), traced("torch_lstm")))) == 3


def test_a_figure_is_plain_plotly_that_can_be_written_down() -> None:
    again = go.Figure(**json.loads(heatmaps(traced()).to_json()))
    assert [each.name for each in maps(again)] == ["reset gate r", "update gate z", "candidate n", "hidden state h"]


def test_an_average_counts_the_sequences_that_reach_a_step() -> None:
    many = gru_viz.read_table(b"who,x\na,1\na,2\nb,5\nb,4\nb,2\n", id="who")
    weights = gru_viz.random_weights("torch", features=1, hidden=4)
    view = average_view(survey(weights, many), weights.convention)
    assert view.title == "average over 2 sequences, aligned at their start"
    assert view.curves[0].values.tolist() == [2.0, 2.0, 1.0]
    assert len(view.panels) == 4


def test_a_colour_gets_an_opacity() -> None:
    assert rgba("#0072b2", 0.2) == "rgba(0,114,178,0.2)"
