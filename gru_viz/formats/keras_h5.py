"""Reads the arrays and the configuration of a Keras HDF5 file, in a separate process that can be stopped."""

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
MEMORY = 1 << 30
"""The memory limit of the process in bytes, on top of four times the file's size."""


@dataclass(frozen=True)
class Tree:
    """The contents of a Keras HDF5 file.

    Attributes:
        arrays: path → floating-point array, in the file's order, without the optimiser's.
        labels: path of a group of variables → its layer's name, where the file has it.
        order: the layers' names in the model's order, where the file has them.
        config: the model's configuration as JSON, or None.
    """

    arrays: dict[str, np.ndarray]
    labels: dict[str, str]
    order: tuple[str, ...]
    config: str | None


def read_tree(data: bytes, where: str, limits: Limits) -> Tree:
    """Read every array of an HDF5 file.

    Raises:
        FormatError: the file is damaged, takes too long to read, contains links, compressed or virtual arrays, or
            claims larger arrays than it has bytes for.
    """
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
    return Tree(arrays, header["labels"], tuple(header["order"]), header["config"])


def _run(data: bytes, where: str, limits: Limits) -> tuple[dict[str, Any], memoryview]:
    memory = MEMORY + 4 * len(data)
    command = [sys.executable, "-P", str(CHILD), *map(str, (limits.max_entries, limits.max_depth, memory))]
    seconds = SECONDS + len(data) / BYTES_A_SECOND
    try:
        ran = subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise damaged(where, f"reading it took more than {seconds:.0f} seconds") from error
    except OSError as error:
        found, remedy = f"a process that cannot start ({error})", "Close other programs and try again."
        raise FormatError(where, found, "a process that reads the file", remedy) from error
    line, _, _ = ran.stdout.partition(b"\n")
    if ran.returncode or not line:
        raise damaged(where, f"the HDF5 library crashed with exit code {ran.returncode}")
    header: dict[str, Any] = json.loads(line)
    return header, memoryview(ran.stdout)[len(line) + 1 :]
