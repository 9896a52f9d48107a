"""Finds recurrent networks that were written by hand, or saved without names: by the shapes of their matrices.

Where a file has no names that a framework gives, two matrices still show what they are: one of units × units and one of
units × features for each gate, stacked or apart. What the shapes and names leave open, such as the order of the gates,
is assumed, reported, and offered to be read otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from gru_viz.errors import ConventionError
from gru_viz.formats.keras_cudnn import from_cudnn
from gru_viz.formats.model_bytes import NamedArrays, printable
from gru_viz.formats.model_file import FoundModel
from gru_viz.weights import Weights

__all__ = ["FoundByShape", "find_by_shape"]

_LEAF = re.compile(r"(.*?)[./:|_-]?(weight|kernel|w)?", re.DOTALL | re.IGNORECASE)
MOST_ARRAYS = 2_000
"""Of more arrays none are compared: that would take seconds."""
_SEPARATORS = "./:|_- "
_HIDDEN = re.compile(r"h2h|hh|hid|recur|rec_|_rec|state|(^|[./_-])(u|r|h)[a-z]?\d*$|2h$(?<!x2h)(?<!i2h)", re.IGNORECASE)
_INPUT = re.compile(r"x2h|i2h|ih|inp|in_|_in|(^|[./_-])(w|x|i)[a-z]?\d*$|^kernel|_kernel", re.IGNORECASE)
_NEITHER = re.compile(r"attn|attention|query|\bkey\b|in_proj|embed|conv", re.IGNORECASE)
_BIAS = re.compile(r"bias|(^|[./:|_-])b([./:|_-]|$)|(^|[./:|_-])b_?[a-z]{0,2}\d*$", re.IGNORECASE)
GATE_WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "gru": {
        "reset": ("reset_gate", "reset", "r"),
        "update": ("update_gate", "update", "z", "u"),
        "candidate": ("candidate", "cand", "new_gate", "new", "h_tilde", "tilde", "hat", "hidden", "n", "h", "g", "c"),
    },
    "lstm": {
        "input": ("input_gate", "input", "i"),
        "forget": ("forget_gate", "forget", "f"),
        "cell_candidate": ("cell_candidate", "candidate", "cell_gate", "cell", "g", "c"),
        "output": ("output_gate", "output", "o"),
    },
}
CONVENTION = {"gru": "torch", "lstm": "torch_lstm"}
"""The convention in whose layout gates that are stored apart are put together."""
GRU_CHOICES = ("torch", "torch+reset_before", "torch+takes_new", "torch+reset_before+takes_new")
ROWS = {
    3: (*GRU_CHOICES, "onnx_linear_before_reset", "onnx", "onnx_linear_before_reset+takes_new", "onnx+takes_new"),
    4: ("torch_lstm", "onnx_lstm"),
    1: ("torch_rnn", "torch_rnn+relu"),
}
"""What a matrix of so many blocks of rows may be, likeliest first."""
COLUMNS = {
    3: ("keras_reset_after", "keras_reset_before", *GRU_CHOICES),
    4: ("keras_lstm", "torch_lstm"),
    1: ("keras_rnn", "keras_rnn+relu"),
}


@dataclass(frozen=True, eq=False)
class FoundByShape:
    """A network, and the arrays that it is made of."""

    model: FoundModel
    paths: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Pair:
    """The matrices of a cell, each (gates·units, ·), their biases, and how they were found.

    Attributes:
        blocks: how many gates.
        columns: whether they are stored transposed, as in Keras.
        biases: of the input and of the recurrent matrix, or what the file has instead.
    """

    name: str
    paths: tuple[str, ...]
    blocks: int
    columns: bool
    kernel: np.ndarray
    recurrent: np.ndarray
    biases: tuple[np.ndarray, ...]


def find_by_shape(arrays: NamedArrays, where: str, only_apart: bool = False) -> list[FoundByShape]:
    """Find the networks of a file in which none has the names of a convention.

    Args:
        arrays: of the file.
        where: the file, for messages.
        only_apart: whether to search for gates with matrices of their own alone.
    """
    plain = {path: a for path, a in arrays.arrays.items() if a.dtype.kind == "f" and not _NEITHER.search(path)}
    if len(plain) > MOST_ARRAYS:
        return []
    found = [] if only_apart else [_stacked(pair, where) for pair in _pairs(plain, (3, 4))]
    found = [each for each in found if each] or list(_apart(plain, where))
    if not any(found) and not only_apart:
        found = [_stacked(pair, where) for pair in _pairs(plain, (1,))]
    return [each for each in found if each]


def _pairs(arrays: Mapping[str, np.ndarray], counts: tuple[int, ...]) -> Iterator[_Pair]:
    """The pairs of matrices that have the shapes of a cell with so many gates, stacked."""
    used: set[str] = set()
    order = {path: k for k, path in enumerate(arrays)}
    squares = [(path, *sides) for path, array in arrays.items() for sides in _sides(array) if sides[0] in counts]
    for path, blocks, columns in sorted(squares, key=lambda each: (-_hints(each[0], _HIDDEN), order[each[0]])):
        recurrent = arrays[path]
        long = 1 if columns else 0
        fits = [
            other
            for other, array in arrays.items()
            if other != path and array.ndim == 2 and array.shape[long] == recurrent.shape[long] and other not in used
        ]
        if path in used or not fits:
            continue
        best = max(
            fits, key=lambda other: (_hints(other, _INPUT), _shared(path, other), -abs(order[path] - order[other]))
        )
        hinted = _hints(path, _HIDDEN) + _hints(best, _INPUT)
        alike = arrays[best].shape == recurrent.shape
        if (
            (blocks == 1 and hinted < 2)
            or (alike and not hinted)
            or (not hinted and abs(order[path] - order[best]) > 1)
        ):
            continue
        biases = _biases(arrays, best, path, arrays[best], blocks, used)
        used |= {path, best, *biases}
        name = _common(best, path)
        numbers = tuple(arrays[each] for each in biases)
        yield _Pair(name, (best, path, *biases), blocks, columns, arrays[best], recurrent, numbers)


def _sides(array: np.ndarray) -> Iterator[tuple[int, bool]]:
    """How many square blocks a matrix has, and whether they are side by side."""
    if array.ndim != 2 or not array.size:
        return
    rows, columns = array.shape
    for blocks in (3, 4, 1):
        if rows == blocks * columns:
            yield blocks, False
        if columns == blocks * rows:
            yield blocks, True


def _hints(path: str, pattern: re.Pattern[str]) -> int:
    match = _LEAF.fullmatch(path)
    return int(bool(pattern.search(match[1] if match else path)))


def _shared(a: str, b: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _common(a: str, b: str) -> str:
    """The part of two paths before they differ, whole names only."""
    shared = a[: _shared(a, b)]
    cut = max(shared.rfind(separator) for separator in "./:|")
    cut = cut if cut >= 0 else max(shared.rfind(separator) for separator in "_- ")
    return shared[: cut + 1].rstrip(_SEPARATORS)


def _biases(
    arrays: Mapping[str, np.ndarray], kernel: str, recurrent: str, matrix: np.ndarray, blocks: int, used: set[str]
) -> list[str]:
    """The paths of the biases of a pair, that of the input first."""
    units = max(matrix.shape[0] if matrix.shape[0] % blocks == 0 else 0, 1)
    long = max(arrays[recurrent].shape)
    shapes = {(long,), (2, long), (2 * long,), (1, long)}
    fits = [path for path, array in arrays.items() if array.shape in shapes and path not in used]
    own = [
        next((path for path in fits if path in (f"{stem}bias", f"{stem}b")), None)
        for stem in (kernel.removesuffix("weight").removesuffix("kernel"), recurrent.removesuffix("weight"))
    ]
    if any(own) and units:
        return [path for path in dict.fromkeys(own) if path]
    order = {path: k for k, path in enumerate(arrays)}
    near = sorted(fits, key=lambda path: (-_shared(path, kernel), abs(order[path] - order[recurrent])))
    named = [path for path in near if _BIAS.search(path) or abs(order[path] - order[recurrent]) <= 2]
    two = named[:2] if len(named) > 1 and arrays[named[0]].ndim == 1 == arrays[named[1]].ndim else named[:1]
    return sorted(two, key=lambda path: (_hints(path, _HIDDEN), order[path]))


def _stacked(pair: _Pair, where: str) -> FoundByShape | None:
    """The network of a pair, in the likeliest reading, with the others."""
    origin = f"{printable(where)}, {pair.name}" if pair.name else printable(where)
    readings: dict[str, Weights] = {}
    for name in (COLUMNS if pair.columns else ROWS)[pair.blocks]:
        try:
            readings[name] = Weights.from_matrices(name, _matrices(pair, name), origin)
        except (ConventionError, ValueError):
            continue
    if not readings:
        return None
    return FoundByShape(_model(pair.name, readings, pair.paths, "the order of its gates and its equations"), pair.paths)


def _matrices(pair: _Pair, name: str) -> dict[str, np.ndarray]:
    """A pair in the layout of a convention; biases that it lacks are zero."""
    kernel, recurrent, long = pair.kernel, pair.recurrent, max(pair.recurrent.shape)
    dtype = np.result_type(kernel, recurrent, *pair.biases)
    flat = np.concatenate([np.ravel(bias) for bias in pair.biases]) if pair.biases else np.zeros(0)
    if len(flat) not in (0, long, 2 * long):
        raise ValueError("biases of another size")
    both = np.zeros((2, long), dtype)
    both.reshape(-1)[: len(flat)] = flat
    if name.startswith("keras"):
        if pair.biases and len(pair.biases) == 1 and pair.biases[0].shape == (2 * long,):
            kernel, recurrent, *_ = from_cudnn([kernel, recurrent, pair.biases[0]])
        if name == "keras_reset_after" and len(flat) == long:
            raise ValueError("one bias, as with reset_after=False")
        if name != "keras_reset_after" and len(flat) == 2 * long:
            raise ValueError("two biases")
        bias = both if name == "keras_reset_after" else both[0]
        return {"kernel": kernel.astype(dtype), "recurrent_kernel": recurrent.astype(dtype), "bias": bias}
    kernel, recurrent = (each.T if pair.columns else each for each in (kernel.astype(dtype), recurrent.astype(dtype)))
    if name.startswith("onnx"):
        return {"W": kernel, "R": recurrent, "B": both.reshape(-1)}
    return {"weight_ih": kernel, "weight_hh": recurrent, "bias_ih": both[0], "bias_hh": both[1]}


def _model(name: str, readings: Mapping[str, Weights], paths: Sequence[str], open_: str) -> FoundModel:
    first, *others = readings
    weights = readings[first]
    listed = ", ".join(printable(path, 40) for path in paths[:6]) + (", …" if len(paths) > 6 else "")
    notice = f"Found by shape: {listed}. Read as {weights.convention.title}"
    notice += f"; the file does not say {open_}, which can be chosen." if others else "."
    assumed = f"{weights.convention.title} is assumed" if others else ""
    return FoundModel(
        name, weights, alternatives=tuple(others), notices=(notice,), assumed=assumed, readings=dict(readings)
    )


# -- gates that are stored apart ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Gates:
    """Arrays whose names differ in the word of a gate: the words around it, and gate → path."""

    around: str
    cell: str
    paths: Mapping[str, str]


def _apart(arrays: Mapping[str, np.ndarray], where: str) -> Iterator[FoundByShape | None]:
    """The networks whose gates are matrices of their own."""
    groups = list(_by_gate(arrays))
    matrices = [group for group in groups if arrays[next(iter(group.paths.values()))].ndim == 2]
    biases = [
        group
        for group in groups
        if all(arrays[path].ndim == 1 and not _has_matrix(arrays, path) for path in group.paths.values())
    ]
    used: set[str] = set()
    for group in sorted(matrices, key=lambda each: -_hints(each.around, _HIDDEN)):
        shape = arrays[next(iter(group.paths.values()))].shape
        if used & set(group.paths.values()):
            continue
        if shape[0] == shape[1]:
            fits = [
                each
                for each in matrices
                if each.cell == group.cell
                and each is not group
                and not used & set(each.paths.values())
                and not set(each.paths.values()) & set(group.paths.values())
                and shape[0] in arrays[next(iter(each.paths.values()))].shape
            ]
            if fits:
                best = max(fits, key=lambda each: (_hints(each.around, _INPUT), _shared(each.around, group.around)))
                found = _gates_apart(arrays, best, group, biases, where)
                used |= {*group.paths.values(), *best.paths.values()} if found else set()
                yield found
    if not used:
        for group in matrices:
            if not used & set(group.paths.values()):
                found = _gates_joined(arrays, group, biases, where)
                used |= set(group.paths.values()) if found else set()
                yield found


def _by_gate(arrays: Mapping[str, np.ndarray]) -> Iterator[_Gates]:
    """The groups of arrays of one shape whose names differ in the word of a gate."""
    for cell, gates in GATE_WORDS.items():
        around: dict[tuple[str, tuple[int, ...]], dict[str, str]] = {}
        for path, array in arrays.items():
            for gate, words in gates.items():
                for word in words:
                    for before, after in _without(path, word):
                        found = around.setdefault((f"{before}*{after}", array.shape), {})
                        found.setdefault(gate, path)
        for (text, _), paths in around.items():
            if len(paths) == len(gates) == len(set(paths.values())):
                yield _Gates(text, cell, {gate: paths[gate] for gate in gates})


def _without(path: str, word: str) -> Iterator[tuple[str, str]]:
    """A path before and after a word, wherever it stands alone or ends a short name such as W_xr or Wr."""
    for match in re.finditer(re.escape(word), path, re.IGNORECASE):
        before, after = path[: match.start()], path[match.end() :]
        alone = before[-1:] in ("", *_SEPARATORS) and after[:1] in ("", *_SEPARATORS)
        start = max((before.rfind(each) for each in _SEPARATORS), default=-1) + 1
        short = len(word) == 1 and len(before) - start <= 3 and after[:1] in ("", *_SEPARATORS) and len(before) > start
        if alone or short:
            yield before, after


def _has_matrix(arrays: Mapping[str, np.ndarray], bias: str) -> bool:
    """Whether a bias is that of a linear layer in the file."""
    stem = bias.removesuffix("bias")
    return stem != bias and any(f"{stem}{leaf}" in arrays for leaf in ("weight", "kernel"))


def _oriented(arrays: Mapping[str, np.ndarray], group: _Gates, units: int) -> list[np.ndarray] | None:
    """The matrices of a group as (units, ·), by gate."""
    found = [arrays[path] for path in group.paths.values()]
    turned = [path.endswith("kernel") for path in group.paths.values()]
    if found[0].shape[0] != found[0].shape[1]:
        turned = [found[0].shape[1] == units] * len(found)
    matrices = [array.T if turn else array for array, turn in zip(found, turned, strict=True)]
    return matrices if matrices[0].shape[0] == units else None


def _gate_biases(
    arrays: Mapping[str, np.ndarray], group: _Gates, biases: Sequence[_Gates], hidden: bool, units: int
) -> list[np.ndarray]:
    """The biases of a group of linear layers, or of the group of biases that belongs to it, by gate."""
    own = [arrays.get(re.sub(r"(weight|kernel)$", "bias", path), np.zeros(0)) for path in group.paths.values()]
    if any(bias.shape == (units,) for bias in own) and not any(bias.ndim == 2 for bias in own):
        return [bias if bias.shape == (units,) else np.zeros(units) for bias in own]
    fits = [
        each for each in biases if each.cell == group.cell and arrays[next(iter(each.paths.values()))].shape == (units,)
    ]
    if len(fits) > 1:
        fits = [each for each in fits if bool(_hints(each.around.replace("*", ""), _HIDDEN)) == hidden]
    elif hidden:
        fits = []
    return [arrays[path] for path in fits[0].paths.values()] if fits else [np.zeros(units)] * len(own)


def _gates_apart(
    arrays: Mapping[str, np.ndarray], given: _Gates, recurrent: _Gates, biases: Sequence[_Gates], where: str
) -> FoundByShape | None:
    units = len(arrays[next(iter(recurrent.paths.values()))])
    w, u = _oriented(arrays, given, units), _oriented(arrays, recurrent, units)
    if w is None or u is None:
        return None
    if not recurrent.around.endswith("kernel") and w[0] is not arrays[next(iter(given.paths.values()))]:
        u = [matrix.T for matrix in u]  # written as x @ W: the recurrent ones too
    b, b_h = (_gate_biases(arrays, each, biases, each is recurrent, units) for each in (given, recurrent))
    paths = (*given.paths.values(), *recurrent.paths.values())
    name = _common(given.around, recurrent.around).rstrip("*" + _SEPARATORS)
    readings = _read_gates(given.cell, w, u, b, b_h, f"{printable(where)}, {name}" if name else printable(where))
    return FoundByShape(_model(name, readings, paths, "where its reset gate acts and what z = 1 means"), paths)


def _gates_joined(
    arrays: Mapping[str, np.ndarray], group: _Gates, biases: Sequence[_Gates], where: str
) -> FoundByShape | None:
    """Gates that read the input and the state side by side, as linear layers of both."""
    matrices = [arrays[path] for path in group.paths.values()]
    units, both = matrices[0].shape
    if both <= units:
        return None
    b = _gate_biases(arrays, group, biases, False, units)
    zeros, paths = [np.zeros(units)] * len(matrices), tuple(group.paths.values())
    name = group.around.partition("*")[0].rstrip(_SEPARATORS)
    origin, readings = printable(where), dict[str, Weights]()
    for first, suffix in ((both - units, ""), (units, STATE_FIRST)):
        parts = [np.split(matrix, [first], 1) for matrix in matrices]
        w, u = ([pair[k] for pair in parts] for k in ((1, 0) if suffix else (0, 1)))
        found = _read_gates(group.cell, w, u, b, zeros, origin)
        chosen = {k: v for k, v in found.items() if "reset_before" in k or group.cell == "lstm"}
        readings |= {f"{key}{suffix}": each for key, each in chosen.items()}
    open_ = "whether the input or the state comes first" + (", and what z = 1 means" if group.cell == "gru" else "")
    return FoundByShape(_model(name, readings, paths, open_), paths)


STATE_FIRST = " (state first)"
"""What marks a reading in which the state comes before the input."""


def _read_gates(
    cell: str,
    w: Sequence[np.ndarray],
    u: Sequence[np.ndarray],
    b: Sequence[np.ndarray],
    b_h: Sequence[np.ndarray],
    origin: str,
) -> dict[str, Weights]:
    """Every reading of gates in torch's order."""
    dtype = np.result_type(*w, *u)
    matrices = {
        "weight_ih": np.concatenate(w).astype(dtype),
        "weight_hh": np.concatenate(u).astype(dtype),
        "bias_ih": np.concatenate(b).astype(dtype),
        "bias_hh": np.concatenate(b_h).astype(dtype),
    }
    names = GRU_CHOICES if cell == "gru" else ("torch_lstm",)
    return {name: Weights.from_matrices(name, matrices, origin) for name in names}
