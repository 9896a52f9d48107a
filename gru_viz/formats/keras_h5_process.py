"""The program that ``keras_h5`` runs in a separate process: an HDF5 file from stdin, its arrays to stdout.

The HDF5 library expects trusted files: a damaged one can make it loop forever or access invalid memory. A separate
process can be stopped or crash without harm. Only hard links without cycles and uncompressed arrays inside the file
are read, so the claimed sizes can be compared with the file's length first.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
from typing import Any, BinaryIO, NoReturn

import h5py
import numpy as np

WANTED = "the plain arrays that Keras writes"
REMEDY = "Save it again in Keras: model.save(path)."
LINKS = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}


class _RefusedError(Exception):
    """A refused file; args: where, found, wanted, remedy."""


class _TreeReader:
    """Reads the groups of a file depth first."""

    def __init__(self, length: int, max_entries: int, max_depth: int) -> None:
        self.length, self.max_entries, self.max_depth = length, max_entries, max_depth
        self.claimed = 0
        self.seen: set[int] = set()
        self.arrays: dict[str, np.ndarray] = {}
        self.bfloat16: list[str] = []
        self.labels: dict[str, str] = {}

    def read(self, root: h5py.Group) -> None:
        pending = [("", root)]
        while pending:
            path, group = pending.pop()
            self._visit(group, path)
            if len(group) + len(self.seen) > self.max_entries:
                self._refuse(path, f"{len(group):,} entries", f"at most {self.max_entries:,} in the file")
            for label in self.texts(group, "name")[:1]:
                self.labels[path] = label
            inner = []
            for name in group:
                if not path and name.startswith("optimizer"):
                    continue
                readable = name.replace("\\", "/")  # some versions of Keras on Windows
                child = f"{path}/{readable}" if path else readable
                found = self._open(group, name, child)
                if isinstance(found, h5py.Group):
                    inner.append((child, found))
                elif isinstance(found, h5py.Dataset):
                    self._visit(found, child)
                    self._store(found, child)
            pending += reversed(inner)

    def _open(self, group: h5py.Group, name: str, path: str) -> object:
        if path.count("/") > self.max_depth:
            self._refuse(path, "groups nested too deeply", f"at most {self.max_depth} levels")
        link = group.id.links.get_info(name.encode("utf-8", "surrogateescape")).type
        if link != h5py.h5l.TYPE_HARD:
            self._refuse(path, LINKS.get(link, "a link of an unknown kind"), WANTED)
        return group[name]

    def _visit(self, found: h5py.Group | h5py.Dataset, path: str) -> None:
        address = h5py.h5o.get_info(found.id).addr
        if address in self.seen:
            self._refuse(path, "a second link to the same object, possibly a cycle", WANTED)
        self.seen.add(address)

    def _store(self, dataset: h5py.Dataset, path: str) -> None:
        """Store an array of floating-point numbers; others, such as a generator's state, are skipped."""
        plan, numbers = dataset.id.get_create_plist(), dataset.dtype
        if plan.get_layout() == h5py.h5d.VIRTUAL:
            self._refuse(path, "a virtual array, assembled from other data", WANTED)
        if plan.get_external_count():
            self._refuse(path, "an array whose numbers are in another file", WANTED)
        if plan.get_nfilters():
            self._refuse(path, "a compressed or filtered array", WANTED, "Save it again without compression.")
        if numbers.hasobject:
            self._refuse(path, "references or text instead of numbers", WANTED)
        bfloat16 = numbers.kind == "V" and numbers.itemsize == 2 and self.texts(dataset, "dtype") == ["bfloat16"]
        if not bfloat16 and (numbers.kind != "f" or numbers.itemsize not in (2, 4, 8)):
            return
        if dataset.shape is None:
            self._refuse(path, "an array without a shape", WANTED)
        size = math.prod(dataset.shape) * numbers.itemsize
        self.claimed += size
        chunk = math.prod(dataset.chunks or (0,)) * numbers.itemsize
        stored = dataset.id.get_storage_size()
        if size > stored or max(chunk, self.claimed) > self.length:
            found = f"an array that claims {max(size, chunk):,} bytes"
            self._refuse(path, found, f"at most the {stored:,} bytes stored for it, in a file of {self.length:,}")
        array = dataset[()]
        if bfloat16:
            self.bfloat16.append(path)
            array = array.view(np.uint16)
        self.arrays[path] = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))

    def texts(self, found: h5py.Group | h5py.Dataset, name: str) -> list[str]:
        """The strings of an attribute, possibly none."""
        if name not in found.attrs:
            return []
        attribute = found.attrs.get_id(name)
        if attribute.dtype.kind not in "SO" or attribute.get_storage_size() > self.length:
            return []
        texts = np.ravel(found.attrs[name]).tolist()
        texts = [text.decode("utf-8", "replace") if isinstance(text, bytes) else text for text in texts]
        return [text for text in texts if isinstance(text, str)]

    def _refuse(self, path: str, found: str, wanted: str, remedy: str = REMEDY) -> NoReturn:
        raise _RefusedError(path or "/", found, wanted, remedy)


def main(arguments: list[str], source: BinaryIO, output: BinaryIO) -> None:
    """Write a header, one line of JSON, then the numbers of each array in turn."""
    data = source.read()
    max_entries, max_depth, memory, seconds = map(int, arguments)
    _limit_itself(memory, seconds)
    reader = _TreeReader(len(data), max_entries, max_depth)
    header: dict[str, Any]
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            reader.read(file["/"])
            layers = file.get("model_weights", file["/"])
            header = {
                "config": next(iter(reader.texts(file["/"], "model_config")), None),
                "version": next(
                    iter(reader.texts(file["/"], "keras_version") + reader.texts(layers, "keras_version")), ""
                ),
                "order": reader.texts(layers, "layer_names"),
                "labels": reader.labels,
                "bfloat16": reader.bfloat16,
                "arrays": [[path, list(array.shape), array.dtype.str] for path, array in reader.arrays.items()],
            }
    except _RefusedError as refusal:
        header = {"refused": refusal.args}
    except Exception as error:  # h5py raises many types for a damaged file
        header = {"damaged": str(error)[:500]}
    output.write(json.dumps(header).encode() + b"\n")
    if "arrays" in header:
        for array in reader.arrays.values():
            output.write(array.data.cast("B") if array.size else b"")


def _limit_itself(memory: int, seconds: int) -> None:
    """Set the system's limits of memory and of processor time for this process, where there are any."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
