"""Reading in chunks gives what reading at once gives, on every messy file; it reports progress and can be stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gru_viz.errors import SequenceError
from gru_viz.sequences import Sequences, open_table, parallel_reading, read_table

FILES = sorted(path for path in (Path(__file__).parent / "messy").iterdir() if path.suffix in {".csv", ".tsv", ".txt"})
MIXED = [
    b"a,b\n" + b"1,2\n" * 40 + b"1.5,2\n" * 40,
    b"a,b\n" + b"1,2\n" * 40 + b"x,2\n" * 3 + b"2,3\n" * 40,
    b"a,b\n" + b"1,\n" * 40 + b"3,2\n" * 40,
    b"a,b\n" + b"1,2\n" * 40 + b"1,2,3\n" + b"1,2\n" * 40,
    b"a,b\n" + b"1,2\n" * 40 + b"1\n" + b"1,2\n" * 40,
    b"a,b\n" + b"True,2\n" * 40 + b"no,2\n" * 40,
    b"a,b\n1,2\n" + b"\n" * 60 + b"9223372036854775807,2\n" * 2 + b"18446744073709551615,2\n" * 20,
]


def outcome(data: bytes, name: str) -> tuple[object, ...]:
    try:
        read: Sequences = read_table(data, name=name)
    except SequenceError as error:
        return (str(error),)
    values = [item.values.tobytes() for item in read]
    return values, [item.time and tuple(item.time) for item in read], read.features, read.notices, read.source


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_messy_file_in_chunks_is_the_same_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = path.read_bytes()
    whole = outcome(data, path.name)
    monkeypatch.setattr(parallel_reading, "MIN_PARALLEL_BYTES", 0)
    monkeypatch.setattr(parallel_reading, "CHUNK_BYTES", 64)
    assert outcome(data, path.name) == whole


@pytest.mark.parametrize("data", MIXED)
def test_chunks_of_different_kinds_are_one_table(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = outcome(data, "mixed.csv")
    monkeypatch.setattr(parallel_reading, "MIN_PARALLEL_BYTES", 0)
    monkeypatch.setattr(parallel_reading, "CHUNK_BYTES", 64)
    assert outcome(data, "mixed.csv") == whole


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("large", [0, 1 << 30], ids=["in chunks", "at once"])
def test_reading_reports_progress_and_can_be_stopped(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_reading, "MIN_PARALLEL_BYTES", large)
    monkeypatch.setattr(parallel_reading, "CHUNK_BYTES", 1 << 16)
    rng = np.random.default_rng(0)
    data = b"a,b\n" + b"".join(b"%.6f,%.6f\n" % tuple(pair) for pair in rng.standard_normal((50_000, 2)))
    calls: list[tuple[int, int]] = []
    open_table(data, progress=lambda done, total: calls.append((done, total)))
    done, totals = zip(*calls, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] <= len(data)
    assert set(totals) == {len(data)}
    assert len(calls) > 3

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        open_table(data, progress=stop)
