"""Windows of a sequence are sequences, read with a fresh state each."""

from __future__ import annotations

import numpy as np
import pytest

import gru_viz
from gru_viz.errors import SequenceError
from gru_viz.sequences import read_table

TABLE = "id,t,x\n" + "".join(f"a,{n},{n}\n" for n in range(7)) + "".join(f"b,{n},{10 + n}\n" for n in range(4))
SEQS = read_table(TABLE.encode(), id="id", time="t", scale="none")


def test_windows_end_to_end_and_overlapping() -> None:
    cut = SEQS.windows(3)
    assert [one.name for one in cut] == ["id a, steps 1 to 3", "id a, steps 4 to 6", "id b, steps 1 to 3"]
    assert [one.values.ravel().tolist() for one in cut] == [[0, 1, 2], [3, 4, 5], [10, 11, 12]]
    assert cut[1].time == ("3", "4", "5")
    assert "2 steps at the ends" in cut.notices[-1]
    assert cut.details["windows"] == "3 steps, every 3"
    assert np.shares_memory(cut[1].values, SEQS[0].values)
    overlapping = SEQS.windows(3, every=1)
    assert len(overlapping) == 5 + 2
    assert overlapping.notices == SEQS.notices


def test_each_window_begins_with_a_fresh_state() -> None:
    weights = gru_viz.random_weights("torch", features=1, hidden=3, seed=2)
    cut = SEQS.windows(3, every=2)
    whole = gru_viz.trace(weights, cut).hidden
    for at, one in enumerate(cut):
        np.testing.assert_allclose(whole[at], gru_viz.trace(weights, one.values).hidden[0], atol=1e-6)


@pytest.mark.parametrize(("steps", "every"), [(8, None), (0, None), (3, 0), (1, 1)])
def test_too_few_or_too_many_windows_are_refused(steps: int, every: int | None) -> None:
    seqs = SEQS if (steps, every) != (1, 1) else read_table(b"x\n" + b"1\n2\n" * 10_001)
    with pytest.raises(SequenceError, match="windows: found"):
        seqs.windows(steps, every)
