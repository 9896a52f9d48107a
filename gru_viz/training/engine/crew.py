"""The workers of an engine: a scheduler of dask.distributed, and what is said to the processes behind it.

Both kinds of crew say everything through the scheduler and call nothing but functions of ``engine.lane``; they differ
in where the workers come from.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gru_viz.errors import TrainingError
from gru_viz.optional import optional_packages
from gru_viz.training.engine.lane import Answer, Ask, Job

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Crew", "CrewLostError", "Seat"]

LANE = "gru_viz.training.engine.lane"
PATIENCE = 3.0
"""Seconds that a worker has for an answer."""

SCHEDULER_PATIENCE = 15.0
"""Seconds that the scheduler has: where it is lost, so is everything that trains; a busy machine stops for seconds."""

BYTES_A_SECOND = 5e6
"""What a slow network carries; so much longer does a worker have for a lane with large data."""

PREFIX = "gru_viz-lane-"
"""How the tasks of every engine are called, so that engines on one cluster see each other's."""


class CrewLostError(Exception):
    """The scheduler does not answer any more."""


@dataclass(frozen=True)
class Seat:
    """A worker process.

    Attributes:
        address: where the scheduler finds it.
        name: what it calls itself; the process id of a local one.
        threads: how many lanes it trains at once.
        tasks: the keys of what it has been given, by whomever.
    """

    address: str
    name: str
    threads: int
    tasks: tuple[str, ...]


class Crew:
    """A client of a scheduler; use it from one thread.

    Attributes:
        kind: where the workers come from.
        address: the scheduler's; empty before it is known.
        lease: seconds without its engine after which a lane stops by itself.
        trouble: what is wrong with some of the workers, in sentences.
    """

    kind: ClassVar[Literal["local", "cluster"]]
    lease: ClassVar[float]

    def __init__(self) -> None:
        self.address, self.trouble = "", ""
        self._client: Client | None = None
        self._welcomed: dict[str, bool] = {}
        self._seats: dict[str, Seat] = {}
        self._ask_again: dict[str, float] = {}
        self._silent_since: dict[str, float] = {}

    def open(self) -> None:
        """Find the scheduler.

        Raises:
            TrainingError: it cannot be reached.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the scheduler, and end what is this engine's own."""
        if self._client is not None:
            client, self._client = self._client, None
            client.close(timeout=2)
        self._welcomed, self._seats = {}, {}

    def tend(self, wanted: int, busy: set[str]) -> None:
        """Bring the number of workers to what is wanted, as far as that is this engine's business.

        Args:
            wanted: how many lanes there should be room for.
            busy: addresses of workers that must not be sent away.
        """

    def is_fit(self, address: str) -> bool | None:
        """Whether a worker that has just been found can be given lanes; None where it has not said so yet."""
        return True

    @property
    def client(self) -> Client:
        """The connection."""
        if self._client is None:
            raise CrewLostError
        return self._client

    def survey(self) -> dict[str, Seat]:
        """The workers that are there now, by address; whoever is new is told to warm up.

        Raises:
            CrewLostError: the scheduler does not answer.
        """
        seats = self._seats = self._look()
        self._welcomed = {address: fit for address, fit in self._welcomed.items() if address in seats}
        now = time.monotonic()
        for address in seats.keys() - self._welcomed.keys():
            if not self._may_ask(address, now):
                continue
            fit = self.is_fit(address)
            if fit is None:  # it is still loading what it needs
                self._ask_again[address] = time.monotonic() + PATIENCE
                continue
            self._welcomed[address] = fit
            if fit:
                self._call("warm_up", {address: (len(self._welcomed) - 1,)})
        return {address: seat for address, seat in seats.items() if self._welcomed.get(address)}

    def _look(self) -> dict[str, Seat]:
        async def look() -> tuple[Any, Any]:
            scheduler = self.client.scheduler
            told = asyncio.gather(scheduler.identity(n_workers=-1), scheduler.processing())
            return await asyncio.wait_for(told, SCHEDULER_PATIENCE)

        try:
            told, tasks = self.client.sync(look)
        except Exception as reason:
            raise CrewLostError(str(reason)) from reason
        return {
            address: Seat(address, str(each["name"]), each["nthreads"], tuple(map(str, tasks.get(address, ()))))
            for address, each in told["workers"].items()
        }

    def hand_over(self, address: str, token: str, job: Job) -> Future:
        """Give a worker a lane to train.

        Raises:
            CrewLostError: the worker did not take it.
        """
        size = len(job.data) + (sum(a.nbytes for a in job.checkpoint.arrays.values()) if job.checkpoint else 0)
        patience = PATIENCE + size / BYTES_A_SECOND
        answer = self._call("hand_over", {address: (token, job)}, patience)[address]
        if isinstance(answer, Exception):
            raise CrewLostError(str(answer)) from answer
        return self.client.submit(
            by_name("train"),
            token,
            key=PREFIX + token,
            pure=False,
            workers=[address],
            allow_other_workers=False,
            retries=0,
        )

    def collect(self, asks: Mapping[str, Mapping[str, Ask]], done: Mapping[str, list[str]]) -> dict[str, Answer]:
        """Ask every worker for its lanes.

        Args:
            asks: worker → token → what is wanted.
            done: worker → tokens of lanes of which all is known; for the workers asked.

        Returns:
            token → answer, of the workers that answered in time.
        """
        now, answers = time.monotonic(), dict[str, Answer]()
        asked = {a: (dict(wanted), tuple(done.get(a, ()))) for a, wanted in asks.items() if self._may_ask(a, now)}
        for address, answer in self._call("collect", asked).items():
            if isinstance(answer, Exception):
                self._silent_since.setdefault(address, now)
                self._ask_again[address] = time.monotonic() + PATIENCE
            else:
                self._silent_since.pop(address, None)
                answers |= pickle.loads(answer)
        return answers

    def _may_ask(self, address: str, now: float) -> bool:
        """A worker that did not answer is not asked at every turn: it would hold up the others'."""
        return now >= self._ask_again.get(address, 0)

    def silence(self, address: str) -> float:
        """For how many seconds a worker has not answered."""
        since = self._silent_since.get(address)
        return 0.0 if since is None else time.monotonic() - since

    def _call(self, name: str, arguments: Mapping[str, tuple[Any, ...]], patience: float = PATIENCE) -> dict[str, Any]:
        """Call a function of ``engine.lane`` in some workers at once: worker → what it returned, or the exception."""
        return self._run(by_name(name), arguments, patience)

    def _run(
        self, function: Callable[..., Any], arguments: Mapping[str, tuple[Any, ...]], patience: float
    ) -> dict[str, Any]:
        if not arguments:
            return {}
        client = self.client

        async def one(address: str) -> Any:
            try:
                running: Awaitable[Any] = client.run(function, *arguments[address], workers=[address])
                return (await asyncio.wait_for(running, patience))[address]
            except Exception as reason:
                return reason

        async def every() -> dict[str, Any]:
            return dict(zip(arguments, await asyncio.gather(*map(one, arguments)), strict=True))

        try:
            told: dict[str, Any] = client.sync(every)
        except Exception as reason:
            raise CrewLostError(str(reason)) from reason
        return told


def by_name(name: str, module: str = LANE) -> Callable[..., Any]:
    """A function that travels as its own text, and finds what it calls where it arrives.

    A scheduler unpickles every task; so it need not have gru_viz, nor load torch.
    """

    def call(*arguments: Any) -> Any:
        from importlib import import_module

        return getattr(import_module(module), name)(*arguments)

    return call


def quieten() -> None:
    """Keep dask's own account of workers that come and go out of the server's log; the engine tells it in sentences."""
    with optional_packages("training in the background"):
        import distributed  # noqa: F401  # configures its loggers when it is imported

    logging.getLogger("distributed").setLevel(logging.CRITICAL)


def unreachable(address: str, reason: object) -> TrainingError:
    """The error of a scheduler that cannot be used."""
    remedy = "Runs wait until it can; check the address, and that the scheduler runs."
    return TrainingError(f"training cluster {address}", str(reason), "a scheduler of dask.distributed", remedy)
