"""Hostile files: each is refused with the reason, nothing in it is run, and reading it takes little memory."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from files import net, npz, saved
from hostile import measure
from hostile.kinds import CANARY, KINDS, evil, write
from hostile.other_files import archive_of, npy
from hypothesis import example, given, settings, strategies as st
from safetensors.torch import save as save_safetensors

from gru_viz.errors import FormatError
from gru_viz.formats import Limits, read_model

HERE = Path(__file__).parent
MOST_GROWN = 64 << 10
"""KiB: what a few MB of file may cost, far below what the files claim."""


ON_LINUX = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured by Linux's /proc")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each, all read by one process in a folder where code would leave its mark."""
    folder, home = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("home")
    write(folder)
    path = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parent.parent)])
    command = [sys.executable, str(HERE / "hostile" / "measure.py"), str(folder)]
    run = subprocess.run(
        command, cwd=home, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert not list(home.iterdir()), f"{CANARY} was written"
    return dict(json.loads(run.stdout))


@ON_LINUX
@pytest.mark.parametrize("name", KINDS)
def test_it_is_refused_with_the_reason_nothing_is_run_and_little_is_allocated(name: str, outcomes: Any) -> None:
    refusal, (_, words) = outcomes[name]["refusal"], KINDS[name]
    assert len(refusal) == 4, refusal
    assert all(refusal)
    assert refusal[0].startswith(name)
    message = " ".join(refusal)
    assert all(word in message for word in words), message
    assert len(message) < 1000
    assert outcomes[name]["events"] == []
    assert outcomes[name]["grown_kib"] < MOST_GROWN


def test_there_are_many_kinds() -> None:
    assert len(KINDS) >= 40


@ON_LINUX
def test_the_measure_would_see_what_is_run_and_what_is_allocated(tmp_path: Path) -> None:
    """The same process, with a reader that opens pickles as programs."""
    folder, home = tmp_path / "hostile", tmp_path / "home"
    folder.mkdir(), home.mkdir()
    (folder / "code").write_bytes(pickle.dumps(evil()))
    (folder / "memory").write_bytes(b"")
    script = tmp_path / "naive.py"
    script.write_text(
        "import pickle, sys\nfrom pathlib import Path\nfrom hostile import measure\n"
        "def naive(path):\n"
        "    if path.name == 'memory':\n        return [str(len(b'x' * (1 << 29)))]\n"
        "    return [str(pickle.loads(path.read_bytes()))] if path.exists() else []\n"
        "measure.refused = naive\nmeasure.main(Path(sys.argv[1]))\n"
    )
    path = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parent.parent)])
    run = subprocess.run(
        [sys.executable, str(script), str(folder)],
        cwd=home,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    outcomes = json.loads(run.stdout)
    assert (home / CANARY).exists()
    assert any(event.startswith("os.system") for event in outcomes["code"]["events"])
    assert outcomes["memory"]["grown_kib"] > MOST_GROWN
    assert measure.refused(folder / "code")[0] == "code"


WHOLE = {
    "PyTorch": saved(net().state_dict()),
    "legacy": saved({"state_dict": net().state_dict(), "epoch": 1}, _use_new_zipfile_serialization=False),
    "safetensors": save_safetensors(net().state_dict()),
    "NPZ": npz({name: tensor.numpy() for name, tensor in net().state_dict().items()}),
}
SMALL = Limits(max_bytes=1 << 20, max_array_bytes=1 << 20, max_entries=100, max_steps=10_000)


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=6)), max_size=4),
    st.integers(0, 1 << 20),
    st.booleans(),
    st.booleans(),
)
@example("legacy", [(161, b"\\")], 0, False, False)  # an escape, of which Python warns
def test_any_change_of_any_bytes_gives_a_reading_or_a_refusal(
    kind: str, changes: list[tuple[int, bytes]], end: int, truncated: bool, in_the_head: bool
) -> None:
    data = bytearray(WHOLE[kind])
    for at, new in changes:
        at %= min(len(data), 600) if in_the_head else len(data)
        data[at : at + len(new)] = new
    refused(bytes(data[: end % len(data)] if truncated else data))


HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (12, 3), }\n"


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, len(HEADER) - 1), st.binary(min_size=1, max_size=3)), min_size=1, max_size=3))
@example([(HEADER.index(b"descr"), b"\\o")])
@example([(HEADER.index(b"False"), b"0and ")])
@example([(HEADER.index(b"<f4"), b"4a,")])
@example([(HEADER.index(b"'<f4"), b"f'{1or")])
def test_any_change_of_the_header_of_an_array_gives_a_reading_or_a_refusal(changes: list[tuple[int, bytes]]) -> None:
    """In a file whose checksums are right, as nobody's mishap makes it."""
    header = bytearray(HEADER)
    for at, new in changes:
        header[at : at + len(new)] = new
    refused(archive_of(npy(bytes(header), bytes(4 * 12 * 3))))


def refused(data: bytes) -> FormatError | None:
    """Why a file is refused, None if it is read; neither makes Python warn."""
    with warnings.catch_warnings(record=True) as warned:  # what is an error to Python's parser is no warning any more
        warnings.simplefilter("always")
        try:
            assert read_model(data, "changed", SMALL).models
            refusal = None
        except FormatError as error:
            refusal = error
    assert [str(each.message) for each in warned] == []
    assert refusal is None or (refusal.where.startswith("changed") and len(str(refusal)) < 2000)
    return refusal


def test_every_truncation_of_the_head_and_the_tail_gives_a_refusal() -> None:
    for whole in WHOLE.values():
        for end in (*range(16), *range(16, 200, 7), *range(len(whole) - 40, len(whole) - 1, 3)):
            with pytest.raises(FormatError):
                read_model(whole[:end], "cut", SMALL)
