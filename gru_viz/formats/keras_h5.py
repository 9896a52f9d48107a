"""The arrays and the configuration in an HDF5 file, read by a process of its own that can be stopped."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import Limits, damaged, printable
from gru_viz.formats.named_arrays import bfloat16_to_float32

__all__ = ["Tree", "read_tree"]

if find_spec("h5py") is None:
    raise ModuleNotFoundError("No module named 'h5py'", name="h5py")

CHILD = Path(__file__).with_name("keras_h5_process.py")
SECONDS, BYTES_A_SECOND = 10, 10 << 20
ROOM = 1 << 30
"""Bytes that the process may take besides four times those of the file."""


@dataclass(frozen=True)
class Tree:
    """What an HDF5 file of Keras holds.

    Attributes:
        arrays: path → numbers, floating-point ones only, in the file's order; none of the optimiser's.
        labels: path of a group of variables → the name that its layer was given, where the file tells it.
        order: the names of the layers in the model's order, where the file tells it.
        config: the model's configuration as JSON; None where there is none.
    """

    arrays: dict[str, np.ndarray]
    labels: dict[str, str]
    order: tuple[str, ...]
    config: str | None


def read_tree(data: bytes, where: str, limits: Limits) -> Tree:
    """Read every array of an HDF5 file.

    Raises:
        FormatError: it is damaged, sends the HDF5 library in circles, holds links, compressed or virtual arrays, or
            claims more than it is long.
    """
    told, numbers = _ask(data, where, limits)
    if "refused" in told:
        path, found, wanted, remedy = told["refused"]
        raise FormatError(f"{where}, {printable(path)}", printable(found), wanted, remedy)
    if "damaged" in told:
        raise damaged(where, told["damaged"])
    arrays, at = {}, 0
    for path, shape, dtype in told["arrays"]:
        array = np.frombuffer(numbers, dtype, math.prod(shape), at).reshape(shape)
        at += array.nbytes
        arrays[path] = bfloat16_to_float32(array) if path in told["brain"] else array
    return Tree(arrays, told["labels"], tuple(told["order"]), told["config"])


def _ask(data: bytes, where: str, limits: Limits) -> tuple[dict[str, Any], memoryview]:
    room = ROOM + 4 * len(data)
    command = [sys.executable, "-P", str(CHILD), *map(str, (limits.max_entries, limits.max_depth, room))]
    seconds = SECONDS + len(data) / BYTES_A_SECOND
    try:
        ran = subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise damaged(where, f"nothing read of it after {seconds:.0f} seconds") from error
    except OSError as error:
        found, remedy = f"no process to read it in ({error})", "Try again when the machine has room."
        raise FormatError(where, found, "one that can be started", remedy) from error
    line, _, _ = ran.stdout.partition(b"\n")
    if ran.returncode or not line:
        raise damaged(where, f"the HDF5 library broke down on it, with {ran.returncode}")
    told: dict[str, Any] = json.loads(line)
    return told, memoryview(ran.stdout)[len(line) + 1 :]
