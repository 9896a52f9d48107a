"""The engine's own thread: which lane trains where, what it told, and what became of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gru_viz.errors import GruVizError
from gru_viz.training.engine.crew import PREFIX, Crew, CrewLostError, Seat
from gru_viz.training.engine.lane import Answer, Ask, Job
from gru_viz.training.engine.line import Line, Ticket
from gru_viz.training.records import Checkpoint, RateChange, Record
from gru_viz.training.runs import RunStore, Status
from gru_viz.training.runs.lane_owners import NotOwnerError

if TYPE_CHECKING:
    from distributed import Future

__all__ = ["Foreman"]

SWEEP_TRIES = 3
"""So often a lane of a sweep goes on by itself after its worker has died."""

CHECKPOINT_RATE = 20e6
"""Bytes a second that checkpoints of one lane may take on their way; a large one is fetched less often."""

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Attempt:
    """A lane on a worker.

    Attributes:
        ticket: what it was started by.
        lane: the lane's name.
        seat: the worker.
        token: what the worker calls it.
        future: dask's, of the task.
        seen: records written down.
        saved: the update of the checkpoint that was written down; -1: none by this attempt.
        wanted_at: when the next checkpoint is wanted.
        update: as far as it is known to have come.
        began: whether it was seen to train.
        then: the status it is to have once it has stopped; None while it is to train.
        rate: a serial number and a learning rate that it has not yet told of.
    """

    ticket: Ticket
    lane: str
    seat: Seat
    token: str
    future: Future
    seen: int = 0
    saved: int = -1
    wanted_at: float = 0.0
    update: int = 0
    began: bool = False
    then: Status | None = None
    rate: tuple[int, float] | None = None
    over: bool = False

    @property
    def ask(self) -> Ask:
        """What to ask its worker."""
        wanted = time.monotonic() >= self.wanted_at
        return Ask(self.seen, self.saved, wanted, self.then is not None, self.rate)


@dataclass
class Foreman:
    """Works in the engine's thread; what other threads read of it is guarded by the lock.

    Attributes:
        store: where the runs are.
        engine: the engine's name.
        crew: the workers.
        line: who waits.
        lock: of the line, and of the attempts.
        most: how many lanes may train at once; None: as many as the crew has room for.
        trouble: what is wrong, in sentences.
        slots: how many lanes train at once.
        ready: whether there is a worker.
    """

    store: RunStore
    engine: str
    crew: Crew
    line: Line
    lock: threading.RLock
    most: int | None
    trouble: str = ""
    slots: int = 0
    ready: bool = False
    _attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    _unplaced: list[tuple[Ticket, str]] = field(default_factory=list)
    _done: dict[str, list[str]] = field(default_factory=dict)
    _lost: Counter[str] = field(default_factory=Counter)
    _wanted: int = 0
    _serial: int = 0

    def __post_init__(self) -> None:
        if self.crew.kind == "local":
            self.slots = self._wanted = self.most or count_cores()

    @property
    def running(self) -> int:
        """How many lanes train, or are about to."""
        with self.lock:
            return len(self._attempts) + len(self._unplaced)

    def has(self, run: str, lane: str) -> bool:
        """Whether a lane trains, or is about to."""
        with self.lock:
            return (run, lane) in self._attempts or any((t.run, n) == (run, lane) for t, n in self._unplaced)

    def has_ended(self) -> bool:
        """Whether a lane has ended whose last words were not yet heard."""
        return any(attempt.future.done() for attempt in self._attempts.values())

    # wishes

    def end(self, run: str, status: Status) -> None:
        """End what there is of a run."""
        self._end_where(lambda ticket: ticket.run == run, status)

    def end_sweep(self, sweep: str) -> None:
        """End what there is of a sweep."""
        self._end_where(lambda ticket: ticket.sweep == sweep, "stopped")

    def _end_where(self, chosen: Any, status: Status) -> None:
        for ticket, lane in [each for each in self._unplaced if chosen(each[0])]:
            self._unplaced.remove((ticket, lane))
            self.settle(Ticket(ticket.run, (lane,), ticket.sweep), status, "")
        for attempt in self._attempts.values():
            if chosen(attempt.ticket):
                attempt.then = status
        with self.lock:  # it may have come back to the line in the meantime
            tickets = [t for t in self.line if chosen(t)]
            for ticket in tickets:
                self.line.remove(ticket)
        for ticket in tickets:
            self.settle(ticket, status, "")

    def change_rate(self, run: str, lane: str, rate: float) -> None:
        """Tell a lane that trains; keep it for one at rest."""
        attempt = self._attempts.get((run, lane))
        if attempt is None:
            self.store.set_rate(run, lane, rate)
        else:
            self._serial += 1
            attempt.rate = (self._serial, rate)

    def settle(self, ticket: Ticket, status: Status, message: str) -> None:
        """Say what became of lanes that do not train."""
        for lane in ticket.lanes:
            try:
                self.store.set_lane(
                    ticket.run, lane, by=self.engine, status=status, message=message, rate=0.0, engine=""
                )
            except GruVizError as reason:  # deleted, or another engine's
                log.info("%s", reason)

    # rounds

    def turn(self) -> None:
        """One round.

        Raises:
            CrewLostError: the scheduler does not answer.
        """
        busy = {attempt.seat.address for attempt in self._attempts.values()}
        self.crew.tend(self._wanted, busy)
        seats = self.crew.survey()
        self.ready = bool(seats)
        if self.crew.kind == "cluster":
            threads = sum(seat.threads for seat in seats.values())
            self.slots = min(threads, self.most or threads)
        self._pull(seats)
        self._dispatch(seats)

    def _pull(self, seats: dict[str, Seat]) -> None:
        asks: dict[str, dict[str, Ask]] = {a: {} for a in self._done if a in seats}
        done_before = {a.token for a in self._attempts.values() if a.future.done()}
        for attempt in self._attempts.values():
            if attempt.seat.address in seats:
                asks.setdefault(attempt.seat.address, {})[attempt.token] = attempt.ask
        done, self._done = self._done, {}
        answers = self.crew.collect(asks, done)
        for attempt in list(self._attempts.values()):
            answer = answers.get(attempt.token)
            if answer is not None:
                self._write(attempt, answer)
            elif attempt.seat.address not in seats:
                attempt.future.cancel()
                self._interrupt(attempt, f"Its worker, {self._name(attempt.seat)}, ended")
            elif attempt.token in done_before and not self.crew.silence(attempt.seat.address):
                self._finish_unheard(attempt)

    def _name(self, seat: Seat) -> str:
        return f"process {seat.name}" if self.crew.kind == "local" else seat.address

    def _write(self, attempt: Attempt, answer: Answer) -> None:
        """Write down what a lane told, and how it stands."""
        new: list[Record] = list(answer.records[max(0, attempt.seen - answer.first) :])
        seen = answer.first + len(answer.records)
        if answer.checkpoint is not None:
            new.append(answer.checkpoint)
        state: dict[str, Any] = {} if answer.progress is None else asdict(answer.progress)
        if answer.ended:
            state |= self._conclude(attempt, answer)
        elif answer.progress is not None and not attempt.began:
            attempt.began = True
            state |= {"status": "running"} | ({} if attempt.then else {"message": ""})
        try:
            if new or state:
                self.store.write(attempt.ticket.run, attempt.lane, new, by=self.engine, **state)
        except GruVizError as reason:  # deleted, or taken over by an engine that believed this one dead
            log.warning("A lane is left alone: %s", reason)
            attempt.then = attempt.then or "stopped"
            if answer.ended:
                self._release(attempt)
            return
        attempt.seen = seen
        attempt.update = answer.progress.update if answer.progress else attempt.update
        if answer.checkpoint is not None:
            attempt.saved = answer.checkpoint.update
            attempt.wanted_at = time.monotonic() + _size(answer.checkpoint) / CHECKPOINT_RATE
        if attempt.rate and any(isinstance(each, RateChange) and each.rate == attempt.rate[1] for each in new):
            attempt.rate = None
        if answer.ended:
            self._release(attempt)
            if state.get("status") == "queued":
                with self.lock:
                    self.line.push_front(Ticket(attempt.ticket.run, (attempt.lane,), attempt.ticket.sweep))

    def _conclude(self, attempt: Attempt, answer: Answer) -> dict[str, Any]:
        """The state of a lane that has ended."""
        rest: dict[str, Any] = {"rate": 0.0, "engine": ""}
        match answer.ended:
            case "diverged":
                return rest  # the record says the rest
            case "finished":
                return rest | {"status": "finished", "message": ""}
            case "failed":
                if answer.error[1]:
                    log.error("Lane %s of run %s failed:\n%s", attempt.lane, attempt.ticket.run, answer.error[1])
                return rest | {"status": "failed", "message": answer.error[0]}
        status = attempt.then or "interrupted"
        if status == "queued":
            return {"status": "queued", "message": "Makes room for someone who watches.", "rate": 0.0}
        message = ""
        if status == "interrupted":
            reached = answer.checkpoint.update if answer.checkpoint else attempt.saved
            why = "It was not asked for too long" if answer.ended == "abandoned" else "The server was stopped"
            message = f"{why}; resume continues from update {max(0, reached):,}."
        return rest | {"status": status, "message": message}

    def _release(self, attempt: Attempt) -> None:
        """Nothing more is expected of an attempt."""
        attempt.over = True
        with self.lock:
            self._attempts.pop((attempt.ticket.run, attempt.lane), None)
        self._done.setdefault(attempt.seat.address, []).append(attempt.token)
        if attempt.rate:
            try:
                self.store.set_rate(attempt.ticket.run, attempt.lane, attempt.rate[1])
            except GruVizError as reason:
                log.info("%s", reason)

    def _interrupt(self, attempt: Attempt, why: str) -> None:
        """A lane was lost; one of a sweep goes on by itself, a few times."""
        ticket = Ticket(attempt.ticket.run, (attempt.lane,), attempt.ticket.sweep)
        self._release(attempt)
        self._lost[ticket.run] += 1
        again = ticket.sweep and self._lost[ticket.run] <= SWEEP_TRIES and attempt.then in (None, "queued")
        try:
            goes_on = self.store.describe_resume(ticket.run, attempt.lane)
        except GruVizError:
            return
        message = f"{why} near update {attempt.update:,}; {goes_on}"
        if not again:
            stopped = attempt.then in ("paused", "stopped")
            self.settle(ticket, attempt.then if stopped and attempt.then else "interrupted", message)
            return
        try:
            self.store.set_lane(ticket.run, attempt.lane, by=self.engine, status="queued", message=message, rate=0.0)
        except NotOwnerError:
            return
        with self.lock:
            self.line.push_front(ticket)

    def _finish_unheard(self, attempt: Attempt) -> None:
        """The task has ended, and its worker knows nothing of the lane."""
        reason = attempt.future.exception() if attempt.future.status == "error" else None
        said = f"{type(reason).__name__}: {reason}" if reason else attempt.future.status
        self._interrupt(attempt, f"Its worker, {self._name(attempt.seat)}, lost it ({said})")

    def lose_everyone(self, why: str) -> None:
        """The scheduler is gone, and with it all that was known of the workers."""
        self.ready = False
        for attempt in list(self._attempts.values()):
            self._interrupt(attempt, why.rstrip("."))
        with self.lock:
            for ticket, lane in reversed(self._unplaced):
                self.line.push_front(Ticket(ticket.run, (lane,), ticket.sweep))
            self._unplaced.clear()
        self._done.clear()

    def farewell(self, seconds: float) -> None:
        """Let every lane save a checkpoint, in so much time; what has not is called interrupted all the same."""
        until = time.monotonic() + seconds
        self._end_where(lambda _: True, "interrupted")
        try:
            while self._attempts and time.monotonic() < until:
                self._pull(self.crew.survey())
                time.sleep(0.02)
        finally:
            for attempt in list(self._attempts.values()):
                attempt.then = "interrupted"
                self._interrupt(attempt, "The server was stopped")

    # handing out work

    def _dispatch(self, seats: dict[str, Seat]) -> None:
        free = self._count_free(seats)
        for ticket, lane in list(self._unplaced):
            address = _next_free(free)
            if address is None:
                return
            self._unplaced.remove((ticket, lane))
            self._place(ticket, lane, seats[address])
        while True:
            with self.lock:
                first = self.line.first
                if first is None:
                    self._wanted = max(self.slots, len(self._attempts))
                    return
                if not self._fits(first, seats, free):
                    break
                self.line.remove(first)
                self._unplaced += [(first, lane) for lane in first.lanes]
            for lane in first.lanes:
                address = _next_free(free)
                if address is not None:
                    self._unplaced.remove((first, lane))
                    self._place(first, lane, seats[address])
        self._make_room(first, sum(free.values()))

    def _count_free(self, seats: dict[str, Seat]) -> dict[str, int]:
        """Threads that nobody uses, by worker."""
        mine = {PREFIX + attempt.token for attempt in self._attempts.values()}
        here = Counter(attempt.seat.address for attempt in self._attempts.values())
        others = {a: sum(task not in mine and task.startswith(PREFIX) for task in s.tasks) for a, s in seats.items()}
        return {address: max(0, seat.threads - here[address] - others[address]) for address, seat in seats.items()}

    def _fits(self, ticket: Ticket, seats: dict[str, Seat], free: dict[str, int]) -> bool:
        """Whether all lanes of a ticket can start now, or as many as ever could."""
        need, running = len(ticket.lanes), len(self._attempts) + len(self._unplaced)
        if running:
            return running + need <= self.slots and sum(free.values()) >= need
        if self.crew.kind == "local":
            self._wanted = max(self.slots, need)
            return sum(free.values()) >= need
        everything = sum(seat.threads for seat in seats.values())
        return 0 < min(need, everything) <= sum(free.values())

    def _make_room(self, ticket: Ticket, free: int) -> None:
        """Where someone watches, lanes of a sweep save a checkpoint and go back to the line."""
        if ticket.sweep:
            return
        sweeping = [a for a in self._attempts.values() if a.ticket.sweep and a.then is None]
        leaving = sum(a.then == "queued" for a in self._attempts.values())
        lacking = len(ticket.lanes) - leaving - max(0, min(free, self.slots - len(self._attempts)))
        for attempt in sweeping[: max(0, lacking)]:
            attempt.then = "queued"

    def _place(self, ticket: Ticket, lane: str, seat: Seat) -> None:
        """Begin a lane on a worker."""
        token = f"{ticket.run}-{os.urandom(6).hex()}"
        try:
            job = self._write_job(ticket.run, lane)
            future = self.crew.hand_over(seat.address, token, job)
        except GruVizError as reason:
            self.settle(Ticket(ticket.run, (lane,), ticket.sweep), "failed", str(reason))
        except CrewLostError as reason:
            log.info("A worker did not take a lane: %s", reason)
            self._unplaced.append((ticket, lane))
        else:
            checkpoint = job.checkpoint
            attempt = Attempt(ticket, lane, seat, token, future, update=checkpoint.update if checkpoint else 0)
            attempt.saved = attempt.update if checkpoint else -1
            with self.lock:
                self._attempts[(ticket.run, lane)] = attempt

    def _write_job(self, key: str, lane: str) -> Job:
        run, store = self.store.run(key), self.store
        return Job(
            run.settings.to_json(),
            lane,
            run.lane(lane).until,
            store.files(key).data(),
            store.checkpoint(key, lane),
            tuple(store.rate_changes(key, lane)),
            self.crew.lease,
        )


def count_cores() -> int:
    """The cores that this process may use; at least two, so that a GRU and an LSTM train together."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(2, cores)


def _next_free(free: dict[str, int]) -> str | None:
    """Take a thread of the worker that has most of them."""
    address = max(free, key=free.__getitem__, default=None)
    if address is None or not free[address]:
        return None
    free[address] -= 1
    return address


def _size(checkpoint: Checkpoint) -> int:
    return sum(array.nbytes for array in checkpoint.arrays.values())
