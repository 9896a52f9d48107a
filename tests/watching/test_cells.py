"""A loop over a cell is one sequence; what does not follow from the step before begins another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from watched import by_hand, differs, reads, seeded

from gru_viz import watch

CELLS = {"GRU": nn.GRUCell, "LSTM": nn.LSTMCell, "RNN": nn.RNNCell}


@pytest.mark.parametrize("way", ["as they are", "detached", "no grad", "inference", "no batch", "from h0"])
@pytest.mark.parametrize("kind", CELLS)
def test_a_loop_over_a_cell_is_one_sequence(kind: str, way: str) -> None:
    cell = seeded(CELLS[kind], 3, 5, dtype=torch.float64)
    x = reads(4, 50, 3, dtype=torch.float64)[: 1 if way == "no batch" else 4]
    start = tuple(reads(len(x), 5, seed=k, dtype=torch.float64).tanh() for k in range(1 + (kind == "LSTM")))
    state: Any = (start if len(start) > 1 else start[0]) if way == "from h0" else None
    mode = {"no grad": torch.no_grad, "inference": torch.inference_mode}.get(way, torch.enable_grad)
    with watch(cell) as seen, mode():
        for step in x[0] if way == "no batch" else x.unbind(1):
            state = cell(step, hx=state)
            if way == "detached":
                state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
    trace = seen[""]
    assert trace.hidden.shape == (len(x), 50, 5)
    assert trace.proof.difference < 1e-14
    assert trace.proof.holds
    assert differs(trace, by_hand(cell, x, None, start if way == "from h0" else ())) < 1e-12


@pytest.mark.parametrize("kind", CELLS)
def test_two_sequences_stepped_in_turn_stay_apart(kind: str) -> None:
    cell = seeded(CELLS[kind], 3, 5, dtype=torch.float64)
    x = [reads(2, 6, 3, seed=s, dtype=torch.float64) for s in (1, 2)]
    states: list[Any] = [None, None]
    with watch(cell) as seen:
        for t in range(6):
            for k in range(2):
                states[k] = cell(x[k][:, t], states[k])
    both = seen.calls("")
    assert [trace.lengths for trace in both] == [(6, 6), (6, 6)]
    for trace, each in zip(both, x, strict=True):
        assert differs(trace, by_hand(cell, each)) < 1e-12


def test_a_state_that_was_changed_or_made_anew_begins_another_sequence() -> None:
    cell, x = seeded(nn.GRUCell, 3, 5, dtype=torch.float64), reads(2, 3, dtype=torch.float64)
    with watch(cell) as seen, torch.no_grad():
        one = cell(x)
        one.mul_(0.5)  # written to in place
        two = cell(x, one)
        cell(x, two * 0.5)
        cell(x, two)  # goes on from two
        cell(x, two)  # and so does this, as a branch of its own
    traces = seen.calls("")
    assert [len(trace.time) and trace.lengths[0] for trace in traces] == [1, 2, 1, 1]
    assert all(trace.proof.holds for trace in traces)
    assert np.array_equal(traces[1].initial["hidden"], one.numpy())
    assert not np.array_equal(traces[0].hidden[:, 0], one.numpy())


def test_weights_that_change_between_two_steps_begin_another_sequence() -> None:
    cell, x = seeded(nn.GRUCell, 3, 5, dtype=torch.float64), reads(2, 3, dtype=torch.float64)
    with watch(cell) as seen, torch.no_grad():
        state = cell(x, cell(x))
        cell.weight_hh.mul_(0.5)
        state = cell(x, state)
    first, second = seen.calls("")
    assert (first.lengths, second.lengths) == ((2, 2), (1, 1))
    assert first.proof.holds
    assert second.proof.holds
    assert np.array_equal(first.weights.matrices["weight_hh"], 2 * second.weights.matrices["weight_hh"])


def test_a_loop_that_goes_on_after_a_look_is_seen_to_its_end() -> None:
    cell, x = seeded(nn.GRUCell, 3, 5), reads(2, 3)
    with watch(cell) as seen:
        state = cell(x)
        assert seen[""].lengths == (1, 1)
        cell(x, state)
        assert seen[""].lengths == (2, 2)
    assert seen[""] is seen[""]


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", [nn.GRUCell, nn.LSTMCell])
def test_a_false_step_of_a_cell_is_not_proven(kind: type[nn.RNNCellBase], which: int) -> None:
    cell = seeded(kind, 3, 5)

    def falsify(_: object, __: object, out: Any) -> Any:
        return tuple(s + 0.01 * (k == which) for k, s in enumerate(out)) if isinstance(out, tuple) else out + 0.01

    cell.register_forward_hook(falsify)
    with watch(cell) as seen:
        cell(reads(4, 3))
    assert not seen[""].proof.holds
