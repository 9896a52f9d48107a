"""``gru-viz convert``: a trained network as a file of another framework."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import MappingProxyType

from gru_viz.cli.output import STDOUT, StatusLine, check_target, note, write_whole
from gru_viz.formats import read_model, write_model
from gru_viz.formats.model_file import Format

__all__ = ["FORMATS", "convert"]

FORMATS: Mapping[str, Format] = MappingProxyType(
    {"pytorch": "PyTorch", "safetensors": "safetensors", "npz": "NPZ", "keras": "Keras", "onnx": "ONNX"}
)


def convert(options: argparse.Namespace, progress: StatusLine) -> None:
    """Read one network and write it, exactly or not at all."""
    check_target(options.output, options.force)
    progress.say(f"Reading {options.model}")
    found = read_model(options.model)
    model = found.model(options.network)
    for notice in (*found.notices, *model.notices):
        note(progress, notice)
    progress.say(f"Writing {options.output}")
    write_whole(options.output, write_model(model.weights, FORMATS[options.to]), options.force)
    progress.clear()
    if options.output != STDOUT:
        print(options.output)
