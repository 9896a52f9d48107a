"""Exports come back with the exact numbers, say what ran, and start no formula in a spreadsheet."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from lopsided import inputs, stack

import gru_viz
from gru_viz import GruVizError, Trace, Weights
from gru_viz.exports import facts, to_csv, to_npz, to_parquet, to_table, to_tidy, to_xarray
from gru_viz.sequences import Scaling, Sequence, Sequences

pytestmark = pytest.mark.usefixtures("unchecked")
LENGTHS = (5, 1, 3)
FEATURES = ("temperature", "pressure")
STARTS = ("=", "+", "-", "@")


def traced(
    name: str = "torch",
    layers: int = 2,
    directions: int = 2,
    features: tuple[str, ...] = FEATURES,
    names: tuple[str, ...] = ("one", "two", "three"),
    labels: tuple[str, ...] | None = None,
) -> Trace:
    w = Weights.from_matrices(
        name, stack(name, len(features), 3, layers, directions, dtype="float32"), origin="lopsided, seed 0"
    )
    scaling = Scaling("robust", features, np.arange(len(features)) - 7.25, np.arange(len(features)) + 0.5)
    items = tuple(
        Sequence(inputs(n, len(features), seed=n, dtype="float32"), features, labels and labels[:n], label)
        for n, label in zip(LENGTHS, names, strict=True)
    )
    return gru_viz.trace(w, Sequences(items, scaling))


def by_pandas(data: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(data), comment="#")


def columns(trace: Trace) -> dict[str, np.ndarray]:
    """Every number that must be in the file, one column each, sequences one below the other."""

    def joined(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[i, :n] for i, n in enumerate(trace.lengths)])

    wanted = {f"input.{name}": joined(trace.inputs)[:, j] for j, name in enumerate(trace.features)}
    for k, layer in enumerate(trace.layers, 1):
        for direction in ("forward", "backward")[: len(layer.directions)]:
            for name, values in getattr(layer, direction).quantities.items():
                for unit in range(values.shape[-1]):
                    wanted[f"layer{k}.{direction}.{name}.{unit + 1}"] = joined(values)[:, unit]
    return wanted


# --- the numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["torch", "gru_simple", "torch_lstm", "torch_rnn"])
def test_tables_come_back_with_the_exact_numbers(name: str, read: str) -> None:
    trace = traced(name)
    table = by_pandas(to_csv(trace)) if read == "csv" else pd.read_parquet(io.BytesIO(to_parquet(trace)))
    wanted = columns(trace)
    assert list(table.columns) == ["sequence", "step", "time", *wanted]
    assert len(table) == sum(LENGTHS)
    for column, values in wanted.items():
        assert np.array_equal(table[column].to_numpy(np.float32), values), column
    assert table["step"].tolist() == [s + 1 for n in LENGTHS for s in range(n)]
    assert table["sequence"].tolist() == ["one"] * 5 + ["two"] + ["three"] * 3


def test_float64_loses_nothing_either() -> None:
    trace = gru_viz.trace(Weights.from_matrices("torch", stack("torch", 3, 3)), inputs(6, 3))
    table = pd.read_csv(io.BytesIO(to_csv(trace)), comment="#", dtype=str)
    for column, values in columns(trace).items():
        assert [float(text) for text in table[column]] == values.tolist(), column


def test_our_own_reader_reads_the_csv_back() -> None:
    trace = traced()
    wanted = columns(trace)
    back = gru_viz.read_table(to_csv(trace), features=list(wanted), id="sequence", time="step", scale="none")
    assert back.lengths == LENGTHS
    assert [item.name for item in back] == ["sequence one", "sequence two", "sequence three"]
    start = 0
    for item in back:
        assert tuple(item.features) == tuple(wanted)
        for j, values in enumerate(wanted.values()):
            assert np.array_equal(item.values[:, j], values[start : start + len(item)])
        start += len(item)


def test_npz_comes_back_with_the_exact_arrays() -> None:
    trace = traced("torch_lstm")
    with np.load(io.BytesIO(to_npz(trace)), allow_pickle=False) as file:
        assert file["lengths"].tolist() == list(LENGTHS)
        assert np.array_equal(file["inputs"], trace.inputs, equal_nan=True)
        seen = {"lengths", "inputs", "facts", "time"}
        for k, layer in enumerate(trace.layers, 1):
            for direction in ("forward", "backward"):
                for name, values in getattr(layer, direction).quantities.items():
                    key = f"layer{k}.{direction}.{name}"
                    assert np.array_equal(file[key], values, equal_nan=True)
                    seen.add(key)
        assert set(file.files) == seen


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 2)])
def test_the_shortest_sequences_are_exported(lengths: tuple[int, ...]) -> None:
    w = Weights.from_matrices("torch", stack("torch", 3, 3))
    trace = gru_viz.trace(w, inputs(len(lengths), 2, 3), lengths=list(lengths))
    assert len(by_pandas(to_csv(trace))) == sum(lengths)
    assert len(pd.read_parquet(io.BytesIO(to_parquet(trace)))) == sum(lengths)
    assert np.load(io.BytesIO(to_npz(trace)))["lengths"].tolist() == list(lengths)


# --- tidy, and with every axis named ------------------------------------------------------------------------------


def values_of(trace: Trace, sequence: int, layer: int, direction: str, quantity: str) -> np.ndarray:
    """(steps, units) of a sequence, without what is past its end."""
    run = getattr(trace.layers[layer - 1], direction)
    return np.asarray(run.quantities[quantity][sequence, : trace.lengths[sequence]])


def all_runs(trace: Trace) -> list[tuple[int, int, str, str]]:
    return [
        (i, k + 1, direction, q.name)
        for i in range(len(trace.lengths))
        for k, layer in enumerate(trace.layers)
        for direction in ("forward", "backward")[: len(layer.directions)]
        for q in trace.convention.quantities
    ]


@pytest.mark.parametrize("name", ["torch", "chung_2014", "torch_lstm", "torch_rnn"])
def test_tidy_rows_are_the_values_each_once(name: str) -> None:
    labels = tuple(f"2019-02-{day:02d}" for day in range(1, 6))
    trace = traced(name, labels=labels)
    table = to_tidy(trace)
    assert list(table.columns) == ["sequence", "step", "time", "layer", "direction", "quantity", "unit", "value"]
    keys = ["sequence", "step", "layer", "direction", "quantity", "unit"]
    assert not table.duplicated(keys).any()
    assert len(table) == sum(values_of(trace, *run).size for run in all_runs(trace))
    for i, k, direction, quantity in all_runs(trace):
        one = table.query("sequence == @trace.names[@i] and layer == @k and direction == @direction")
        one = one[one["quantity"] == quantity].pivot(index="step", columns="unit", values="value")
        wanted = values_of(trace, i, k, direction, quantity)
        assert np.array_equal(one.to_numpy(), wanted)
        assert one.to_numpy().dtype == wanted.dtype
        assert (one.index[0], one.columns[0]) == (1, 1)
    assert (table["time"].astype(str) == [labels[step - 1] for step in table["step"]]).all()
    assert list(table["quantity"].cat.categories) == [q.name for q in trace.convention.quantities]


def test_tidy_is_the_wide_table_melted() -> None:
    trace = traced()
    wide = to_table(trace).melt(["sequence", "step", "time"]).query("not variable.str.startswith('input.')")
    tidy = trace.to_tidy()
    names = [
        f"layer{layer}.{direction}.{quantity}.{unit}"
        for layer, direction, quantity, unit in zip(
            tidy["layer"], tidy["direction"], tidy["quantity"], tidy["unit"], strict=True
        )
    ]
    mine = dict(zip(zip(tidy["sequence"], tidy["step"], names, strict=True), tidy["value"], strict=True))
    theirs = dict(zip(zip(wide["sequence"], wide["step"], wide["variable"], strict=True), wide["value"], strict=True))
    assert mine == theirs


@pytest.mark.parametrize("name", ["torch", "torch_lstm", "torch_rnn"])
def test_xarray_names_every_axis(name: str) -> None:
    labels = tuple(f"2019-02-{day:02d}" for day in range(1, 6))
    trace = traced(name, labels=labels)
    data = trace.to_xarray()
    assert set(data.data_vars) == {*(q.name for q in trace.convention.quantities), "inputs", "length"}
    for i, k, direction, quantity in all_runs(trace):
        one = data[quantity].sel(sequence=trace.names[i], layer=k, direction=direction)
        assert one.dims == ("step", "unit")
        assert np.array_equal(one[: LENGTHS[i]], values_of(trace, i, k, direction, quantity))
        assert np.isnan(one[LENGTHS[i] :]).all()
        assert (one.unit.values[0], one.step.values[-1]) == (1, 5)
        assert one.dtype == trace.inputs.dtype
    assert np.array_equal(data["inputs"], trace.inputs, equal_nan=True)
    assert data["length"].values.tolist() == list(LENGTHS)
    assert data["feature"].values.tolist() == list(FEATURES)
    assert data["time"].sel(sequence="three").values.tolist() == [*labels[:3], "", ""]
    assert data.attrs == facts(trace)


def test_xarray_holds_layers_of_unequal_size() -> None:
    upper = Weights.from_matrices("torch", stack("torch", 3, 2, dtype="float32"))
    lower = Weights.from_matrices("torch", stack("torch", 2, 3, dtype="float32"))
    trace = gru_viz.trace(dataclasses.replace(lower, layers=lower.layers + upper.layers), inputs(4, 2, dtype="float32"))
    update = to_xarray(trace)["update"].isel(sequence=0, direction=0)
    assert np.array_equal(update.sel(layer=1), trace.layers[0].update[0])
    assert np.array_equal(update.sel(layer=2, unit=[1, 2]), trace.layers[1].update[0])
    assert np.isnan(update.sel(layer=2, unit=3)).all()
    assert len(to_tidy(trace)) == 4 * 4 * (3 + 2)


def test_xarray_can_be_saved_and_opened(tmp_path: Path) -> None:
    import xarray as xr

    trace = traced()
    to_xarray(trace).to_netcdf(tmp_path / "trace.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "trace.nc", engine="scipy") as data:
        assert np.array_equal(data["update"], to_xarray(trace)["update"], equal_nan=True)


def test_without_xarray_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(GruVizError, match=r"xarray.*pip install .gru_viz\[exports\]"):
        to_xarray(traced())


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 2)])
def test_the_shortest_sequences_are_tidy_too(lengths: tuple[int, ...]) -> None:
    w = Weights.from_matrices("torch", stack("torch", 3, 3))
    trace = gru_viz.trace(w, inputs(len(lengths), 2, 3), lengths=list(lengths))
    assert len(to_tidy(trace)) == sum(lengths) * 4 * 3
    assert to_xarray(trace).sizes["sequence"] == len(lengths)


def test_sequences_of_one_name_keep_their_rows() -> None:
    table = to_tidy(traced(layers=1, directions=1, names=("a", "b", "a")))
    assert table["sequence"].value_counts().to_dict() == {"a": 8 * 12, "b": 12}


# --- the facts ----------------------------------------------------------------------------------------------------


def from_csv(data: bytes) -> dict[str, str]:
    found = {}
    for line in data.decode().splitlines():
        if not line.startswith("#"):
            break
        key, _, value = line.removeprefix("# ").partition(": ")
        found[key] = value
    return found


def from_parquet(data: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(pq.read_schema(io.BytesIO(data)).metadata[b"gru_viz"])
    return found


def from_npz(data: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(str(np.load(io.BytesIO(data))["facts"]))
    return found


READERS: dict[str, Any] = {"csv": (to_csv, from_csv), "parquet": (to_parquet, from_parquet), "npz": (to_npz, from_npz)}


@pytest.mark.parametrize("kind", READERS)
def test_what_ran_on_what_travels_with_the_numbers(kind: str) -> None:
    trace = traced("chung_2014")
    write, read = READERS[kind]
    info = read(write(trace))
    assert info["variant"] == "chung_2014"
    assert (info["reset"], info["update"]) == ("before", "takes")
    assert info["weights"] == "lopsided, seed 0"
    assert (info["backend"], info["device"], info["dtype"]) == ("compiled", "cpu", "float32")
    assert float(info["proof"]) == trace.proof.difference
    assert (info["gru_viz"], info["torch"], info["numpy"]) == (gru_viz.__version__, torch.__version__, np.__version__)
    assert info["scaling_method"] == "robust"
    scaling = json.loads(info["scaling"])
    assert scaling == {"temperature": {"centre": -7.25, "scale": 0.5}, "pressure": {"centre": -6.25, "scale": 1.5}}
    assert json.loads(info["features"]) == list(FEATURES)
    assert json.loads(info["sequences"]) == ["one", "two", "three"]


@pytest.mark.parametrize("kind", READERS)
def test_the_seed_is_inside(kind: str) -> None:
    w = gru_viz.random_weights("torch", features=2, hidden=3, seed=4711)
    write, read = READERS[kind]
    assert "4711" in read(write(gru_viz.trace(w, inputs(4, 2, dtype="float32"))))["weights"]


def test_the_scaling_in_the_file_brings_the_original_values_back() -> None:
    trace = traced()
    data = to_csv(trace)
    table = by_pandas(data)
    for name, numbers in json.loads(from_csv(data)["scaling"]).items():
        original = table[f"input.{name}"].to_numpy(np.float32).astype(np.float64) * numbers["scale"] + numbers["centre"]
        wanted = np.concatenate(
            [trace.scaling.undo(trace.inputs[i, :n])[:, trace.features.index(name)] for i, n in enumerate(LENGTHS)]
        )
        assert np.array_equal(original, wanted)


def test_without_scaling_nothing_is_claimed() -> None:
    info = facts(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1))))
    assert info["scaling_method"] == ""
    assert info["scaling"] == "{}"


# --- text from strangers ------------------------------------------------------------------------------------------


def cells(data: bytes, delimiter: str) -> list[str]:
    """Every cell as a spreadsheet sees it, which knows nothing of comment lines."""
    return [cell for row in csv.reader(io.StringIO(data.decode()), delimiter=delimiter) for cell in row]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("text", ["{}1+1", "a,{}1+1,b", 'x",{}1+1,"', "a;{}1+1;b", "a\t{}1+1\tb", "a\n{}1+1", "a\r{}1+1", "a, {}1+1"])  # fmt: skip  # noqa: E501
def test_no_cell_starts_a_formula(text: str, delimiter: str) -> None:
    for start in STARTS:
        hold_harmless(text.format(start), delimiter)


def hold_harmless(naughty: str, delimiter: str) -> None:
    trace = traced(
        layers=1, directions=1, features=(naughty, "b"), names=(naughty, "two", "three"), labels=(naughty,) * 5
    )
    trace = dataclasses.replace(trace, weights=dataclasses.replace(trace.weights, origin=naughty))
    for cell in cells(to_csv(trace), delimiter):
        for line in cell.splitlines() or [""]:
            bare = line.lstrip(" ")
            assert not bare.startswith((*STARTS, "\t", "\r")) or is_number(bare), repr(cell)


@pytest.mark.parametrize("start", STARTS)
def test_numbers_are_left_alone_beside_text_made_harmless(start: str) -> None:
    naughty = f"{start}1+1"
    trace = traced(features=(naughty, "b"), names=(naughty, "two", "three"), labels=(naughty,) * 5)
    table = by_pandas(to_csv(trace))
    wanted = columns(trace)
    assert any((values < 0).any() for values in wanted.values())
    for (column, values), found in zip(wanted.items(), table.columns[3:], strict=True):
        assert np.array_equal(table[found].to_numpy(np.float32), values), column
    assert table["sequence"][0] == f"'{naughty}"
    assert table["time"][0] == f"'{naughty}"


def test_labels_that_are_numbers_stay_numbers() -> None:
    labels = ("-2", "-1.5", "+3", "-1e-3", "-0.")
    table = by_pandas(to_csv(traced(labels=labels)))
    assert table["time"][:5].tolist() == [float(label) for label in labels]


NAMES = ("a\nvariant,1", "a\r\nb", "a\u2028b", "a # b", "#1", 'say "x", y', "  padded  ", "ü, ß\t", "")


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_any_name_leaves_the_table_whole(name: str) -> None:
    trace = traced(features=(name, "b"), names=(name, "two", "three"), labels=(name,) * 5)
    data = to_csv(trace)
    table = by_pandas(data)
    assert len(table) == sum(LENGTHS)
    for (column, values), found in zip(columns(trace).items(), table.columns[3:], strict=True):
        assert np.array_equal(table[found].to_numpy(np.float32), values), column
    assert from_csv(data)["variant"] == "torch"
    assert set(from_csv(data)) == set(facts(trace))
    for kind, (write, read) in READERS.items():
        if kind != "csv":
            assert json.loads(read(write(trace))["sequences"])[0] == name


@pytest.mark.parametrize("name", ["a\nb", "a,=1", "ü", "a\u2028b", "a  b"])
def test_the_comment_lines_still_hold_the_names(name: str) -> None:
    trace = traced(features=(name, "b"), names=(name, "two", "three"))
    info = from_csv(to_csv(trace))
    assert json.loads(info["features"]) == [name, "b"]
    assert json.loads(info["sequences"]) == [name, "two", "three"]


def test_an_origin_with_line_breaks_stays_one_comment() -> None:
    trace = traced(layers=1, directions=1)
    trace = dataclasses.replace(trace, weights=dataclasses.replace(trace.weights, origin="a\nb\r\nc\u2028d"))
    info = from_csv(to_csv(trace))
    assert info["weights"] == "a b c d"
    assert set(info) == set(facts(trace))


def test_labels_are_the_sequence_s_own() -> None:
    labels = tuple(f"2019-02-{day:02d}" for day in range(1, 6))
    table = to_table(traced(labels=labels))
    assert table["time"].tolist() == [*labels, labels[0], *labels[:3]]


def test_a_window_s_steps_are_counted_in_its_sequence() -> None:
    weights = gru_viz.random_weights("torch", features=2, hidden=3)
    long = gru_viz.stream(weights, np.ones((500, 2), np.float32))
    window = long.window(120, 150)
    table = to_table(window, before=120)
    assert (table["step"].iloc[0], table["step"].iloc[-1]) == (121, 150)
    assert b"# steps_before: 120\n" in to_csv(window, before=120)
    assert b"steps_before" not in to_csv(window)
