"""The loop: goes on as if it had never stopped, is fair to its lanes, stops before it breaks, and is torch's own."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from loops import Small, after, comparable, final, points, settings

from gru_viz import DeviceError
from gru_viz.errors import TrainingError
from gru_viz.training import (
    Checkpoint,
    Diverged,
    Lane,
    Point,
    RateChange,
    Settings,
    Snapshot,
    Trainer,
    TrainingRecord,
    trainer,
)
from gru_viz.training.randomness import torch_seed
from gru_viz.training.settings import OPTIMISERS, SCHEDULES
from gru_viz.training.tasks.memory_tasks import Adding
from gru_viz.training.trainer import is_evaluated, is_snapshot

pytestmark = pytest.mark.usefixtures("unchecked")
LANE = Lane("a", hidden=4, layers=2, dropout=0.3, learning_rate=0.02, clip=0.5, backend="torch")

COMBINED = [
    (optimiser, tuple(SCHEDULES)[(k + turn) % len(SCHEDULES)], backend)
    for k, optimiser in enumerate(OPTIMISERS)
    for turn, backend in enumerate(("torch", "scratch"))
]
"""Every optimiser and every schedule by each backend; each with two of the others."""


@pytest.fixture
def checkpoints_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)


def as_saved_in_a_file(checkpoint: Checkpoint) -> Checkpoint:
    """What has no axes comes back with one."""
    return replace(checkpoint, arrays={name: np.ascontiguousarray(a).copy() for name, a in checkpoint.arrays.items()})


def train(made: Settings, task: Small | None = None, **more: object) -> list[TrainingRecord]:
    return list(Trainer(task or Small(), made, made.lanes[0].name, **more))  # type: ignore[arg-type]


def changed_by_hand(made: Settings, at: dict[int, float], **more: object) -> list[TrainingRecord]:
    """Ask for another rate as soon as an update's points are recorded."""
    running, records = Trainer(Small(), made, made.lanes[0].name, **more), []  # type: ignore[arg-type]
    for record in running:
        records.append(record)
        if isinstance(record, Point) and record.measure == "gradient" and record.update in at:
            running.change_rate(at[record.update])
    return records


# --- going on ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("checkpoints_everywhere")
@pytest.mark.parametrize(("optimiser", "schedule", "backend"), COMBINED)
def test_from_any_checkpoint_it_goes_on_as_if_it_had_never_stopped(optimiser: str, schedule: str, backend: str) -> None:
    made = settings([replace(LANE, optimiser=optimiser, schedule=schedule, backend=backend)])
    whole = train(made)
    saved = [record for record in whole if isinstance(record, Checkpoint)]
    assert [c.update for c in saved] == [*range(1, 13), 12]
    for checkpoint in saved[::5]:
        rest = train(made, checkpoint=as_saved_in_a_file(checkpoint))
        assert after(rest, checkpoint.update) == after(whole, checkpoint.update)
        assert comparable(final(rest)) == comparable(final(whole))


@pytest.mark.usefixtures("checkpoints_everywhere")
def test_that_it_goes_on_exactly_can_fail() -> None:
    whole = train(settings([LANE]))
    checkpoint = next(r for r in whole if isinstance(r, Checkpoint))
    for name in ("parameter.head.bias", "optimiser.head.bias.exp_avg", "optimiser.layer0.bias_input.step"):
        arrays = {**checkpoint.arrays, name: checkpoint.arrays[name] + 1e-3}
        rest = train(settings([LANE]), checkpoint=replace(checkpoint, arrays=arrays))
        assert after(rest, 1) != after(whole, 1), name


@pytest.mark.usefixtures("checkpoints_everywhere")
def test_a_rate_changed_by_hand_is_changed_again_after_a_checkpoint() -> None:
    made = settings([replace(LANE, schedule="cosine")])
    whole = changed_by_hand(made, {3: 0.1, 7: 0.001})
    changes = [record for record in whole if isinstance(record, RateChange)]
    assert changes == [RateChange(3, 0.1), RateChange(7, 0.001)]
    assert after(whole, 3) != after(train(made), 3)
    for checkpoint in [r for r in whole if isinstance(r, Checkpoint)][1::3]:
        rest = train(made, checkpoint=checkpoint, changes=changes)
        assert after(rest, checkpoint.update) == after(whole, checkpoint.update), checkpoint.update


@pytest.mark.usefixtures("checkpoints_everywhere")
def test_a_change_by_hand_takes_back_those_of_a_lost_future() -> None:
    made = settings([LANE])
    whole = changed_by_hand(made, {8: 0.1})
    early = next(r for r in whole if isinstance(r, Checkpoint) and r.update == 4)
    again = changed_by_hand(made, {5: 0.001}, checkpoint=early, changes=[RateChange(8, 0.1)])
    assert after(again, 4) == after(changed_by_hand(made, {5: 0.001}), 4)


@pytest.mark.parametrize("stopped_at", [1, 4, 7, 9])
def test_stopped_between_two_points_it_goes_on_exactly(monkeypatch: pytest.MonkeyPatch, stopped_at: int) -> None:
    """A point is the mean of so many updates: those before the stop count in it."""
    monkeypatch.setattr(trainer, "MOST_POINTS", 4)
    made = settings([LANE])
    whole = train(made)
    assert sorted(points(whole, "train")) == [3, 6, 9, 12]
    running = Trainer(Small(), made, "a")
    step, records = running.step, []

    def stopping_step() -> Diverged | None:
        diverged = step()
        if running.update == stopped_at:
            running.stop()
        return diverged

    monkeypatch.setattr(running, "step", stopping_step)
    records = list(running)
    assert isinstance(records[-1], Checkpoint)
    assert records[-1].update == stopped_at
    rest = train(made, checkpoint=as_saved_in_a_file(records[-1]))
    known = after(records) + after(rest, stopped_at - 1)
    assert list(dict.fromkeys(known)) == after(whole)


def test_carried_on_past_its_end_it_is_what_a_longer_training_would_have_been(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "MOST_POINTS", 4)
    made = settings([LANE], updates=12)
    short, whole = train(made, until=7), train(made, until=14)
    assert sorted(points(short, "train")) == [3, 6, 7]
    rest = train(made, checkpoint=final(short), until=14)
    assert after(rest, 7) == after(whole, 7)
    assert sorted(points(rest, "train")) == [9, 12, 14]


def test_no_more_points_than_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "MOST_POINTS", 10)
    records = train(settings([replace(LANE, layers=1)], updates=19, seeds=1))
    assert len(points(records, "train")) == 10


def test_a_stop_takes_effect_after_one_update_and_from_another_thread() -> None:
    running = Trainer(Small(), settings([LANE], updates=200_000), "a")
    threading.Timer(0.2, running.stop).start()
    records = list(running)
    assert isinstance(records[-1], Checkpoint)
    assert 0 < records[-1].update < 200_000


def test_a_checkpoint_of_another_lane_is_refused() -> None:
    made = settings([LANE, replace(LANE, name="b", hidden=5)])
    records = list(Trainer(Small(), made, "a"))
    with pytest.raises(TrainingError, match="Load parameters that the same model has saved"):
        Trainer(Small(), made, "b", checkpoint=final(records))


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(TrainingError, match="learning_rate"):
        Trainer(Small(), settings([LANE]), "a").change_rate(rate)


# --- fairness ------------------------------------------------------------------------------------------------------


class Watched(Small):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int, bytes]] = []

    def batch(self, seed: int, update: int, size: int):  # type: ignore[no-untyped-def]
        examples = super().batch(seed, update, size)
        self.asked.append((seed, update, examples.x.tobytes()))
        return examples


def test_two_lanes_see_identical_batches() -> None:
    lanes = [LANE, Lane("b", cell="torch_lstm", hidden=7, layers=1, optimiser="sgd", backend="scratch")]
    seen = []
    for lane in lanes:
        task = Watched()
        list(Trainer(task, settings(lanes, first_seed=5), lane.name))
        seen.append(task.asked)
    assert seen[0] == seen[1]
    assert sorted(asked[:2] for asked in seen[0]) == list(itertools.product([5, 6, 7], range(12)))
    assert len({asked[2] for asked in seen[0]}) == 36


@pytest.mark.parametrize("backend", ["torch", "scratch", "compiled"])
@pytest.mark.parametrize("cell", ["torch", "torch_lstm", "torch_rnn"])
def test_one_seed_alone_learns_what_it_learns_beside_others(cell: str, backend: str) -> None:
    """To the rounding of a product of several models at once; the first weights and the batches are the same."""
    lane = replace(LANE, cell=cell, backend=backend)
    together = train(settings([lane], first_seed=3))
    for k in range(3):
        alone = train(settings([lane], first_seed=3 + k, seeds=1))
        for measure in ("train", "gradient", "held_out", "error"):
            mine, theirs = points(alone, measure), points(together, measure)
            assert mine.keys() == theirs.keys()
            for update, (value,) in mine.items():
                assert value == pytest.approx(theirs[update][k], rel=2e-5), (measure, update)
    assert points(together, "train")[1][0] != points(together, "train")[1][1]


def test_the_same_choices_give_the_same_records() -> None:
    assert after(train(settings([LANE]))) == after(train(settings([LANE])))
    assert after(train(settings([LANE], first_seed=1))) != after(train(settings([LANE])))


@pytest.mark.parametrize("answers", ["last", "every"])
@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_it_learns_a_task_of_any_shape(answers: str, loss: str) -> None:
    lane = replace(LANE, dropout=0.0, hidden=8, layers=1, learning_rate=0.03)
    records = train(settings([lane], updates=60, batch=16), Small(answers, loss))
    evaluated = points(records, "held_out")
    assert max(evaluated[60]) < 0.8 * min(evaluated[0])


def test_held_out_values_do_not_depend_on_how_many_are_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples count by their answers, not by the part that they happened to be in."""
    whole = points(train(settings([LANE]), Small("every", "cross_entropy")), "held_out")
    monkeypatch.setattr(trainer, "EVALUATED_AT_ONCE", 3)
    parts = points(train(settings([LANE]), Small("every", "cross_entropy")), "held_out")
    monkeypatch.setattr(trainer, "EVALUATED_NUMBERS", 1)
    single = points(train(settings([LANE]), Small("every", "cross_entropy")), "held_out")
    for update, values in whole.items():
        assert parts[update] == pytest.approx(values, rel=1e-6)
        assert single[update] == pytest.approx(values, rel=1e-6)


# --- divergence ----------------------------------------------------------------------------------------------------


class Growing(Small):
    """The answers grow until no square holds them."""

    def batch(self, seed: int, update: int, size: int):  # type: ignore[no-untyped-def]
        examples = super().batch(seed, update, size)
        return replace(examples, y=examples.y * np.float32(10.0 ** (2 * update)))


@pytest.mark.usefixtures("checkpoints_everywhere")
@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_lane_that_diverges_stops_before_it_takes_over_what_is_not_finite(optimiser: str, clip: float) -> None:
    made = settings([replace(LANE, optimiser=optimiser, clip=clip)], updates=30)
    records = train(made, Growing())
    diverged, last = records[-1], final(records)
    assert isinstance(diverged, Diverged)
    assert last.update == diverged.update - 1 == max(r.update for r in records if isinstance(r, Point))
    assert all(np.isfinite(array).all() for array in last.arrays.values())
    assert comparable(train(made, Growing(), checkpoint=last)[-1]) == comparable(diverged)


def test_a_rate_far_too_large_diverges_by_itself() -> None:
    lane = replace(LANE, optimiser="sgd", learning_rate=100.0, clip=0.0, dropout=0.0)
    records = train(settings([lane], updates=200))
    assert isinstance(records[-1], Diverged)
    assert all(np.isfinite(r.values).all() for r in records if isinstance(r, Point) and r.measure == "train")


class Poisoned(Small):
    """One model's answers are not finite from some update on."""

    def batch(self, seed: int, update: int, size: int):  # type: ignore[no-untyped-def]
        examples = super().batch(seed, update, size)
        return replace(examples, y=examples.y * np.float32(np.inf)) if (seed, update) == (1, 4) else examples


def test_which_seed_diverged_and_when_is_reported() -> None:
    records = train(settings([LANE]), Poisoned())
    assert records[-1] == Diverged(5, (1,), "loss")
    assert sorted(points(records, "train")) == [1, 2, 3, 4]


# --- torch's own loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["torch", "scratch", "compiled"])
@pytest.mark.parametrize("cell", ["torch", "torch_lstm"])
def test_it_is_the_loop_that_one_would_write_with_torch(cell: str, backend: str) -> None:
    """nn.GRU, nn.Linear, Adam and clip_grad_norm_, from the same first weights, over 100 updates."""
    task = Adding(8)
    lane = Lane("a", cell=cell, hidden=10, learning_rate=0.01, clip=0.1, backend=backend)
    made = Settings("adding", {"length": 8}, (lane,), updates=100, batch=16, seeds=1)
    running = Trainer(task, made, "a")
    module = (torch.nn.GRU if cell == "torch" else torch.nn.LSTM)(2, 10, batch_first=True)
    head = torch.nn.Linear(10, 1)
    first = running.network.arrays()
    names = ("weight_input", "weight_recurrent", "bias_input", "bias_recurrent")
    with torch.no_grad():
        for parameter, name in zip(module.parameters(), names, strict=True):
            parameter.copy_(torch.tensor(first[f"layer0.{name}"]))
        head.weight.copy_(torch.tensor(first["head.weight"]))
        head.bias.copy_(torch.tensor(first["head.bias"]))
    learnt = [*module.parameters(), *head.parameters()]
    adam = torch.optim.Adam(learnt, lr=0.01)
    losses, norms, clipped = [], [], 0
    for update in range(100):
        examples = task.batch(0, update, 16)
        answer = head(module(torch.tensor(examples.x))[0][:, -1])
        loss = torch.nn.functional.mse_loss(answer, torch.tensor(examples.y))
        adam.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(learnt, 0.1).item())
        clipped += norms[-1] > 0.1
        adam.step()
        losses.append(loss.item())
    assert 0 < clipped < 100
    records = list(running)
    assert [v for (v,) in points(records, "train").values()] == pytest.approx(losses, abs=1e-5)
    assert [v for (v,) in points(records, "gradient").values()] == pytest.approx(norms, abs=1e-4)


# --- when it looks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planned", [1, 7, 59, 60, 61, 119, 120, 1000, 2345])
def test_it_looks_sixty_times_evenly_and_at_the_end(planned: int) -> None:
    looks = [u for u in range(planned + 1) if is_evaluated(u, planned)]
    assert looks[0] == 0
    assert looks[-1] == planned
    regular = [u for u in looks if not is_snapshot(u)]
    assert len(regular) <= 60
    assert max(np.diff(looks)) <= -(-planned // 60)
    if planned >= 60:
        assert len(looks) <= 60 + sum(map(is_snapshot, range(planned + 1)))


def test_what_is_saved_is_even_on_a_logarithmic_scale() -> None:
    saved = [u for u in range(10_001) if is_snapshot(u)]
    assert {0, 1, 10, 100, 1000, 10_000} <= set(saved)
    assert all(sum(10**k <= u < 10 ** (k + 1) for u in saved) == 8 for k in (1, 2, 3))


def test_it_looks_at_the_beginning_and_at_the_end() -> None:
    records = train(settings([LANE], updates=9))
    assert {0, 9} <= set(points(records, "held_out")) & set(points(records, "error"))
    assert [s.update for s in records if isinstance(s, Snapshot)][-1] == 9


def test_what_is_hidden_follows_from_the_seed_and_the_update_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str, int]] = []

    def watched(seed: int, purpose: str, update: int) -> int:
        asked.append((seed, purpose, update))
        return torch_seed(seed, purpose, update)

    monkeypatch.setattr(trainer, "torch_seed", watched)
    train(settings([LANE], first_seed=5))
    assert asked == [(seed, "dropout", update) for update in range(12) for seed in (5, 6, 7)]


def test_an_evaluation_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = points(train(settings([LANE])), "train")

    def blind(_: Trainer) -> Iterator[Point]:
        yield from ()

    monkeypatch.setattr(Trainer, "evaluate_if_due", blind)
    assert points(train(settings([LANE])), "train") == whole


# --- refusals ------------------------------------------------------------------------------------------------------


def test_a_lane_larger_than_the_machine_is_refused() -> None:
    made = settings([replace(LANE, hidden=512, layers=4)], batch=512, seeds=20)
    task = Small()
    task.tokens = 2000
    with pytest.raises(TrainingError, match="GiB of memory needed"):
        Trainer(task, made, "a")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceError):
        Trainer(Small(), settings([replace(LANE, device="cuda")]), "a")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_on_a_gpu_it_goes_on_from_a_checkpoint(optimiser: str) -> None:
    made = settings([replace(LANE, optimiser=optimiser, device="cuda")])
    whole, short = train(made), train(made, until=5)
    rest = train(made, checkpoint=final(short))
    for measure in ("train", "held_out"):
        assert points(rest, measure)[12] == pytest.approx(points(whole, measure)[12], rel=1e-4)
