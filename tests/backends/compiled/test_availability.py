"""numba is optional, imported late, and what it compiled is found again; what does not fit is refused in words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from recurrence_reference import VARIANTS, Arguments, arguments

from gru_viz import GruVizError
from gru_viz.backends import compiled
from gru_viz.conventions import CONVENTIONS

ROOT = Path(__file__).parents[3]


def python(code: str, folder: Path = ROOT, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_importing_the_library_does_not_import_numba() -> None:
    assert python("import sys, gru_viz.backends.compiled; print('numba' in sys.modules)") == "False"


def test_without_numba_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    convention = CONVENTIONS["torch_lstm"]
    assert "LSTM needs numba" in str(compiled.why_not(convention))
    compiled.warm([convention])
    with pytest.raises(compiled.KernelError, match="needs numba"):
        compiled.recurrence(convention, *arguments(convention))


def test_with_its_compiler_switched_off_it_says_so() -> None:
    code = "import gru_viz; print(gru_viz.backends.why_not('compiled', gru_viz.CONVENTIONS['torch']))"
    assert "NUMBA_DISABLE_JIT" in python(code, NUMBA_DISABLE_JIT="1")


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_convention_can_run(name: str) -> None:
    assert compiled.why_not(CONVENTIONS[name]) is None


WARM = (
    "from gru_viz import CONVENTIONS; from gru_viz.backends import compiled;"
    "compiled.warm([CONVENTIONS['torch_rnn']], purposes=['trace']);"
    "from gru_viz.backends.compiled.trace_kernels import rnn;"
    "print(sum(rnn.stats.cache_hits.values()), len(rnn.signatures))"
)


def test_what_was_warmed_is_found_on_disk_until_any_file_of_the_kernels_changes(tmp_path: Path) -> None:
    """Were a change not noticed, a corrected function would stay wrong inside those that were compiled before."""
    shutil.copytree(ROOT / "gru_viz", tmp_path / "gru_viz", ignore=shutil.ignore_patterns("__pycache__"))
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    found = [python(WARM, tmp_path, **cache) for _ in range(2)]
    with (tmp_path / "gru_viz/backends/compiled/activations.py").open("a") as another_file:
        another_file.write("# changed\n")
    assert [*found, python(WARM, tmp_path, **cache)] == ["0 1", "1 1", "0 1"]


def test_without_a_place_of_the_users_the_cache_is_beside_the_kernels() -> None:
    code = (
        "import numba; from gru_viz.backends.compiled import training_kernels;"
        "print(training_kernels.rnn_forward.stats.cache_path, repr(numba.config.CACHE_DIR))"
    )
    path, setting = python(code, NUMBA_CACHE_DIR="").rsplit(" ", 1)
    assert ROOT / "gru_viz/backends/compiled/__pycache__" in Path(path).parents
    assert setting == "''", "numba's own setting is as it was"


def test_warming_leaves_nothing_to_compile() -> None:
    compiled.warm([CONVENTIONS["torch"]], ("float32", "float64"))
    from gru_viz.backends.compiled import training_kernels

    kernels: tuple[Any, ...] = (training_kernels.gru_forward_after, training_kernels.gru_backward_after)
    before = [len(each.signatures) for each in kernels]
    for dtype in (torch.float32, torch.float64):
        there = arguments(CONVENTIONS["torch"], models=2, dtype=dtype)
        compiled.recurrence(CONVENTIONS["torch"], *there)
        for each in there.tensors:
            each.requires_grad_()
        compiled.recurrence(CONVENTIONS["torch"], *there).sum().backward()
    assert [len(each.signatures) for each in kernels] == before


def test_warming_works_where_gradients_are_off() -> None:
    with torch.no_grad():
        compiled.warm([CONVENTIONS["torch_rnn"]])


WRONG: dict[str, tuple[Callable[[Arguments], Arguments], str]] = {
    "too few steps": (lambda a: a._replace(projected=a.projected[0]), "projected: found shape"),
    "another hidden": (lambda a: a._replace(weight=a.weight[..., :-1]), "wanted"),
    "another number of gates": (lambda a: a._replace(bias=a.bias[:, :-1]), "bias_recurrent: found shape"),
    "another batch": (lambda a: a._replace(states=tuple(s[:, :-1] for s in a.states)), r"states\[0\]: found shape"),
    "no state": (lambda a: a._replace(states=()), "found 0; wanted hidden"),
    "whole numbers": (lambda a: a._replace(bias=a.bias.int()), "int32"),
    "half precision": (
        lambda a: Arguments(*(t.half() for t in a[:3]), tuple(t.half() for t in a.states)),
        "float16; wanted float32 or float64",
    ),
    "two precisions": (lambda a: a._replace(weight=a.weight.float()), "float32"),
    "another device": (lambda a: a._replace(weight=a.weight.to("meta")), "on meta"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_refused(wrong: str) -> None:
    change, message = WRONG[wrong]
    convention = VARIANTS["after_keeps"]
    with pytest.raises(compiled.KernelError, match=message) as refusal:
        compiled.recurrence(convention, *change(arguments(convention)))
    assert isinstance(refusal.value, GruVizError)
