"""Tasks of pure memory: right answers, exact baselines, and a distance that is what it says."""

from __future__ import annotations

import numpy as np
import pytest
from task_laws import hold_laws, hold_losses, loss_of, trained

from gru_viz.errors import TrainingError
from gru_viz.training import Settings, make_task
from gru_viz.training.tasks import Examples, Task
from gru_viz.training.tasks.memory_tasks import Adding, Copy, Parity, Recall

pytestmark = pytest.mark.usefixtures("unchecked")
TASKS = (Copy(7, 3), Copy(1, 1), Adding(2), Adding(9), Recall(6, 5), Recall(1, 2, 0.4), Parity(11), Parity(2))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.sentence)
def test_the_laws_hold(task: Task) -> None:
    hold_laws(task)
    hold_losses(task)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.sentence)
def test_what_is_held_out_is_no_batch_of_a_model(task: Task) -> None:
    drawn = [task.batch(seed, update, 256).x for seed in range(3) for update in range(3)]
    assert not any(np.array_equal(each, task.held_out.x) for each in drawn)


def constant(task: Task, answer: np.ndarray) -> np.ndarray:
    axes = task.held_out.y.shape if task.output_at == "every" else task.held_out.y.shape[:1]
    return np.broadcast_to(answer.astype(np.float32), (*axes, task.outputs))


def test_the_baselines_are_what_simulation_gives() -> None:
    for task in (Parity(40), Recall(3, 5)):
        (baseline,) = task.baselines
        loss = loss_of(task, constant(task, np.zeros(task.outputs)))
        assert np.isclose(loss, baseline.loss, atol=1e-6), "a guess is uniform, whatever the truth"
        assert task.measured(loss, constant(task, np.eye(task.outputs)[0])) == pytest.approx(baseline.measure, abs=0.08)
    adding = Adding(30)
    (baseline,) = adding.baselines
    many = adding.batch(0, 0, 20_000).y
    assert np.square(many - 1).mean() == pytest.approx(baseline.loss, rel=0.03)
    assert np.abs(many - 1).mean() == pytest.approx(baseline.measure, rel=0.03)


def test_the_copy_baseline_says_blanks_and_guesses() -> None:
    task, symbols = Copy(13, 4), 4
    logits = np.full((256, task.tokens, 9), -50.0, np.float32)
    logits[:, :-symbols, 8] = 50
    logits[:, -symbols:, :8] = 0
    (baseline,) = task.baselines
    assert loss_of(task, logits) == pytest.approx(baseline.loss, rel=1e-6)
    many = task.batch(0, 0, 20_000).y[:, -symbols:]
    assert (many == 3).mean() == pytest.approx(baseline.measure, abs=0.01)


def test_no_answer_without_memory_beats_the_copy_baseline() -> None:
    """The best answer that knows only the step and what is read there: the frequencies themselves."""
    task = Copy(5, 3)
    many = task.batch(0, 0, 50_000)
    read = many.x.argmax(-1)
    losses = []
    for step in range(task.tokens):
        for symbol in np.unique(read[:, step]):
            targets = many.y[read[:, step] == symbol, step]
            shares = np.bincount(targets, minlength=9) / len(targets)
            losses.append(-np.log(shares[targets]).sum())
    assert sum(losses) / many.y.size == pytest.approx(task.baselines[0].loss, rel=1e-2)


def test_the_distances_are_what_they_say() -> None:
    copy = Copy(12, 3).batch(0, 0, 1)
    read, targets = copy.x[0].argmax(-1), copy.y[0]
    assert np.array_equal(targets[3 + 12 :], read[:3])
    assert (targets[: 3 + 12] == 8).all()
    assert np.flatnonzero(read == 9).tolist() == [3 + 12 - 1]
    recall = Recall(12, 3).batch(0, 0, 1)
    assert recall.x.shape[1] == 1 + 12
    assert recall.x[0, 1:].any() == np.False_
    noisy = Recall(400, 3, 0.5).batch(0, 0, 8)
    assert noisy.x[:, 1:].std() == pytest.approx(0.5, rel=0.05)
    assert np.array_equal(noisy.x[:, 0].argmax(-1), noisy.y)


def test_parity_counts_the_ones() -> None:
    bits, targets = (part[0].tolist() for part in (Parity(9).held_out.x[:, :, 0], Parity(9).held_out.y))
    assert targets == [sum(map(int, bits[: k + 1])) % 2 for k in range(9)]


@pytest.mark.parametrize("task", [Copy(7, 3), Parity(11)], ids=["copy", "parity"])
def test_a_few_examples_are_shown_as_symbols(task: Task) -> None:
    def cheat(examples: Examples) -> np.ndarray:
        return np.eye(task.outputs)[examples.y]

    drawn = task.predictions(cheat)
    assert drawn.kind == "symbols"
    assert np.array_equal(drawn.truth, drawn.predicted)
    assert drawn.truth.max() < len(drawn.names)
    assert len(drawn.labels) == len(drawn.truth)


def test_recall_shows_probabilities_of_classes() -> None:
    task = Recall(4, 3)
    drawn = task.predictions(lambda examples: 3.0 * np.eye(3)[examples.y])
    assert drawn.kind == "classes"
    assert np.allclose(drawn.predicted.sum(-1), 1)
    assert np.array_equal(drawn.predicted.argmax(-1), drawn.truth)


def test_a_short_training_remembers_over_five_steps() -> None:
    task = make_task(Settings("recall", {"distance": 5}))
    assert trained(task, 200)["accuracy"] > 0.9 > task.baselines[0].measure


def test_training_that_sees_no_symbol_stays_at_the_baseline() -> None:
    """The check above can fail."""
    task = make_task(Settings("recall", {"distance": 5}))

    class Blind(Recall):
        def _draw(self, rng: np.random.Generator, size: int) -> Examples:
            drawn = super()._draw(rng, size)
            return Examples(np.zeros_like(drawn.x), drawn.y)

    assert trained(Blind(5), 100)["accuracy"] < 0.3
    assert task.baselines[0].measure == 0.125


@pytest.mark.parametrize(("name", "option"), [("copy", "distance"), ("recall", "distance"), ("adding", "length")])
def test_a_distance_beyond_the_limits_is_refused(name: str, option: str) -> None:
    with pytest.raises(TrainingError, match=r"1,001.*1,000"):
        make_task(Settings(name, {option: 1001}))


def test_data_given_to_a_task_of_its_own_are_refused() -> None:
    with pytest.raises(TrainingError, match="makes its own"):
        make_task(Settings("copy"), "text")
