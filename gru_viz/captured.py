"""A run step by step on a GPU whose steps are captured once, as a CUDA graph, and replayed block after block.

A GPU waits for Python between the small operations of a step; a replayed graph launches those of many steps at once.
torch has fused layers for some cells; this is for the others, such as a GRU whose reset acts before the product.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from gru_viz.conventions import Convention
from gru_viz.equations import Parameters
from gru_viz.in_place import run_in_place

__all__ = ["forget", "run_captured"]

STEPS = 64
"""How many steps a graph has."""

CELLS = 1 << 24
"""How many gates a graph may hold at once: its memory. Where one step has so many, no launch is waited for anyway."""

KEPT = 8
"""How many graphs are kept, each for one shape of a cell, those used last."""

WARM_UPS = 2
"""Runs before the capture, in which libraries choose their kernels and take their memory."""

_CAPTURING = threading.Lock()


@torch.inference_mode()
def run_captured(
    convention: Convention,
    p: Parameters,
    x: Tensor,
    start: Mapping[str, Tensor],
    *,
    capture: bool = True,
    steps: int = STEPS,
) -> dict[str, Tensor]:
    """Every quantity (batch, time, hidden) of one layer that reads x (batch, time, features) from its first step.

    The same as ``run_in_place``, which runs what is left of the sequence after the last whole block. Threads may call
    it at once; those of one shape take turns. While a graph is captured, another thread of the process must not wait
    for the whole device (``torch.cuda.synchronize``), which CUDA forbids; waiting for a stream of its own is allowed.

    Args:
        convention: the variant.
        p: its parameters, on the device of x.
        x: what the layer reads.
        start: state name → (batch, hidden) before the first step.
        capture: whether to capture; without, the same blocks run one operation at a time, on any device.
        steps: how many steps a block has, where the memory allows.
    """
    batch, time, features = x.shape
    block = min(steps, CELLS // max(batch * len(p.bias_input), 1))
    whole = time - time % block if block > 1 else 0
    if not batch or not whole:
        return run_in_place(convention, p, x, start)
    shapes, precision = tuple(tuple(each.shape) for each in p), torch.backends.cuda.matmul.fp32_precision
    loop = _loop(convention, (batch, block, features), shapes, x.device, x.dtype, capture, precision)
    out = {q.name: x.new_empty(batch, time, p.weight_recurrent.shape[1]) for q in convention.quantities}
    end = loop.run(p, x[:, :whole], start, {name: values[:, :whole] for name, values in out.items()})
    if whole < time:
        for name, values in run_in_place(convention, p, x[:, whole:], end).items():
            out[name][:, whole:] = values
    return out


def forget() -> None:
    """Let go of every graph, and its memory."""
    _loop.cache_clear()


class _Loop:
    """A block of steps over memory of its own, where a graph finds it at every replay."""

    def __init__(
        self, convention: Convention, p: Parameters, read: Tensor, carried: dict[str, Tensor], capture: bool
    ) -> None:
        self.convention, self.p, self.read, self.carried = convention, p, read, carried
        self.out: dict[str, Tensor] = {}
        self.lock = threading.Lock()
        self.replay = _capture(self._advance, read.device) if capture else self._advance

    def _advance(self) -> None:
        """Run the block, and carry its last states to where the next one starts."""
        self.out = run_in_place(self.convention, self.p, self.read, self.carried)
        for name, state in self.carried.items():
            state.copy_(self.out[name][:, -1])

    def run(
        self, p: Parameters, x: Tensor, start: Mapping[str, Tensor], out: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Run x (batch, time, features), of whole blocks, into out; gives the states after its last step."""
        block = self.read.shape[1]
        with self.lock:
            for mine, given in zip(self.p, p, strict=True):
                mine.copy_(given)
            for name, state in self.carried.items():
                state.copy_(start[name])
            for first in range(0, x.shape[1], block):
                self.read.copy_(x[:, first : first + block])
                self.replay()
                for name, values in out.items():
                    values[:, first : first + block] = self.out[name]
            end = {name: state.clone() for name, state in self.carried.items()}
            if x.device.type == "cuda":  # the next run may be of another thread and stream, and write over all this
                torch.cuda.current_stream(x.device).synchronize()
        return end


@lru_cache(KEPT)
def _loop(
    convention: Convention,
    x: tuple[int, ...],
    p: tuple[tuple[int, ...], ...],
    device: torch.device,
    dtype: torch.dtype,
    capture: bool,
    precision: str,
) -> _Loop:
    """A loop over blocks x of parameters p, given by their shapes; ``precision`` is what a capture makes lasting."""

    def empty(*shape: int) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=device)

    parameters = Parameters(*(empty(*shape) for shape in p))
    carried = {name: empty(x[0], parameters.weight_recurrent.shape[1]) for name in convention.states}
    return _Loop(convention, parameters, empty(*x), carried, capture)


def _capture(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Capture work as a graph; gives what replays it on the stream that is then current."""
    with _CAPTURING, torch.cuda.device(device):
        aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                work()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
            work()
        torch.cuda.current_stream(device).wait_stream(aside)
    return graph.replay
