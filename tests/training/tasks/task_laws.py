"""What holds for every task, whatever it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from gru_viz.sequences import Scaling, Sequences
from gru_viz.trace import trace
from gru_viz.training import Lane, Point, Settings, Trainer
from gru_viz.training.tasks.base_task import Examples, Task, Tensors
from gru_viz.weights import Weights

LANES = (Lane(cell="torch", hidden=16, learning_rate=0.01, backend="torch"),)


def alike(one: Examples, other: Examples) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(Examples)]
    return all((a is None and b is None) or np.array_equal(a, b) for a, b in pairs)


def hold_laws(task: Task) -> None:
    """Batches are functions of their arguments, everything has the shape it says, and the probe opens on page 1."""
    first = task.batch(3, 5, 4)
    task.batch(3, 6, 4)
    assert alike(first, task.batch(3, 5, 4))
    assert not alike(first, task.batch(3, 6, 4))
    assert not alike(first, task.batch(4, 5, 4))
    for examples in (first, task.held_out):
        hold_shapes(task, examples)
    assert len(task.held_out.x) <= 512
    assert task.tokens == task.held_out.x.shape[1]
    assert task.sentence.endswith(".")
    assert len(task.probe) <= 120
    assert task.probe.values.shape == (len(task.probe), task.features)
    assert task.probe.features == tuple(dict.fromkeys(task.probe.features))
    opened = Sequences((task.probe,), Scaling("none", task.probe.features, np.zeros(task.features), np.ones(1)))
    weights = Weights.from_module(torch.nn.GRU(task.features, 3))
    assert trace(weights, opened).proof.difference < 1e-5


def hold_shapes(task: Task, examples: Examples) -> None:
    batch, steps, features = examples.x.shape
    assert (features, examples.x.dtype) == (task.features, np.float32)
    assert np.isfinite(examples.x).all()
    axes = (batch, steps) if task.output_at == "every" else (batch,)
    if task.loss == "squared":
        assert (examples.y.shape, examples.y.dtype) == ((*axes, task.outputs), np.float32)
    else:
        assert (examples.y.shape, examples.y.dtype) == (axes, np.int64)
        assert examples.y.min() >= 0
        assert examples.y.max() < task.outputs
    if examples.lengths is not None:
        assert examples.lengths.dtype == np.int64
        assert (examples.lengths >= 1).all()
        assert (examples.lengths <= steps).all()


def perfect(task: Task, sharpness: float = 40.0) -> np.ndarray:
    """The answers of a network that cheats."""
    if task.loss == "squared":
        return task.held_out.y
    return sharpness * np.eye(task.outputs, dtype=np.float32)[task.held_out.y]


def loss_of(task: Task, answers: np.ndarray) -> float:
    examples = Tensors.stack([task.held_out], torch.device("cpu"))
    return float(task.losses(torch.from_numpy(np.ascontiguousarray(answers))[None], examples)[0])


def torch_loss(task: Task, answers: np.ndarray) -> float:
    given, y = torch.from_numpy(np.ascontiguousarray(answers)), torch.from_numpy(np.ascontiguousarray(task.held_out.y))
    if task.loss == "squared":
        return float(torch.nn.functional.mse_loss(given, y))
    return float(torch.nn.functional.cross_entropy(given.flatten(0, -2), y.flatten()))


def hold_losses(task: Task) -> None:
    """The loss is torch's; who cheats has none, and the best measure."""
    shape = (*task.held_out.y.shape, task.outputs) if task.loss == "cross_entropy" else task.held_out.y.shape
    drawn = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    assert np.isclose(loss_of(task, drawn), torch_loss(task, drawn), rtol=1e-5)
    best = loss_of(task, perfect(task))
    assert best < 1e-6
    wanted = {"accuracy": 1.0, "perplexity": 1.0}.get(task.measure.name, 0.0)
    assert np.isclose(task.measured(best, perfect(task)), wanted, atol=1e-6)


def trained(task: Task, updates: int, lanes: tuple[Lane, ...] = LANES, batch: int = 32) -> Mapping[str, float]:
    """The last value of every measure after a short training."""
    settings = Settings(task.name, lanes=lanes, updates=updates, batch=batch)
    found: dict[str, Any] = {}
    for record in Trainer(task, settings, lanes[0].name):
        if isinstance(record, Point):
            found[record.measure] = record.values[0]
    return found
