"""What keeps a person from using a page, as the checker axe finds it, in the light and in the dark."""

from __future__ import annotations

from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

OPTIONS = {"resultTypes": ["violations"]}
"""What passes is not described element by element: a picture has thousands."""


def barriers(page: Page, exclude: str | None = None) -> dict[str, list[str]]:
    """Serious and critical violations: rule → the elements that break it.

    What is there for a moment only, while a page takes on its colours, is none.

    Args:
        page: what is looked at.
        exclude: a selector of what is not ours.
    """
    context = None if exclude is None else {"exclude": [[exclude]]}
    found: dict[str, list[str]] = {}
    for _ in range(4):
        violations = Axe().run(page, context, OPTIONS)["violations"]
        serious = [each for each in violations if each["impact"] in ("serious", "critical")]
        found = {each["id"]: [node["html"][:160] for node in each["nodes"]] for each in serious}
        if not found:
            break
        page.wait_for_timeout(1000)
    return found


def barriers_in_both_schemes(page: Page) -> dict[str, dict[str, list[str]]]:
    """The same in the light and in the dark; an open page follows its system from one to the other."""
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
        found[scheme] = barriers(page)
    return {scheme: each for scheme, each in found.items() if each}
