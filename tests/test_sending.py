"""What comes from a device is what was there, in whatever chunks it came."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gru_viz.sending import Sending, copy_in_chunks


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (7, 5, 3), (64,)])
@pytest.mark.parametrize("chunk", [1, 24, 64, 1 << 20])
def test_chunks_come_together_again(shape: tuple[int, ...], dtype: torch.dtype, chunk: int) -> None:
    source = torch.randn(shape, dtype=dtype)
    there = copy_in_chunks(source, chunk)
    assert torch.equal(there, source)
    assert there.data_ptr() != source.data_ptr() or not source.numel()


def test_what_is_on_the_host_already_is_not_copied() -> None:
    tensor = torch.randn(3, 4)
    with Sending(torch.device("cpu")) as sending:
        coming = sending.begin({"hidden": tensor})
    assert np.shares_memory(coming.result()["hidden"], tensor.numpy())
