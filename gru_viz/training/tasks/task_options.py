"""The options of a task, described once for the page, the checks and the saved settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gru_viz.errors import TrainingError

__all__ = ["Option", "complete"]


@dataclass(frozen=True)
class Option:
    """One option of a task.

    Attributes:
        name: its key in ``Settings.options``.
        title: on the page, with its unit.
        default: its value if none is given.
        least: smallest number allowed; None if it is no number.
        most: largest number allowed.
        choices: value → title, for one of a few values.
        help: one sentence.
    """

    name: str
    title: str
    default: Any
    least: float | None = None
    most: float | None = None
    choices: Mapping[Any, str] = field(default_factory=dict)
    help: str = ""

    def check(self, task: str, value: Any) -> Any:
        """Return the value if it is allowed.

        Raises:
            TrainingError: it is not.
        """
        if self.choices and value not in self.choices:
            known = ", ".join(map(str, self.choices))
            raise TrainingError(f"{task}, {self.name}", repr(value), f"one of {known}", "Choose one of these.")
        if self.least is not None and self.most is not None and not self.least <= value <= self.most:
            wanted = f"{self.least:,} to {self.most:,}"
            raise TrainingError(f"{task}, {self.name}", f"{value:,}", wanted, "Choose within these limits.")
        return value


def complete(task: str, options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of options that are not given.

    Raises:
        TrainingError: an option is unknown or out of its limits.
    """
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            found = ", ".join(known) or "no option"
            raise TrainingError(f"{task}, options", repr(name), f"one of {found}", "Remove it, or correct its name.")
    return {name: option.check(task, given.get(name, option.default)) for name, option in known.items()}
