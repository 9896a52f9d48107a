"""Reads the variables of each layer in a Keras HDF5 file, in a separate process that can be stopped."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.keras_graph import CUDNN, KerasLayer, Output, VariablePath
from gru_viz.formats.model_bytes import Limits, bfloat16_to_float32, damaged, printable

__all__ = ["Tree", "read_tree"]

if find_spec("h5py") is None:
    raise ModuleNotFoundError("No module named 'h5py'", name="h5py")

CHILD = Path(__file__).with_name("keras_h5_process.py")
SECONDS, BYTES_A_SECOND = 10, 10 << 20
"""The processor time that reading a small file may take, and how much of a larger one adds a second."""
PATIENCE = 12 if os.name == "posix" else 1
"""How many times as long it may take by the clock, on a machine that does much else."""
RECURRENT = ("kernel", "recurrent_kernel", "bias")
ORDERS = (
    RECURRENT,
    ("kernel", "bias"),
    ("embeddings",),
    ("gamma", "beta", "moving_mean", "moving_variance"),
    ("mean", "variance", "count"),
    ("depthwise_kernel", "pointwise_kernel", "bias"),
)
BY_GATES = {1: "SimpleRNN", 3: "GRU", 4: "LSTM"}
RECURRENT_KINDS = {*BY_GATES.values(), *CUDNN}
OLDER_NAME = "_layer_checkpoint_dependencies/"
MEMORY = 1 << 30
"""The memory limit of the process in bytes, on top of four times the file's size."""


@dataclass(frozen=True)
class Tree:
    """The contents of a Keras HDF5 file, where it has them.

    Attributes:
        arrays: path → floating-point array, in the file's order, without the optimiser's.
        labels: path of a group of variables → its layer's name.
        order: the layers' names in the model's order.
        config: the model's configuration as JSON.
        version: of the Keras that wrote the file; ``""`` where it does not say.
    """

    arrays: dict[str, np.ndarray]
    labels: dict[str, str]
    order: tuple[str, ...]
    config: str | None
    version: str = ""


def read_tree(data: bytes, where: str, limits: Limits) -> Tree:
    """Read every floating-point array of an HDF5 file, except the optimiser's."""
    header, numbers = _run(data, where, limits)
    if "refused" in header:
        path, found, wanted, remedy = header["refused"]
        raise FormatError(f"{where}, {printable(path)}", printable(found), wanted, remedy)
    if "damaged" in header:
        raise damaged(where, header["damaged"])
    arrays, at = {}, 0
    for path, shape, dtype in header["arrays"]:
        array = np.frombuffer(numbers, dtype, math.prod(shape), at).reshape(shape)
        at += array.nbytes
        arrays[path] = bfloat16_to_float32(array) if path in header["bfloat16"] else array
    return Tree(arrays, header["labels"], tuple(header["order"]), header["config"], header["version"])


def _run(data: bytes, where: str, limits: Limits) -> tuple[dict[str, Any], memoryview]:
    memory, seconds = MEMORY + 4 * len(data), SECONDS + len(data) // BYTES_A_SECOND
    limited = map(str, (limits.max_entries, limits.max_depth, memory, seconds))
    command = [sys.executable, "-P", str(CHILD), *limited]
    too_long = f"reading it took more than {seconds} seconds"
    try:
        ran = subprocess.run(command, input=data, capture_output=True, timeout=PATIENCE * seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise damaged(where, too_long) from error
    except OSError as error:
        found, remedy = f"a process that cannot start ({error})", "Close other programs and try again."
        raise FormatError(where, found, "a process that reads the file", remedy) from error
    line, _, _ = ran.stdout.partition(b"\n")
    if ran.returncode == -getattr(signal, "SIGXCPU", math.inf):
        raise damaged(where, too_long)
    if ran.returncode or not line:
        raise damaged(where, f"the HDF5 library crashed with exit code {ran.returncode}")
    header: dict[str, Any] = json.loads(line)
    return header, memoryview(ran.stdout)[len(line) + 1 :]


@dataclass(frozen=True)
class KerasVariables:
    """The arrays of a file by layer."""

    tree: Tree
    groups: dict[str, list[np.ndarray]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", self._numbered() if self.numbered else self._named())

    @cached_property
    def numbered(self) -> bool:
        """Whether the layout is that of Keras 3: numbered variables in groups named after classes."""
        return any("/vars/" in f"/{path}" for path in self.tree.arrays)

    def _numbered(self) -> dict[str, list[np.ndarray]]:
        found: dict[str, list[np.ndarray]] = {}
        for path, array in sorted(self.tree.arrays.items(), key=lambda item: _natural(item[0])):
            group, is_variable, _ = f"/{path}".rpartition("/vars/")
            if is_variable:
                found.setdefault(group[1:].replace(OLDER_NAME, "layers/"), []).append(array)
        return found

    def _named(self) -> dict[str, list[np.ndarray]]:
        leaves: dict[str, dict[str, np.ndarray]] = {}
        for path, array in self.tree.arrays.items():
            group, _, leaf = path.removeprefix("model_weights/").rpartition("/")
            leaves.setdefault(group, {})[leaf.partition(":")[0]] = array
        found = {}
        for group in sorted(leaves, key=self._rank):
            order = next((order for order in ORDERS if set(order) & set(leaves[group]) == set(leaves[group])), ())
            if order:
                found[group] = [leaves[group][name] for name in order if name in leaves[group]]
        return found

    def _rank(self, group: str) -> tuple[object, ...]:
        layer = group.partition("/")[0]
        known = self.tree.order.index(layer) if layer in self.tree.order else len(self.tree.order)
        return known, _natural(group)

    def arrays(self, place: VariablePath) -> list[np.ndarray]:
        """The variables of a layer or cell in Keras' order: kernel, recurrent kernel, bias; [] if it has none."""
        if self.numbered:
            return self.groups.get(place.store, [])
        first, *inner = place.labels
        found = [
            arrays
            for group, arrays in self.groups.items()
            if group.partition("/")[0] == first and set(inner) <= set(group.split("/")[1:])
        ]
        return found[0] if len(found) == 1 else []

    def layers(self) -> list[KerasLayer]:
        """Infer the layers from the shapes alone; a recurrent layer that fits the one before it is stacked on it."""
        found: dict[str, KerasLayer] = {}
        for group, arrays in self.groups.items():
            kind = _kind(group, arrays)
            if kind is None:
                continue
            owner, direction = _owner(group) if kind in RECURRENT_KINDS else (group, "")
            name = self._name(owner)
            place: tuple[VariablePath, dict[str, Any]] = (VariablePath(group, tuple(group.split("/"))), {})
            before = found.get(owner)
            if before is not None and direction:
                cells = (place, *before.cells) if direction == "forward" else (*before.cells, place)
                found[owner] = KerasLayer(kind, name, cells)
            else:
                found[owner] = KerasLayer(kind, name, (place,), backward=direction == "backward")
        return self._in_order(found)

    def _in_order(self, found: dict[str, KerasLayer]) -> list[KerasLayer]:
        listed: list[KerasLayer] = []
        last: dict[str, KerasLayer] = {}
        for owner, layer in found.items():
            if layer.kind in RECURRENT_KINDS:
                family = re.sub(r"_\d+$", "", owner) if self.numbered else ""
                below = last.get(family)
                if below is not None and self._width(below) == len(self.arrays(layer.cells[0][0])[0]):
                    layer = replace(layer, reads=Output("states", below.name))
                last[family] = layer
            listed.append(layer)
        return listed

    def _width(self, layer: KerasLayer) -> int:
        return sum(len(self.arrays(place)[1]) for place, _ in layer.cells)

    def _name(self, owner: str) -> str:
        if not self.numbered:
            return "/".join(dict.fromkeys(owner.split("/")))
        parts, name = owner.split("/"), []
        for k in range(1, len(parts) + 1):
            label = self.tree.labels.get("/".join((*parts[:k], "vars")))
            if parts[k - 1] != "layers":
                name.append(label or parts[k - 1])
        return "/".join(name)


def _kind(group: str, arrays: Sequence[np.ndarray]) -> str | None:
    shapes = [array.shape for array in arrays]
    match shapes:
        case [(_, wide), (units, same), *rest] if wide == same and units and len(rest) < 2:
            if rest == [(2 * wide,)] and wide // units in (3, 4):
                return f"CuDNN{BY_GATES[wide // units]}"
            is_cell = re.search(r"(^|/)(cell|cells/[^/]+)$", group) or rest == [(2, wide)] or rest == [(wide,)]
            return BY_GATES.get(wide // units) if is_cell and wide % units == 0 else None
        case [(_, outputs), (biases,)] if outputs == biases:
            return "Dense"
        case [(_, _)]:
            return "Embedding" if "embedding" in group.lower() else "Dense"
    return None


def _owner(group: str) -> tuple[str, str]:
    """A cell's layer, and its direction in it."""
    parts = list(PurePosixPath(group).parts)
    for k, part in enumerate(parts):
        direction = part.partition("_")[0]
        if direction in ("forward", "backward") and k:
            return "/".join(parts[:k]), direction
    if len(parts) > 1 and (parts[-1] == "cell" or ("cell" in parts[-1] and "cells" not in parts)):
        parts.pop()
    return "/".join(parts), ""


def _natural(text: str) -> list[tuple[int, str]]:
    """A sort key that puts gru_2 before gru_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]
