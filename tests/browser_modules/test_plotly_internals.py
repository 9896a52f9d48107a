"""What plotly does not document and we use: every function of shared/plotly_internals.js, with the installed plotly."""

from __future__ import annotations

import base64
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Page
from plotly.offline import get_plotlyjs, get_plotlyjs_version

TRIED = ("4.1.1",)
"""Versions of plotly.js with which these tests have passed; add the new one once they do."""

INTERNALS = (files("gru_viz.browser") / "shared" / "plotly_internals.js").read_text(encoding="utf-8")

PROBE = (Path(__file__).parent / "plotly_internals_probe.js").read_text(encoding="utf-8")


def test_the_undocumented_parts_of_plotly_are_as_we_use_them(page: Page, tmp_path: Path) -> None:
    version = get_plotlyjs_version()
    url = "data:text/javascript;base64," + base64.b64encode(INTERNALS.encode()).decode()
    html = (
        f'<script id="internals" type="text/plain">{url}</script><script>{get_plotlyjs()}</script><div id="plot"></div>'
    )
    (tmp_path / "page.html").write_text(f'<meta charset="utf-8"><body style="margin:0">{html}', encoding="utf-8")
    page.goto((tmp_path / "page.html").as_uri())
    found = page.evaluate(PROBE)
    assert found["before"] == [None, None]
    assert found["layout"] == [500, 400, "pan"]
    x = found["x"]
    assert (x["range"], x["offset"], x["length"], x["pixels"]) == ([0.5, 3.5], 50, 400, [0, 200, 400])
    y2 = found["y2"]
    assert (y2["range"], y2["offset"], y2["length"], y2["pixels"]) == ([0, 2], 40, 150, [150, 0])
    assert sorted(found["all"]) == [40, 190]
    assert found["none"] == "xy"
    assert found["painted"] == 1
    image, name, low, stops, box = found["placed"][-1]
    assert (image, name, low, stops) == ("image", "ours", 0, 2)
    assert box == pytest.approx({"x": 0, "y": 0, "width": 400, "height": 150})
    layer = found["layer"]
    assert layer["width"] == pytest.approx(400)
    page.mouse.move(50 + 400 / 2, 190 + 150 / 4)
    assert page.evaluate("() => hovered") == {"subplot": "xy", "z": 0.5}, "the number under the pointer is ours"
    assert version in TRIED, f"these tests pass with plotly.js {version}: add it to TRIED, and to plotly_internals.js"
