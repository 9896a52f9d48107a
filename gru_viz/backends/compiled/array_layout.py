"""How the kernels' arrays are laid out in memory."""

from __future__ import annotations

import functools
import math

import numpy as np

__all__ = ["aligned", "panels", "reuse_pages"]

LINE = 64
"""Bytes of a cache line. A vector across two takes twice as long to read."""


@functools.cache
def reuse_pages() -> None:
    """Let the memory of arrays be used again within the process.

    The C library of Linux returns large blocks to the system at once, and a fresh page costs as much as the arithmetic
    done on it. It stops returning blocks up to the size of the largest that it has seen freed, 32 MiB at most.
    """
    np.empty(30 << 20, np.uint8)


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array that begins with a cache line."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    first = -memory.__array_interface__["data"][0] % LINE
    return memory[first : first + size].view(dtype).reshape(shape)


def panels(matrices: np.ndarray, panel: int) -> np.ndarray:
    """(models, depth, columns) as (models, panels, depth, panel): each row of a panel of columns is contiguous."""
    models, depth, columns = matrices.shape
    full, rest = divmod(columns, panel)
    packed = aligned((models, full + (rest > 0), depth, panel), matrices.dtype)
    for k in range(full):
        packed[:, k] = matrices[..., k * panel : (k + 1) * panel]
    if rest:
        packed[:, full, :, :rest], packed[:, full, :, rest:] = matrices[..., full * panel :], 0
    return packed
