"""The house: what imports what, and that every public thing is documented."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gru_viz
from gru_viz import GruVizError, errors

ROOT = Path(__file__).parent.parent
CORE = (
    "backends.array_layers",
    "backends",
    "backends.compiled",
    "backends.gate_recovery",
    "backends.interface",
    "backends.layers",
    "backends.numpy_loop",
    "backends.reference",
    "backends.torch_fused",
    "conventions",
    "equations",
    "errors",
    "initialisation",
    "inputs",
    "matrix_layout",
    "proof",
    "trace",
    "weights",
)


def python(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout


SCREEN = "print(sorted({name.partition('.')[0] for name in sys.modules} & {'streamlit', 'plotly'}))"


def test_the_library_loads_neither_streamlit_nor_plotly() -> None:
    assert python(f"import sys, gru_viz; {SCREEN}").strip() == "[]"


def test_the_check_of_what_is_loaded_can_fail() -> None:
    assert python(f"import sys, plotly.graph_objects; {SCREEN}").strip() == "['plotly']"


def test_importing_the_library_leaves_torch_as_it_was() -> None:
    state = "(torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.initial_seed())"
    code = f"import torch; torch.manual_seed(3); before = {state}; import gru_viz; print(before == {state})"
    assert python(code).strip() == "True"


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_imports_run_one_way() -> None:
    run = lint(ROOT / "pyproject.toml")
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_check_of_the_imports_can_fail(tmp_path: Path) -> None:
    """The layers upside down are not what the code does."""
    contract = tmp_path / "upside_down.ini"
    contract.write_text(
        "[importlinter]\nroot_package = gru_viz\n"
        "[importlinter:contract:1]\nname = upside down\ntype = layers\ncontainers = gru_viz\n"
        "layers =\n    errors\n    conventions\n    weights\n    trace\n"
    )
    run = lint(contract)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "BROKEN" in run.stdout


def test_the_contracts_name_every_module_there_is() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    named = {word for line in layers for word in line.replace("(", " ").replace(")", " ").split() if word != "|"}
    there = {
        module.name
        for module in pkgutil.iter_modules(gru_viz.__path__)
        if not module.ispkg or (ROOT / "gru_viz" / module.name / "__init__.py").stat().st_size
    }
    assert there <= named
    screen = next(set(c["source_modules"]) for c in contracts if "streamlit" in c.get("forbidden_modules", ()))
    assert {f"gru_viz.{name}" for name in there} - screen == {"gru_viz.ui", "gru_viz.__main__"}


def public(module: object) -> list[tuple[str, object]]:
    return [(name, getattr(module, name)) for name in module.__all__]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["gru_viz", *(f"gru_viz.{each}" for each in CORE)])
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for each, thing in public(module):
        if not callable(thing) or not hasattr(thing, "__module__") or not thing.__module__.startswith("gru_viz"):
            continue  # tables and type aliases have no docstring of their own
        assert inspect.getdoc(thing), each
        if not inspect.isclass(thing):
            continue
        for key, member in vars(thing).items():
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if not key.startswith("_") and (inspect.isfunction(function) or isinstance(member, property)):
                assert inspect.getdoc(function), f"{each}.{key}"


def test_the_names_that_notebooks_rely_on_are_there() -> None:
    promised = {"CONVENTIONS", "Trace", "Weights", "convert", "random_weights", "trace", "GruVizError"}
    assert promised <= set(gru_viz.__all__)
    assert sorted(gru_viz.__all__) == list(gru_viz.__all__)


def test_every_error_is_one_of_ours_and_keeps_its_parts() -> None:
    kinds = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]
    assert len(kinds) > 5
    for kind in kinds:
        assert issubclass(kind, GruVizError)
        error = kind("here", "this", "that", "Do so.")
        assert (error.where, error.found, error.wanted, error.remedy) == ("here", "this", "that", "Do so.")
        assert str(error) == "here: found this; wanted that. Do so."
