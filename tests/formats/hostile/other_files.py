"""Files that are no model, and safetensors and NPZ files that lie, break off or would run code."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from typing import Any

import numpy as np
from files import npz, saved
from hostile.making import CANARY, arrays, evil, kind, state
from safetensors.numpy import save as save_safetensors

# -- no model at all ---------------------------------------------------------------------------------------------


@kind("an empty file")
def nothing() -> bytes:
    return b""


@kind("text")
def a_note() -> bytes:
    return b"These are my weights, trust me.\n" * 10


@kind("a web page")
def a_web_page() -> bytes:
    return b"<!DOCTYPE html><html><body>Sign in to download</body></html>"


@kind("gzip", "Unpack")
def a_packed_state() -> bytes:
    import gzip

    return gzip.compress(saved(state()))


@kind("Git LFS pointer")
def a_pointer_to_a_file() -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@kind("an unknown format")
def noise() -> bytes:
    return b"\x17" + np.random.default_rng(0).bytes(5000)


@kind("a single NumPy array", "numpy.savez")
def one_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones(3))
    return file.getvalue()


@kind("archive that contains notes.txt")
def an_archive_of_notes() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    return out.getvalue()


@kind("tar archive")
def a_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    return out.getvalue()


@kind("100,001 entries", "100,000")
def a_list_of_endless_entries() -> bytes:
    return b"PK\x03\x04" + b"PK\x01\x02" * 100_001


# -- safetensors -------------------------------------------------------------------------------------------------


def tensors(header: Any, numbers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


@kind("a header that claims", "truncated")
def a_header_longer_than_the_file() -> bytes:
    return struct.pack("<Q", 10 * 2**30) + b'{"a":1}'


@kind("not JSON")
def a_header_that_is_no_json() -> bytes:
    return tensors(b"{not json at all}")


@kind("not JSON")
def a_header_nested_deeply() -> bytes:
    return tensors(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


@kind("40,000,000,000")
def a_tensor_of_ten_billion_numbers() -> bytes:
    return tensors({"weight_ih_l0": {"dtype": "F32", "shape": [10**10], "data_offsets": [0, 4 * 10**10]}})


@kind("weight_ih_l0", "4 bytes", "takes 400")
def a_shape_larger_than_its_bytes() -> bytes:
    return tensors({"weight_ih_l0": {"dtype": "F32", "shape": [10, 10], "data_offsets": [0, 4]}}, bytes(4))


@kind("damaged")
def bytes_shared_by_two_tensors() -> bytes:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return tensors({"a": entry, "b": entry}, bytes(4))


@kind("the shape (-3, -5)")
def a_negative_shape() -> bytes:
    return tensors({"weight_ih_l0": {"dtype": "F32", "shape": [-3, -5], "data_offsets": [0, 60]}}, bytes(60))


@kind("missing")
def a_tensor_that_is_only_a_name() -> bytes:
    return tensors({"weight_ih_l0": 3})


@kind("damaged")
def a_truncated_safetensors_file() -> bytes:
    return save_safetensors(arrays())[:-40]


@kind("shape (0, 1152921504606846975)")
def an_empty_tensor_of_endless_axes() -> bytes:
    return tensors({"weight_ih_l0": {"dtype": "F32", "shape": [0, 2**60 - 1], "data_offsets": [0, 0]}})


# -- NPZ ---------------------------------------------------------------------------------------------------------


def npy(header: bytes, numbers: bytes = b"", version: bytes = b"\x01\x00", size: int | None = None) -> bytes:
    length = len(header) if size is None else size
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\x01\x00" else "<I", length) + header + numbers


def archive_of(entry: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("weight_ih_l0.npy", entry)
    return out.getvalue()


@kind("Python objects", "no code was run")
def an_array_of_objects() -> bytes:
    file = io.BytesIO()
    np.savez(file, weight_ih_l0=np.array([evil(), None], object))
    return file.getvalue()


@kind("40,000,000,000", "at most 2,147,483,648")
def an_array_that_claims_gigabytes() -> bytes:
    return archive_of(npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000,)}\n", bytes(40)))


@kind("40 bytes for the shape", "which takes 400")
def an_array_that_claims_more_than_is_there() -> bytes:
    return archive_of(npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (100,)}\n", bytes(40)))


@kind("unpack to 67,108,864", "100 times")
def a_small_file_that_unpacks_to_a_large_one() -> bytes:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (16777216,)}\n"
    return archive_of(npy(header, bytes(1 << 26)), zipfile.ZIP_DEFLATED)


@kind("damaged", "header")
def a_header_with_code_in_it() -> bytes:
    return archive_of(npy(b"__import__('os').system('touch " + CANARY.encode() + b"')\n"))


@kind("a header of 4,294,967,295 bytes")
def a_header_that_claims_gigabytes() -> bytes:
    return archive_of(npy(b"{}", bytes(100), b"\x02\x00", 2**32 - 1))


@kind("not an array")
def an_array_of_an_unknown_version() -> bytes:
    return archive_of(npy(b"{}", bytes(100), b"\x09\x00"))


@kind("damaged")
def a_truncated_npz() -> bytes:
    return npz(arrays())[:-200]


@kind("damaged")
def an_array_longer_than_its_archive_says() -> bytes:
    data = npz({"weight_ih_l0": np.zeros(5000, np.float32)}, compressed=True)
    at = data.rindex(b"PK\x01\x02")
    size = struct.pack("<I", 5000 * 4 + 128)
    assert data[at + 24 : at + 28] == size
    return data[: at + 24] + struct.pack("<I", 500 * 4 + 128) + data[at + 28 :]
