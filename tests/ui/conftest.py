"""Pages come up quickly: what Streamlit looks for in every installed package each time is looked for once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner as scanner  # noqa: TID251


@pytest.fixture(scope="session", autouse=True)
def _packages_are_looked_through_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scanner, "scan_component_manifests", cache(scanner.scan_component_manifests))
        yield
