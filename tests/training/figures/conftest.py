"""Puts what these tests share on the path."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).parent))
expect.set_options(timeout=60_000)  # a machine that does much else needs some
