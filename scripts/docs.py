"""Build the task pages of docs/: prose from docs/prose, references from docstrings: ``python scripts/docs.py``."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES, PROSE = ROOT / "docs", ROOT / "docs" / "prose"
REFERENCE = re.compile(r"^\{\{ ([\w.]+) \}\}$", re.MULTILINE)
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example):\n((?:    .*\n|\n)*)", re.MULTILINE)
ENTRY = re.compile(r"^([\w*, ]+): (.*(?:\n    .*)*)", re.MULTILINE)
TITLES = {"Args": "Arguments", "Attributes": "Attributes", "Returns": "Returns", "Raises": "Raises"}


def build() -> dict[Path, str]:
    """Every page that is built: where it belongs → what it holds."""
    return {PAGES / source.name: _page(source) for source in sorted(PROSE.glob("*.md"))}


def _page(source: Path) -> str:
    note = f"<!-- Built by scripts/docs.py from docs/prose/{source.name} and docstrings: edit there. -->\n\n"
    return note + REFERENCE.sub(lambda found: reference(found[1]), source.read_text(encoding="utf-8"))


def reference(path: str) -> str:
    """The entry of a public function or class, from its signature and its docstring.

    Args:
        path: such as ``gru_viz.read_table``, as a notebook writes it.
    """
    thing = find(path)
    docstring = inspect.getdoc(thing)
    assert docstring, f"{path} has no docstring"
    docstring += "\n"
    parts = [f"### `{path}`", f"```python\n{path}{_signature(thing)}\n```", SECTION.sub("", docstring)]
    for name, body in SECTION.findall(docstring):
        text = textwrap.dedent(body).strip()
        if name == "Example":
            parts.append(f"```pycon\n{text}\n```")
        else:
            parts.append(f"{TITLES[name]}:\n\n{text if name == 'Returns' else _entries(text)}")
    return "\n\n".join(_prose(part).strip() for part in parts)


def find(path: str) -> Callable[..., Any]:
    """What a notebook finds under a dotted name."""
    parts = path.split(".")
    for k in range(len(parts) - 1, 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for name in parts[k:]:
            thing = getattr(thing, name)
        return thing
    raise LookupError(path)


def _signature(thing: Callable[..., Any]) -> str:
    """The arguments without their types, one a line where they are many."""
    signature = inspect.signature(thing)
    empty = inspect.Parameter.empty
    bare = [
        p.replace(annotation=empty, default=... if len(repr(p.default)) > 40 and p.default is not empty else p.default)
        for p in signature.parameters.values()
        if p.name not in ("self", "cls")
    ]
    line = str(signature.replace(parameters=bare, return_annotation=empty)).replace("Ellipsis", "…")
    if len(line) < 90:
        return line
    kinds, words, starred = inspect.Parameter, [], False
    for each in bare:
        if each.kind is kinds.KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        words.append(str(each).replace("Ellipsis", "…"))
    return "(\n" + "".join(f"    {word},\n" for word in words) + ")"


def _entries(text: str) -> str:
    found = ENTRY.findall(text)
    assert found, text
    return "\n".join(f"- `{name}`: {' '.join(meaning.split())}" for name, meaning in found)


def _prose(text: str) -> str:
    return text if text.startswith("```") else text.replace("``", "`")


def main() -> None:
    """Write every page that is not up to date."""
    for path, text in build().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
