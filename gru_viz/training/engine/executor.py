"""The workers of an engine: a scheduler of dask.distributed, and calls to the processes behind it.

Both executors send everything through dask's scheduler and call nothing but functions of ``engine.worker_lane``; they
differ in where the workers come from.
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
from gru_viz.training.engine.lane_messages import LaneJob, LaneReply, LaneRequest

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Executor", "ExecutorLostError", "Worker"]

WORKER_MODULE = "gru_viz.training.engine.worker_lane"
WORKER_TIMEOUT = 3.0
"""Seconds within which a worker must answer."""

SCHEDULER_TIMEOUT = 15.0
"""Seconds within which dask's scheduler must answer; a busy machine may stall, and without it all training is lost."""

BYTES_PER_SECOND = 5e6
"""Rate of a slow network; a lane with large data has so much more time to arrive."""

TASK_PREFIX = "gru_viz-lane-"
"""Prefix of dask's names of lanes, by which engines that share a cluster see each other's lanes."""


class ExecutorLostError(Exception):
    """Dask's scheduler, or a worker that was to take a lane, does not answer any more."""


@dataclass(frozen=True)
class Worker:
    """A worker process: how many lanes it trains at once, and the names of all tasks that any engine assigned to it."""

    address: str
    name: str
    threads: int
    tasks: tuple[str, ...]


class Executor:
    """Submits lanes to workers and polls them; used by one thread.

    Attributes:
        kind: where the workers come from.
        address: address of dask's scheduler; empty before it is known.
        lease: seconds without its engine after which a lane stops by itself.
        problem: what is wrong with some of the workers, in sentences.
    """

    kind: ClassVar[Literal["local", "cluster"]]
    lease: ClassVar[float]

    def __init__(self) -> None:
        self.address, self.problem = "", ""
        self._client: Client | None = None
        self._usable: dict[str, bool] = {}
        self._workers: dict[str, Worker] = {}
        self._ask_again: dict[str, float] = {}
        self._silent_since: dict[str, float] = {}

    def open(self) -> None:
        """Connect to dask's scheduler.

        Raises:
            TrainingError: it cannot be reached.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Disconnect, and end the processes that this executor has started."""
        if self._client is not None:
            client, self._client = self._client, None
            client.close(timeout=2)
        self._usable, self._workers = {}, {}

    def scale(self, count: int, busy: set[str]) -> None:
        """Start or end workers to train ``count`` lanes, if that is up to this executor; busy ones are not ended."""

    def check_worker(self, address: str) -> bool | None:
        """Return whether a new worker can train lanes; None if it has not answered yet."""
        return True

    @property
    def waiting(self) -> str:
        """What is waited for while there is no worker, in a sentence."""
        return "The cluster has no workers yet."

    @property
    def client(self) -> Client:
        """The connection."""
        if self._client is None:
            raise ExecutorLostError
        return self._client

    def workers(self) -> dict[str, Worker]:
        """Return the usable workers, by address; new ones are checked.

        Raises:
            ExecutorLostError: dask's scheduler does not answer.
        """
        workers = self._workers = self.list_workers()
        self._usable = {address: usable for address, usable in self._usable.items() if address in workers}
        now = time.monotonic()
        for address in workers.keys() - self._usable.keys():
            if not self._may_ask(address, now):
                continue
            usable = self.check_worker(address)
            if usable is None:  # it is still loading what it needs
                self._ask_again[address] = time.monotonic() + WORKER_TIMEOUT
                continue
            self._usable[address] = usable
        return {address: worker for address, worker in workers.items() if self._usable.get(address)}

    def list_workers(self) -> dict[str, Worker]:
        """Return all workers of dask's scheduler, by address.

        Raises:
            ExecutorLostError: dask's scheduler does not answer.
        """

        async def ask() -> tuple[Any, Any]:
            scheduler = self.client.scheduler
            answers = asyncio.gather(scheduler.identity(n_workers=-1), scheduler.processing())
            return await asyncio.wait_for(answers, SCHEDULER_TIMEOUT)

        try:
            identity, tasks = self.client.sync(ask)
        except Exception as reason:
            raise ExecutorLostError(str(reason)) from reason
        return {
            address: Worker(address, str(each["name"]), each["nthreads"], tuple(map(str, tasks.get(address, ()))))
            for address, each in identity["workers"].items()
        }

    def submit(self, address: str, token: str, job: LaneJob) -> Future:
        """Send a lane to a worker, which trains it.

        Raises:
            ExecutorLostError: the worker did not take it.
        """
        size = len(job.data) + (sum(a.nbytes for a in job.checkpoint.arrays.values()) if job.checkpoint else 0)
        timeout = WORKER_TIMEOUT + size / BYTES_PER_SECOND
        answer = self.call(remote("submit"), {address: (token, job)}, timeout)[address]
        if isinstance(answer, Exception):
            raise ExecutorLostError(str(answer)) from answer
        return self.client.submit(
            remote("train"),
            token,
            key=TASK_PREFIX + token,
            pure=False,
            workers=[address],
            allow_other_workers=False,
            retries=0,
        )

    def poll(
        self, requests: Mapping[str, Mapping[str, LaneRequest]], done: Mapping[str, list[str]]
    ) -> dict[str, LaneReply]:
        """Send the requests, worker → token → request, and the tokens of lanes that a worker can delete.

        Returns:
            token → reply, of the workers that answered in time.
        """
        now, replies = time.monotonic(), dict[str, LaneReply]()
        asked = {a: (dict(each), tuple(done.get(a, ()))) for a, each in requests.items() if self._may_ask(a, now)}
        for address, answer in self.call(remote("poll"), asked).items():
            if isinstance(answer, Exception):
                self._silent_since.setdefault(address, now)
                self._ask_again[address] = time.monotonic() + WORKER_TIMEOUT
            else:
                self._silent_since.pop(address, None)
                replies |= pickle.loads(answer)
        return replies

    def _may_ask(self, address: str, now: float) -> bool:
        """A worker that did not answer is not polled every time: it would delay the others."""
        return now >= self._ask_again.get(address, 0)

    def silent_seconds(self, address: str) -> float:
        """Return for how long a worker has not answered."""
        since = self._silent_since.get(address)
        return 0.0 if since is None else time.monotonic() - since

    def call(
        self, function: Callable[..., Any], arguments: Mapping[str, tuple[Any, ...]], timeout: float = WORKER_TIMEOUT
    ) -> dict[str, Any]:
        """Call a function in several workers at once: worker → returned value, or the exception."""
        if not arguments:
            return {}
        client = self.client

        async def one(address: str) -> Any:
            try:
                running: Awaitable[Any] = client.run(function, *arguments[address], workers=[address])
                return (await asyncio.wait_for(running, timeout))[address]
            except Exception as reason:
                return reason

        async def every() -> dict[str, Any]:
            return dict(zip(arguments, await asyncio.gather(*map(one, arguments)), strict=True))

        try:
            answers: dict[str, Any] = client.sync(every)
        except Exception as reason:
            raise ExecutorLostError(str(reason)) from reason
        return answers


def remote(name: str, module: str = WORKER_MODULE) -> Callable[..., Any]:
    """Return a function that is pickled by value and imports what it calls in the worker.

    Dask's scheduler unpickles every task, so it need neither have gru_viz nor load torch.
    """

    def call(*arguments: Any) -> Any:
        from importlib import import_module

        return getattr(import_module(module), name)(*arguments)

    return call


def silence_dask() -> None:
    """Remove dask's messages about workers that come and go from the server's log; the engine reports them itself."""
    with optional_packages("training in the background"):
        import distributed  # noqa: F401  # configures its loggers when it is imported

    logging.getLogger("distributed").setLevel(logging.CRITICAL)


def unreachable(address: str, reason: object) -> TrainingError:
    """Return the error of a scheduler that cannot be used."""
    remedy = "Runs stay queued until it can; check the address, and that the scheduler runs."
    return TrainingError(f"training cluster {address}", str(reason), "a scheduler of dask.distributed", remedy)
