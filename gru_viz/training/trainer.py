"""The training loop of one lane, which yields records, and of all; without threads, files or a user interface."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence as AbstractSequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru_viz.errors import TrainingError
from gru_viz.training.curves import Curve
from gru_viz.training.network import Network, estimate_memory
from gru_viz.training.optimiser import Optimiser, clip_each, scheduled
from gru_viz.training.randomness import torch_seed
from gru_viz.training.settings import LIMITS, Settings, check_rate
from gru_viz.training.tasks import Task, make_task
from gru_viz.training.tasks.base_task import Examples, Tensors
from gru_viz.training.training_records import Checkpoint, Diverged, Point, RateChange, Snapshot, TrainingRecord

__all__ = ["Trainer", "check_memory", "is_evaluated", "is_snapshot"]

MOST_POINTS = 2000
EVALUATIONS = 60
CHECKPOINT_SECONDS = 1.0
EVALUATED_AT_ONCE = 256
EVALUATED_NUMBERS = 2**26


def is_snapshot(update: int) -> bool:
    """Whether a snapshot is saved after so many updates: 0, then eight per decade, log-spaced."""
    if update == 0:
        return True
    nearest = round(8 * np.log10(update))
    return any(update == round(10 ** (step / 8)) for step in (nearest - 1, nearest, nearest + 1))


def is_evaluated(update: int, planned: int) -> bool:
    """Whether the held-out loss is evaluated: at snapshots, and sixty times, evenly, over the planned updates."""
    return is_snapshot(update) or update * EVALUATIONS // planned > (update - 1) * EVALUATIONS // planned


class Trainer:
    """Iterate over it to train one lane and receive its records.

    Apart from the seconds, the records depend only on the task, the settings and the lane; after a checkpoint they are
    the same as without interruption.

    Args:
        task: what to learn.
        settings: of the whole comparison.
        lane: the name of the lane.
        until: train to this update; None: ``settings.updates``.
        checkpoint: resume from here; None: start.
        changes: learning rates set by the user before the checkpoint, in order; of two that apply, the later counts.

    Raises:
        TrainingError: the backend cannot run the lane, it needs too much memory, or the checkpoint is of another lane.
        DeviceError: the lane's device is missing.

    Example:
        >>> from gru_viz.training.tasks import make_task
        >>> settings = Settings("adding", {"length": 5}, updates=3)
        >>> trainer = Trainer(make_task(settings), settings, "GRU")
        >>> [record.update for record in trainer if isinstance(record, Point) and record.measure == "train"]
        [1, 2, 3]
    """

    def __init__(
        self,
        task: Task,
        settings: Settings,
        lane: str,
        *,
        until: int | None = None,
        checkpoint: Checkpoint | None = None,
        changes: AbstractSequence[RateChange] = (),
    ) -> None:
        self.task, self.settings, self.lane = task, settings, settings.lane(lane)
        self.until = settings.updates if until is None else until
        self.update, self.seconds = 0, 0.0
        check_memory(task, settings, lane)
        self.network = Network(self.lane, task.features, task.outputs, settings.all_seeds)
        self.optimiser = Optimiser(self.lane, self.network.parameters)
        self._changes = list(changes)
        self._requested: deque[float] = deque(maxlen=1)
        self._stopping = False
        self._stride = -(-settings.updates // MOST_POINTS)
        self._recent: list[tuple[Tensor, Tensor]] = []
        self._saved = 0.0
        if checkpoint is not None:
            self._restore(checkpoint)

    def change_rate(self, rate: float) -> None:
        """Set the learning rate from the next update on; thread-safe.

        Raises:
            TrainingError: it is out of its limits.
        """
        check_rate(f"lane {self.lane.name}", rate)
        self._requested.append(rate)

    def stop(self) -> None:
        """Yield a checkpoint and end after the current update; thread-safe."""
        self._stopping = True

    def checkpoint(self) -> Checkpoint:
        """The state to resume from."""
        parameters = {
            f"parameter.{name}": t.detach().cpu().numpy().copy() for name, t in self.network.parameters.items()
        }
        recent = {
            f"recent.{name}": torch.stack([each[at] for each in self._recent]).cpu().numpy()
            for at, name in enumerate(("train", "gradient"))
            if self._recent
        }
        return Checkpoint(self.update, self.seconds, {**parameters, **self.optimiser.arrays(), **recent})

    def _restore(self, checkpoint: Checkpoint) -> None:
        arrays = checkpoint.arrays
        self.network.load({name.removeprefix("parameter."): array for name, array in arrays.items()})
        self.optimiser.restore(arrays)
        if "recent.train" in arrays:
            recent = (arrays[f"recent.{name}"] for name in ("train", "gradient"))
            tensors = (torch.tensor(values, device=self.network.device) for values in recent)
            self._recent = list(zip(*tensors, strict=True))
        self.update, self.seconds = checkpoint.update, checkpoint.seconds

    def __iter__(self) -> Iterator[TrainingRecord]:
        """Train to the end; a checkpoint about every second, and one at the end."""
        self._saved = time.monotonic()
        while True:
            yield from self.evaluate_if_due()
            if self.update >= self.until:
                break
            if self._requested:
                change = RateChange(self.update, self._requested.popleft())
                self._changes.append(change)
                yield change
            diverged = self.step()
            if diverged:
                yield diverged
                return
            yield from self._training_points()
            if self._stopping:
                break
            if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self._saved = time.monotonic()
                yield self.checkpoint()
        yield self.checkpoint()

    @property
    def rate(self) -> float:
        """The learning rate of the next update."""
        base = self.lane.learning_rate
        for change in self._changes:
            if change.update <= self.update:
                base = change.rate
        return scheduled(self.lane.schedule, base, self.update, self.settings.updates)

    def step(self) -> Diverged | None:
        """One update of every model; the record if it diverged and was not applied."""
        begun = time.perf_counter()
        seeds, device = self.settings.all_seeds, self.network.device
        batches = [self.task.batch(seed, self.update, self.settings.batch) for seed in seeds]
        examples = Tensors.stack(batches, device)
        dropout = None
        if self.lane.dropout and self.lane.layers > 1:
            dropout = [torch.Generator(device).manual_seed(torch_seed(seed, "dropout", self.update)) for seed in seeds]
        outputs = self.network.forward(examples.x, self.task.output_at, examples.lengths, dropout)
        losses = self.task.losses(outputs, examples)
        self.optimiser.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        gradients = [tensor.grad for tensor in self.network.parameters.values() if tensor.grad is not None]
        norms = clip_each(gradients, self.lane.clip)
        values_of = {"loss": losses.detach(), "gradient": norms}
        for what, values in values_of.items():
            finite = torch.isfinite(values)
            if not finite.all():
                lost = tuple(seed for seed, good in zip(seeds, finite.tolist(), strict=True) if not good)
                return Diverged(self.update + 1, lost, what)
        self.optimiser.step(self.rate)
        self._recent.append((values_of["loss"], norms))
        self.update += 1
        self.seconds += time.perf_counter() - begun
        return None

    def _training_points(self) -> Iterator[Point]:
        """If a point is due: the mean loss and gradient norm since the last one."""
        due = self.update % self._stride == 0
        if not due and self.update != self.until:
            return
        for at, measure in enumerate(("train", "gradient")):
            mean = torch.stack([each[at] for each in self._recent]).double().mean(0)
            yield Point(measure, self.update, self.seconds, tuple(mean.tolist()))
        if due:  # if the training is later extended, these enter the mean of the next point
            self._recent = []

    def evaluate_if_due(self) -> Iterator[Point | Snapshot]:
        """If due: the held-out values of all models, and a snapshot of the first."""
        last = self.update == self.until
        if last or is_evaluated(self.update, self.settings.updates):
            yield from self._evaluate()
        if last or is_snapshot(self.update):
            yield Snapshot(self.update, self.network.arrays(0))

    @torch.no_grad()
    def _evaluate(self) -> Iterator[Point]:
        held_out, task, models = self.task.held_out, self.task, len(self.settings.all_seeds)
        outputs, losses, counted = [], [], []
        numbers = models * held_out.x.shape[1] * self.lane.hidden * len(self.network.convention.gates)
        at_once = max(1, min(EVALUATED_AT_ONCE, EVALUATED_NUMBERS // numbers))
        for first in range(0, len(held_out.x), at_once):
            part = _rows(held_out, slice(first, first + at_once))
            examples = Tensors.stack([part] * models, self.network.device)
            output = self.network.forward(examples.x, task.output_at, examples.lengths)
            losses.append(task.losses(output, examples).cpu().numpy())
            counted.append(len(part.x) if part.counts is None else int(part.counts.sum()))
            outputs.append(output.cpu().numpy())
        loss = np.average(losses, axis=0, weights=counted)
        measured = [task.measured(float(loss[m]), np.concatenate([each[m] for each in outputs])) for m in range(models)]
        for measure, values in (("held_out", loss.tolist()), (task.measure.name, measured)):
            yield Point(measure, self.update, self.seconds, tuple(values))


def check_memory(task: Task, settings: Settings, lane: str) -> None:
    """Refuse a lane that needs more memory than ``LIMITS``.

    Raises:
        TrainingError: it does.
    """
    needed = estimate_memory(settings.lane(lane), task.features, task.outputs, task.tokens, settings)
    if needed > LIMITS.memory:
        found = f"about {needed / 2**30:.1f} GiB of memory needed"
        remedy = "Choose fewer units, layers or seeds, smaller batches, or shorter sequences."
        raise TrainingError(f"model {lane}", found, f"{LIMITS.memory / 2**30:.0f} GiB at most", remedy)


def _rows(examples: Examples, rows: slice) -> Examples:
    """A slice of the examples."""
    lengths, counts = examples.lengths, examples.counts
    return Examples(
        examples.x[rows],
        examples.y[rows],
        None if lengths is None else lengths[rows],
        None if counts is None else counts[rows],
    )


def train(settings: Settings, data: Any = None) -> list[Curve]:
    """Train every lane, one after the other.

    To follow a training, save its weights or resume it, iterate over a ``Trainer`` instead.

    Args:
        settings: task, lanes and length.
        data: the user's data, of the kind that the task needs.

    Returns:
        A curve per lane and measure; a lane that diverges has shorter ones.

    Raises:
        TrainingError: the settings or the data do not make a training.

    Example:
        >>> curves = train(Settings("adding", {"length": 5}, updates=3))
        >>> [(curve.lane, curve.values.shape) for curve in curves if curve.measure == "train"]
        [('GRU', (3, 1)), ('LSTM', (3, 1))]
    """
    task, curves = make_task(settings, data), []
    for lane in settings.lanes:
        points = [record for record in Trainer(task, settings, lane.name) if isinstance(record, Point)]
        measures = dict.fromkeys(point.measure for point in points)
        curves += [Curve.gather(lane.name, measure, points) for measure in measures]
    return curves
