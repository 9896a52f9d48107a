"""Randomness that needs no memory: every draw follows from a seed, a purpose and the number of the update.

A training that is carried on after update 900 therefore sees the batches and the dropout it would have seen anyway,
and two lanes with the same seed see the same batches, whatever else they draw.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np

__all__ = ["draw_rows", "generator", "torch_seed"]


def generator(seed: int, purpose: str, update: int = 0) -> np.random.Generator:
    """A generator that depends on its arguments alone (Philox, counter-based: Salmon et al. 2011).

    Example:
        >>> generator(0, "batch", 7).integers(100) == generator(0, "batch", 7).integers(100)
        np.True_
    """
    key = (seed << 32) | zlib.crc32(purpose.encode())
    return np.random.Generator(np.random.Philox(key=key, counter=update << 64))


def torch_seed(seed: int, purpose: str, update: int = 0) -> int:
    """A seed for a ``torch.Generator``, depending on the arguments alone."""
    return int(generator(seed, purpose, update).integers(2**63))


def draw_rows(seed: int, update: int, batch: int, rows: int) -> np.ndarray:
    """Which of so many rows an update reads: every row once an epoch, in an order of its own each epoch.

    Args:
        seed: of the model.
        update: the number of the update, from 0.
        batch: rows an update.
        rows: how many there are.

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
