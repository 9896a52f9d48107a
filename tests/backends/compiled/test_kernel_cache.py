"""What is known of the kernels on the disk without numba, and the process that compiles those that are missing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gru_viz.backends import compiled
from gru_viz.backends.compiled import compile_kernels, kernel_cache
from gru_viz.backends.compiled.kernel_cache import KERNELS, is_compiling, is_ready, lock, mark_stored, seconds_left
from gru_viz.conventions import CONVENTIONS

GRU, LSTM = CONVENTIONS["torch"], CONVENTIONS["torch_lstm"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new folder for kernels, in which there are none."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kernel_cache.folder.cache_clear()
    yield tmp_path
    kernel_cache.folder.cache_clear()


def test_a_kernel_is_ready_once_it_is_stored_for_its_purpose_and_cell() -> None:
    assert not any(is_ready(CONVENTIONS[name], purpose) for purpose, name, _ in KERNELS)
    mark_stored(GRU, "training")
    assert is_ready(GRU, "training")
    assert is_ready(CONVENTIONS["keras_reset_after"], "training"), "it has the same kernel"
    assert not is_ready(GRU, "trace")
    assert not is_ready(LSTM, "training")
    assert not is_ready(CONVENTIONS["onnx"], "training"), "its reset gate acts elsewhere"


def test_every_convention_has_a_kernel_that_is_compiled() -> None:
    for purpose in ("trace", "training"):
        compiled_cells = {(CONVENTIONS[n].cell, CONVENTIONS[n].reset) for what, n, _ in KERNELS if what == purpose}
        assert {(each.cell, each.reset) for each in CONVENTIONS.values()} == compiled_cells


def test_a_kernel_of_another_numba_or_processor_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    mark_stored(GRU, "trace")
    kernel_cache.machine.cache_clear()
    monkeypatch.setattr(kernel_cache, "version", lambda package: "0.1")
    assert not is_ready(GRU, "trace")
    monkeypatch.undo()
    kernel_cache.machine.cache_clear()


def test_where_nothing_can_be_written_there_is_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(kernel_cache, "folder", lambda: None)
        mark_stored(GRU, "trace")
        assert is_ready(GRU, "trace")
        assert seconds_left(GRU, "trace") == 0
        assert not is_compiling()
        compile_kernels.compile_missing()


def test_what_is_left_becomes_less_with_every_kernel() -> None:
    left = [seconds_left(CONVENTIONS["onnx"], "training")]
    for purpose, name, _ in KERNELS:
        mark_stored(CONVENTIONS[name], purpose)
        left.append(seconds_left(CONVENTIONS["onnx"], "training"))
    assert left == sorted(left, reverse=True)
    assert left[0] > 10
    assert left[-1] == 0


def test_one_process_compiles_at_a_time_and_the_next_finds_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str]] = []

    def warm(conventions: Any, purposes: Any) -> None:
        assert is_compiling()
        for convention in conventions:
            for purpose in purposes:
                done.append((purpose, convention.name))
                mark_stored(convention, purpose)

    monkeypatch.setattr(compile_kernels, "warm", warm)
    others = [threading.Thread(target=compile_kernels.compile_missing) for _ in range(3)]
    with lock():
        for other in others:
            other.start()
        assert is_compiling()
        assert done == []
    for other in others:
        other.join()
    assert done == [(purpose, name) for purpose, name, _ in KERNELS]
    assert not is_compiling()


def test_a_process_is_started_only_while_something_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Started:
        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command)

        def wait(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Started)
    compiled.compile_in_background()
    assert started == [[sys.executable, "-P", "-m", compile_kernels.__name__]]
    for purpose, name, _ in KERNELS:
        mark_stored(CONVENTIONS[name], purpose)
    compiled.compile_in_background()
    assert len(started) == 1
