"""What every test stands on: shapes checked where they are annotated, one thread, the repository on the path."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(path) for path in (HERE, HERE.parent) if str(path) not in sys.path]
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("GRU_VIZ_NICE", "0")  # else what trains would wait for the other tests, and its own for it

import jaxtyping  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

CHECKED = ("gru_viz.equations", "gru_viz.analysis.ordering")
"""Modules that annotate shapes, which are enforced while the tests run; all other types are mypy's business.

Enforcing types where no shape is said proved nothing more, and took most of the time of many tests.
"""

if "gru_viz" not in sys.modules:  # the hook works on what is imported after it
    jaxtyping.install_import_hook(list(CHECKED), "beartype.beartype")

torch.set_num_threads(1)
settings.register_profile(
    "gru_viz",
    deadline=None,
    derandomize=True,
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("gru_viz")


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Switch the annotation checks off: for arguments wrong on purpose, and for long or many runs."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: whoever collects garbage need not look through all of it each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Let each process keep to its part of the files, and whoever is done take from another's end.

    What files share, a browser, a server, an import, is then made once or twice rather than wherever a test lands.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)
