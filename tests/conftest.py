"""What every test stands on: shapes checked where they are annotated, one thread, the repository on the path."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(path) for path in (HERE, HERE.parent) if str(path) not in sys.path]
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("GRU_VIZ_NICE", "0")  # else what trains would wait for the other tests, and its own for it

import jaxtyping  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

CHECKED = (
    "gru_viz.analysis.ordering",
    "gru_viz.analysis.population",
    "gru_viz.bins",
    "gru_viz.equations",
    "gru_viz.sequences.scaling",
    "gru_viz.sequences.sequence",
)
"""Modules that annotate shapes, which are enforced while the tests run; all other types are mypy's business.

Enforcing types where no shape is said proved nothing more, and took most of the time of many tests.
"""

if "gru_viz" not in sys.modules:  # the hook works on what is imported after it
    jaxtyping.install_import_hook(list(CHECKED), "beartype.beartype")

torch.set_num_threads(1)
COMMON = settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("fixed", COMMON, derandomize=True)
settings.register_profile("drawn", COMMON, derandomize=False, print_blob=True)
DRAWN = os.environ.get("CI") == "true"
"""Whether property tests draw new examples; a failure prints the decorator that repeats its example."""
settings.load_profile("drawn" if DRAWN else "fixed")
if DRAWN:  # the processes of one run share the seed
    os.environ.setdefault("GRU_VIZ_TEST_SEED", str(secrets.randbelow(1 << 32)))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give hypothesis the seed of this run."""
    if DRAWN and not config.option.hypothesis_seed:
        config.option.hypothesis_seed = os.environ["GRU_VIZ_TEST_SEED"]


def pytest_report_header() -> str:
    """Print which examples the property tests take, and how to repeat them."""
    if DRAWN:
        return f"property tests: new examples; repeat with CI=true GRU_VIZ_TEST_SEED={os.environ['GRU_VIZ_TEST_SEED']}"
    return "property tests: the fixed examples; CI=true draws new ones"


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-extensions",
    "--disable-component-extensions-with-background-pages",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)
"""Nothing but a page: what else a browser does is a third of what a page takes of the processor."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Drive the system's own Chromium."""
    return browser_type_launch_args | {"executable_path": CHROMIUM, "args": list(FLAGS)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Chromium, skip what needs one, and say so."""
    for item in items:
        if "browser_type" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Switch the annotation checks off: for arguments wrong on purpose, and for long or many runs."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples in docstrings only where there are any, in the package: it takes seconds in each process."""
    found = yield
    return [each for each in found if HERE not in file_path.parents or isinstance(each, pytest.Module)]


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
