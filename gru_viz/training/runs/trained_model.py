"""The model of a lane at some update: to predict, to trace, and to generate text."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from gru_viz.sequences import Scaling, Sequences
from gru_viz.training.network import Network
from gru_viz.training.recurrence import why_not
from gru_viz.training.runs.run_store import RunStore
from gru_viz.training.sampling import sample
from gru_viz.training.settings import Lane
from gru_viz.training.tasks import Examples, Predictions, Task
from gru_viz.training.tasks.text_task import Text

__all__ = ["continuation", "predict_examples", "probe_sequences", "trained_network"]


def trained_network(store: RunStore, run_id: str, lane: str, task: Task, update: int | None = None) -> Network:
    """Load the first model of a lane.

    Args:
        store: where the run is stored.
        run_id: id of the run.
        lane: name of the lane.
        task: task of the run.
        update: update of a snapshot; None for the newest weights.

    Returns:
        The network, on the CPU; before there are any weights, the one that training begins with.

    Raises:
        TrainingError: there is no snapshot at that update.
    """
    settings = store.run(run_id).settings
    network = Network(_on_cpu(settings.lane(lane)), task.features, task.outputs, settings.all_seeds[:1])
    checkpoint = store.checkpoint(run_id, lane) if update is None else None
    if checkpoint is not None:
        network.load({name: checkpoint.arrays[f"parameter.{name}"][:1] for name in network.parameters})
        return network
    snapshots = store.snapshots(run_id, lane)
    if update is not None or snapshots:
        network.load(store.snapshot(run_id, lane, snapshots[-1] if update is None else update).arrays)
    return network


def _on_cpu(lane: Lane) -> Lane:
    """The same lane on this machine's CPU, with a backend that needs no compilation for a few predictions."""
    on_cpu = replace(lane, device="cpu", backend="scratch")
    return replace(on_cpu, backend="torch") if why_not("torch", on_cpu) is None else on_cpu


def predict_examples(network: Network, task: Task) -> Predictions:
    """Return the network's predictions for a few held-out examples, with the targets."""

    def predict(examples: Examples) -> np.ndarray:
        return network.predict(examples.x, task.output_at, examples.lengths)[0]

    return task.predictions(predict)


def probe_sequences(task: Task) -> Sequences:
    """Return the task's probe sequence, whose gates are shown during training, as input of a trace."""
    size = len(task.probe.features)
    scaling = Scaling("none", task.probe.features, np.zeros(size), np.ones(size))
    return Sequences((task.probe,), scaling, source=task.probe.name)


def continuation(network: Network, task: Text, prefix: str, length: int, temperature: float, seed: int = 0) -> str:
    """Generate text with a network trained on a text.

    Args:
        network: from ``trained_network``.
        task: the text task of its run.
        prefix: the beginning of the text.
        length: number of characters to generate.
        temperature: divides the logits; near 0 always takes the most probable character.
        seed: of the sampling; equal arguments return equal text.

    Returns:
        The generated characters, without the prefix.
    """
    head = network.arrays()
    step = partial(sample, network.weights(), head["head.weight"], head["head.bias"])
    return task.continue_text(step, prefix, length, temperature, seed)
