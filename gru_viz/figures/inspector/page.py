"""The inspector as one self-contained HTML file that needs no network and no server."""

from __future__ import annotations

from gru_viz.figures.component import fill_page, read_assets

__all__ = ["ASSETS", "standalone"]

ASSETS = read_assets("gru_viz.figures.inspector", "inspector", "columns", "painting")
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
mount({{ data: bytes, parentElement: document.getElementById("mount"), setStateValue: null }});
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
    return fill_page(PAGE, ASSETS, payload, title, about)
