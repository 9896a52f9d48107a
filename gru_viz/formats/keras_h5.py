"""The arrays and the configuration in an HDF5 file, with nothing followed out of it and nothing unpacked."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import NoReturn

import h5py
import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.arrays import Budget, widen
from gru_viz.formats.source import Limits, damaged, shown

__all__ = ["Tree", "read_tree"]

WANTED = "the plain arrays that Keras writes"
REMEDY = "Save it again in Keras: model.save(path)."
LINKS = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}


@dataclass(frozen=True)
class Tree:
    """What an HDF5 file of Keras holds.

    Attributes:
        arrays: path → numbers, floating-point ones only, in the file's order; none of the optimiser's.
        labels: path of a group of variables → the name that its layer was given, where the file tells it.
        order: the names of the layers in the model's order, where the file tells it.
        config: the model's configuration as JSON; None where there is none.
    """

    arrays: dict[str, np.ndarray]
    labels: dict[str, str]
    order: tuple[str, ...]
    config: str | None


def read_tree(data: bytes, where: str, limits: Limits) -> Tree:
    """Read every array of an HDF5 file.

    Only hard links, each to a place of its own, and arrays that lie in the file unpacked: then what they claim can
    be held against the length of the file before any of it is read.

    Raises:
        FormatError: it is damaged, or holds links, compressed or virtual arrays, or claims more than it is long.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            walk = _Walk(where, len(data), limits)
            walk.through(file["/"])
            layers = file.get("model_weights", file["/"])
            return Tree(
                walk.arrays, walk.labels, walk.texts(layers, "layer_names"), walk.text(file["/"], "model_config")
            )
    except FormatError:
        raise
    except Exception as error:  # a damaged file makes h5py raise almost anything
        raise damaged(where, error) from error


class _Walk:
    def __init__(self, where: str, length: int, limits: Limits) -> None:
        self.where, self.length, self.limits = where, length, limits
        self.budget = Budget(where, Limits(max_array_bytes=length, max_entries=limits.max_entries))
        self.seen: set[int] = set()
        self.arrays: dict[str, np.ndarray] = {}
        self.labels: dict[str, str] = {}

    def through(self, root: h5py.Group) -> None:
        waiting = [("", root)]
        while waiting:
            path, group = waiting.pop()
            self._visit(group, path)
            if len(group) + len(self.seen) > self.limits.max_entries:
                self._refuse(path, f"{len(group):,} entries", f"at most {self.limits.max_entries:,} in the file")
            if (label := self.text(group, "name")) is not None:
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
        if path.count("/") > self.limits.max_depth:
            self._refuse(path, "groups within groups without end", f"at most {self.limits.max_depth} levels")
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
        brain = numbers.kind == "V" and numbers.itemsize == 2 and self.text(dataset, "dtype") == "bfloat16"
        if not brain and (numbers.kind != "f" or numbers.itemsize not in (2, 4, 8)):
            return
        if dataset.shape is None:
            self._refuse(path, "an array without a shape", WANTED)
        size = self.budget.take(path, dataset.shape, numbers.itemsize)
        chunk = math.prod(dataset.chunks or (0,)) * numbers.itemsize
        stored = dataset.id.get_storage_size()
        if size > stored or chunk > self.length:
            self._refuse(path, f"an array that claims {max(size, chunk):,} bytes", f"the {stored:,} that it stores")
        array = dataset[()]
        self.arrays[path] = widen(array.view(np.uint16)) if brain else np.asarray(array, numbers.newbyteorder("="))

    def text(self, found: h5py.Group | h5py.Dataset, name: str) -> str | None:
        """A text among the attributes; None where there is none."""
        texts = self.texts(found, name)
        return texts[0] if len(texts) == 1 else None

    def texts(self, found: h5py.Group | h5py.Dataset, name: str) -> tuple[str, ...]:
        """The texts of an attribute, of which there may be none."""
        if name not in found.attrs:
            return ()
        attribute = found.attrs.get_id(name)
        if attribute.dtype.kind not in "SO" or attribute.get_storage_size() > self.length:
            return ()
        texts = np.ravel(found.attrs[name]).tolist()
        texts = [text.decode("utf-8", "replace") if isinstance(text, bytes) else text for text in texts]
        return tuple(text for text in texts if isinstance(text, str))

    def _refuse(self, path: str, found: str, wanted: str, remedy: str = REMEDY) -> NoReturn:
        raise FormatError(f"{self.where}, {shown(path or '/')}", found, wanted, remedy)
