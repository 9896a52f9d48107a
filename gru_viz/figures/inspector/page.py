"""The inspector as one self-contained HTML file that needs no network and no server."""

from __future__ import annotations

import base64
import html
import re
from importlib.resources import files
from types import MappingProxyType

from plotly.offline import get_plotlyjs

__all__ = ["ASSETS", "standalone"]


def _lean(source: str) -> str:
    """Drop indentation and lines of comment: the source goes to the browser with every view."""
    return re.sub(r"(?m)^[ \t]*(//.*\n|\n)?", "", source)


ASSETS = MappingProxyType(
    {
        kind: _lean((files(__package__) / f"inspector.{kind}").read_text(encoding="utf-8"))
        for kind in ("js", "css", "html")
    }
)
"""The inspector's source: ``js`` (a module whose default export mounts it), ``css`` and ``html``."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ --st-font: sans-serif; --st-text-color: #1b1f24; --st-secondary-background-color: #f0f2f5;
  --st-border-color: #c4c9d0; --page: #ffffff; }}
@media (prefers-color-scheme: dark) {{ :root {{ --st-text-color: #e8eaed; --st-secondary-background-color: #22262e;
  --st-border-color: #4a505a; --page: #0f1217; }} }}
body {{ margin: 1rem 1.5rem; background: var(--page); color: var(--st-text-color); font-family: var(--st-font); }}
h1 {{ font-size: 1.5rem; margin: 0 0 0.25rem; }}
{css}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{about}</p>
<div id="mount">{html}</div>
</main>
<script>{plotly}</script>
<script id="trace" type="application/octet-stream">{data}</script>
<script type="module">
{js}
const bytes = Uint8Array.from(atob(document.getElementById("trace").textContent), (c) => c.charCodeAt(0));
mount({{ data: bytes, parentElement: document.getElementById("mount"), setStateValue: () => {{}} }});
</script>
</body>
</html>
"""


def standalone(payload: bytes, title: str, about: str) -> str:
    """Make a web page of a packed view, with plotly and the data inside.

    Args:
        payload: what ``pack`` returned.
        title: the page's heading.
        about: the sentence below it: what ran on what, and the proof.

    Example:
        >>> page = standalone(b"", "A <title>", "About.")
        >>> "A &lt;title&gt;" in page, "http://" in page.split("<script>")[0]
        (True, False)
    """
    return PAGE.format(
        title=html.escape(title),
        about=html.escape(about),
        css=ASSETS["css"],
        html=ASSETS["html"],
        plotly=get_plotlyjs(),
        data=base64.b64encode(payload).decode(),
        js=ASSETS["js"].replace("export default function (", "function mount("),
    )
