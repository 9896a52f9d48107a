"""Files that lie, break off or would run code: for each a name, its bytes, and words of the refusal."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from files import network, saved

CANARY = "canary_of_the_hostile_files"
"""What every file that would run code tries to write, in the folder that the reader runs in."""
KINDS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {}


def kind(*words: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def add(make: Callable[[], bytes]) -> Callable[[], bytes]:
        KINDS[make.__name__.replace("_", " ")] = (make, words)
        return make

    return add


class Calls:
    """An object whose pickle calls a function when it is opened as pickles are."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def evil() -> Calls:
    return Calls(os.system, f"touch {CANARY}")


def state(**changed: Any) -> dict[str, Any]:
    return {**network("gru").state_dict(), **changed}


def arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in state().items()} | changed


def legacy(what: Any) -> bytes:
    return saved(what, _use_new_zipfile_serialization=False)


def with_pickle(pickled: bytes, change: Callable[[bytes], bytes] = lambda data: data, **options: Any) -> bytes:
    """A torch archive with another pickle in it; or with its own, changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(state()))) as old, zipfile.ZipFile(out, "w", **options) as new:
        for entry in old.namelist():
            data = old.read(entry)
            new.writestr(entry, (pickled or change(data)) if entry.endswith("data.pkl") else data)
    return out.getvalue()


def write(folder: Path) -> None:
    """Write every kind, its name as the file's."""
    for name, (make, _) in KINDS.items():
        (folder / name).write_bytes(make())
