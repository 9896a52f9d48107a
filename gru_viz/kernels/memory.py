"""How the kernels' arrays lie in memory."""

from __future__ import annotations

import functools

import numpy as np

__all__ = ["keep_pages", "panels"]


@functools.cache
def keep_pages() -> None:
    """Let the memory of arrays be used again within the process.

    The C library of Linux returns large blocks to the system at once, and a fresh page costs as much as the arithmetic
    done on it. It stops returning blocks up to the size of the largest that it has seen freed, 32 MiB at most.
    """
    np.empty(30 << 20, np.uint8)


def panels(matrices: np.ndarray, panel: int) -> np.ndarray:
    """(models, depth, columns) as (models, panels, depth, panel): each row of a panel of columns is contiguous."""
    models, depth, columns = matrices.shape
    whole = np.zeros((models, depth, columns + -columns % panel), matrices.dtype)
    whole[..., :columns] = matrices
    return np.ascontiguousarray(whole.reshape(models, depth, whole.shape[2] // panel, panel).swapaxes(1, 2))
