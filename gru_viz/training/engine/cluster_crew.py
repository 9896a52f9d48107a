"""The crew of a cluster that someone else has started: found by its scheduler's address."""

from __future__ import annotations

import asyncio
import hashlib
import platform
from functools import cache
from pathlib import Path
from typing import Any

import gru_viz
from gru_viz.training.engine.crew import Crew, by_name, quieten, unreachable

__all__ = ["ClusterCrew", "fingerprint"]

CONNECT_SECONDS = 4.0
FIRST_PATIENCE = 0.5
"""Seconds that a new worker has for an answer at each time of asking: it may first have to load torch."""

SERVING = ("ui", "figures", "exports")
"""Packages that no training needs."""


class ClusterCrew(Crew):
    """Uses the workers of a running scheduler that have the same gru_viz; starts and ends none.

    Whoever can connect to the scheduler can run programs on the workers and in this process: dask sends pickle. Where
    others share the network, use an address with ``tls://`` and certificates by dask's own configuration.

    Args:
        address: the scheduler's.
    """

    kind = "cluster"
    lease = 30.0

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def open(self) -> None:
        """Connect.

        Raises:
            TrainingError: nobody answers there, or not as a scheduler does.
        """
        quieten()
        import distributed

        try:
            asyncio.run(_knock(self.address))  # a client would wait for ever for a listener that says nothing
            self._client = distributed.Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except TypeError as reason:  # dask's way to say that no certificate is configured
            raise unreachable(self.address, f"no certificates for TLS in dask's configuration ({reason})") from reason
        except Exception as reason:
            said = str(reason) or type(reason).__name__
            raise unreachable(self.address, f"no scheduler that answers ({said})") from reason
        self.trouble = ""

    def is_fit(self, address: str) -> bool | None:
        """Whether a worker has the same gru_viz; else ``trouble`` says what it has."""
        told = self._run(by_name_of_version(), {address: ()}, FIRST_PATIENCE)[address]
        if isinstance(told, TimeoutError):
            return None
        if told == (_python(), fingerprint()):
            return True
        self.trouble = f"{explain(address, told)} It is not used; install the same gru_viz there, and restart it."
        return False


def by_name_of_version() -> Any:
    """A function that asks a worker for its Python and its gru_viz; as text, since the worker may have neither."""
    ask = by_name("fingerprint", "gru_viz.training.engine.cluster_crew")

    def call() -> tuple[str, str]:
        import platform

        return ".".join(platform.python_version_tuple()[:2]), ask()

    return call


def explain(address: str, told: Any) -> str:
    """What is wrong with a worker, in a sentence."""
    if isinstance(told, ModuleNotFoundError):
        return f"The worker {address} lacks {told.name}."
    if isinstance(told, Exception):
        said = str(told) or type(told).__name__
        return f"The worker {address} could not be asked for its version ({said})."
    if told[0] != _python():
        return f"The worker {address} has Python {told[0]}, this server {_python()}."
    return f"The worker {address} has another version of gru_viz than this server."


def _python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


@cache
def fingerprint() -> str:
    """What identifies this gru_viz: its version, and the text of everything that takes part in a training.

    Example:
        >>> fingerprint().startswith(gru_viz.__version__)
        True
    """
    root = Path(gru_viz.__file__).parent
    texts = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).parts[0] not in SERVING:
            texts.update(path.read_bytes())
    return f"{gru_viz.__version__} {texts.hexdigest()[:12]}"


async def _knock(address: str) -> None:
    import distributed

    comm = await asyncio.wait_for(distributed.core.connect(address), CONNECT_SECONDS)
    comm.abort()
