"""The line in which runs wait: first come, first served; sweeps wait behind everyone who watches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Line", "Ticket"]


@dataclass(frozen=True)
class Ticket:
    """Lanes of a run that are to start together.

    Attributes:
        run: its key.
        lanes: their names.
        sweep: the key of the sweep it belongs to, or empty.
    """

    run: str
    lanes: tuple[str, ...]
    sweep: str = ""


class Line:
    """Who waits, in order.

    Example:
        >>> line = Line()
        >>> for ticket in (Ticket("a", ("GRU",), sweep="s"), Ticket("b", ("GRU",)), Ticket("c", ("GRU",))):
        ...     line.append(ticket)
        >>> line.first.run, line.place("c"), line.place("a"), line.place("d")
        ('b', 2, 3, None)
    """

    def __init__(self) -> None:
        self._watched: deque[Ticket] = deque()
        self._sweeps: deque[Ticket] = deque()

    def __len__(self) -> int:
        return len(self._watched) + len(self._sweeps)

    def __iter__(self) -> Iterator[Ticket]:
        return iter((*self._watched, *self._sweeps))

    @property
    def watched(self) -> int:
        """How many wait that belong to no sweep."""
        return len(self._watched)

    @property
    def first(self) -> Ticket | None:
        """Who is next."""
        return next(iter(self._watched or self._sweeps), None)

    def append(self, ticket: Ticket) -> None:
        """Join at the end."""
        (self._sweeps if ticket.sweep else self._watched).append(ticket)

    def push_front(self, ticket: Ticket) -> None:
        """Come back to the front, having been interrupted."""
        (self._sweeps if ticket.sweep else self._watched).appendleft(ticket)

    def remove(self, ticket: Ticket) -> None:
        """Leave the line."""
        (self._sweeps if ticket.sweep else self._watched).remove(ticket)

    def take(self, run: str) -> list[Ticket]:
        """Take a run out; its tickets, or none."""
        return self._take(lambda ticket: ticket.run == run)

    def take_sweep(self, sweep: str) -> list[Ticket]:
        """Take all runs of a sweep out."""
        return self._take(lambda ticket: ticket.sweep == sweep)

    def take_all(self) -> list[Ticket]:
        """Take everyone out."""
        return self._take(lambda _: True)

    def _take(self, leaves: Callable[[Ticket], bool]) -> list[Ticket]:
        taken: list[Ticket] = []
        for name in ("_watched", "_sweeps"):
            waiting: deque[Ticket] = getattr(self, name)
            taken += [ticket for ticket in waiting if leaves(ticket)]
            setattr(self, name, deque(ticket for ticket in waiting if not leaves(ticket)))
        return taken

    def place(self, run: str) -> int | None:
        """How many places from the front, 1 being next; None for who does not wait."""
        for place, ticket in enumerate(self, start=1):
            if ticket.run == run:
                return place
        return None
