"""Workers of a cluster that was started elsewhere, found by the address of its scheduler."""

from __future__ import annotations

import asyncio
import hashlib
import platform
from functools import cache
from typing import Any

from gru_viz.training.engine.executor import Executor, remote, silence_dask, unreachable
from gru_viz.version import PACKAGE, __version__

__all__ = ["ClusterExecutor", "fingerprint"]

CONNECT_SECONDS = 4.0
VERSION_TIMEOUT = 0.5
"""Seconds within which a new worker must answer; it is asked again later, since it may first have to load torch."""

NOT_TRAINING = {"ui", "figures", "exports"}
"""Packages that no training needs."""


class ClusterExecutor(Executor):
    """Uses the workers of a running scheduler that have the same gru_viz; starts and ends none.

    Whoever can connect to the scheduler can run programs on the workers and in this process: dask sends pickle. On a
    shared network use an address with ``tls://`` and certificates in dask's own configuration.
    """

    kind = "cluster"
    lease = 30.0

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def open(self) -> None:
        """Connect.

        Raises:
            TrainingError: nothing answers there, or no scheduler.
        """
        silence_dask()
        import distributed

        try:
            asyncio.run(_connect(self.address))  # a client would wait for ever for a listener that never answers
            self._client = distributed.Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except TypeError as reason:  # raised by dask if no certificate is configured
            raise unreachable(self.address, f"no certificates for TLS in dask's configuration ({reason})") from reason
        except Exception as reason:
            text = str(reason) or type(reason).__name__
            raise unreachable(self.address, f"no scheduler that answers ({text})") from reason
        self.problem = ""

    def check_worker(self, address: str) -> bool | None:
        """Return whether a worker has the same gru_viz, and let it warm up; if not, ``problem`` says what differs."""
        versions = self.call(remote_versions(), {address: ()}, VERSION_TIMEOUT)[address]
        if isinstance(versions, TimeoutError):
            return None
        if versions == (_python(), fingerprint()):
            self.call(remote("warm_up"), {address: (len(self._usable),)})
            return True
        self.problem = f"{explain(address, versions)} It is not used; install the same gru_viz there, and restart it."
        return False


def remote_versions() -> Any:
    """Return a function that asks a worker for its Python and its gru_viz; it may lack either."""
    ask = remote("fingerprint", "gru_viz.training.engine.cluster_executor")

    def call() -> tuple[str, str]:
        import platform

        return ".".join(platform.python_version_tuple()[:2]), ask()

    return call


def explain(address: str, versions: Any) -> str:
    """Return a sentence on what is wrong with a worker, from its versions or the exception raised there."""
    if isinstance(versions, ModuleNotFoundError):
        return f"The worker {address} lacks {versions.name}."
    if isinstance(versions, Exception):
        text = str(versions) or type(versions).__name__
        return f"The worker {address} did not report its version ({text})."
    if versions[0] != _python():
        return f"The worker {address} has Python {versions[0]}, this server {_python()}."
    return f"The worker {address} has another version of gru_viz than this server."


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


@cache
def fingerprint() -> str:
    """Return the version of this gru_viz and a hash of all source files that take part in training."""
    texts = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if NOT_TRAINING.isdisjoint(path.relative_to(PACKAGE).parts):
            texts.update(path.read_bytes())
    return f"{__version__} {texts.hexdigest()[:12]}"


async def _connect(address: str) -> None:
    import distributed

    comm = await asyncio.wait_for(distributed.core.connect(address), CONNECT_SECONDS)
    comm.abort()
