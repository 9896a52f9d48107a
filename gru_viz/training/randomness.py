"""Stateless randomness: every draw follows from a seed, a purpose and the number of the update.

A training that resumes after update 900 therefore sees the same batches and dropout as an uninterrupted one, and two
lanes with the same seed see the same batches.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np

__all__ = ["draw_rows", "generator", "torch_seed"]


def generator(seed: int, purpose: str, update: int = 0) -> np.random.Generator:
    """Make a generator that depends on its arguments alone (counter-based Philox, Salmon et al. 2011).

    Example:
        >>> generator(0, "batch", 7).integers(100) == generator(0, "batch", 7).integers(100)
        np.True_
    """
    key = (seed << 32) | zlib.crc32(purpose.encode())
    return np.random.Generator(np.random.Philox(key=key, counter=update << 64))


def torch_seed(seed: int, purpose: str, update: int = 0) -> int:
    """Draw a seed for a ``torch.Generator`` that depends on the arguments alone."""
    return int(generator(seed, purpose, update).integers(2**63))


def draw_rows(seed: int, update: int, batch: int, rows: int) -> np.ndarray:
    """Draw the rows of an update: every row once per epoch, each epoch shuffled anew.

    Args:
        seed: of the model.
        update: from 0.
        batch: rows per update.
        rows: in an epoch.

    Returns:
        (batch,) row numbers.

    Example:
        >>> sorted(int(row) for update in range(3) for row in draw_rows(0, update, batch=2, rows=6))
        [0, 1, 2, 3, 4, 5]
    """
    places = np.arange(update * batch, (update + 1) * batch)
    epochs = places // rows
    drawn = [_order(seed, int(epoch), rows)[places[epochs == epoch] % rows] for epoch in np.unique(epochs)]
    return np.concatenate(drawn)


@lru_cache(maxsize=64)
def _order(seed: int, epoch: int, rows: int) -> np.ndarray:
    return generator(seed, "epoch", epoch).permutation(rows)
