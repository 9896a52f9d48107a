"""The notebook of examples/: it runs from top to bottom in a fresh kernel, and is kept without its outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbclient and ipykernel are not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient and ipykernel are not installed")

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "from_a_trained_model_to_an_insight.ipynb"


def test_it_is_kept_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


@pytest.mark.filterwarnings("default")
def test_it_runs_and_confirms_what_it_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own assertions hold the insight to the numbers; here only that they ran, and that the trace showed itself."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(NOTEBOOK, 4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    outputs: list[Any] = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = "".join(output.data.get("text/html", "") for output in outputs if "data" in output)
    assert "✓ matches" in shown
    assert sum("assert " in cell.source for cell in notebook.cells) >= 3
