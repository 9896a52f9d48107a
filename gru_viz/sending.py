"""What a GPU has computed, sent to the host while it computes on."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

__all__ = ["Sending"]

CHUNK = 1 << 24
"""Bytes that are on their way at once, twice: pages that the GPU can write to are dear, and taken for the way alone."""


class Sending:
    """Sends arrays from one device to the host, in the order in which they were begun.

    On a GPU a thread copies each, chunk by chunk, over a stream of its own: a chunk is on its way while the one before
    is put in its place, and what is launched meanwhile runs beside both. On a CPU an array is there already.

    Args:
        device: where the tensors are.
        chunk: how many bytes to send at once.

    Example:
        >>> with Sending(torch.device("cpu")) as sending:
        ...     coming = sending.begin({"reset": torch.ones(2)})
        >>> coming.result()["reset"]
        array([1., 1.], dtype=float32)
    """

    def __init__(self, device: torch.device, chunk: int = CHUNK) -> None:
        self._device, self._chunk = device, chunk
        self._carrier = ThreadPoolExecutor(1, "gru_viz sending") if device.type == "cuda" else None
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, kind: type[BaseException] | None, what: BaseException | None, _: TracebackType | None) -> None:
        if self._carrier:
            self._carrier.shutdown(wait=True, cancel_futures=kind is not None)

    def begin(self, tensors: Mapping[str, Tensor]) -> Future[dict[str, np.ndarray]]:
        """Send tensors, as they will be when all that was launched on the current stream so far has run."""
        there: Future[dict[str, np.ndarray]]
        if self._carrier is None or self._stream is None:
            there = Future()
            there.set_result({name: tensor.numpy() for name, tensor in tensors.items()})
            return there
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        done = torch.cuda.current_stream(self._device).record_event()
        return self._carrier.submit(self._carry, whole, self._stream, done)

    def _carry(
        self, tensors: dict[str, Tensor], stream: torch.cuda.Stream, done: torch.cuda.Event
    ) -> dict[str, np.ndarray]:
        stream.wait_event(done)
        return {name: copy_in_chunks(tensor, self._chunk, stream).numpy() for name, tensor in tensors.items()}


@torch.inference_mode()
def copy_in_chunks(source: Tensor, chunk: int, stream: torch.cuda.Stream | None = None) -> Tensor:
    """A contiguous tensor on the host, by way of two chunks of page-locked memory where there is a stream to use."""
    flat, whole = source.view(-1), torch.empty(source.shape, dtype=source.dtype)
    size = max(min(chunk // source.itemsize, flat.numel()), 1)
    halts = [torch.empty(size, dtype=source.dtype, pin_memory=stream is not None) for _ in range(2)]
    under_way: tuple[Tensor, Tensor, torch.cuda.Event | None] | None = None
    for k, (part, place) in enumerate(zip(torch.split(flat, size), torch.split(whole.view(-1), size), strict=True)):
        halt = halts[k % 2][: len(part)]
        with torch.cuda.stream(stream):  # of None, which changes nothing
            halt.copy_(part, non_blocking=True)
        if under_way:
            _arrive(*under_way)
        under_way = place, halt, stream.record_event() if stream else None
    if under_way:
        _arrive(*under_way)
    return whole


def _arrive(place: Tensor, halt: Tensor, sent: torch.cuda.Event | None) -> None:
    if sent:
        sent.synchronize()
    place.copy_(halt)
