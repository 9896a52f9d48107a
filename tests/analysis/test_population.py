"""The numbers of many sequences are those of each one's own trace, however they were traced together."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

import gru_viz
from gru_viz.analysis import population, survey
from gru_viz.errors import TraceError
from gru_viz.sequences import Scaling, Sequence, Sequences

LENGTHS = [5, 1, 40, 17, 5, 33, 2]
Direction = Literal["forward", "backward"]


def sequences(lengths: list[int], features: int = 2) -> Sequences:
    rng = np.random.default_rng(3)
    names = tuple(f"x{k}" for k in range(features))
    items = [rng.standard_normal((n, features)).astype(np.float32) for n in lengths]
    return Sequences(
        tuple(Sequence(values, names, None, f"s{k}") for k, values in enumerate(items)),
        Scaling("none", names, np.zeros(features), np.ones(features)),
    )


@pytest.mark.parametrize("together", [2**23, 2**11, 2**9], ids=["at once", "in batches", "in windows"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("variant", ["torch", "torch_lstm", "torch_rnn"])
def test_the_numbers_are_those_of_each_trace(
    variant: str, direction: Direction, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population, "TOGETHER", together)
    many = sequences(LENGTHS)
    weights = gru_viz.random_weights(variant, 2, 4, layers=2, bidirectional=True, seed=1)
    told: list[tuple[int, int]] = []
    found = survey(weights, many, 1, direction, most_steps=35, progress=lambda *now: told.append(now))
    assert found.proven
    assert told[-1] == (sum(LENGTHS), sum(LENGTHS))
    assert found.names == tuple(f"s{k}" for k in range(len(LENGTHS)))
    runs = [getattr(gru_viz.trace(weights, item.values).layers[1], direction) for item in many]
    gates = [q.name for q in weights.convention.quantities if q.kind == "gate"]
    assert list(found.means) == gates
    close = {"rtol": 0, "atol": 1e-5}
    for k, run in enumerate(runs):
        for name in gates:
            np.testing.assert_allclose(found.means[name][k], run.quantities[name].mean(), **close)
        if gates:
            all_gates = np.stack([run.quantities[name] for name in gates])
            np.testing.assert_allclose(found.saturated[k], ((all_gates < 0.1) | (all_gates > 0.9)).mean(), **close)
        np.testing.assert_allclose(found.largest[k], np.abs(run.hidden).max(), **close)
        np.testing.assert_allclose(found.final[k], np.linalg.norm(run.final()), **close)
        moved = np.linalg.norm(run.hidden[0] - run.previous()[0], axis=1).sum()
        np.testing.assert_allclose(found.travelled[k], moved, rtol=1e-5)
    for name, average in found.average.items():
        assert average.shape == (4, 35)
        for step in (0, 1, 4, 20, 34):
            reaching = [run.quantities[name][0, step] for run, n in zip(runs, LENGTHS, strict=True) if n > step]
            assert found.reach[step] == len(reaching)
            np.testing.assert_allclose(average[:, step], np.mean(reaching, axis=0), **close)


def test_what_cannot_be_surveyed_is_refused() -> None:
    weights = gru_viz.random_weights("torch", 2, 4)
    with pytest.raises(TraceError, match="layer 1"):
        survey(weights, sequences([3]), layer=1)
    with pytest.raises(TraceError, match="reads forward"):
        survey(weights, sequences([3]), direction="backward")
    with pytest.raises(TraceError, match="at least one"):
        survey(weights, sequences([]))
