"""A view of a pyramid is the reduction of the data itself; in memory or in a file that nobody else sees."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gru_viz import TraceError
from gru_viz.bins import reduce
from gru_viz.streaming.pyramid import Pyramid, Rows, Scratch


def build(values: np.ndarray, base: int, piece: int, in_file: tuple[int, ...] = (), order: int = 1) -> Pyramid:
    pyramid = Pyramid(len(values), values.shape[1], values.dtype, base, in_file, Scratch())
    for first in range(0, len(values), piece)[::order]:
        pyramid.add(first, values[first : first + piece])
    pyramid.finish()
    return pyramid


@pytest.fixture(autouse=True)
def tall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gru_viz.streaming.pyramid.ENOUGH", 4)
    monkeypatch.setattr("gru_viz.streaming.pyramid.BYTES_AT_A_TIME", 500)


@given(
    st.integers(1, 700), st.sampled_from([1, 2, 4]), st.sampled_from([4, 16, 32]), st.sampled_from([1, -1]),
    st.booleans(), st.integers(1, 40), st.integers(0, 700), st.integers(0, 700),
)  # fmt: skip
def test_a_view_is_the_reduction_of_what_it_covers(
    length: int, base: int, piece: int, order: int, filed: bool, times: int, start: int, stop: int
) -> None:
    values = np.random.default_rng(length).standard_normal((length, 3))
    pyramid = build(values, base, piece, tuple(base * 4**k for k in range(6)) if filed else (), order)
    width = base * times
    first = min(start, length - 1) // width * width
    last = min(max(-(-stop // width), first // width + 1) * width, length)
    view, true = pyramid.view(first, last, width), reduce(values[first:last], width)
    assert np.array_equal(view[:, :2], true[:, :2])
    np.testing.assert_allclose(view[:, 2], true[:, 2], atol=1e-14)


def test_there_are_few_bins_at_the_top() -> None:
    levels = build(np.zeros((1000, 1)), 2, 16).levels
    assert list(levels) == [2, 8, 32, 128, 512]


def test_a_nan_is_seen_from_the_top() -> None:
    values = np.zeros((1000, 2))
    values[321, 1] = np.nan
    top = build(values, 2, 16).view(0, 1000, 512)
    assert np.isnan(top[0, :, 1]).all()
    assert not np.isnan(top[1]).any()
    assert not np.isnan(top[:, :, 0]).any()


def test_the_file_has_no_name_and_goes_with_its_last_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_files: Callable[[], int]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = open_files()
    rows = Rows(10, (3,), np.float32, Scratch())
    assert open_files() == before + 1
    assert not list(tmp_path.iterdir())
    del rows
    gc.collect()
    assert open_files() == before


def test_what_is_read_cannot_be_changed() -> None:
    for scratch in (None, Scratch()):
        rows = Rows(3, (2,), np.float64, scratch)
        rows.write(0, np.ones((3, 2)))
        with pytest.raises(ValueError, match="read-only"):
            rows.read(0, 2)[0] = 5
        rows.write(1, np.zeros((1, 2)))
        assert rows.read(0, 3)[:, 0].tolist() == [1, 0, 1]


def test_many_threads_read_one_file() -> None:
    rows = Rows(200, (50,), np.int64, Scratch())
    rows.write(0, np.arange(200)[:, None] + np.zeros(50, np.int64))
    wrong: list[int] = []

    def look(seed: int) -> None:
        for row in np.random.default_rng(seed).integers(0, 200, 300):
            if (rows.read(row, row + 1) != row).any():
                wrong.append(row)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_full_disk_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(TraceError, match=r"no room for 0 MiB \(No space left on device\).*TMPDIR"):
        Rows(10, (3,), np.float32, Scratch())
