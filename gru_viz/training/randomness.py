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
    """Make a generator that depends on its arguments alone (counter-based Philox, Salmon et al. 2011)."""
    key = (seed << 32) | zlib.crc32(purpose.encode())
    return np.random.Generator(np.random.Philox(key=key, counter=update << 64))


def torch_seed(seed: int, purpose: str, update: int = 0) -> int:
    """Draw a seed for a ``torch.Generator`` that depends on the arguments alone."""
    return int(generator(seed, purpose, update).integers(2**63))


def draw_rows(seed: int, update: int, batch: int, rows: int) -> np.ndarray:
    """Draw the (batch,) rows of an update, from 0: every row once per epoch, each epoch shuffled anew."""
    places = np.arange(update * batch, (update + 1) * batch)
    epochs = places // rows
    drawn = [_order(seed, int(epoch), rows)[places[epochs == epoch] % rows] for epoch in np.unique(epochs)]
    return np.concatenate(drawn)


@lru_cache(maxsize=64)
def _order(seed: int, epoch: int, rows: int) -> np.ndarray:
    return generator(seed, "epoch", epoch).permutation(rows)
