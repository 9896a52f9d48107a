"""What keeps a person from using a page, as the checker axe finds it, in the light and in the dark."""

from __future__ import annotations

from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

OPTIONS = {"resultTypes": ["violations"]}
"""What passes is not described element by element: a picture has thousands."""


def barriers(page: Page) -> dict[str, list[str]]:
    """Serious and critical violations: rule → the elements that break it."""
    found = Axe().run(page, options=OPTIONS)["violations"]
    return {v["id"]: [n["html"][:160] for n in v["nodes"]] for v in found if v["impact"] in ("serious", "critical")}


def barriers_in_both_schemes(page: Page) -> dict[str, dict[str, list[str]]]:
    """The same in the light and in the dark; an open page follows its system from one to the other."""
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
        found[scheme] = barriers(page)
    return {scheme: each for scheme, each in found.items() if each}
