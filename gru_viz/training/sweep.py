"""A sweep: every model × size × learning rate × seed, and the final loss of each."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING, Any

from gru_viz.errors import TrainingError
from gru_viz.training.runs import ACTIVE, RunStore, Status
from gru_viz.training.settings import Lane, Settings
from gru_viz.training.tasks import TASKS

if TYPE_CHECKING:
    from gru_viz.training.engine import Engine

__all__ = [
    "MOST_TRAININGS",
    "Sweep",
    "SweepPoint",
    "SweepState",
    "resume_sweep",
    "start_sweep",
    "sweep_points",
    "sweeps",
]

MOST_TRAININGS = 500
"""The most trainings of one sweep that a shared machine accepts."""

RESUMABLE: tuple[Status, ...] = ("stopped", "paused", "interrupted", "failed")


@dataclass(frozen=True)
class Sweep:
    """The grid of a sweep.

    Every seed is a run of its own, so that one that diverges ends alone, and a cluster can train all of them at once.

    Attributes:
        cells: names in ``CONVENTIONS``.
        sizes: units a layer.
        rates: learning rates.
        settings: everything else, with the seeds; the first of its lanes is the template.

    Raises:
        TrainingError: an axis is empty, the grid is too large, or a value is out of its limits.

    Example:
        >>> sweep = Sweep(("torch", "torch_lstm"), (8, 16), (0.01,), Settings("sine", seeds=3))
        >>> len(sweep)
        12
    """

    cells: tuple[str, ...]
    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    settings: Settings

    def __post_init__(self) -> None:
        for name in ("cells", "sizes", "rates"):
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
            if not getattr(self, name):
                raise TrainingError(f"sweep, {name}", "none", "one or more", "Choose at least one.")
        if len(self) > MOST_TRAININGS:
            remedy = "Choose fewer cells, sizes, rates or seeds."
            raise TrainingError("sweep", f"{len(self):,} trainings", f"{MOST_TRAININGS:,} at most", remedy)
        list(self.each())  # a lane out of its limits is refused here

    def __len__(self) -> int:
        return len(self.cells) * len(self.sizes) * len(self.rates) * self.settings.seeds

    def each(self) -> Iterator[Settings]:
        """The settings of every training; all points with the first seed come first, so that the chart fills evenly."""
        first = self.settings.lanes[0]
        for seed, rate, size, cell in product(self.settings.all_seeds, self.rates, self.sizes, self.cells):
            title = Lane(cell=cell, hidden=1).title.removesuffix(", 1 units")
            lane = replace(first, name=title, cell=cell, hidden=size, learning_rate=rate)
            yield replace(self.settings, lanes=(lane,), seeds=1, first_seed=seed)


@dataclass(frozen=True)
class SweepPoint:
    """The final loss of one training of a sweep.

    Attributes:
        cell: its title on the page.
        hidden: units.
        learning_rate: of the optimiser.
        seed: of the model.
        loss: final held-out loss; NaN if it diverged.
        run_id: the id of its run.
    """

    cell: str
    hidden: int
    learning_rate: float
    seed: int
    loss: float
    run_id: str


@dataclass(frozen=True)
class SweepState:
    """The progress of a sweep.

    Attributes:
        sweep_id: its id.
        name: task and size.
        created: when it was started.
        total: number of trainings.
        done: how many have finished or diverged.
        active: whether some are queued or running.
        resumable: how many were stopped, interrupted or failed.
    """

    sweep_id: str
    name: str
    created: datetime
    total: int
    done: int
    active: bool
    resumable: int


def start_sweep(store: RunStore, engine: Engine, sweep: Sweep, data: Any = None) -> str:
    """Save every training of a sweep as a run, and queue them behind single runs.

    Args:
        store: of the runs.
        engine: of the same store.
        sweep: the grid.
        data: the user's data, of the kind that the task needs; saved once for all runs.

    Returns:
        The sweep's id.

    Raises:
        TrainingError: the settings or the data do not make a task.
    """
    sweep_id, each = secrets.token_hex(5), list(sweep.each())
    engine.start_all(store.create_all(each, data, [_name(settings) for settings in each], sweep_id))
    return sweep_id


def resume_sweep(store: RunStore, engine: Engine, sweep_id: str) -> None:
    """Queue the trainings of a sweep that were stopped, interrupted or failed.

    Raises:
        TrainingError: there are none.
    """
    engine.start_all(run.run_id for run in store.runs(sweep_id) if run.status in RESUMABLE)


def sweep_points(store: RunStore, sweep_id: str) -> list[SweepPoint]:
    """The finished and diverged trainings of a sweep."""
    points = []
    for run_id, settings, status, losses in store.sweep_results(sweep_id):
        lane = settings.lanes[0]
        loss = losses[0] if losses and status == "finished" else math.nan
        points.append(SweepPoint(lane.name, lane.hidden, lane.learning_rate, settings.first_seed, loss, run_id))
    return points


def sweeps(store: RunStore) -> list[SweepState]:
    """Every saved sweep, the newest first."""
    return [
        SweepState(
            sweep_id,
            f"{TASKS[task].title if task in TASKS else task}: {sum(counts.values()):,} trainings",
            datetime.fromtimestamp(created).astimezone(),
            sum(counts.values()),
            counts.get("finished", 0) + counts.get("diverged", 0),
            any(status in counts for status in ACTIVE),
            sum(counts.get(status, 0) for status in RESUMABLE),
        )
        for sweep_id, created, task, counts in store.sweeps()
    ]


def _name(settings: Settings) -> str:
    lane = settings.lanes[0]
    return f"{lane.title}, rate {lane.learning_rate:g}, seed {settings.first_seed}"
