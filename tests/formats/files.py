"""Models as the frameworks write them, for the readers' tests."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from gru_viz.sequences import Scaling, Sequence, Sequences

MODULES = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}


def saved(what: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(what, file, **options)
    return file.getvalue()


def npz(arrays: Mapping[str, np.ndarray], compressed: bool = False) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def network(cell: str, dtype: torch.dtype = torch.float32, seed: int = 0, **options: Any) -> Any:
    """A module of 3 features and 5 units, its weights drawn apart from the global random state."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MODULES[cell](3, 5, batch_first=True, **options).to(dtype)


def hidden_states(module: Any, x: np.ndarray) -> np.ndarray:
    """What torch itself answers, in float64."""
    with torch.inference_mode():
        return module.double()(torch.from_numpy(x))[0].numpy()


class Net(torch.nn.Module):
    """An embedding, a recurrent layer called anything, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.symbols = torch.nn.Embedding(11, 3)
        self.reader = torch.nn.GRU(3, 5, num_layers=2)
        self.answers = torch.nn.Linear(5, 2)


def net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Net()


def table(values: np.ndarray, scale: str = "none") -> Sequences:
    """One sequence of these columns, with a label for every step; scaled by its own statistics."""
    low, span = values.min(0).astype(float), np.ptp(values, 0).astype(float)
    centre, divisor = (low, span) if scale == "minmax" else (np.zeros(len(low)), np.ones(len(low)))
    names = tuple(f"column {k + 1}" for k in range(len(low)))
    scaling = Scaling(scale, names, centre, divisor)
    labels = tuple(f"step {k + 1}" for k in range(len(values)))
    return Sequences((Sequence(scaling.apply(values).astype(np.float32), names, labels, "one"),), scaling)
