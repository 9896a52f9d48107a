"""A component's source as one JavaScript module: neither Streamlit nor a saved page lets a module import another.

The few lines below link the modules as they are: they follow imports of names from files beside them, and take the
words ``import`` and ``export`` out. What they do not understand they refuse, and so two modules that define one name.
Nothing has to be built or installed, and the tests run the same files in node.
"""

from __future__ import annotations

import base64
import html
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from string import Template

__all__ = ["CHARTS", "INSPECTOR", "SNAPSHOTS", "Component", "link"]

IMPORT = re.compile(r'^import \{ (\w+(?:, \w+)*) \} from "(\.\.?/[\w./]+\.js)";\n', re.MULTILINE)
DEFINITION = re.compile(r"^(export )?(?:default )?(?:async )?(?:function|class|const|let) (\w+)\b", re.MULTILINE)
REFUSED = re.compile(
    r"^(?:import\b|var\b|(?:export )?(?:const|let) \W"
    r"|export (?!(?:default )?(?:async )?(?:function|class|const|let) )).*",
    re.MULTILINE,
)
LEFT_OUT = re.compile(r"^[ \t]*(?://[^\n]*\n|/\*(?:(?!\*/).)*\*/[ \t]*\n|\n)?", re.MULTILINE | re.DOTALL)


def _read(path: str) -> str:
    return (files(__package__) / path).read_text(encoding="utf-8")


def link(entry: str, read: Callable[[str], str] = _read) -> str:
    """Join a module with all that it imports.

    Args:
        entry: the module's path within this folder.
        read: path → source.

    Returns:
        One module; those that are imported come first.

    Raises:
        ValueError: an import or export is of a kind that is not understood, modules import each other in a circle, a
            name is imported that is not exported, or two modules define the same name.

    Example:
        >>> modules = {"a/a.js": 'import { b } from "../b.js";\\nb();\\n', "b.js": "export function b() {}\\n"}
        >>> link("a/a.js", modules.__getitem__)
        'function b() {}\\nb();\\n'
    """
    bodies: dict[str, str] = {}
    _collect(entry, read, bodies, ())
    owners: dict[str, str] = {}
    for path, body in bodies.items():
        for _, name in DEFINITION.findall(body):
            if owners.setdefault(name, path) != path:
                raise ValueError(f"{path} and {owners[name]} both define {name}; rename one of them")
    return re.sub(r"(?m)^export (?!default )", "", "".join(bodies.values()))


def _collect(path: str, read: Callable[[str], str], bodies: dict[str, str], importing: tuple[str, ...]) -> None:
    """Add a module, without its imports, to ``bodies``, after those it imports."""
    if path in importing:
        raise ValueError(f"{' imports '.join((*importing, path))}; break the circle")
    if path in bodies:
        return
    source = read(path)
    body = IMPORT.sub("", source)
    if refused := REFUSED.search(body):
        raise ValueError(f"{path}: {refused[0]!r} is not understood; import and export functions by their names")
    for names, other in IMPORT.findall(source):
        imported = posixpath.normpath(posixpath.join(posixpath.dirname(path), other))
        _collect(imported, read, bodies, (*importing, path))
        exported = {name for export, name in DEFINITION.findall(bodies[imported]) if export}
        if missing := set(names.split(", ")) - exported:
            raise ValueError(f"{path} imports {', '.join(sorted(missing))}, which {imported} does not export")
    bodies[path] = body


@dataclass(frozen=True)
class Component:
    """A component's source.

    Attributes:
        js: one module, whose default export mounts it.
        css: its style.
        html: its elements.
    """

    js: str
    css: str
    html: str

    @property
    def script(self) -> str:
        """The module for a page that has it inside: it defines ``mount``."""
        return self.js.replace("\nexport default function mount(", "\nfunction mount(")

    def page(self, block: bytes, title: str, about: str) -> str:
        """Make one HTML file with plotly and the data inside, which needs no network and no server.

        Args:
            block: what the component shows.
            title: the page's heading.
            about: the sentence below it.

        Example:
            >>> page = INSPECTOR.page(b"", "A <title>", "About.")
            >>> "A &lt;title&gt;" in page, "http://" in page.split("<script>")[0]
            (True, False)
        """
        from plotly.offline import get_plotlyjs

        return Template(_read("page.html")).substitute(
            title=html.escape(title),
            about=html.escape(about),
            css=self.css,
            html=self.html,
            plotly=get_plotlyjs(),
            data=base64.b64encode(block).decode(),
            js=self.script,
        )


def _component(name: str, *styles: str) -> Component:
    """Read a component's folder, without indentation and lines of comment: it is sent with every view."""
    css = "".join(map(_read, (*styles, f"{name}/{name}.css")))
    sources = (link(f"{name}/{name}.js"), css, _read(f"{name}/{name}.html"))
    return Component(*(LEFT_OUT.sub("", source) for source in sources))


INSPECTOR = _component("inspector", "shared/plotly_internals.css")
"""Heatmaps of a trace, the cursor and the formulas; ``figures.inspector.pack`` makes its block."""

CHARTS = _component("charts", "shared/plotly_internals.css")
"""A training's lanes and pictures; ``training.figures.pack_charts`` makes its block."""

SNAPSHOTS = _component("snapshots")
"""A training's gates at each snapshot; ``training.figures.pack_snapshots`` makes its block."""
