"""Reads the scaling that a model was trained with: arrays, a dict, a fitted scaler, or a file of its numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from gru_viz.byte_source import ByteReader, ByteSource, file_kind, source_name
from gru_viz.errors import SequenceError
from gru_viz.sequences.phrases import count, listing
from gru_viz.sequences.scaling import Scaling

__all__ = ["GivenScaling", "read_scaling"]

GivenScaling = Scaling | Mapping[str, Any] | Sequence[Any] | np.ndarray | ByteSource | object
"""What ``read_scaling`` reads."""

_WHERE = "scale"
_WANTED = "an offset and a divisor for each feature"
_REMEDY = 'Pass {"name": (offset, divisor)}, two arrays, a fitted scaler, or a JSON or CSV of mean and std.'
_READER = ByteReader(SequenceError, "scaler", "A scaler is a few numbers for each feature.", accepts_text=True)
_MAX_BYTES = 4 * 2**20
_STATISTICS = (
    ("offset", "divisor"),
    ("centre", "scale"),
    ("center", "scale"),
    ("subtracted", "divided by"),
    ("mean", "std"),
    ("mean", "scale"),
    ("mean", "sd"),
    ("mean", "stddev"),
    ("mu", "sigma"),
    ("mean", "var"),
    ("mean", "variance"),
    ("min", "max"),
    ("data_min", "data_max"),
    ("minimum", "maximum"),
    ("median", "iqr"),
)
_SQUARED, _UPPER = {"var", "variance"}, {"max", "data_max", "maximum"}
_NAME_COLUMNS = {"", "feature", "features", "name", "column", "variable"}


class _Numbers(NamedTuple):
    """Offsets and divisors; without names they belong to the features in their order."""

    names: tuple[str, ...] | None
    offset: Float[np.ndarray, " features"]
    divisor: Float[np.ndarray, " features"]


def read_scaling(given: GivenScaling, features: Sequence[str] | None = None) -> Scaling:
    """Read the scaling that a model was trained with: scaled = (value − offset) / divisor.

    Args:
        given: ``{feature: (offset, divisor)}``; a pair of arrays, offsets and divisors; a dict or data frame of
            ``mean`` and ``std``, of ``min`` and ``max``, or the like; a fitted scaler of scikit-learn (its numbers are
            read, no pickle); the path or bytes of a JSON or CSV of such numbers; or a ``Scaling``.
        features: the names of the features, in the order of the columns; None takes the names that are given. Numbers
            with names are matched by name, others by position.

    Returns:
        The scaling, with ``method`` ``"given"``.

    Raises:
        SequenceError: the numbers cannot be read, do not fit the features, or a divisor is negative.

    Example:
        >>> scaling = read_scaling({"mean": [20.0, 1000.0], "std": [5.0, 10.0]}, ("temperature", "pressure"))
        >>> scaling.apply(np.array([[25.0, 990.0]])).tolist()
        [[1.0, -1.0]]
    """
    numbers = _numbers_of(given)
    names = numbers.names
    if features is None:
        features = names if names is not None else tuple(f"x{at}" for at in range(1, len(numbers.offset) + 1))
    offset, divisor = _match(numbers, tuple(features))
    if not (np.isfinite(offset).all() and np.isfinite(divisor).all() and (divisor >= 0).all()):
        at = int(np.argmin(np.isfinite(offset) & np.isfinite(divisor) & (divisor >= 0)))
        found = f"offset {offset[at]:g} and divisor {divisor[at]:g} for {listing([features[at]])}"
        raise SequenceError(_WHERE, found, "finite numbers, and divisors above 0", "Correct the numbers.")
    divisor = np.where(divisor == 0, 1.0, divisor)  # a constant feature, as in scikit-learn
    return Scaling("given", tuple(features), offset, divisor)


def _match(numbers: _Numbers, features: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and divisors in the order of the features: by name, or by position where no name is known."""
    names = numbers.names
    if names is not None and set(names) & set(features):
        missing = [name for name in features if name not in names]
        if missing:
            found = f"no number for {listing(missing)}, only for {listing(names)}"
            raise SequenceError(_WHERE, found, _WANTED, "Add them, or leave these features out.")
        order = [names.index(name) for name in features]
        return numbers.offset[order], numbers.divisor[order]
    if len(numbers.offset) != len(features):
        known = f" ({listing(names)})" if names else ""
        found = f"numbers for {count(len(numbers.offset), 'feature')}{known}"
        wanted = f"for {count(len(features), 'feature')}: {listing(features)}"
        raise SequenceError(_WHERE, found, wanted, "Choose as many features, or pass numbers by name.")
    return numbers.offset, numbers.divisor


def _numbers_of(given: GivenScaling) -> _Numbers:
    if isinstance(given, Scaling):
        return _Numbers(given.features, np.asarray(given.centre, float), np.asarray(given.scale, float))
    if isinstance(given, Mapping):
        return _from_mapping(given)
    if isinstance(given, (str, bytes, bytearray, memoryview)) or hasattr(given, "read") or hasattr(given, "__fspath__"):
        return _from_file(given)  # type: ignore[arg-type]
    if hasattr(given, "to_dict") and hasattr(given, "columns"):  # a data frame of pandas
        return _from_mapping(given.to_dict())
    if hasattr(given, "transform") or hasattr(given, "get_params"):
        return _from_scaler(given)
    if isinstance(given, list | tuple) and given and isinstance(given[0], Mapping):
        return _from_rows(given)
    return _from_pair(given)


def _from_pair(given: Any) -> _Numbers:
    try:
        offset, divisor = (np.array(part, np.float64).ravel() for part in given)
        offset, divisor = np.broadcast_arrays(offset, divisor)
    except (TypeError, ValueError) as error:
        kind = type(given).__name__
        raise SequenceError(_WHERE, f"a {kind} that is not two arrays of one length", _WANTED, _REMEDY) from error
    return _Numbers(None, offset, divisor)


def _rule(keys: Sequence[Any]) -> tuple[Any, Any, str] | None:
    """The keys of the first pair of statistics that are among these, and the name of the second."""
    known = {str(key).strip().strip("_").lower(): key for key in keys}
    for first, second in _STATISTICS:
        if first in known and second in known:
            return known[first], known[second], second
    return None


def _divisor(offset: np.ndarray, second: np.ndarray, statistic: str) -> np.ndarray:
    if statistic in _UPPER:
        return second - offset
    with np.errstate(invalid="ignore"):
        return np.sqrt(second) if statistic in _SQUARED else second


def _from_mapping(given: Mapping[Any, Any]) -> _Numbers:
    rule = _rule(list(given))
    if rule is None:
        return _from_rows([{"feature": name, **_statistics(name, value)} for name, value in given.items()])
    one, other = given[rule[0]], given[rule[1]]
    names = None
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = tuple(str(name) for name in one)
        one, other = [one[name] for name in one], [other.get(name, math.nan) for name in one]
    offset, second = _from_pair((one, other))[1:]
    return _Numbers(names, offset, _divisor(offset, second, rule[2]))


def _statistics(name: Any, value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Mapping) and _rule(list(value)):
        return value
    pair = _from_pair(value) if not isinstance(value, (str, Mapping)) and np.size(value) == 2 else None
    if pair is None:
        found = f"{str(value)[:60]!r} for {listing([name])}"
        raise SequenceError(_WHERE, found, "an offset and a divisor", _REMEDY)
    return {"offset": pair.offset[0], "divisor": pair.divisor[0]}


def _from_rows(rows: Sequence[Mapping[Any, Any]]) -> _Numbers:
    """One mapping for each feature, with its name and its statistics."""
    names, offset, divisor = [], [], []
    for row in rows:
        rule = _rule(list(row))
        label = next((key for key in row if str(key).strip().lower() in _NAME_COLUMNS), None)
        if rule is None:
            raise SequenceError(_WHERE, f"the statistics {listing(row)}", _WANTED, _REMEDY)
        names.append(str(row[label]).strip() if label is not None else "")
        first, second = (_from_pair(([row[key]], [0])).offset for key in rule[:2])
        offset.append(first[0])
        divisor.append(_divisor(first, second, rule[2])[0])
    named = all(names) and len(set(names)) == len(names)
    return _Numbers(tuple(names) if named else None, np.array(offset), np.array(divisor))


def _from_scaler(scaler: Any) -> _Numbers:
    """The numbers of a fitted scaler of scikit-learn, from its attributes."""
    kind = type(scaler).__name__
    steps = getattr(scaler, "steps", None)
    if steps and len(steps) == 1:  # a pipeline of one scaler
        return _from_scaler(steps[0][1])
    offset, divisor = _affine(scaler)
    if offset is None and divisor is None:
        fitted = any(name.endswith("_") and not name.startswith("_") for name in vars(scaler))
        known = kind in {"StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler"}
        found = f"a {kind} that was not fitted" if known and not fitted else f"a {kind}"
        wanted = "a fitted StandardScaler, MinMaxScaler, RobustScaler or MaxAbsScaler"
        remedy = 'Fit it first, or scale the table yourself and set scale="none".'
        raise SequenceError(_WHERE, found, wanted, remedy)
    if getattr(scaler, "clip", False):
        remedy = 'Fit it with clip=False, or scale the table yourself and set scale="none".'
        raise SequenceError(_WHERE, f"a {kind} that clips", "a scaler that only subtracts and divides", remedy)
    size = np.size(divisor if offset is None else offset)
    names = getattr(scaler, "feature_names_in_", None)
    return _Numbers(
        None if names is None else tuple(str(name) for name in names),
        np.zeros(size) if offset is None else np.ravel(np.asarray(offset, np.float64)),
        np.ones(size) if divisor is None else np.ravel(np.asarray(divisor, np.float64)),
    )


def _affine(scaler: Any) -> tuple[Any, Any]:
    """Offset and divisor, None where the scaler leaves a feature's offset or size as it is."""
    if hasattr(scaler, "data_range_"):  # MinMaxScaler: scaled = value · scale_ + min_
        return -scaler.min_ / scaler.scale_, 1 / scaler.scale_
    if hasattr(scaler, "center_"):
        return scaler.center_, scaler.scale_
    if hasattr(scaler, "with_mean") and hasattr(scaler, "mean_"):
        divisor = scaler.scale_ if scaler.scale_ is not None else np.ones(scaler.n_features_in_)
        return scaler.mean_ if scaler.with_mean else None, divisor
    if hasattr(scaler, "max_abs_"):
        return None, scaler.scale_
    return None, None


def _from_file(source: ByteSource) -> _Numbers:
    name = source_name(source, "scaler")
    data = _READER.read(source, name, _MAX_BYTES)
    if file_kind(data) == "a Python pickle" or name.endswith((".pkl", ".pickle", ".joblib")):
        remedy = "A pickle can run code: load it yourself and pass the scaler, or save its numbers as JSON."
        raise SequenceError(name, "a Python pickle", "a JSON or CSV of numbers", remedy)
    text = data.decode("utf-8-sig", "replace").strip()
    if not text.startswith(("{", "[")):
        return _from_csv(name, text)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SequenceError(name, f"JSON that cannot be read ({error})", _WANTED, _REMEDY) from error
    return _numbers_of(content)


def _from_csv(name: str, text: str) -> _Numbers:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    cells = [list(map(_plain, row)) for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    width = max(map(len, cells), default=0)
    rows = [row + [""] * (width - len(row)) for row in cells]
    header = rows[0] if rows else []
    if _rule(header):
        return _from_rows([dict(zip(header, row, strict=True)) for row in rows[1:]])
    names, *series = [list(column) for column in zip(*rows, strict=True)] or [[]]
    if _rule(names):  # one row for each statistic, as data frames describe themselves
        return _from_rows([dict(zip(["feature", *names[1:]], column, strict=True)) for column in series])
    if 2 <= width <= 3 and all(map(_is_number, [cell for row in rows for cell in row[-2:]])):
        keys = ["feature", "offset", "divisor"][-width:]
        return _from_rows([dict(zip(keys, row, strict=True)) for row in rows])
    found = f"the columns {listing(header)}" if header else "no numbers"
    raise SequenceError(name, found, "columns such as feature, mean, std", _REMEDY)


def _plain(cell: str) -> str:
    """The cell with a decimal point."""
    return re.sub(r"^\s*([-+]?\d*),(\d+)\s*$", r"\1.\2", cell).strip()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
