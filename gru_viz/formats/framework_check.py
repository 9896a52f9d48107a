"""Compares the network read from a file with the file's own framework on a random input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gru_viz.formats.model_file import FrameworkCheck
from gru_viz.trace import trace
from gru_viz.weights import CellWeights, Weights, torch_class

__all__ = ["check_against_torch", "compare", "hidden_states", "probe"]


def probe(weights: Weights, batch: int = 6, steps: int = 4) -> np.ndarray:
    """The fixed random input of a check, (batch, steps, features).

    It is short, because large weights make a recurrent network chaotic: rounding then grows with every step.
    """
    dtype = np.float64 if weights.dtype == np.float64 else np.float32
    return np.random.default_rng(0).standard_normal((batch, steps, weights.features)).astype(dtype)


def hidden_states(weights: Weights, x: np.ndarray) -> tuple[np.ndarray, float]:
    """The top layer's hidden states by the reference backend, (batch, steps, units · directions), and their bound."""
    run = trace(weights, x, backend="scratch")
    top = run.layers[-1].directions
    return np.concatenate([direction.hidden for direction in top], -1), run.proof.bound


def compare(framework: str, weights: Weights, x: np.ndarray, theirs: np.ndarray) -> FrameworkCheck:
    """Compare a framework's hidden states with those of gru_viz.

    The bound is what rounding in the coarser of the two dtypes can cause: the bound of one step for every step and
    layer, plus four times the rounding of gru_viz's own states.
    """
    ours, bound = hidden_states(weights, x)
    exact, _ = hidden_states(_in_float64(weights), x.astype(np.float64))
    if theirs.shape != ours.shape:
        return FrameworkCheck(framework, float("inf"), bound)
    coarser = max(np.finfo(theirs.dtype).eps / np.finfo(ours.dtype).eps, 1.0)
    bound = coarser * (bound * x.shape[1] * len(weights.layers) + 4 * _largest(ours, exact))
    bounded = weights.convention.quantity("hidden").bounded
    size = 1.0 if bounded else max(float(np.abs(ours).max(initial=0.0, where=np.isfinite(ours))), 1.0)
    return FrameworkCheck(framework, _largest(ours, theirs) / size, float(bound))


def _in_float64(weights: Weights) -> Weights:
    def widened(cell: CellWeights) -> CellWeights:
        return CellWeights(cell.convention, {name: array.astype(np.float64) for name, array in cell.matrices.items()})

    with np.errstate(invalid="ignore"):  # a signalling NaN counts as any NaN
        return replace(weights, layers=tuple(tuple(widened(cell) for cell in layer) for layer in weights.layers))


def check_against_torch(weights: Weights, matrices: Mapping[str, np.ndarray]) -> FrameworkCheck | None:
    """Compare with torch's own module of these matrices; None if torch has none: all its layers have the same size."""
    import torch

    x = probe(weights)
    dtype = getattr(torch, str(x.dtype))
    module = torch_class(weights.convention.cell)(
        weights.features,
        weights.hidden,
        num_layers=len(weights.layers),
        bidirectional=weights.bidirectional,
        bias=any(name.startswith("bias") for name in matrices),
        batch_first=True,
        dtype=dtype,
        device="meta",  # draws nothing from the caller's random state
        **({"nonlinearity": weights.convention.state_function} if weights.convention.cell == "rnn" else {}),
    )
    tensors = {name: torch.from_numpy(np.array(array)).to(dtype) for name, array in matrices.items()}
    try:
        module.load_state_dict(tensors, assign=True)
    except RuntimeError:
        return None
    with torch.inference_mode():
        theirs = module(torch.from_numpy(x))[0].numpy()
    return compare(f"torch {torch.__version__}", weights, x, theirs)


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    """Max |a − b|; NaN equals NaN, and differs infinitely from a number."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0, np.abs(a.astype(np.float64) - b))
    return float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(initial=0))
