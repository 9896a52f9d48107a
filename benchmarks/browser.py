"""A dashboard started as a person starts it, and a real Chromium before it; for the benchmarks and the pictures."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, expect, sync_playwright

__all__ = ["ROOT", "chromium", "serve", "settle"]

ROOT = Path(__file__).parents[1]
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
START_SECONDS = 60


@contextmanager
def serve(script: str, home: Path | None = None, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a Streamlit script on a free port; give its address, and stop it afterwards.

    Args:
        script: its path from the repository.
        home: where it keeps its runs; None: nowhere for long.
        more: variables of its environment.
    """
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    options = (f"--server.port={port}", "--server.headless=true", "--server.fileWatcherType=none")
    with (
        TemporaryDirectory() as passing,
        subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", script, *options],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "GRU_VIZ_HOME": str(home or passing)} | dict(more or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_healthy(address, server)
            yield address
        finally:
            server.terminate()


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            raise SystemExit(f"streamlit ended with {server.returncode} before it served a page.")
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"No page at {address} after {START_SECONDS} s.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium that is on the path."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise SystemExit("No Chromium on the path; scripts/install_browser.sh installs Debian's.")
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def settle(page: Page) -> None:
    """Wait until the page has stopped running and the maps are drawn."""
    expect(page.locator(".gv-inspector[data-ready]")).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(200)
