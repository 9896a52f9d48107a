"""Run by ``keras_h5`` as a program of its own: what an HDF5 file holds, from standard input to standard output.

The HDF5 library is made for files that one trusts: a damaged one can send it in circles or out of its memory. Here
it can be stopped, and takes nothing along. Only hard links, each to a place of its own, and arrays that lie in the
file unpacked are read: then what they claim can be held against the length of the file first.
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
    """Where, found, wanted, remedy."""


class _Walk:
    def __init__(self, length: int, max_entries: int, max_depth: int) -> None:
        self.length, self.max_entries, self.max_depth = length, max_entries, max_depth
        self.claimed = 0
        self.seen: set[int] = set()
        self.arrays: dict[str, np.ndarray] = {}
        self.brain: list[str] = []
        self.labels: dict[str, str] = {}

    def through(self, root: h5py.Group) -> None:
        waiting = [("", root)]
        while waiting:
            path, group = waiting.pop()
            self._visit(group, path)
            if len(group) + len(self.seen) > self.max_entries:
                self._refuse(path, f"{len(group):,} entries", f"at most {self.max_entries:,} in the file")
            for label in self.texts(group, "name")[:1]:
                self.labels[path] = label
            inner = []
            for name in group:
                if not path and name.startswith("optimizer"):
                    continue
                readable = name.replace("\\", "/")  # as Keras on Windows wrote it for a while
                child = f"{path}/{readable}" if path else readable
                found = self._open(group, name, child)
                if isinstance(found, h5py.Group):
                    inner.append((child, found))
                elif isinstance(found, h5py.Dataset):
                    self._visit(found, child)
                    self._keep(found, child)
            waiting += reversed(inner)

    def _open(self, group: h5py.Group, name: str, path: str) -> object:
        if path.count("/") > self.max_depth:
            self._refuse(path, "groups within groups without end", f"at most {self.max_depth} levels")
        link = group.id.links.get_info(name.encode("utf-8", "surrogateescape")).type
        if link != h5py.h5l.TYPE_HARD:
            self._refuse(path, LINKS.get(link, "a link of an unknown kind"), WANTED)
        return group[name]

    def _visit(self, found: h5py.Group | h5py.Dataset, path: str) -> None:
        address = h5py.h5o.get_info(found.id).addr
        if address in self.seen:
            self._refuse(path, "a second way to the same place, as in a loop", WANTED)
        self.seen.add(address)

    def _keep(self, dataset: h5py.Dataset, path: str) -> None:
        """Keep its numbers, unless they are not floating-point ones: the state of a generator, say."""
        plan, numbers = dataset.id.get_create_plist(), dataset.dtype
        if plan.get_layout() == h5py.h5d.VIRTUAL:
            self._refuse(path, "a virtual array, put together from elsewhere", WANTED)
        if plan.get_external_count():
            self._refuse(path, "an array whose numbers lie in another file", WANTED)
        if plan.get_nfilters():
            self._refuse(path, "a compressed or filtered array", WANTED, "Save it again without compression.")
        if numbers.hasobject:
            self._refuse(path, "references or text in place of numbers", WANTED)
        brain = numbers.kind == "V" and numbers.itemsize == 2 and self.texts(dataset, "dtype") == ["bfloat16"]
        if not brain and (numbers.kind != "f" or numbers.itemsize not in (2, 4, 8)):
            return
        if dataset.shape is None:
            self._refuse(path, "an array without a shape", WANTED)
        size = math.prod(dataset.shape) * numbers.itemsize
        self.claimed += size
        chunk = math.prod(dataset.chunks or (0,)) * numbers.itemsize
        stored = dataset.id.get_storage_size()
        if size > stored or max(chunk, self.claimed) > self.length:
            found = f"an array that claims {max(size, chunk):,} bytes"
            self._refuse(path, found, f"the {stored:,} that it stores, in a file of {self.length:,}")
        array = dataset[()]
        if brain:
            self.brain.append(path)
            array = array.view(np.uint16)
        self.arrays[path] = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))

    def texts(self, found: h5py.Group | h5py.Dataset, name: str) -> list[str]:
        """The texts of an attribute, of which there may be none."""
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


def main(arguments: list[str], given: BinaryIO, answer: BinaryIO) -> None:
    """Answer with a line of JSON; then the numbers, one array after the other."""
    data = given.read()
    _limit(int(arguments[2]))
    walk = _Walk(len(data), int(arguments[0]), int(arguments[1]))
    told: dict[str, Any]
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            walk.through(file["/"])
            layers = file.get("model_weights", file["/"])
            told = {
                "config": next(iter(walk.texts(file["/"], "model_config")), None),
                "order": walk.texts(layers, "layer_names"),
                "labels": walk.labels,
                "brain": walk.brain,
                "arrays": [[path, list(array.shape), array.dtype.str] for path, array in walk.arrays.items()],
            }
    except _RefusedError as refusal:
        told = {"refused": refusal.args}
    except Exception as error:  # a damaged file makes h5py raise almost anything
        told = {"damaged": str(error)[:500]}
    answer.write(json.dumps(told).encode() + b"\n")
    if "arrays" in told:
        for array in walk.arrays.values():
            answer.write(array.data.cast("B") if array.size else b"")


def _limit(bytes_: int) -> None:
    """Have the system refuse more memory than an honest file needs, where it can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (bytes_, bytes_))


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
