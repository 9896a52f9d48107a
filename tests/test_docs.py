"""The task pages: built from what is there now, their code runs, their links lead somewhere, their commands exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from gru_viz.cli import arguments

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("gru_viz_docs", ROOT / "scripts" / "docs.py")
assert spec is not None
assert spec.loader is not None
docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(docs)

PAGES: dict[Path, str] = docs.build()
BY_NAME = {path.name: text for path, text in PAGES.items()}


def blocks(language: str) -> list[tuple[str, str]]:
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    prose = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "prose").glob("*.md"))}
    return [(name, code) for name, text in prose.items() for code in fence.findall(text)]


PYTHON, SHELL = blocks("python"), blocks("sh")


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_page_is_up_to_date(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == BY_NAME[name], "run: python scripts/docs.py"


def test_a_changed_docstring_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    import gru_viz

    monkeypatch.setattr(gru_viz.convert, "__doc__", "Something else.\n\nExample:\n    >>> 1\n    1\n")
    assert docs.build()[ROOT / "docs" / "variants.md"] != BY_NAME["variants.md"]


@pytest.mark.parametrize("name", BY_NAME)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", BY_NAME[name]):
        path, _, anchor = target.partition("#")
        there = ROOT / "docs" / (path or name)
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


def test_every_page_is_in_the_list() -> None:
    listed = set(re.findall(r"\((\w+\.md)\)", BY_NAME["README.md"]))
    assert set(BY_NAME) - {"README.md"} <= listed


@pytest.mark.parametrize(("name", "code"), PYTHON, ids=[f"{n}-{i}" for i, (n, _) in enumerate(blocks("python"))])
def test_code_runs_as_it_stands(
    name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unchecked: None
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("line", [line for _, code in SHELL for line in code.splitlines()])
def test_commands_are_ones_that_exist(line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "gru-viz"
    arguments.parse(words)


def test_there_is_something_to_check() -> None:
    assert len(PYTHON) > 10
    assert len(SHELL) >= 2
    assert all("### `gru_viz" in text for name, text in BY_NAME.items() if name != "README.md")
