"""The live components' source, and the same as one self-contained HTML file that needs no network and no server."""

from __future__ import annotations

from collections.abc import Mapping

from gru_viz.figures.component import fill_page, read_assets

__all__ = ["ASSETS", "FILM_ASSETS", "standalone"]

ASSETS = read_assets("gru_viz.figures.live", "live")
"""The live pictures' source: ``js`` (a module whose default export mounts it), ``css`` and ``html``."""

FILM_ASSETS = read_assets("gru_viz.figures.live", "film")
"""The same of the film."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ --st-font: 'Source Sans', 'Source Sans Pro', 'DejaVu Sans', sans-serif; --st-text-color: #1b1f24;
  --st-background-color: #ffffff; --st-secondary-background-color: #f0f2f5; --st-border-color: #c4c9d0; }}
@media (prefers-color-scheme: dark) {{ :root {{ --st-text-color: #e8eaed; --st-background-color: #0f1217;
  --st-secondary-background-color: #22262e; --st-border-color: #4a505a; }} }}
body {{ margin: 1rem 1.5rem; background: var(--st-background-color); color: var(--st-text-color);
  font-family: var(--st-font); }}
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
<script id="block" type="application/octet-stream">{data}</script>
<script type="module">
{js}
const bytes = Uint8Array.from(atob(document.getElementById("block").textContent), (c) => c.charCodeAt(0));
const say = (name, value) => window.dispatchEvent(new CustomEvent(name, {{ detail: value }}));
window.show = (data) =>
  mount({{ data, parentElement: document.getElementById("mount"), setTriggerValue: say, setStateValue: say }});
window.show(bytes);
</script>
</body>
</html>
"""


def standalone(payload: bytes, title: str, about: str, assets: Mapping[str, str] = ASSETS) -> str:
    """Make a web page of a packed block, with plotly and the data inside.

    Args:
        payload: what ``pack`` returned.
        title: the page's heading.
        about: the sentence below it.
        assets: the component's source.

    Example:
        >>> "A &lt;title&gt;" in standalone(b"", "A <title>", "About.")
        True
    """
    return fill_page(PAGE, assets, payload, title, about)
