"""The model of a stored lane: the very network that was trained, at the requested update."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gru_viz
from gru_viz import TrainingError
from gru_viz.training import Checkpoint, Lane, Settings, Snapshot, Trainer, make_task
from gru_viz.training.runs import RunStore, continuation, predict_examples, probe_sequences, trained_network
from gru_viz.training.tasks.text_task import Text

pytestmark = pytest.mark.usefixtures("unchecked")


def train_and_store(store: RunStore, settings: Settings, until: int) -> tuple[str, Trainer]:
    """Train the first lane here, and store its records."""
    run_id = store.create(settings)
    lane = settings.lanes[0].name
    trainer = Trainer(store.task(run_id), settings, lane, until=until)
    store.write(run_id, lane, list(trainer), update=until)
    return run_id, trainer


@pytest.mark.parametrize("cell", ["torch", "torch_lstm", "chung_2014"])
def test_the_newest_weights_answer_as_the_trainer_s_own(tmp_path: Path, cell: str) -> None:
    lane = Lane("one", cell=cell, hidden=7, layers=2, backend="scratch")
    settings = Settings("adding", {"length": 6}, (lane,), updates=5, seeds=2)
    with RunStore(tmp_path) as store:
        run_id, trainer = train_and_store(store, settings, 5)
        task = store.task(run_id)
        network = trained_network(store, run_id, "one", task)
        predicted = network.predict(task.held_out.x, task.output_at)[0]
        expected = trainer.network.predict(task.held_out.x, task.output_at)[0]
        np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)
        drawn = predict_examples(network, task)
        assert drawn.kind == "scatter"
        np.testing.assert_allclose(drawn.predicted, predicted[:, 0], rtol=1e-5, atol=1e-6)


def test_a_snapshot_is_the_first_model_at_its_update(tmp_path: Path) -> None:
    settings = Settings("adding", {"length": 6}, (Lane("one", hidden=5, backend="torch"),), updates=10, seeds=3)
    with RunStore(tmp_path) as store:
        run_id, _ = train_and_store(store, settings, 10)
        task = store.task(run_id)
        early = Trainer(task, settings, "one", until=4)
        list(early)
        then = trained_network(store, run_id, "one", task, update=4)
        for name, array in early.network.arrays(0).items():
            np.testing.assert_array_equal(then.arrays()[name], array)
        trace = gru_viz.trace(then.weights(), probe_sequences(task))
        assert trace.proof.holds
        assert trace.update.shape == (1, 6, 5)
        with pytest.raises(TrainingError, match="one of 0, 1, 2"):
            trained_network(store, run_id, "one", task, update=5)


def test_before_the_first_snapshot_it_is_the_one_that_training_begins_with(tmp_path: Path) -> None:
    settings = Settings("adding", {"length": 6}, first_seed=3)
    with RunStore(tmp_path) as store:
        task = store.task(run_id := store.create(settings))
        network = trained_network(store, run_id, "GRU", task)
        for name, array in Trainer(task, settings, "GRU").network.arrays(0).items():
            np.testing.assert_array_equal(network.arrays()[name], array)


def test_a_continuation_follows_from_weights_beginning_and_seed(tmp_path: Path) -> None:
    settings = Settings("text", {}, (Lane("one", hidden=8, backend="torch"),), updates=3)
    task = make_task(settings)
    assert isinstance(task, Text)
    with RunStore(tmp_path) as store:
        run_id, _ = train_and_store(store, settings, 3)
        network = trained_network(store, run_id, "one", task)
        first = continuation(network, task, "The ", 40, 0.8)
        assert len(first) == 40
        assert continuation(network, task, "The ", 40, 0.8) == first
        assert continuation(network, task, "The ", 40, 0.8, seed=1) != first


def test_newest_means_the_checkpoint_not_the_last_snapshot(tmp_path: Path) -> None:
    settings = Settings("adding", {"length": 4}, (Lane("one", hidden=3, backend="torch"),), updates=100)
    with RunStore(tmp_path) as store:
        run_id = store.create(settings)
        trainer = Trainer(store.task(run_id), settings, "one", until=5)
        records = [record for record in trainer if not (isinstance(record, Snapshot) and record.update == 5)]
        store.write(run_id, "one", records, update=5)
        assert any(isinstance(record, Checkpoint) for record in records)
        network = trained_network(store, run_id, "one", store.task(run_id))
        assert torch.equal(network.parameters["head.bias"], trainer.network.parameters["head.bias"])
