"""A real dashboard in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import served
from playwright.sync_api import BrowserContext, BrowserType, Page, expect

PATIENCE = 60_000
"""Milliseconds that a page has for anything; a machine that does much else needs some."""

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun="TimeoutError"))  # the report names what was rerun


@pytest.fixture(scope="session")
def profile(
    browser_type: BrowserType, browser_type_launch_args: dict, browser_context_args: dict, tmp_path_factory
) -> BrowserContext:
    """A browser with a folder of its own, where it keeps what it has compiled of Streamlit's and plotly's code.

    A private window for each test compiles those megabytes anew: half of what a page costs the processor.
    """
    folder = tmp_path_factory.mktemp("profile")
    with browser_type.launch_persistent_context(folder, **browser_type_launch_args, **browser_context_args) as opened:
        opened.set_default_timeout(PATIENCE)
        yield opened


@pytest.fixture
def context(profile: BrowserContext, dashboard: str) -> BrowserContext:
    """The one browser of all tests, as every test finds it: a blank page, and nothing remembered of those before."""
    others = set(profile.pages)  # a blank one, with whose end the browser ends, and those that a file's tests share
    yield profile
    for page in set(profile.pages) - others:
        page.close()
    profile.set_offline(False)
    profile.unroute_all()
    profile.clear_permissions()
    profile.clear_cookies()
    tools = profile.new_cdp_session(profile.pages[0])
    tools.send("Storage.clearDataForOrigin", {"origin": dashboard, "storageTypes": "local_storage"})
    tools.detach()


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory) -> str:
    """The address of a dashboard that was started as a person starts it."""
    with served.dashboard(tmp_path_factory.mktemp("home")) as address:
        yield f"http://{address}"


@pytest.fixture
def screen(page: Page) -> Callable[[int, int, float], None]:
    """Give the page a screen of so many CSS pixels, and so many of its own to each of them."""

    def choose(width: int, height: int, scale: float) -> None:
        page.set_viewport_size({"width": width, "height": height})
        wanted = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", wanted)

    return choose


class Inspector:
    """What a person does with the page, and sees."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        """Nothing is asked of any network but the server's own."""
        if not url.startswith((self.address, "data:", "blob:", "file:")):
            self.problems.append(f"asked for {url}")

    def open(self, query: str = "") -> Inspector:
        self.page.goto(f"{self.address}/{query}")
        return self.settle()

    def settle(self) -> Inspector:
        """Wait until the page has stopped running and the maps are drawn."""
        expect(self.page.locator(".gv-inspector[data-ready]")).to_be_visible()
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        self.page.wait_for_timeout(150)
        return self

    @property
    def picture(self) -> str:
        return self.page.locator(".gv-inspector").get_attribute("data-ready")

    def wait_for_new_picture(self, old: str) -> Inspector:
        expect(self.page.locator(".gv-inspector")).not_to_have_attribute("data-ready", old)
        return self.settle()

    @property
    def step(self) -> int:
        return int(self.page.locator(".gv-inspector").get_attribute("data-step"))

    @property
    def cursor_x(self) -> float:
        box = self.page.locator(".gv-cursor").bounding_box()
        return box["x"] + box["width"] / 2

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def line(self, quantity: str) -> str:
        return self.page.locator(f".gv-line[data-quantity={quantity}] .gv-numbers").first.inner_text()

    def result(self, quantity: str) -> float:
        text = self.page.locator(f".gv-line[data-quantity={quantity}] .gv-result").first.inner_text()
        return float(text.replace("−", "-"))

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_role("combobox", name=label, exact=True).click()
        self.page.get_by_role("option", name=option, exact=True).click()


@pytest.fixture
def inspector(page: Page, dashboard: str) -> Inspector:
    page.set_viewport_size({"width": 1440, "height": 900})
    seen = Inspector(page, dashboard)
    yield seen
    assert not seen.problems


@pytest.fixture(scope="module")
def shared_page(profile: BrowserContext, dashboard: str) -> Inspector:
    page = profile.new_page()
    page.set_viewport_size({"width": 1440, "height": 900})
    yield Inspector(page, dashboard)
    page.close()


@pytest.fixture
def shared(request: pytest.FixtureRequest, shared_page: Inspector) -> Inspector:
    """A page at the file's address ``SHARED``, for tests that leave nothing behind but a cursor and a unit."""
    if shared_page.page.url == "about:blank":
        shared_page.open(request.module.SHARED)
    yield shared_page
    problems, shared_page.problems = shared_page.problems, []
    assert not problems
