"""A browser component's source, and the same as one HTML file with plotly and its data inside."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from plotly.offline import get_plotlyjs

__all__ = ["fill_page", "read_assets"]


def read_assets(package: str, name: str, *parts: str) -> Mapping[str, str]:
    """A component's ``js`` (a module whose default export mounts it), ``css`` and ``html``, as they are sent.

    They go to the browser with every view, and so without indentation and lines of comment.

    Args:
        package: where the files lie.
        name: what they are called, without their endings.
        parts: scripts that stand before that one, in the same module.

    Example:
        >>> sorted(read_assets("gru_viz.figures.inspector", "inspector"))
        ['css', 'html', 'js']
    """

    def lean(kind: str, name: str) -> str:
        source = (files(package) / f"{name}.{kind}").read_text(encoding="utf-8")
        return re.sub(r"(?m)^[ \t]*(//.*\n|\n)?", "", source)

    scripts = "".join(lean("js", part) for part in (*parts, name))
    return MappingProxyType({"js": scripts, **{kind: lean(kind, name) for kind in ("css", "html")}})


def fill_page(page: str, assets: Mapping[str, str], payload: bytes, title: str, about: str) -> str:
    """Fill a page's template with a component, its data, plotly, and two texts, which are escaped.

    Example:
        >>> fill_page("{title}: {data}", {"js": "", "css": "", "html": ""}, b"abc", "a < b", "")
        'a &lt; b: YWJj'
    """
    return page.format(
        title=html.escape(title),
        about=html.escape(about),
        css=assets["css"],
        html=assets["html"],
        plotly=get_plotlyjs(),
        data=base64.b64encode(payload).decode(),
        js=assets["js"].replace("export default function (", "function mount("),
    )
