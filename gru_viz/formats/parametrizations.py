"""Folds what torch stores in place of a matrix: weight and spectral normalisation, pruning, weight dropout."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gru_viz.formats.model_bytes import NamedArrays, printable

__all__ = ["fold_parametrizations"]

_NEWER = re.compile(r"(.*?)parametrizations\.([^.]+)\.(.+)", re.DOTALL)
_OLDER = re.compile(r"(.*)_(g|v|u|orig|mask)", re.DOTALL)
_DROPPED = re.compile(r"(.*?)(?:module\.)?(weight_(?:ih|hh)_l[0-9]{1,4}(?:_reverse)?)_raw", re.DOTALL)

Parts = Mapping[str, np.ndarray]
"""The end of a name → the array that is stored under it."""


class _Kind(NamedTuple):
    """A way to store a matrix in parts: its name, the parts, and the matrix that they make."""

    name: str
    parts: tuple[str, ...]
    fold: Callable[..., np.ndarray]


def _weight_norm(g: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The rows (or what g has one number for) of v, each as long as its number in g."""
    axes = tuple(k for k in range(v.ndim) if not g.ndim or g.shape[k] == 1)
    if g.ndim not in (0, v.ndim) or not axes:
        raise ValueError("no lengths")
    wide = v.astype(np.float64)
    return g * wide / np.sqrt(np.square(wide).sum(axes, keepdims=True))


def _spectral_norm(original: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    wide = original.astype(np.float64)
    return wide / (u @ wide.reshape(len(wide), -1) @ v)


_KINDS = (
    _Kind("weight normalisation, g · v / ‖v‖", ("original0", "original1"), _weight_norm),
    _Kind("weight normalisation, g · v / ‖v‖", ("g", "v"), _weight_norm),
    _Kind("spectral normalisation, W / σ", ("original", "0._u", "0._v"), _spectral_norm),
    _Kind("spectral normalisation, W / σ", ("orig", "u", "v"), _spectral_norm),
    _Kind("pruning, W · mask", ("orig", "mask"), np.multiply),
    _Kind("weight dropout, which is off outside of training", ("raw",), np.array),
)


def fold_parametrizations(given: NamedArrays) -> NamedArrays:
    """Put every matrix that is stored in parts together, at the place of its first part, and say so.

    A matrix under a parametrization that is not known becomes an unreadable one.
    """
    stored: dict[str, dict[str, str]] = {}
    for path in given.arrays:
        for matrix, part in _readings(path, given.arrays):
            stored.setdefault(matrix, {})[part] = path
    folded: dict[str, tuple[str, np.ndarray]] = {}
    replaced, unreadable, ways = set[str](), dict(given.unreadable), dict[str, list[str]]()
    for matrix, paths in stored.items():
        kind = next((kind for kind in _KINDS if all(part in paths for part in kind.parts)), None)
        array = _fold(kind, [given.arrays[paths[part]] for part in kind.parts]) if kind else None
        if kind is not None and array is not None:
            folded[paths[kind.parts[0]]] = matrix, array
            replaced |= {paths[part] for part in kind.parts} | {matrix}
            ways.setdefault(kind.name, []).append(matrix)
        elif any(_NEWER.fullmatch(path) for path in paths.values()):
            unreadable[matrix] = f"a matrix under a parametrization ({', '.join(map(printable, paths.values()))})"
    if not folded:
        return replace(given, unreadable=unreadable)
    arrays: dict[str, np.ndarray] = {}
    for path, array in given.arrays.items():
        if path in folded:
            arrays[folded[path][0]] = folded[path][1]
        elif path not in replaced:
            arrays[path] = array
    notices = tuple(f"Put together from {way}: {_listed(matrices)}." for way, matrices in ways.items())
    return replace(given, arrays=arrays, unreadable=unreadable, notices=(*given.notices, *notices))


def _readings(path: str, arrays: Parts) -> list[tuple[str, str]]:
    """The matrices that an array may be a part of, and which part."""
    if match := _NEWER.fullmatch(path):
        return [(match[1] + match[2], match[3])]
    if match := _DROPPED.fullmatch(path):
        inner = f"{match[1]}module."
        return [((inner if any(each.startswith(f"{inner}weight_") for each in arrays) else match[1]) + match[2], "raw")]
    match = _OLDER.fullmatch(path)
    return [(match[1], match[2])] if match and match[1] not in arrays else []


def _fold(kind: _Kind, parts: list[np.ndarray]) -> np.ndarray | None:
    """The matrix; None if the parts do not fit each other, and are something else of the same names."""
    if any(part.dtype.kind != "f" for part in parts[:1]):
        return None
    try:
        with np.errstate(all="ignore"):
            array = kind.fold(*parts)
    except (ValueError, IndexError):
        return None
    largest = max(parts, key=lambda part: part.size)
    return array.astype(parts[0].dtype) if array.shape == largest.shape else None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(printable(name, 60) for name in names[:4]) + more
