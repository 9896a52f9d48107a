"""A scaling given as numbers is applied as it is, whatever form it comes in, and a wrong one is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

from gru_viz.errors import SequenceError
from gru_viz.sequences import Scaling, read_scaling, read_table
from gru_viz.training.tasks.held_out_data import rescaled

FRAME = pd.DataFrame({"temp": [10.0, 20, 40, 31], "rain": [0.0, 3, 1, 8]})
CSV = FRAME.to_csv(index=False).encode()
OFFSET, DIVISOR = {"temp": 20.0, "rain": 2.0}, {"temp": 5.0, "rain": 4.0}
WANTED = ((FRAME - list(OFFSET.values())) / list(DIVISOR.values())).to_numpy()
PAIRS = {name: (OFFSET[name], DIVISOR[name]) for name in ("rain", "temp")}
ROWS = [{"feature": name, "mean": OFFSET[name], "var": DIVISOR[name] ** 2} for name in ("rain", "temp")]


@pytest.mark.parametrize(
    "given",
    [
        PAIRS,
        ([20, 2], [5, 4]),
        np.array([[20.0, 2], [5, 4]]),
        {"mean": [20, 2], "std": [5, 4]},
        {"mean_": [20, 2], "scale_": [5, 4]},
        {"Mean": OFFSET, "Variance": {"temp": 25, "rain": 16}},
        {"min": [20, 2], "max": [25, 6]},
        {"rain": {"mean": 2, "std": 4}, "temp": {"centre": 20, "scale": 5}},
        ROWS,
        pd.DataFrame(ROWS).set_index("feature"),
        Scaling("standardise", ("rain", "temp"), np.array([2.0, 20]), np.array([4.0, 5])),
        json.dumps(PAIRS).encode(),
        json.dumps(ROWS).encode(),
        b"feature,mean,std\ntemp,20,5\nrain,2,4\n",
        "name;min;max\nrain;2,0;6,0\ntemp;20,0;25,0\n".encode("utf-8-sig"),
        b",rain,temp\nmean,2,20\nstd,4,5\n",
        b"offset\tdivisor\n20\t5\n2\t4\n",
        b"temp,20,5\nrain,2,4",
    ],
    ids=lambda given: str(given)[:40].replace("\n", " "),
)
def test_each_form_gives_the_same_numbers(given: Any) -> None:
    seqs = read_table(CSV, scale=given)
    np.testing.assert_allclose(seqs[0].values, WANTED, rtol=1e-6)
    np.testing.assert_allclose(seqs.scaling.undo(seqs[0].values), FRAME, rtol=1e-5, atol=1e-5)
    assert (seqs.scaling.method, seqs.details["scale"]) == ("given", "given")
    assert seqs.notices == ()


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler((-1, 1)),
        RobustScaler(),
        RobustScaler(with_centering=False),
        RobustScaler(with_scaling=False),
        MaxAbsScaler(),
        make_pipeline(MinMaxScaler()),
    ],
    ids=str,
)
def test_a_fitted_scaler_scales_as_it_does_itself(scaler: Any) -> None:
    rng = np.random.default_rng(1)
    trained_on = pd.DataFrame({"rain": rng.normal(3, 2, 40), "temp": rng.normal(20, 9, 40)})
    scaler.fit(trained_on)
    seqs = read_table(CSV, scale=scaler)
    assert seqs.features == ("temp", "rain")  # other than in the scaler: matched by name
    np.testing.assert_allclose(seqs[0].values[:, ::-1], scaler.transform(FRAME[["rain", "temp"]]), rtol=1e-5, atol=1e-6)
    scaler.fit(trained_on[["temp", "rain"]].to_numpy())
    np.testing.assert_allclose(read_table(CSV, scale=scaler)[0].values, scaler.transform(FRAME.to_numpy()), atol=1e-5)


def test_files_of_numbers_and_what_describes_a_frame(tmp_path: Path) -> None:
    FRAME.describe().to_csv(tmp_path / "scaler.csv")
    wanted = (FRAME - FRAME.mean()) / FRAME.std()
    for given in (FRAME.describe(), tmp_path / "scaler.csv", str(tmp_path / "scaler.csv")):
        np.testing.assert_allclose(read_table(CSV, scale=given)[0].values, wanted, rtol=1e-5, atol=1e-6)


def test_one_hot_features_need_no_numbers_and_a_constant_one_is_divided_by_one() -> None:
    seqs = read_table(b"x,kind\n1,a\n2,b\n3,a\n", one_hot="kind", scale={"x": (1, 0)})
    assert seqs[0].values.tolist() == [[0, 1, 0], [1, 0, 1], [2, 1, 0]]


def test_numbers_of_other_units_make_a_notice() -> None:
    assert read_table(CSV, scale={"temp": (20, 5), "rain": (20, 5)}).notices == ()
    notices = " ".join(read_table(CSV, scale={"temp": (2000, 5), "rain": (2, 4)}).notices)
    assert "other units or another order: 'temp (-398 to -392)'" in notices


@pytest.mark.parametrize(
    ("given", "phrase"),
    [
        ({"temp": (1, 2)}, "no number for 'rain'"),
        (([1, 2, 3], [1, 2, 3]), "numbers for 3 features; wanted for 2 features: 'temp' and 'rain'"),
        ({"a": (1, 2), "b": (1, 2), "c": (1, 2)}, "'a', 'b' and 'c'"),
        ({"temp": (1, -2), "rain": (1, 2)}, "divisor -2 for 'temp'"),
        ({"temp": (float("nan"), 2), "rain": (1, 2)}, "offset nan"),
        ({"temp": "warm", "rain": (1, 2)}, "'warm' for 'temp'"),
        (StandardScaler(), "not fitted"),
        (PowerTransformer().fit(FRAME), "a PowerTransformer"),
        (MinMaxScaler(clip=True).fit(FRAME), "clips"),
        (b"\x80\x04x", "pickle"),
        (b'{"mean": [1', "JSON that cannot be read"),
        (b"a,b,c\nx,y,z\n", "the columns 'a', 'b' and 'c'"),
        (3.5, "a float"),
        ("log", "scale='log'"),
        ("none.json", "no readable file"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_what_is_no_scaling_is_refused(given: Any, phrase: str) -> None:
    with pytest.raises(SequenceError) as raised:
        read_table(CSV, scale=given)
    assert phrase in str(raised.value)


def test_a_training_takes_a_given_scaling_as_it_is() -> None:
    seqs = read_table(CSV, scale=PAIRS)
    values = np.float64(FRAME)
    scaled, scaling, notices = rescaled("a", seqs, values, np.array([True, True, False, False]))
    np.testing.assert_allclose(scaled, WANTED, rtol=1e-6)
    assert scaling is seqs.scaling
    assert notices == ()


def test_names_may_come_from_the_scaler() -> None:
    assert read_scaling(PAIRS).features == ("rain", "temp")
    assert read_scaling(([1, 2], [3, 4])).features == ("x1", "x2")
