"""What the README says is so: its code runs, its table is the code's, its links and pictures are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gru_viz import CONVENTIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
PROSE = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
LINKS = re.findall(r'\]\((?!http)([^)#]+)\)|(?:src|srcset)="([^"]+)"', PROSE)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_python_runs_as_it_stands(code, monkeypatch, tmp_path, unchecked):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})


def test_there_is_python_to_run():
    assert len(BLOCKS) == 1


@pytest.mark.parametrize("target", sorted({a or b for a, b in LINKS}))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


def test_the_table_of_variants_is_the_codes():
    text = (ROOT / "docs" / "variants.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .* \| (after|before) \| (keeps|takes) \| (\d) \|$", text, flags=re.MULTILINE)
    listed = {name: (reset, update, int(biases)) for name, reset, update, biases in rows}
    assert listed == {c.name: (c.reset, c.update, c.biases) for c in CONVENTIONS.values() if c.cell == "gru"}
