"""All steps of c = a * c₋ + b in few operations, each over every step: for a GPU, which waits at each single step."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["scan"]


def scan(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """Every c (batch, time, hidden) of c = a * c₋ + b, from ``start`` (batch, hidden).

    By doubling (Hillis and Steele 1986): what each step adds is joined with what the ones before it add, over 1, 2, 4 …
    steps. Factors between 0 and 1, as a forget gate's, are multiplied and stay there: it rounds as a loop does, in
    another order.

    Example:
        >>> half, one = torch.full((1, 4, 1), 0.5), torch.ones(1, 4, 1)
        >>> scan(half, one, torch.tensor([[2.0]])).flatten()
        tensor([2., 2., 2., 2.])
    """
    if not a.shape[1]:
        return b.clone()
    a, c, apart = a.clone(), b.clone(), 1
    c[:, 0].addcmul_(a[:, 0], start)
    while apart < a.shape[1]:
        c[:, apart:] = torch.addcmul(c[:, apart:], a[:, apart:], c[:, :-apart])
        a[:, apart:] = a[:, apart:] * a[:, :-apart]
        apart *= 2
    return c
