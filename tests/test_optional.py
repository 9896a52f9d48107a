"""The library works on what ``pip install gru_viz`` brings; whatever else is missing is named with its extra."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gru_viz.optional import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {"sklearn": "scikit-learn"}

PROGRAM = """
import sys

class Missing:
    packages = set(EXTRAS)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, missing := Missing())
import gru_viz, numpy as np, tempfile

runners = gru_viz.read_table(EXAMPLE, id="runner", time="minute")
trace = gru_viz.trace(gru_viz.random_weights("torch", features=len(runners.features), hidden=4), runners)
print("core:", trace.backend, len(gru_viz.figures.heatmaps(trace).data) > 3, len(trace.to_tidy()) > 0)
small = gru_viz.trace(gru_viz.random_weights("torch", features=1, hidden=2), np.zeros((3, 1)))
for package, code in USES.items():
    missing.packages = {package}
    try:
        exec(code)
    except gru_viz.GruVizError as error:
        print(f"{package}: {error}")
"""

USES = {
    "numba": "gru_viz.trace(small.weights, np.zeros((3, 1)), backend='compiled')",
    "safetensors": "gru_viz.read_model(b'')",
    "openpyxl": "import io, zipfile; b = io.BytesIO(); zipfile.ZipFile(b, 'w').writestr('xl/workbook.xml', 'x'); "
    "gru_viz.read_table(b.getvalue())",
    "h5py": "gru_viz.read_model(bytes.fromhex('894844460d0a1a0a') + bytes(2048), 'model.h5')",
    "onnx": "gru_viz.read_model(ONNX)",
    "xarray": "small.to_xarray()",
    "scipy": "from gru_viz.training.lane_comparison import paired_test; paired_test(np.array([1.0, 2.0, 4.0]), 0.95)",
    "sklearn": "from gru_viz.training import Settings, make_task; make_task(Settings('digits'))",
    "distributed": "from gru_viz.training.engine.executor import silence_dask; silence_dask()",
    "tensorboard": "from gru_viz.training import Lane, Settings, train; from gru_viz.training.exports import "
    "tensorboard_zip; s = Settings('sine', lanes=(Lane('GRU', hidden=2),), updates=2, seeds=1, batch=2); "
    "tensorboard_zip(train(s), s, 1, began=0.0)",
    "streamlit": "from gru_viz.cli.dashboard import open_dashboard; open_dashboard([])",
}
"""Package → code that needs it."""


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a process says in which first every optional package is missing, then one after the other."""
    from onnx import helper

    graph = helper.make_graph([helper.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=1)], "g", [], [])
    model = helper.make_model(graph).SerializeToString()
    example = str(ROOT / "examples" / "runners_long_form.csv")
    given = f"EXTRAS, USES = {sorted(EXTRAS)!r}, {USES!r}\nEXAMPLE, ONNX = {example!r}, {model!r}\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GRU_VIZ_HOME": str(tmp_path_factory.mktemp("home"))}
    command = [sys.executable, "-c", given + PROGRAM]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert run.returncode == 0, run.stderr
    return dict(line.split(": ", 1) for line in run.stdout.splitlines())


def test_tables_traces_and_figures_need_no_extra(messages: dict[str, str]) -> None:
    assert messages["core"] == "loop True True"


@pytest.mark.parametrize("package", USES)
def test_a_missing_package_is_named_with_its_extra(package: str, messages: dict[str, str]) -> None:
    assert f'pip install "gru_viz[{EXTRAS[package]}]"' in messages[package]
    assert package in messages[package]


def test_every_optional_package_stands_in_its_extra() -> None:
    for package, extra in EXTRAS.items():
        wanted = DISTRIBUTIONS.get(package, package)
        assert any(re.match(rf"{wanted}\b", each) for each in PROJECT["optional-dependencies"][extra]), package
    assert set(EXTRAS) - set(USES) == {"onnxruntime", "cachetools"}  # a file is read unchecked; a part of the page
