"""What a lane has learnt by some update: its first model, ready to answer, to be traced, to be continued."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from gru_viz.sequences import Scaling, Sequences
from gru_viz.training.network import Network
from gru_viz.training.recurrence import why_not
from gru_viz.training.runs.store import Store
from gru_viz.training.sampling import sample
from gru_viz.training.settings import Lane
from gru_viz.training.tasks import Examples, Shown, Task
from gru_viz.training.tasks.text import Text

__all__ = ["answers_of", "continuation", "learnt", "probe_of"]


def learnt(store: Store, key: str, lane: str, task: Task, update: int | None = None) -> Network | None:
    """The first model of a lane, as it was.

    Args:
        store: where the run is kept.
        key: the run's.
        lane: the lane's name.
        task: the run's, for its sizes.
        update: of a kept snapshot; None takes the newest weights there are.

    Returns:
        None before there are any.

    Raises:
        TrainingError: no snapshot was kept at that update.
    """
    settings = store.run(key).settings
    network = Network(_here(settings.lane(lane)), task.features, task.outputs, settings.all_seeds[:1])
    checkpoint = store.checkpoint(key, lane) if update is None else None
    if checkpoint is not None:
        network.load({name: checkpoint.arrays[f"parameter.{name}"][:1] for name in network.parameters})
        return network
    kept = store.snapshots(key, lane)
    if update is None and not kept:
        return None
    network.load(store.snapshot(key, lane, kept[-1] if update is None else update).arrays)
    return network


def _here(lane: Lane) -> Lane:
    """The same lane on this machine's CPU, by what needs no compiling for a few answers."""
    here = replace(lane, device="cpu", backend="scratch")
    return replace(here, backend="torch") if why_not("torch", here) is None else here


def answers_of(network: Network, task: Task) -> Shown:
    """What a network answers to a few held-out examples, beside the truth."""

    def answer(examples: Examples) -> np.ndarray:
        return network.answer(examples.x, task.answers, examples.lengths)[0]

    return task.shown(answer)


def probe_of(task: Task) -> Sequences:
    """The sequence whose gates are shown while they learn, as page 1 and every trace take it."""
    size = len(task.probe.features)
    scaling = Scaling("none", task.probe.features, np.zeros(size), np.ones(size))
    return Sequences((task.probe,), scaling, source=task.probe.name)


def continuation(network: Network, task: Text, prefix: str, length: int, temperature: float, seed: int = 0) -> str:
    """What a network that has learnt a text writes after a beginning; the same arguments always give the same."""
    head = network.arrays()
    step = partial(sample, network.weights(), head["head.weight"], head["head.bias"])
    return task.continue_text(step, prefix, length, temperature, seed)
