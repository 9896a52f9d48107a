"""The components' logic, module by module, in node: each file beside this one tests the module it is named after."""

from __future__ import annotations

import subprocess
from pathlib import Path

import playwright
import pytest

NODE = Path(playwright.__file__).parent / "driver" / "node"  # comes with the library of the browser tests
HERE = Path(__file__).parent
TESTS = sorted(HERE.glob("*.test.mjs"))


def test_there_are_tests() -> None:
    assert len(TESTS) >= 10


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.partition(".")[0])
def test_module(path: Path) -> None:
    done = subprocess.run(
        [str(NODE), str(path)], capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
