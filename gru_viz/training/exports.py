"""The curves of a run as a tidy CSV or as TensorBoard files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru_viz.escape_formula import escape_formula
from gru_viz.optional import optional_packages
from gru_viz.training.curves import Curve
from gru_viz.training.settings import Lane, Settings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["tensorboard_zip", "to_csv", "to_table", "to_tensorboard"]

TAGS = {"train": "loss/train", "held_out": "loss/held_out", "gradient": "gradient/norm_before_clipping"}


def to_table(curves: Sequence[Curve], settings: Settings, tokens: int) -> pd.DataFrame:
    """One row per value: lane, cell, measure, update, tokens (time steps of one model), seconds, seed, value."""
    import pandas as pd

    parts = []
    for curve in curves:
        points, seeds = curve.values.shape
        rows = {
            "lane": curve.lane,
            "cell": settings.lane(curve.lane).cell,
            "measure": curve.measure,
            "update": np.repeat(curve.updates, seeds),
            "tokens": np.repeat(curve.updates * tokens, seeds),
            "seconds": np.repeat(curve.seconds, seeds),
            "seed": np.tile(settings.first_seed + np.arange(seeds), points),
            "value": curve.values.ravel(),
        }
        parts.append(pd.DataFrame(rows))
    columns = ("lane", "cell", "measure", "update", "tokens", "seconds", "seed", "value")
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))


def to_csv(curves: Sequence[Curve], settings: Settings, tokens: int) -> str:
    """The table as CSV with every digit; NaN becomes an empty cell. The first line is the header.

    Example:
        >>> curve = Curve("GRU", "train", np.array([1]), np.array([0.5]), np.array([[0.25, 0.125]]))
        >>> print(to_csv([curve], Settings("sine", seeds=2), tokens=640), end="")
        lane,cell,measure,update,tokens,seconds,seed,value
        GRU,torch,train,1,640,0.5,0,0.25
        GRU,torch,train,1,640,0.5,1,0.125
    """
    table = to_table(curves, settings, tokens)
    for column in ("lane", "measure"):
        table[column] = table[column].map(escape_formula)
    return table.to_csv(index=False, lineterminator="\n")


def to_tensorboard(
    curves: Sequence[Curve], settings: Settings, tokens: int, folder: str | Path, *, began: float = 0.0
) -> list[Path]:
    """Write a TensorBoard folder: a run per lane and seed, with its settings as hyperparameters.

    Args:
        curves: of a run.
        settings: of the same run.
        tokens: time steps per update, of one model.
        folder: created if missing.
        began: start of the training, in seconds since 1970; a point's time is this plus its training time.

    Returns:
        The files written.

    Raises:
        MissingPackageError: tensorboard is not installed.
    """
    written = []
    for name, data in _files(curves, settings, tokens, began).items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        written.append(path)
    return written


def tensorboard_zip(curves: Sequence[Curve], settings: Settings, tokens: int, *, began: float = 0.0) -> bytes:
    """The same folder as a ZIP, byte for byte a function of the arguments.

    Raises:
        MissingPackageError: tensorboard is not installed.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in _files(curves, settings, tokens, began).items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _files(curves: Sequence[Curve], settings: Settings, tokens: int, began: float) -> dict[str, bytes]:
    """Path → bytes."""
    lanes = [lane for lane in settings.lanes if any(curve.lane == lane.name for curve in curves)]
    folders = _folders([lane.name for lane in lanes])
    files = {"settings.json": json.dumps(json.loads(settings.to_json()), indent=2, ensure_ascii=False).encode()}
    for lane in lanes:
        own = [curve for curve in curves if curve.lane == lane.name]
        for model in range(max(curve.seeds for curve in own)):
            seed = settings.first_seed + model
            name = f"{folders[lane.name]}/seed_{seed}/events.out.tfevents.{int(began)}.gru_viz"
            files[name] = _events(own, model, seed, lane, settings, tokens, began)
    return files


def _folders(names: Sequence[str]) -> dict[str, str]:
    """For each lane a unique folder name that every file system accepts."""
    folders: dict[str, str] = {}
    for name in names:
        plain = "".join(c if c.isalnum() or c in "-_ " else "_" for c in name).strip()[:60] or "lane"
        taken, count = {folder.casefold() for folder in folders.values()}, 1
        folder = plain
        while folder.casefold() in taken:
            count += 1
            folder = f"{plain}_{count}"
        folders[name] = folder
    return folders


def _events(
    curves: Sequence[Curve], model: int, seed: int, lane: Lane, settings: Settings, tokens: int, began: float
) -> bytes:
    """An event file of one model, by TensorBoard's own record writer, without the machine's name."""
    with optional_packages("TensorBoard export"):
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    chosen = {**_hyperparameters(lane, settings, seed), "tokens_an_update": tokens}
    rows = [
        (int(update), began + float(seconds), TAGS.get(curve.measure, f"measure/{curve.measure}"), float(values[model]))
        for curve in curves
        if model < curve.seeds
        for update, seconds, values in zip(curve.updates, curve.seconds, curve.values, strict=True)
    ]
    end = max((row[1] for row in rows), default=began)
    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=began, file_version="brain.Event:2").SerializeToString())
    for value in _hyperparameter_summaries(Summary, chosen, lane.name, began, end):
        writer.write(Event(wall_time=began, step=0, summary=Summary(value=[value])).SerializeToString())
    for update, wall, tag, number in sorted(rows, key=lambda row: row[:3]):
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=number)])
        writer.write(Event(wall_time=wall, step=update, summary=summary).SerializeToString())
    writer.flush()
    return file.getvalue()


def _hyperparameters(lane: Lane, settings: Settings, seed: int) -> dict[str, Any]:
    """The settings of one model, without those of other lanes."""
    whole = {name: value for name, value in asdict(settings).items() if name not in ("lanes", "options", "first_seed")}
    options = {f"option_{name}": value for name, value in settings.options.items()}
    return {**whole, **options, **asdict(lane), "seed": seed}


def _hyperparameter_summaries(summary: Any, chosen: dict[str, Any], group: str, began: float, end: float) -> list[Any]:
    """The hyperparameters as text and as TensorBoard's own kind; the seeds of a lane are a group."""
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    rows = "".join(f"| {name} | {str(value).replace('|', '/')} |\n" for name, value in chosen.items())
    text = TensorProto(
        dtype=DT_STRING,
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        string_val=[f"| setting | value |\n| --- | --- |\n{rows}".encode()],
    )
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    values = [summary.Value(tag="settings", metadata=SummaryMetadata(plugin_data=plugin), tensor=text)]
    start = SessionStartInfo(group_name=group, start_time_secs=began)
    for name, value in chosen.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, int | float):
            start.hparams[name].number_value = value
        else:
            start.hparams[name].string_value = str(value)
    finish = SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=end)
    for tag, data in (
        (metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
        (metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=finish)),
    ):
        values.append(summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data)))
    return values
