"""Classification: stratified, scaled without a look at what is held out, each sequence answered at its own end."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from task_laws import LANES, alike, hold_laws, hold_losses, trained

from gru_viz.errors import TrainingError
from gru_viz.sequences import LabelledSequences, Scaling, Sequence, Sequences, open_table
from gru_viz.training import Lane, Settings, make_task
from gru_viz.training.network import Network
from gru_viz.training.tasks.classification import Classify, Digits

pytestmark = pytest.mark.usefixtures("unchecked")


def labelled(
    labels: list[str], lengths: list[int], features: int = 2, method: str = "standardise"
) -> LabelledSequences:
    """Every value of every sequence occurs once."""
    names = tuple(f"x{k}" for k in range(features))
    whole = np.arange(sum(lengths) * features, dtype=np.float32).reshape(-1, features)
    parts = np.split(whole, np.cumsum(lengths)[:-1])
    items = tuple(
        Sequence(part, names, tuple(f"t{k}" for k in range(len(part))), f"s{at}") for at, part in enumerate(parts)
    )
    data = Sequences(items, Scaling(method, names, np.zeros(features), np.ones(features)))
    return LabelledSequences(data, tuple(labels), "kind")


def firsts(task: Classify, x: np.ndarray) -> set[int]:
    """What distinguishes a sequence from every other: its first value."""
    return set(np.round(task.scaling.undo(x[:, 0]))[:, 0].astype(int).tolist())


def epoch(task: Classify) -> np.ndarray:
    return task.batch(0, 0, task.epoch_size).x


@given(
    kinds=st.lists(st.sampled_from("aabbbc"), min_size=6, max_size=60).filter(
        lambda kinds: len(set(kinds)) > 1 and max(Counter(kinds).values()) > 1
    ),
    validation=st.floats(0.05, 0.5),
    seed=st.integers(0, 9),
)
def test_every_class_is_held_out_in_its_share_and_nothing_twice(kinds: list[str], validation: float, seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(1, 6, len(kinds)).tolist()
    task = Classify(labelled(kinds, lengths), validation)
    training, held_out = firsts(task, epoch(task)), firsts(task, task.held_out.x)
    assert not training & held_out
    assert len(training) + len(held_out) == len(kinds)
    counted = Counter(task.classes[k] for k in task.held_out.y.tolist())
    for name, n in Counter(kinds).items():
        assert counted[name] == (0 if n == 1 else min(n - 1, max(1, round(validation * n))))
    hold_laws_of_shape(task)


def hold_laws_of_shape(task: Classify) -> None:
    for examples in (task.held_out, task.batch(0, 0, 7)):
        lengths = examples.lengths
        assert lengths is None or examples.x.shape[1] == task.tokens >= lengths.max()
        if lengths is not None:
            after = np.arange(task.tokens) >= lengths[:, None]
            assert (examples.x[after] == 0).all()


def test_labels_stay_with_their_sequences() -> None:
    data = labelled(["a", "b"] * 20, [3, 5] * 20, method="none")
    task = Classify(data)
    wanted = {float(item.values[0, 0]): label for item, label in zip(data.sequences, data.labels, strict=True)}
    for examples in (task.held_out, task.batch(1, 1, 20)):
        assert [task.classes[k] for k in examples.y] == [wanted[value] for value in examples.x[:, 0, 0].tolist()]
    truth = dict(zip((item.name for item in data.sequences), data.labels, strict=True))
    assert [truth[name] for name in task.names] == [task.classes[k] for k in task.held_out.y]


@pytest.mark.parametrize("method", ["none", "standardise", "minmax", "robust"])
def test_training_knows_nothing_of_the_held_out_values(method: str) -> None:
    tame = labelled(["a", "b"] * 20, [4] * 40, method=method)
    held_out = {int(name[1:]) for name in Classify(tame).names}
    items = tuple(
        Sequence(1e6 * np.cos(item.values), item.features, None, item.name) if k in held_out else item
        for k, item in enumerate(tame.sequences)
    )
    wild = LabelledSequences(Sequences(items, tame.sequences.scaling), tame.labels)
    one, other = Classify(tame), Classify(wild)
    assert alike(one.batch(0, 1, 16), other.batch(0, 1, 16))
    assert not alike(one.held_out, other.held_out)


def test_the_laws_hold() -> None:
    for task in (
        Digits(),
        Classify(labelled(["a", "b", "c"] * 9, [2, 7, 130] * 9)),
        Classify(labelled(["a", "b"] * 9, [5] * 18)),
    ):
        hold_laws(task)
        hold_losses(task)


def test_sequences_of_unequal_length_are_answered_at_their_own_end() -> None:
    task = Classify(labelled(["a", "b"] * 10, [2, 6] * 10))
    network = Network(Lane(hidden=4, backend="torch"), task.features, task.outputs, (0,))
    held_out = task.held_out
    assert held_out.lengths is not None
    together = network.predict(held_out.x, "last", held_out.lengths)[0]
    for row, length in enumerate(held_out.lengths.tolist()):
        alone = network.predict(held_out.x[row : row + 1, :length], "last")[0, 0]
        assert np.allclose(together[row], alone, atol=1e-6)


def test_the_majority_is_worked_out_again() -> None:
    task = Classify(labelled(["a"] * 30 + ["b"] * 10, [3] * 40), 0.2)
    (baseline,) = task.baselines
    assert baseline.title == "majority class (a)"
    assert baseline.measure == pytest.approx(6 / 8)
    assert baseline.loss == pytest.approx(-(6 * np.log(24 / 32) + 2 * np.log(8 / 32)) / 8)
    logits = np.log(np.tile([24 / 32, 8 / 32], (8, 1)))
    entropy = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(task.held_out.y))
    assert baseline.loss == pytest.approx(float(entropy))


def test_a_class_of_one_is_trained_on_with_a_notice() -> None:
    task = Classify(labelled(["a", "b", "b", "b"], [2] * 4))
    assert "a" not in {task.classes[k] for k in task.held_out.y}
    assert any("1 class with a single sequence" in notice and "'a'" in notice for notice in task.notices)


def test_long_sequences_are_cut_and_many_held_out_ones_thinned_with_notices() -> None:
    task = Classify(labelled(["a", "b"] * 3, [2, 2001] * 3, features=1))
    assert task.tokens == 2000
    assert any("3 sequences cut to the first 2,000 steps" in notice for notice in task.notices)
    many = Classify(labelled(["a", "b", "b"] * 1000, [1] * 3000, features=1), 0.5)
    assert len(many.held_out.y) == 512
    assert many.held_out.y.mean() == pytest.approx(2 / 3, abs=0.01)
    assert any("Of 1,500 held-out sequences, 512" in notice for notice in many.notices)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "found none; wanted sequences with a label"),
        (labelled(["a"] * 5, [3] * 5).sequences, "found Sequences; wanted sequences with a label"),
        (labelled(["a"] * 5, [3] * 5), "one class only, 'a'"),
        (labelled(["a", "b", "c"], [3] * 3), "3 classes of one sequence each.*several sequences share"),
        (labelled([str(k % 300) for k in range(600)], [1] * 600), "300 classes; wanted at most 256"),
        (labelled(["a", "b", "b"], [3, 0, 3]), "1 sequence without a step: 's1'"),
    ],
)
def test_what_does_not_fit_is_explained(data: object, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        make_task(Settings("classify"), data)


def test_a_table_is_classified() -> None:
    rng, rows = np.random.default_rng(0), ["patient,day,pulse,group"]
    for patient in range(60):
        sick = patient % 3 == 0
        pulse = 70 + (np.arange(5 + patient % 4) * 4 if sick else 0) + rng.standard_normal(5 + patient % 4)
        rows += [f"{patient},{day},{value:.3f},{'sick' if sick else 'well'}" for day, value in enumerate(pulse)]
    table = open_table("\n".join(rows).encode())
    assert table.label_columns() == ("group",)
    task = make_task(Settings("classify"), table.labelled("group"))
    assert task.probe.time is not None
    hold_laws(task)
    assert trained(task, 150)["accuracy"] > task.baselines[0].measure + 0.2


def test_a_short_training_reads_digits() -> None:
    task = make_task(Settings("digits"))
    assert task.baselines[0].measure < 0.11
    assert trained(task, 300, LANES)["accuracy"] > 0.8
