"""Open the dashboard: Streamlit on the pages, which are in the repository or, installed, inside the package."""

from __future__ import annotations

import runpy
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from gru_viz.optional import optional_packages

__all__ = ["open_dashboard", "pages"]

PACKAGE = Path(__file__).parents[1]


def pages() -> Path:
    """The folder with ``dashboard.py``."""
    inside = PACKAGE / "page"
    return inside if inside.is_dir() else PACKAGE.parent


def open_dashboard(options: Sequence[str]) -> int:
    """Run Streamlit on the dashboard, with options of ``streamlit run``, in this process until it is stopped."""
    with optional_packages("the dashboard"):
        import_module("streamlit")
    folder = pages()
    if folder.parent != PACKAGE:
        return _run(folder, options)
    # The page serves plotly's script from its own folder, and an installed package is not a place to write to.
    with tempfile.TemporaryDirectory(prefix="gru_viz-page-") as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        return _run(Path(copy), options)


def _run(folder: Path, options: Sequence[str]) -> int:
    sys.argv = ["streamlit", "run", str(folder / "dashboard.py"), *options]
    try:
        runpy.run_module("streamlit", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    return 0
