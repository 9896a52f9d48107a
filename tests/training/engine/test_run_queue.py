"""The queue: first come, first served, and sweeps after all others."""

from __future__ import annotations

from gru_viz.training.engine.run_queue import QueuedRun, RunQueue


def test_a_sweep_comes_after_single_runs() -> None:
    queue = RunQueue()
    for queued in (QueuedRun("a", ("GRU",), sweep="s"), QueuedRun("b", ("GRU",)), QueuedRun("c", ("GRU",))):
        queue.append(queued)
    assert queue.first == QueuedRun("b", ("GRU",))
    assert [queue.position(run_id) for run_id in "bcad"] == [1, 2, 3, None]
