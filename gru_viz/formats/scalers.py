"""Finds the numbers by which a model's inputs were scaled in training, where a file has them beside its weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from gru_viz.errors import SequenceError
from gru_viz.formats.model_bytes import NamedArrays, printable
from gru_viz.sequences import Scaling, read_scaling

__all__ = ["find_scalings"]

MOST = 16
"""The most scalings returned for one network."""
_PAIRS: tuple[tuple[str, str, str], ...] = (
    ("mean", "std", "mean and std"),
    ("mean", "var", "mean and variance"),
    ("min", "max", "min and max"),
    ("centre", "scale", "centre and scale"),
    ("mean", "scale", "mean and scale"),
)
_WORDS = {
    "mean": r"means?|mu|avg|average|mean_",
    "std": r"stds?|std_?devs?|sd|sigma|std_|deviation",
    "var": r"vars?|variance|var_",
    "min": r"mins?|minimum|data_min_?|low|lower",
    "max": r"maxs?|maximum|data_max_?|high|upper",
    "centre": r"centers?|centres?|center_|median|offset|shift|loc",
    "scale": r"scales?|scale_|iqr|divisor",
}
_KIND = re.compile("|".join(f"(?P<{kind}>{words})" for kind, words in _WORDS.items()), re.IGNORECASE)
_OUTPUT = re.compile(r"(^|[._/ -])(y|targets?|labels?|out(put)?s?|pred)([._/ -]|$)", re.IGNORECASE)
_NOT_SCALERS = re.compile(
    r"running_|loss|metric|learning|(^|[._])(optim\w*|ema|grad\w*|bn\d*|lr)([._]|$)", re.IGNORECASE
)
_INPUT = re.compile(r"(^|[._/ -])(x|features?|in(put)?s?|train|data)([._/ -]|$)", re.IGNORECASE)


def find_scalings(arrays: NamedArrays, features: int) -> Mapping[str, Scaling]:
    """The scalings of so many features that a file has beside its weights, likeliest first.

    A mean and a standard deviation, a minimum and a maximum or the like under their usual names: arrays, lists,
    numbers, or the attributes of a pickled scaler of scikit-learn, which is not imported.

    Returns:
        What the numbers are called in the file → the scaling.
    """
    groups: dict[str, dict[str, tuple[str, np.ndarray]]] = {}
    for path, numbers in _numbers(arrays, features):
        around, kind = _taken_apart(path)
        if kind and not _NOT_SCALERS.search(path):
            groups.setdefault(around, {}).setdefault(kind, (path, numbers))
    found: dict[str, Scaling] = {}
    for _, kinds in sorted(
        groups.items(), key=lambda item: (not _INPUT.search(item[0]), bool(_OUTPUT.search(item[0])))
    ):
        for low, high, words in _PAIRS:
            if low in kinds and high in kinds and len(found) < MOST:
                (path, offset), (_, spread) = kinds[low], kinds[high]
                scaling = _scaling(low, high, offset, spread)
                if scaling is not None:
                    found.setdefault(f"{printable(path, 60)} ({words})", scaling)
                    break
    return found


def _scaling(low: str, high: str, offset: np.ndarray, spread: np.ndarray) -> Scaling | None:
    names = tuple(f"x{k + 1}" for k in range(len(offset)))
    known = {"mean": "mean", "std": "std", "var": "variance", "min": "min", "max": "max"}
    given = {known.get(low, "offset"): offset, known.get(high, "divisor"): spread}
    if low == "mean" and high == "scale":
        given = {"mean": offset, "scale": spread}
    try:
        return read_scaling(given, names)
    except SequenceError:  # a negative spread, a number that is not finite
        return None


def _numbers(arrays: NamedArrays, features: int) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays, lists and numbers of a file that have one number for each feature."""
    for path, array in arrays.arrays.items():
        flat = np.ravel(array)
        if array.dtype.kind in "fiu" and flat.size == features and array.ndim <= 3 and np.isfinite(flat).all():
            yield path, flat.astype(np.float64)
    lists: dict[str, list[float]] = {}
    for path, fact in arrays.facts.items():
        if isinstance(fact, bool) or not isinstance(fact, (int, float)):
            continue
        parent, _, last = path.rpartition(".")
        if features == 1:
            yield path, np.array([float(fact)])
        if parent and (last.isdecimal() or not _taken_apart(path)[1]):
            lists.setdefault(parent, []).append(float(fact))
    for path, numbers in lists.items():
        if len(numbers) == features and np.isfinite(numbers).all():
            yield path, np.array(numbers)


def _taken_apart(path: str) -> tuple[str, str]:
    """A path without the word of a statistic, and which statistic that is; ``""`` if it has none."""
    folder, separator, last = path.rpartition(".")
    for match in _KIND.finditer(last):
        before, after = last[: match.start()], last[match.end() :]
        alone = before[-1:] in ("", "_", "-", "/", " ") and after[:1] in ("", "_", "-", "/", " ")
        if alone and match.lastgroup:
            around = f"{before}*{after}".strip("_-/ ")
            return f"{folder}{separator}{around}", match.lastgroup
    return "", ""
