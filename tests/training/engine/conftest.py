"""Puts what these tests share on the path, and starts engines that are closed for certain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engine_helpers import leave_nothing_running

from gru_viz.backends import compiled
from gru_viz.conventions import CONVENTIONS
from gru_viz.training.engine import Engine
from gru_viz.training.runs import RunStore

Open = Callable[..., Engine]


def _closing(folder: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def start(path: Path = folder, **how: object) -> Engine:
            store = stack.enter_context(RunStore(path))
            engine = Engine(store, **how)  # type: ignore[arg-type]
            stack.callback(engine.close)
            return engine

        yield start


@pytest.fixture
def open_engine(tmp_path: Path) -> Iterator[Open]:
    """Start engines for one test."""
    yield from _closing(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _kernels() -> None:
    """Workers train with compiled kernels where these are on the disk, as the bare loop does anyway."""
    compiled.warm(CONVENTIONS.values(), purposes=["training"])


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    for start in _closing(tmp_path_factory.mktemp("runs")):
        yield start(slots=2)


@pytest.fixture
def engine(_shared: Engine) -> Iterator[Engine]:
    """An engine with two slots, at rest, started once for all tests."""
    yield _shared
    leave_nothing_running(_shared)
