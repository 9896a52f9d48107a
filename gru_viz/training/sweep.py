"""A sweep: every cell with every size and learning rate, for every seed; and where each of these trainings ends."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
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
"""The most trainings of one sweep; what a shared machine can bear."""

RESUMABLE: tuple[Status, ...] = ("stopped", "paused", "interrupted", "failed")


@dataclass(frozen=True)
class Sweep:
    """What is crossed with what.

    Every seed is a run of its own: one that diverges, as some do where the rate is high, then ends alone; a worker that
    dies costs one of them; and a cluster trains as many at once as it has room for.

    Attributes:
        cells: names in ``CONVENTIONS``.
        sizes: units a layer.
        rates: learning rates.
        settings: all else, the seeds included; of its lanes the first counts.

    Raises:
        TrainingError: nothing is crossed, too much is, or something is out of its limits.

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
            remedy = "Cross fewer cells, sizes, rates or seeds."
            raise TrainingError("sweep", f"{len(self):,} trainings", f"{MOST_TRAININGS:,} at most", remedy)
        for _ in self.each():  # a lane out of its limits is refused here
            pass

    def __len__(self) -> int:
        return len(self.cells) * len(self.sizes) * len(self.rates) * self.settings.seeds

    def each(self) -> Iterator[Settings]:
        """The settings of every training; the first seed of all comes first, so that the picture fills evenly."""
        for seed in self.settings.all_seeds:
            for rate in self.rates:
                for size in self.sizes:
                    for cell in self.cells:
                        lane = replace(
                            self.settings.lanes[0], name=_call(cell), cell=cell, hidden=size, learning_rate=rate
                        )
                        yield replace(self.settings, lanes=(lane,), seeds=1, first_seed=seed)


@dataclass(frozen=True)
class SweepPoint:
    """Where one training of a sweep ended.

    Attributes:
        cell: what it trained, as it is called on the page.
        hidden: units.
        learning_rate: of the optimiser.
        seed: of the model.
        loss: final held-out loss; not a number where it diverged.
        run: the id of its run.
    """

    cell: str
    hidden: int
    learning_rate: float
    seed: int
    loss: float
    run: str


@dataclass(frozen=True)
class SweepState:
    """How a sweep stands.

    Attributes:
        key: its key.
        name: what it is about, in words.
        created: when it was asked for.
        total: how many trainings it has.
        done: how many have finished or diverged.
        active: whether more is to come without anyone's doing.
        resumable: how many were stopped, interrupted or failed, and could be started again.
    """

    key: str
    name: str
    created: datetime
    total: int
    done: int
    active: bool
    resumable: int


def start_sweep(store: RunStore, engine: Engine, sweep: Sweep, data: Any = None) -> str:
    """Write every training of a sweep down as a run, and put them in line, behind the runs that someone watches.

    Args:
        store: where they are kept.
        engine: of the same store.
        sweep: what is crossed.
        data: the user's own, of the kind that the task needs; kept once for all.

    Returns:
        The sweep's key.

    Raises:
        TrainingError: the settings or the data do not make a task.
    """
    key, each = secrets.token_hex(5), list(sweep.each())
    engine.start_all(store.create_all(each, data, [_name(settings) for settings in each], key))
    return key


def resume_sweep(store: RunStore, engine: Engine, key: str) -> None:
    """Put back in line what of a sweep was stopped, interrupted or failed.

    Raises:
        TrainingError: nothing was.
    """
    engine.start_all(run.run_id for run in store.runs(key) if run.status in RESUMABLE)


def sweep_points(store: RunStore, key: str) -> list[SweepPoint]:
    """Where the trainings of a sweep ended, as far as they have."""
    points = []
    for run, settings, status, losses in store.sweep_results(key):
        lane = settings.lanes[0]
        loss = losses[0] if losses and status == "finished" else math.nan
        points.append(SweepPoint(lane.name, lane.hidden, lane.learning_rate, settings.first_seed, loss, run))
    return points


def sweeps(store: RunStore) -> list[SweepState]:
    """Every sweep that is kept, the newest first."""
    return [
        SweepState(
            key,
            f"{TASKS[task].title if task in TASKS else task}: {sum(counts.values()):,} trainings",
            datetime.fromtimestamp(created).astimezone(),
            sum(counts.values()),
            counts.get("finished", 0) + counts.get("diverged", 0),
            any(status in counts for status in ACTIVE),
            sum(counts.get(status, 0) for status in RESUMABLE),
        )
        for key, created, task, counts in store.sweeps()
    ]


def _call(cell: str) -> str:
    """What people call a cell."""
    return Lane(cell=cell, hidden=1).title.removesuffix(", 1 units")


def _name(settings: Settings) -> str:
    lane = settings.lanes[0]
    return f"{lane.title}, rate {lane.learning_rate:g}, seed {settings.first_seed}"
