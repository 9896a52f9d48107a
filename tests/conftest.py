"""What every test stands on: shapes checked where they are annotated, one thread, the repository on the path."""

from __future__ import annotations

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

CHECKED = tuple(
    f"gru_viz.{module}"
    for module in (
        "conventions",
        "equations",
        "layout",
        "weights",
        "initialisation",
        "batch",
        "recovery",
        "running",
        "trace",
    )
)
"""The modules whose annotations, shapes included, are enforced while the tests run."""

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
