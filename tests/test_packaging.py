"""What a stranger installs: an import that brings little, and a wheel that holds the page and starts it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from served import dashboard

ROOT = Path(__file__).parents[1]
HEAVY = {
    "pandas",
    "pyarrow",
    "plotly",
    "streamlit",
    "onnx",
    "onnxruntime",
    "h5py",
    "keras",
    "xarray",
    "scipy",
    "sklearn",
    "distributed",
    "numba",
    "tensorboard",
    "IPython",
}


@pytest.fixture(scope="module")
def loaded() -> list[set[str]]:
    """What is loaded beside torch: after the import, after a trace, and after the reader of tables was asked for."""
    code = """
import sys, torch
before = set(sys.modules)
def tell(): print(*{name.partition(".")[0] for name in set(sys.modules) - before})
import gru_viz; tell()
gru_viz.trace(torch.nn.GRU(1, 2), torch.zeros(3, 1)); tell()
gru_viz.read_table; tell()
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return [set(line.split()) for line in run.stdout.splitlines()]


def test_the_import_brings_nothing_heavy_nor_does_a_trace_but_its_compiler(loaded: list[set[str]]) -> None:
    assert "gru_viz" in loaded[0]
    assert loaded[0].isdisjoint(HEAVY)
    assert loaded[1].isdisjoint(HEAVY - {"numba", "scipy"})  # numba looks for scipy


def test_the_check_of_what_is_loaded_can_fail(loaded: list[set[str]]) -> None:
    assert loaded[2] & HEAVY >= {"pandas", "pyarrow"}


def test_every_lazy_name_is_there() -> None:
    import gru_viz
    from gru_viz import sequences

    for module in (gru_viz, sequences):
        for name in module.__all__:
            assert getattr(module, name) is not None
        with pytest.raises(AttributeError, match="no_such_name"):
            _ = module.no_such_name


def tracked() -> list[Path]:
    """What a checkout holds, with what is not committed yet; without git, what a source archive would hold."""
    run = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    if run.returncode:
        kept = ("gru_viz", "pages", ".streamlit")
        paths = [path for folder in kept for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
        paths += [ROOT / name for name in ("dashboard.py", "setup.py", "pyproject.toml", "README.md", "LICENSE")]
        return [path.relative_to(ROOT) for path in paths if path.is_file()]
    return [Path(line) for line in run.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built offline from a copy, so that nothing left over from another build gets in."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in tracked():
        if path.parts[0] in ("tests", "docs", "benchmarks", "examples", "scripts"):
            continue
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index"]
    run = subprocess.run([*command, "-w", str(out)], cwd=source, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(out.glob("gru_viz-*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_every_file_of_the_package_and_the_pages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = {str(path) for path in tracked() if path.parts[0] == "gru_viz"}
    pages = {f"gru_viz/page/{path}" for path in tracked() if path.parts[0] in ("dashboard.py", "pages", ".streamlit")}
    assert held == package | pages
    kinds = {Path(name).suffix for name in held}
    assert {".js", ".css", ".html", ".safetensors", ".txt", ".typed", ".toml", ".py"} <= kinds


def test_the_wheel_names_its_command_and_what_it_needs(unpacked: Path) -> None:
    about = next(unpacked.glob("*.dist-info"))
    assert "gru-viz = gru_viz.cli:main" in (about / "entry_points.txt").read_text()
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert (about / "METADATA").read_text().count("Requires-Dist: ") >= len(wanted)


def test_the_dashboard_starts_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    """In a folder that has nothing to do with gru_viz, and from a package that nobody may write to."""
    before = {path for path in unpacked.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    environment = {"PYTHONPATH": str(unpacked), "TMPDIR": str(tmp_path)}
    with dashboard(tmp_path, ("gru_viz", "--port"), tmp_path, environment):
        copies = list(tmp_path.glob("gru_viz-page-*"))
        (names,) = [{path.name for path in copy.iterdir()} for copy in copies]
        assert names - {"__pycache__"} == {".streamlit", "dashboard.py", "pages", "static"}
    assert {path for path in unpacked.rglob("*") if path.is_file() and path.suffix != ".pyc"} == before


def test_in_a_checkout_the_dashboard_is_the_repository_s_own() -> None:
    from gru_viz.cli.dashboard import pages

    assert pages() == ROOT
    assert (pages() / "dashboard.py").is_file()
