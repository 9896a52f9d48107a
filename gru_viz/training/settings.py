"""The settings of a training: a task, its lanes and their length; saved as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from gru_viz.conventions import CONVENTIONS
from gru_viz.errors import TrainingError
from gru_viz.initialisation import INITIALISATIONS

__all__ = ["BACKENDS", "LIMITS", "OPTIMISERS", "SCHEDULES", "Lane", "Settings", "TrainingLimits", "check_rate"]

OPTIMISERS = MappingProxyType(
    {
        "adam": "Adam",
        "adamw": "AdamW, weight decay 0.01",
        "rmsprop": "RMSprop",
        "sgd": "SGD, momentum 0.9",
    }
)
"""Optimisers: name → title."""

SCHEDULES = MappingProxyType(
    {
        "constant": "constant",
        "cosine": "cosine to a tenth",
        "warmup": "linear warm-up over the first tenth, then cosine to a tenth",
        "halving": "halved after each quarter",
    }
)
"""Learning-rate schedules over the planned updates: name → title."""

BACKENDS = MappingProxyType(
    {
        "auto": "auto (compiled kernel if it supports the cell)",
        "compiled": "compiled kernel",
        "torch": "torch.nn",
        "scratch": "from scratch, step by step",
    }
)
"""What runs the recurrence: name → title."""

RENAMED = {"computed_by": "backend", "says": "predict"}
"""Fields of lanes and options as earlier versions saved them: old name → name now."""


@dataclass(frozen=True)
class TrainingLimits:
    """The largest training that a shared machine accepts.

    Attributes:
        hidden: units a layer.
        layers: layers.
        seeds: models a lane.
        updates: updates a run, extensions included.
        batch: sequences a batch.
        steps: steps of a sequence.
        memory: estimated bytes of a lane.
        waiting: runs in the queue.
    """

    hidden: int = 512
    layers: int = 4
    seeds: int = 20
    updates: int = 200_000
    batch: int = 512
    steps: int = 2000
    memory: int = 6 * 2**30
    waiting: int = 200


LIMITS = TrainingLimits()


def _check_range(where: str, what: str, value: float, least: float, most: float, *, whole: bool = False) -> None:
    wanted = f"{'a whole number from ' if whole else ''}{least:,} to {most:,}"
    numeric = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not numeric or not least <= value <= most:
        found = f"{value:,}" if isinstance(value, (int, float)) else repr(value)
        raise TrainingError(f"{where}, {what}", found, wanted, "Choose a number within these limits.")


def check_rate(where: str, rate: float) -> None:
    """Check a learning rate.

    Raises:
        TrainingError: it is not a number from 1e-9 to 100.
    """
    _check_range(where, "learning_rate", rate, 1e-9, 100)


@dataclass(frozen=True)
class Lane:
    """One model of a comparison: a cell, its size, and how it is trained.

    Attributes:
        name: unique in a run.
        cell: a name in ``CONVENTIONS``.
        hidden: units a layer.
        layers: layers.
        dropout: between layers, while training.
        initialisation: a name in ``INITIALISATIONS``.
        optimiser: a name in ``OPTIMISERS``.
        learning_rate: of the optimiser, before the schedule.
        schedule: a name in ``SCHEDULES``.
        clip: largest norm of a model's gradient; 0: no clipping.
        backend: a name in ``BACKENDS``.
        onednn: whether torch may use oneDNN for an LSTM; it has nothing like it for a GRU.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:k"``.

    Example:
        >>> Lane("LSTM", cell="torch_lstm", hidden=64).title
        'LSTM, 64 units'
    """

    name: str = "GRU"
    cell: str = "torch"
    hidden: int = 32
    layers: int = 1
    dropout: float = 0.0
    initialisation: str = "torch"
    optimiser: str = "adam"
    learning_rate: float = 0.005
    schedule: str = "constant"
    clip: float = 1.0
    backend: str = "auto"
    onednn: bool = True
    device: str = "cpu"

    def __post_init__(self) -> None:
        where = f"lane {self.name}"
        every = {"cell": CONVENTIONS, "initialisation": INITIALISATIONS, "optimiser": OPTIMISERS}
        for what, known in {**every, "schedule": SCHEDULES, "backend": BACKENDS}.items():
            name = getattr(self, what)
            if name not in known:
                raise TrainingError(
                    f"{where}, {what}", repr(name), f"one of {', '.join(known)}", "Choose one of these."
                )
        _check_range(where, "hidden", self.hidden, 1, LIMITS.hidden, whole=True)
        _check_range(where, "layers", self.layers, 1, LIMITS.layers, whole=True)
        _check_range(where, "dropout", self.dropout, 0, 0.95)
        check_rate(where, self.learning_rate)
        _check_range(where, "clip", self.clip, 0, 1e9)

    @property
    def title(self) -> str:
        """The cell and its size."""
        stacked = f" × {self.layers} layers" if self.layers > 1 else ""
        plain = {"torch": "GRU", "torch_lstm": "LSTM", "torch_rnn": "tanh RNN"}
        return f"{plain.get(self.cell, CONVENTIONS[self.cell].title)}, {self.hidden} units{stacked}"


@dataclass(frozen=True)
class Settings:
    """A whole comparison: the same task, batches and seeds for every lane.

    Attributes:
        task: a name in ``TASKS``.
        options: of the task, by name; others have the task's default.
        lanes: the models to compare.
        updates: of the weights.
        batch: sequences per update.
        seeds: models per lane, each with its own initialisation and batches.
        first_seed: the seeds are consecutive from it.

    Example:
        >>> Settings.from_json(Settings("sine").to_json()) == Settings("sine")
        True
    """

    task: str
    options: Mapping[str, Any] = field(default_factory=dict)
    lanes: tuple[Lane, ...] = (Lane("GRU"), Lane("LSTM", cell="torch_lstm"))
    updates: int = 1000
    batch: int = 32
    seeds: int = 1
    first_seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", dict(self.options))
        object.__setattr__(self, "lanes", tuple(self.lanes))
        names = [lane.name for lane in self.lanes]
        if not names or len(set(names)) < len(names):
            raise TrainingError("lanes", ", ".join(names) or "none", "one or more, each with its own name", "Rename.")
        _check_range("training", "updates", self.updates, 1, LIMITS.updates, whole=True)
        _check_range("training", "batch", self.batch, 1, LIMITS.batch, whole=True)
        _check_range("training", "seeds", self.seeds, 1, LIMITS.seeds, whole=True)
        _check_range("training", "first_seed", self.first_seed, 0, 2**31 - 1 - LIMITS.seeds, whole=True)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seed of each model of a lane."""
        return tuple(range(self.first_seed, self.first_seed + self.seeds))

    def lane(self, name: str) -> Lane:
        """Find a lane by its name.

        Raises:
            TrainingError: no lane has that name.
        """
        for lane in self.lanes:
            if lane.name == name:
                return lane
        known = ", ".join(lane.name for lane in self.lanes)
        raise TrainingError("lane", repr(name), f"one of {known}", "Name one of these.")

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Read what ``to_json`` wrote, also in earlier versions.

        Raises:
            TrainingError: the text is something else.
        """
        try:
            read = json.loads(text, object_hook=lambda fields: {RENAMED.get(k, k): v for k, v in fields.items()})
            return cls(**{**read, "lanes": tuple(Lane(**lane) for lane in read["lanes"])})
        except (ValueError, TypeError, KeyError) as reason:
            remedy = "They may have been written by another version; choose them again."
            raise TrainingError("settings", str(reason), "what Settings.to_json writes", remedy) from reason

    def with_lanes(self, **changes: Any) -> Settings:
        """Return the settings with every lane changed in the same way.

        Example:
            >>> [lane.hidden for lane in Settings("sine").with_lanes(hidden=8).lanes]
            [8, 8]
        """
        return replace(self, lanes=tuple(replace(lane, **changes) for lane in self.lanes))
