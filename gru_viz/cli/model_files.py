"""``gru-viz inspect`` and ``gru-viz convert``: the networks in a model's file, listed or written for a framework."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gru_viz.cli.output import STDOUT, StatusLine, check_target, note, write_whole
from gru_viz.formats import FoundModel, Head, ModelFile, read_model, write_model
from gru_viz.formats.model_file import Format
from gru_viz.reporting import words

FORMATS: Mapping[str, Format] = MappingProxyType(
    {"pytorch": "PyTorch", "safetensors": "safetensors", "npz": "NPZ", "keras": "Keras", "onnx": "ONNX"}
)
CHECKED = ("framework", "difference", "agrees")


def convert(options: argparse.Namespace, progress: StatusLine) -> None:
    """Read one network and write it, exactly or not at all."""
    check_target(options.output, options.force)
    progress.say(f"Reading {options.model}")
    found = read_model(options.model)
    model = found.model(options.network)
    for notice in (*found.notices, *model.notices):
        note(progress, notice)
    for what in _not_written(model):
        note(progress, f"Not written, since the file is of the network alone: {what}.")
    progress.say(f"Writing {options.output}")
    write_whole(options.output, write_model(model.weights, FORMATS[options.to]), options.force)
    progress.clear()
    if options.output != STDOUT:
        print(options.output)


def _not_written(model: FoundModel) -> list[str]:
    """What stands around a network and has no place in a file of its weights."""
    named = [f"the embedding {table.name}" for table in model.embeddings[:1]]
    named += [f"in front of it, {model.before or model.unapplied}"] if model.before or model.unapplied else []
    return named + [f"the output layer {head.name}" for head in model.heads if not head.hidden]


def inspect(options: argparse.Namespace, progress: StatusLine) -> None:
    """List every network in a file, with its embeddings and heads."""
    progress.say(f"Reading {options.model}")
    found = read_model(options.model)
    progress.clear()
    if options.json:
        print(json.dumps(_as_json(found), ensure_ascii=False, indent=2))
        return
    count = len(found.models)
    print(f"{found.name}: {found.format}, {count} network{'s' * (count != 1)}")
    for notice in found.notices:
        print(f"note: {notice}")
    for model in found.models:
        print(f"\n{model.name or '(the file itself)'}")
        for line in _lines(model):
            print(f"  {line}")


def _lines(model: FoundModel) -> list[str]:
    weights = model.weights
    lines = [words.network(weights), f"{weights.parameters:,} parameters, {weights.dtype}"]
    if model.check:
        verdict = "agrees" if model.check.agrees else "DISAGREES"
        lines.append(f"{verdict} with {model.check.framework}: they differ by {model.check.difference:.1e} on a probe")
    if model.before:
        lines.append(f"reads {model.features:,} features through {model.before}")
    for table in model.embeddings:
        lines.append(f"embedding {table.name}: {table.matrix.shape[0]:,} symbols as {table.matrix.shape[1]:,} features")
    for head in model.heads:
        kind = f", then {head.activation}" if head.activation else ""
        kind += f", through {head.below}" if head.below else ""
        kind += ", a hidden layer: another linear layer reads it" if head.hidden else ""
        lines.append(f"head {head.name}: {head.weight.shape[0]:,} outputs of {head.inputs:,} values{kind}")
    if model.alternatives:
        lines.append(f"could also be meant as {', '.join(model.alternatives)}")
    return lines + [f"note: {notice}" for notice in model.notices]


def _head_as_json(head: Head) -> dict[str, Any]:
    return {
        "name": head.name,
        "shape": list(head.weight.shape),
        "activation": head.activation,
        "below": [str(layer) for layer in head.below],
        "hidden": head.hidden,
    }


def _as_json(found: ModelFile) -> dict[str, Any]:
    return {
        "name": found.name,
        "format": found.format,
        "notices": list(found.notices),
        "networks": [
            {
                "name": model.name,
                "cell": model.weights.convention.cell,
                "convention": model.weights.convention.name,
                "features": model.features,
                "before": [str(layer) for layer in model.before],
                "unapplied": model.unapplied,
                "units": [layer[0].hidden for layer in model.weights.layers],
                "bidirectional": model.weights.bidirectional,
                "dtype": str(model.weights.dtype),
                "parameters": model.weights.parameters,
                "embeddings": [{"name": e.name, "shape": list(e.matrix.shape)} for e in model.embeddings],
                "heads": [_head_as_json(head) for head in model.heads],
                "alternatives": list(model.alternatives),
                "check": model.check and {key: getattr(model.check, key) for key in CHECKED},
                "notices": list(model.notices),
            }
            for model in found.models
        ],
    }
