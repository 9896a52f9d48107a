"""Every messy file is read as a person would read it, or refused for the reason a person would give."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from gru_viz.errors import SequenceError
from gru_viz.sequences import open_table

MESSY = Path(__file__).parent / "messy"
EXPECTED = json.loads((MESSY / "expected.json").read_text("utf-8"))


def written() -> dict[str, bytes]:
    spec = importlib.util.spec_from_file_location("messy_files", MESSY / "write.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.FILES)


def test_every_file_has_its_expectation() -> None:
    files = {
        path.name: path.read_bytes() for path in MESSY.iterdir() if path.suffix in {".csv", ".tsv", ".txt", ".parquet"}
    }
    assert files == written()
    assert set(files) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(name for name in EXPECTED if "error" not in EXPECTED[name]))
def test_reads(name: str) -> None:
    wanted = EXPECTED[name]
    table = open_table(MESSY / name)
    seqs = table.sequences(scale="none", **wanted.get("asked", {}))
    assert table.dialect.describe() == wanted["dialect"]
    assert list(seqs.features) == wanted["features"]
    assert list(seqs.lengths) == wanted["lengths"]
    assert [one.name for one in seqs] == wanted["names"]
    assert (None if seqs[0].time is None else list(seqs[0].time)) == wanted["time"]
    np.testing.assert_array_equal(seqs[0].values[0], np.float32(wanted["first"]))
    np.testing.assert_array_equal(seqs[-1].values[-1], np.float32(wanted["last"]))
    notices = " ".join(seqs.notices)
    for phrase in wanted["notices"]:
        assert phrase in notices
    if not wanted["notices"]:  # a clean file makes no notice
        assert seqs.notices == ()


@pytest.mark.parametrize("name", sorted(name for name in EXPECTED if "error" in EXPECTED[name]))
def test_refuses(name: str) -> None:
    with pytest.raises(SequenceError) as raised:
        open_table(MESSY / name).sequences()
    message = str(raised.value)
    assert EXPECTED[name]["error"] in message
    assert raised.value.where.startswith(name)
    assert raised.value.remedy
    assert len(message) < 300
