"""Watching a model on a GPU: proven to what cuDNN rounds to, and dropout that cannot be known is said to be so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from watched import by_hand, differs, reads, seeded

from gru_viz import TraceError, watch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_a_gpu_shows_what_ran_there(kind: type[nn.RNNBase], dtype: torch.dtype) -> None:
    module, x = seeded(kind, 3, 5, 2, bidirectional=True, dtype=dtype), reads(6, 4, 3, dtype=dtype)
    told = by_hand(module, x.transpose(0, 1))
    module.cuda()
    with watch(module) as seen:
        out = module(x.cuda())[0]
    trace = seen[""]
    assert trace.device.startswith("cuda")
    assert trace.proof.holds
    assert differs(trace, told) < (1e-2 if dtype == torch.float32 else 1e-11)
    top = np.concatenate([run.hidden for run in trace.layers[1].directions], -1)
    assert np.array_equal(top, out.detach().cpu().transpose(0, 1).numpy())


@pytest.mark.parametrize("kind", [nn.GRUCell, nn.LSTMCell, nn.RNNCell])
def test_a_loop_on_a_gpu_is_one_sequence(kind: type[nn.RNNCellBase]) -> None:
    cell, state, x = seeded(kind, 3, 5).cuda(), None, reads(20, 4, 3).cuda()
    with watch(cell) as seen:
        for step in x:
            state = cell(step, state)
    assert seen[""].hidden.shape == (4, 20, 5)
    assert seen[""].proof.holds


def test_autocast_on_a_gpu_is_proven_to_its_own_rounding() -> None:
    module = seeded(nn.GRU, 3, 5, 2).cuda()
    with watch(module) as seen, torch.autocast("cuda", torch.float16):
        module(reads(6, 4, 3).cuda())
    assert seen[""].proof.holds


def test_dropout_of_a_gpu_is_said_to_be_unknown() -> None:
    module = seeded(nn.LSTM, 3, 5, 2, dropout=0.5).cuda()
    with watch(module) as seen:
        module(reads(6, 4, 3).cuda())
    with pytest.raises(TraceError, match="between its layers"):
        _ = seen[""]
    with watch(module.eval()) as seen:
        module(reads(6, 4, 3).cuda())
    assert seen[""].proof.holds
