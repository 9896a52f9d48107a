"""What the kernels of training are given: the arrays of a forward and of a backward pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gru_viz.backends.compiled.compiler import part
from gru_viz.backends.compiled.product import Factor, Operands, PanelRows, columns_of_a_panel

__all__ = ["BackwardArrays", "ForwardArrays", "Gradients", "backward_product", "forward_product"]


class ForwardArrays(NamedTuple):
    """What a forward pass reads and fills; axes are models, time, batch, units.

    Attributes:
        projected: W x + b of every step.
        packed: U in packed panels, for each product of a step.
        bias: (models, gates·units and a panel more) b_h.
        hidden: the hidden state before each step, and after the last; the first is given.
        cells: the same of the cell state; empty where there is none.
        saved: what the backward pass needs, of every step, or of one where there will be none.
        scratch: (models, batch, units, rounded up to a panel).
    """

    projected: np.ndarray
    packed: tuple[np.ndarray, ...]
    bias: np.ndarray
    hidden: np.ndarray
    cells: np.ndarray
    saved: np.ndarray
    scratch: np.ndarray


class BackwardArrays(NamedTuple):
    """What a backward pass reads: the gradient of every hidden state, and what the forward pass filled.

    ``zeros_and_one`` is a panel of zeros and a one.
    """

    d_hidden: np.ndarray
    packed: tuple[np.ndarray, ...]
    hidden: np.ndarray
    cells: np.ndarray
    saved: np.ndarray
    scratch: np.ndarray
    zeros_and_one: np.ndarray


class Gradients(NamedTuple):
    """What a backward pass fills: the gradients before each squashing, of U, of b_h and of the initial states."""

    projected: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    state: np.ndarray
    cell: np.ndarray


@part
def forward_product(
    out: np.ndarray, width: int, bias: np.ndarray, left: np.ndarray, row: int, u: np.ndarray
) -> Operands:
    """The operands of U h + b_h: rows of so many elements of ``out`` and ``left``, U of one model."""
    panel = columns_of_a_panel(out)
    return Operands(
        PanelRows(out, width, panel), PanelRows(bias, 0, panel), Factor(left, row, 1), PanelRows(u, panel, u[0].size)
    )


@part
def backward_product(out: np.ndarray, base: PanelRows, gradient: np.ndarray, row: int, u: np.ndarray) -> Operands:
    """The operands of base + Uᵀ d, into an array (models, batch, units, rounded up to a panel)."""
    panel = columns_of_a_panel(out)
    return Operands(PanelRows(out, out.shape[2], panel), base, Factor(gradient, row, 1), PanelRows(u, panel, u[0].size))
