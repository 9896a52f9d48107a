"""What stands in the pictures of a training: names, values, words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from fake_runs import BASELINES, MEASURE, run, snapshots

import gru_viz
from gru_viz.errors import TrainingError
from gru_viz.figures.picture import line_style
from gru_viz.figures.style import CURVES, DIVERGING, SEQUENTIAL
from gru_viz.training import Curve, Diverged, RateChange, figures
from gru_viz.training.figures import (
    PlotOptions,
    gather_maps,
    gradient_picture,
    loss_picture,
    measure_picture,
    predictions_picture,
    snapshots_picture,
    sweep_picture,
)
from gru_viz.training.figures.thinning import smooth
from gru_viz.training.sweep import SweepPoint
from gru_viz.training.tasks import Predictions

NAUGHTY = "<b>a</b> & %{y}"


def traces(picture: Any) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in picture.data}


# --- curves ---------------------------------------------------------------------------------------------------------


def test_a_lane_keeps_its_colour_dash_and_marker_by_its_place() -> None:
    drawn = traces(loss_picture(run(("GRU", "LSTM", "RNN"))))
    for place, lane in enumerate(("GRU", "LSTM", "RNN")):
        line = drawn[f"{lane}, held-out"]["line"]
        assert line["color"] == drawn[f"{lane}, training"]["line"]["color"] == CURVES[place] == line_style(place).colour
        assert drawn[f"{lane}, held-out"]["marker"]["symbol"] == line_style(place).symbol
    assert len({line_style(k).dash for k in range(4)} | {line_style(k).symbol for k in range(4)}) == 8
    alone = traces(loss_picture(run(("LSTM",)), options=PlotOptions(lanes=("GRU", "LSTM"))))
    assert alone["LSTM, training"]["line"]["color"] == CURVES[1]


def test_values_are_those_of_the_run() -> None:
    curves = run(points=500)
    drawn = traces(loss_picture(curves))
    train, _, held_out, _ = curves[:4]
    assert np.array_equal(drawn["GRU, training, as measured"]["y"], train.median)
    assert np.allclose(drawn["GRU, training"]["y"], smooth(train.median, 0.9))
    assert np.array_equal(drawn["GRU, held-out"]["y"], held_out.median)
    assert np.array_equal(drawn["GRU, held-out"]["x"], held_out.updates)
    assert "as measured" not in "".join(traces(loss_picture(curves, options=PlotOptions(smoothing=0))))


@pytest.mark.parametrize(("axis", "factor"), [("updates", 1), ("tokens", 1600), ("seconds", 0.001)])
def test_the_axis_counts_what_it_says(axis: Any, factor: float) -> None:
    picture = loss_picture(run(points=500), options=PlotOptions(axis=axis, tokens=1600))
    assert np.allclose(traces(picture)["GRU, training"]["x"], np.arange(1, 501) * factor)


def test_no_axis_has_a_range_so_that_a_zoom_is_preserved() -> None:
    for picture in (loss_picture(run()), measure_picture(run(), MEASURE), gradient_picture(run())):
        assert not {"range", "autorange"} & (picture.layout["xaxis"].keys() | picture.layout["yaxis"].keys())
    revisions = {
        loss_picture(run(), options=options).layout["uirevision"]
        for options in (PlotOptions(), PlotOptions(axis="seconds"), PlotOptions(log=False), PlotOptions(smoothing=0.1))
    }
    assert len(revisions) == 3


def test_seeds_are_a_median_and_a_band() -> None:
    curves = run(points=300, seeds=5)
    picture = measure_picture(curves, MEASURE)
    drawn, error = traces(picture), curves[3]
    assert np.array_equal(drawn["GRU, held-out"]["y"], np.median(error.values, 1))
    band = drawn["GRU, 80 % band across 5 seeds"]
    low, high = error.band()
    assert np.allclose(band["y"], np.concatenate([low, high[::-1]]))
    assert np.array_equal(band["x"], np.concatenate([error.updates, error.updates[::-1]]))
    assert "5 seeds" in picture.caption
    assert "seeds" not in measure_picture(run(points=300), MEASURE).caption


def test_gaps_stay_gaps_in_lines_and_bands() -> None:
    values = np.exp(np.random.default_rng(0).normal(size=(50, 3)))
    values[20:25, 1], values[40, 0] = np.nan, 0.0
    curve = Curve("GRU", "held_out", np.arange(50), np.arange(50.0), values)
    drawn = traces(loss_picture([curve]))
    assert np.flatnonzero(np.isnan(drawn["GRU, held-out"]["y"])).tolist() == [20, 21, 22, 23, 24, 40]
    assert np.isnan(drawn["GRU, 80 % band across 3 seeds"]["y"]).sum() == 2
    linear = traces(loss_picture([curve], options=PlotOptions(log=False)))["GRU, held-out"]["y"]
    assert np.isnan(linear).sum() == 5  # zero has a place on this scale


def test_baselines_are_dotted_named_lines_where_they_have_a_place() -> None:
    picture = loss_picture(run(), BASELINES)
    (shape,), (note,) = picture.layout["shapes"], picture.layout["annotations"]
    assert (shape["y0"], shape["y1"], note["text"]) == (1 / 6, 1 / 6, "constant prediction 1")
    assert note["y"] == pytest.approx(np.log10(1 / 6))
    linear = loss_picture(run(), BASELINES, PlotOptions(log=False)).layout["annotations"][0]
    assert linear["y"] == pytest.approx(1 / 6)
    assert measure_picture(run(), MEASURE, BASELINES).layout["shapes"][0]["y0"] == 1 / 3
    assert gradient_picture(run(), clip=2).layout["shapes"][0]["y0"] == 2
    nothing = BASELINES[0].__class__("knows all", 0.0, 0.0)
    assert not loss_picture(run(), [nothing]).layout["shapes"]


def test_a_changed_rate_and_a_divergence_are_marked() -> None:
    events = {"GRU": [RateChange(100, 0.001)], "LSTM": [RateChange(100, 0.001), Diverged(2001, (0,), "loss")]}
    picture = loss_picture(run(), options=PlotOptions(events=events, axis="seconds"))
    assert [(shape["name"], round(shape["x0"], 6)) for shape in picture.layout["shapes"]] == [("rate 0.001", 0.1)]
    assert [note["text"] for note in picture.layout["annotations"]] == ["rate 0.001"]
    names = traces(picture)["names"]["text"]
    assert [("✕" in text, "diverged" in text) for text in names].count((True, True)) == 1


def test_names_at_the_ends_make_room_for_each_other() -> None:
    shared = (np.arange(3), np.arange(3.0))
    near = [Curve(lane, "error", *shared, np.array([[1.0], [0.5], [end]])) for lane, end in (("A", 0.2), ("B", 0.21))]
    assert traces(measure_picture(near, MEASURE))["names"]["textposition"] == ["bottom right", "top right"]
    far = [near[0], Curve("B", "error", *shared, np.array([[1.0], [0.9], [0.8]]))]
    assert traces(measure_picture(far, MEASURE))["names"]["textposition"] == ["middle right"] * 2


@pytest.mark.parametrize(("wrong", "guessed"), [({"axis": "hours"}, "hours"), ({"smoothing": 1.0}, "smoothing")])
def test_a_reading_that_is_none_is_refused(wrong: dict[str, Any], guessed: str) -> None:
    with pytest.raises(TrainingError, match=guessed):
        PlotOptions(**wrong)


def test_nothing_measured_yet_is_a_picture_too() -> None:
    empty = Curve.gather("GRU", "train", [])
    for picture in (loss_picture([]), loss_picture([empty], BASELINES), measure_picture([], MEASURE)):
        assert "Nothing measured yet" in picture.summary
        picture.figure()


def test_plotly_accepts_every_picture() -> None:
    events = {"LSTM": [RateChange(100, 0.001), Diverged(2001, (0,), "loss")]}
    curves = run(("GRU", "LSTM", NAUGHTY), 900, seeds=3)
    options = PlotOptions(events=events)
    for figure in (
        figures.loss_curves(curves, BASELINES, options),
        figures.measure_curves(curves, MEASURE, BASELINES, options),
        figures.gradient_curves(curves, 1.0, options),
    ):
        assert isinstance(figure, go.Figure)
        assert "<b>a</b>" not in json.dumps([trace.name for trace in figure.data])


def test_a_long_run_is_drawn_by_as_many_points_as_a_screen_shows() -> None:
    assert max(len(trace["x"]) for trace in loss_picture(run()).data) <= 600


# --- predictions ----------------------------------------------------------------------------------------------------


def test_curves_lie_over_the_truth() -> None:
    truth = np.arange(20.0).reshape(10, 2)
    by_lane = {
        lane: Predictions("curves", truth, truth + k, ("a", NAUGHTY)) for k, lane in enumerate(("GRU", "LSTM"), 1)
    }
    picture = predictions_picture(by_lane)
    assert [(t["name"], t["yaxis"]) for t in picture.data] == [
        (name, axis) for axis in ("y", "y2") for name in ("ground truth", "GRU", "LSTM")
    ]
    assert np.array_equal(picture.data[4]["y"], truth[:, 1] + 1)
    assert "LSTM 2." in picture.summary
    assert "<b>a" not in json.dumps(picture.layout)
    picture.figure()


def test_dots_carry_what_is_predicted_and_what_is_true() -> None:
    truth = np.linspace(0, 2, 7)
    picture = predictions_picture({"GRU": Predictions("scatter", truth, truth**2)})
    assert np.array_equal(traces(picture)["GRU"]["x"], truth)
    assert np.array_equal(traces(picture)["GRU"]["y"], truth**2)
    assert traces(picture)["predicted = actual"]["x"].tolist() == [0, 2]


def test_classes_are_counted_truth_by_answer() -> None:
    truth, guessed = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 2])
    picture = predictions_picture({"GRU": Predictions("classes", truth, np.eye(3)[guessed], ("x", "y", "z"))})
    assert picture.data[0]["text"] == [["1", "1", ""], ["", "1", ""], ["", "", "2"]]
    assert picture.data[0]["z"].tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    assert "80%" in picture.summary
    many = Predictions("classes", np.arange(20), np.eye(20)[::-1], tuple(map(str, range(20))))
    assert predictions_picture({"GRU": many}).data[0]["name"] == "predictions"
    picture.figure()


def test_wrong_symbols_are_marked_and_what_does_not_count_is_blank() -> None:
    truth, guessed = np.array([[-1, -1, 0, 1, -1, 2]]), np.array([[2, 2, 0, 0, 1, 2]])
    picture = predictions_picture({"GRU": Predictions("symbols", truth, guessed, ("a", "b", " "))})
    (cells,) = picture.data
    assert cells["x"].tolist() == [3, 4, 5, 6]
    assert cells["text"] == [["a", "b", "", "␣"], ["a", "<b>a</b>✕", "", "␣"]]
    assert np.array_equal(cells["z"], [[0, 0, np.nan, 0], [1, 2, np.nan, 1]], equal_nan=True)
    assert "67%" in picture.summary
    picture.figure()


def test_kinds_that_differ_or_are_not_known_are_refused() -> None:
    one, two = (
        Predictions("scatter", np.zeros(1), np.zeros(1)),
        Predictions("curves", np.zeros((1, 1)), np.zeros((1, 1))),
    )
    with pytest.raises(TrainingError, match="curves and scatter"):
        predictions_picture({"GRU": one, "LSTM": two})
    with pytest.raises(TrainingError, match="pie"):
        predictions_picture({"GRU": Predictions("pie", np.zeros(1), np.zeros(1))})  # type: ignore[arg-type]
    assert predictions_picture({}).data == []


# --- snapshots ------------------------------------------------------------------------------------------------------


def test_the_maps_show_every_quantity_at_the_newest_snapshot_not_after_the_update() -> None:
    taken = {"GRU": snapshots(torch.nn.GRU, (0, 10, 100)), "LSTM": snapshots(torch.nn.LSTM, (0, 30), hidden=3)}
    picture = snapshots_picture(taken, update=50)
    names = [trace["name"] for trace in picture.data]
    assert names[:4] == [f"GRU, {n}" for n in ("reset gate r", "update gate z", "candidate n", "hidden state h")]
    assert len(names) == 10
    assert np.array_equal(traces(picture)["GRU, update gate z"]["z"], taken["GRU"][1][1].update[0].T)
    assert np.array_equal(traces(picture)["LSTM, hidden state h"]["z"], taken["LSTM"][1][1].hidden[0].T)
    for trace in picture.data:
        gate = "gate" in trace["name"]
        assert (trace["zmin"] == 0) is gate
        assert trace["colorscale"] == (SEQUENTIAL if gate else DIVERGING)
    figures.snapshots(taken)


def test_a_row_of_the_maps_is_one_unit_at_all_snapshots() -> None:
    taken = {"GRU": snapshots(torch.nn.GRU, (0, 10, 100), hidden=7)}
    (lane,) = gather_maps(taken, order="peak").lanes
    units = [int(row) - 1 for row in lane.panels[0].rows]
    assert units == gru_viz.analysis.order_units(taken["GRU"][-1][1].layers[0].forward, "peak").tolist()
    for place, (_, trace) in enumerate(taken["GRU"]):
        assert np.array_equal(lane.values["hidden"][place], trace.hidden[0].T[units])


def test_a_long_probe_and_many_units_are_thinned_and_the_picture_says_so() -> None:
    taken = {"GRU": snapshots(torch.nn.GRU, (5,), hidden=130, steps=450)}
    maps = gather_maps(taken)
    assert maps.steps == 3
    assert maps.lanes[0].values["hidden"].shape == (1, 44, 150)
    wanted = taken["GRU"][0][1].hidden[0, :3, 3].mean()
    assert maps.lanes[0].values["hidden"][0, 1, 0] == pytest.approx(wanted, abs=1e-6)
    assert "mean of 3 steps" in snapshots_picture(taken).caption


def test_a_lane_without_a_snapshot_leaves_the_others_their_colours() -> None:
    maps = gather_maps({"GRU": [], "LSTM": snapshots(torch.nn.LSTM, (0,))})
    assert [(lane.name, lane.place) for lane in maps.lanes] == [("LSTM", 1)]
    with pytest.raises(TrainingError, match="no snapshot"):
        gather_maps({"GRU": []})


# --- sweep ----------------------------------------------------------------------------------------------------------


def test_a_sweep_shows_medians_and_names_the_runs_behind_a_field() -> None:
    points = [SweepPoint("GRU", 8, 0.01, s, loss, f"run {s}") for s, loss in enumerate((0.1, 0.3, 0.2))]
    points += [SweepPoint("GRU", 16, 0.001, 0, np.nan, "lost"), SweepPoint("LSTM", 8, 0.001, 0, 0.4, "other")]
    picture = sweep_picture(points)
    gru, lstm = traces(picture)["GRU"], traces(picture)["LSTM"]
    assert (gru["x"], gru["y"]) == (["8", "16"], ["0.001", "0.01"])
    assert gru["text"] == [["", "diverged"], ["0.2", ""]]
    assert gru["customdata"] == [[None, ["lost"]], [["run 0", "run 1", "run 2"], None]]
    assert gru["z"][1, 0] == pytest.approx(np.log10(0.2))
    assert gru["coloraxis"] == lstm["coloraxis"]
    assert "3 seeds: 0.1 … 0.3" in gru["hovertext"][1][0]
    assert "GRU with 8 units at rate 0.01" in picture.summary
    figures.sweep(points)


def test_one_lost_seed_counts_as_the_highest_loss() -> None:
    points = [SweepPoint("GRU", 8, 0.01, s, loss, str(s)) for s, loss in enumerate((0.1, np.nan, 0.2))]
    trace = sweep_picture(points).data[0]
    assert trace["text"] == [["0.2"]]
    assert "1 diverged" in trace["hovertext"][0][0]
    sweep_picture([]).figure()
