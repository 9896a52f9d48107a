"""Bytes of tables and models: every kind of source, size limits before reading, kinds by magic number."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path

import pytest

from gru_viz.byte_source import ByteReader, file_kind, source_name
from gru_viz.errors import FormatError, SequenceError

READER = ByteReader(FormatError, "model", "Save less.")


class Upload(io.BytesIO):
    """What a file uploader returns: an open file with a name."""

    name = "up/load.csv"


def test_every_kind_of_source_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        sources = [path, str(path), b"abc", bytearray(b"abc"), memoryview(b"abc"), io.BytesIO(b"abc"), file]
        assert {READER.read(source, "x", 3) for source in sources} == {b"abc"}
        assert source_name(file, "model") == source_name(path, "model") == "x.bin"
    assert source_name(Upload(), "table") == "load.csv"
    assert source_name(b"abc", "table") == source_name(io.BytesIO(), "table") == "table"


@pytest.mark.parametrize("size", [4, 5, 100])
def test_a_source_above_the_limit_is_refused_with_the_limit(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(size))
    for source in (path, bytes(size), io.BytesIO(bytes(size))):
        with pytest.raises(FormatError, match=r"x: found .* bytes; wanted at most 3 bytes\. Save less\."):
            READER.read(source, "x", 3)


def test_a_file_opened_as_text_is_read_only_where_text_is_accepted() -> None:
    with pytest.raises(FormatError, match='mode "rb"'):
        READER.read(io.StringIO("ä"), "x", 9)
    assert ByteReader(SequenceError, "table", "", accepts_text=True).read(io.StringIO("ä"), "x", 9) == "ä".encode()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (gzip.compress(b"a", mtime=0), "a gzip archive"),
        (bytes(257) + b"ustar", "a tar archive"),
        (pickle.dumps(1), "a Python pickle"),
        (b"PK\x03\x04....xl/workbook.xml", "an Excel workbook (xlsx)"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer in place of the file"),
        (b" \n<!DOCTYPE html>", "a web page or XML"),
        (b'[{"a": 1}]', "JSON"),
        (b"a,b\n1,2\n", None),
        (b"", None),
    ],
)
def test_the_kind_of_a_file_is_in_its_first_bytes(data: bytes, kind: str | None) -> None:
    assert file_kind(data) == kind
