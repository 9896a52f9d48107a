"""What is written comes back: by pandas to the last bit, by TensorBoard's own reader, and no cell starts a formula."""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.util import tensor_util

from gru_viz.errors import MissingPackageError, TrainingError
from gru_viz.training import Curve, Lane, Settings
from gru_viz.training.exports import tensorboard_zip, to_csv, to_table, to_tensorboard

UPDATES = np.array([0, 1, 7, 2000])
SECONDS = np.array([0.0, 0.125, 1 / 3, 99.5])
SETTINGS = Settings(
    "sine", {"period": 12.0}, (Lane("GRU"), Lane("LSTM, büyük", cell="torch_lstm", hidden=7)), seeds=3, first_seed=4
)


def curves(settings: Settings = SETTINGS) -> list[Curve]:
    rng = np.random.default_rng(0)
    return [
        Curve(lane.name, measure, UPDATES, SECONDS, rng.standard_normal((4, settings.seeds)))
        for lane in settings.lanes
        for measure in ("train", "held_out", "gradient", "error")
    ]


# --- CSV -----------------------------------------------------------------------------------------------------------


def test_a_table_comes_back_to_the_last_bit() -> None:
    exact = {"value": str, "seconds": str}
    table = pd.read_csv(io.StringIO(to_csv(curves(), SETTINGS, 640)), dtype=exact)
    table[list(exact)] = table[list(exact)].map(float)
    assert list(table.columns) == ["lane", "cell", "measure", "update", "tokens", "seconds", "seed", "value"]
    assert len(table) == 2 * 4 * 4 * 3
    for curve in curves():
        own = table[(table["lane"] == curve.lane) & (table["measure"] == curve.measure)]
        assert np.array_equal(own["value"].to_numpy().reshape(4, 3), curve.values)
        assert own["seed"].tolist() == [4, 5, 6] * 4
        assert own["update"].tolist() == np.repeat(UPDATES, 3).tolist()
        assert own["tokens"].tolist() == np.repeat(UPDATES * 640, 3).tolist()
        assert own["seconds"].tolist() == np.repeat(SECONDS, 3).tolist()
        assert set(own["cell"]) == {SETTINGS.lane(curve.lane).cell}


def test_what_is_no_number_is_empty_and_what_is_infinite_stays_so() -> None:
    odd = Curve("GRU", "train", np.array([1, 2]), np.array([0.0, 1.0]), np.array([[np.nan], [np.inf]]))
    text = to_csv([odd], SETTINGS, 1)
    assert text.splitlines()[1].endswith(",4,")
    values = pd.read_csv(io.StringIO(text))["value"]
    assert np.isnan(values[0])
    assert values[1] == np.inf


@pytest.mark.parametrize(
    "name", ["=1+1", "+A1", "-A1", "@SUM(A1)", 'a";=1', "a,=b", "two\nlines", "  =x", "\t=x", "#x"]
)
def test_no_cell_starts_a_formula_and_names_stay_on_one_line(name: str) -> None:
    settings = Settings("sine", {}, (Lane(name),), seeds=1)
    text = to_csv(curves(settings), settings, 1)
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            for cell in row:
                try:
                    float(cell)
                except ValueError:
                    assert not cell.strip().startswith(("=", "+", "-", "@")), cell
    rows = list(csv.reader(io.StringIO(text)))
    assert all(len(row) == 8 for row in rows)
    assert len(rows) == 1 + 16 == len(text.splitlines())


def test_no_curves_are_a_header() -> None:
    assert to_csv([], SETTINGS, 1) == "lane,cell,measure,update,tokens,seconds,seed,value\n"
    assert len(to_table([], SETTINGS, 1)) == 0


def test_a_lane_that_the_settings_do_not_have_is_refused() -> None:
    with pytest.raises(TrainingError):
        to_csv([Curve("RNN", "train", UPDATES, SECONDS, np.zeros((4, 1)))], SETTINGS, 1)


# --- TensorBoard ---------------------------------------------------------------------------------------------------


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()


TAGS = {"train": "loss/train", "held_out": "loss/held_out", "gradient": "gradient/norm_before_clipping",
        "error": "measure/error"}  # fmt: skip


@pytest.mark.parametrize("way", ["folder", "zip"])
def test_tensorboard_reads_every_value_step_and_time(tmp_path: Path, way: str) -> None:
    if way == "zip":
        zipfile.ZipFile(io.BytesIO(tensorboard_zip(curves(), SETTINGS, 640, began=1e9))).extractall(tmp_path)
    else:
        written = to_tensorboard(curves(), SETTINGS, 640, tmp_path, began=1e9)
        assert all(path.is_file() for path in written)
    runs = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*tfevents*")}
    assert runs == {f"{lane}/seed_{seed}" for lane in ("GRU", "LSTM_ büyük") for seed in (4, 5, 6)}
    for curve in curves():
        for model, seed in enumerate((4, 5, 6)):
            folder = tmp_path / ("GRU" if curve.lane == "GRU" else "LSTM_ büyük") / f"seed_{seed}"
            scalars = read(folder).Scalars(TAGS[curve.measure])
            assert [event.step for event in scalars] == UPDATES.tolist()
            assert [event.value for event in scalars] == curve.values[:, model].astype(np.float32).tolist()
            assert [event.wall_time for event in scalars] == (1e9 + SECONDS).tolist()
    assert Settings.from_json((tmp_path / "settings.json").read_text("utf-8")) == SETTINGS


def test_tensorboard_shows_the_settings_as_text_and_as_hyperparameters(tmp_path: Path) -> None:
    to_tensorboard(curves(), SETTINGS, 640, tmp_path, began=1e9)
    events = read(tmp_path / "LSTM_ büyük" / "seed_5")
    (text,) = tensor_util.make_ndarray(events.Tensors("settings")[0].tensor_proto)
    assert "| hidden | 7 |" in text.decode()
    assert "| option_period | 12.0 |" in text.decode()
    plugin = events.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(plugin).session_start_info
    assert start.group_name == "LSTM, büyük"
    assert start.start_time_secs == 1e9
    assert start.hparams["seed"].number_value == 5
    assert start.hparams["cell"].string_value == "torch_lstm"
    assert start.hparams["onednn"].bool_value is True


def test_the_same_curves_give_the_same_bytes_which_name_no_machine() -> None:
    import getpass
    import socket

    data = tensorboard_zip(curves(), SETTINGS, 640)
    assert data == tensorboard_zip(curves(), SETTINGS, 640)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        whole = b"".join(archive.read(name) + name.encode() for name in archive.namelist())
    assert socket.gethostname().encode() not in whole
    assert len(getpass.getuser()) < 5 or getpass.getuser().encode() not in whole


@pytest.mark.parametrize("name", ["../../outside", "/etc", "..", ".", "a/b", "a\\b", "C:x", "nul\0l", "x" * 500, " "])
def test_no_lane_s_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    settings = Settings("sine", {}, (Lane(name), Lane(name + "!"), Lane(name.upper() + "?")), seeds=1)
    inside = tmp_path / "inside"
    written = to_tensorboard(curves(settings), settings, 1, inside)
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {"inside"}
    assert len({path.resolve() for path in written}) == 4
    assert len({str(path).casefold() for path in written}) == 4
    assert all(path.resolve().is_relative_to(inside.resolve()) for path in written)
    with zipfile.ZipFile(io.BytesIO(tensorboard_zip(curves(settings), settings, 1))) as archive:
        assert not any(Path(entry).is_absolute() or ".." in Path(entry).parts for entry in archive.namelist())


def test_written_again_it_replaces_what_was_there(tmp_path: Path) -> None:
    for _ in range(2):
        to_tensorboard(curves(), SETTINGS, 640, tmp_path)
    assert len(read(tmp_path / "GRU" / "seed_4").Scalars("loss/train")) == 4


def test_values_that_are_not_finite_are_written(tmp_path: Path) -> None:
    odd = Curve("GRU", "train", np.array([1, 2]), np.array([0.0, 1.0]), np.array([[np.nan], [np.inf]]))
    to_tensorboard([odd], SETTINGS, 1, tmp_path)
    first, second = read(tmp_path / "GRU" / "seed_4").Scalars("loss/train")
    assert np.isnan(first.value)
    assert second.value == np.inf


def test_without_tensorboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    with pytest.raises(MissingPackageError, match=r"pip install .gru_viz\[exports\]"):
        tensorboard_zip(curves(), SETTINGS, 1)


def test_settings_travel_with_the_zip() -> None:
    with zipfile.ZipFile(io.BytesIO(tensorboard_zip(curves(), SETTINGS, 640))) as archive:
        assert json.loads(archive.read("settings.json")) == json.loads(SETTINGS.to_json())
