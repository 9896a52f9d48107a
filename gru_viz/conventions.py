"""Which GRU: every published variant by name, what it chose, and how it lays out its matrices.

Two choices separate the variants, and they are of different nature.

* What z = 1 means: the update gate *keeps* the old state or *takes* the new one. A relabelling.
* Where the reset gate acts: *after* the recurrent product, r * (U h + b_h), or *before* it, U (r * h). Another model.

Variants of the variants are named after them: ``"torch_rnn+relu"`` is torch's RNN with ReLU for tanh,
``"keras_lstm+hard_sigmoid(0.2,0.5)"`` an LSTM of Keras before 2.3, ``"ai_summer+reset_before+takes_new"`` the AI
Summer's matrices with both choices made otherwise.

Symbols: x input, h₋ previous hidden state, W input weights, U recurrent weights, b input bias, b_h recurrent bias.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from gru_viz.errors import ConventionError

__all__ = [
    "CONVENTIONS",
    "STATE_FUNCTIONS",
    "Convention",
    "Matrix",
    "Piece",
    "Quantity",
    "convention",
    "hard_sigmoid",
    "with_functions",
]

ResetPlace = Literal["after", "before"]
UpdateMeaning = Literal["keeps", "takes"]
Part = Literal["W", "U", "b", "b_h"]
PARTS: tuple[Part, ...] = ("W", "U", "b", "b_h")
BIASES: tuple[Part, ...] = ("b", "b_h")
GRU_GATES = ("reset", "update", "candidate")
LSTM_GATES = ("input", "forget", "cell_candidate", "output")
RNN_GATES = ("hidden",)
FUNCTION_TITLES = {"tanh": "tanh", "relu": "ReLU", "linear": "linear", "softsign": "softsign", "sigmoid": "sigmoid"}
STATE_FUNCTIONS = tuple(FUNCTION_TITLES)
BOUNDED = ("tanh", "softsign", "sigmoid")
"""The functions of states whose values stay between −1 and 1."""
_HARD_SIGMOID = re.compile(r"hard_sigmoid\(([-+.\de]+),([-+.\de]+)\)")


class Piece(NamedTuple):
    """One gate's block inside a matrix: W (hidden, features), U (hidden, hidden), b or b_h (hidden,)."""

    part: Part
    gate: str
    transposed: bool = False


class Matrix(NamedTuple):
    """A named array of a convention, as a grid of pieces; ``flat`` marks a vector instead of a two-axis array."""

    name: str
    grid: tuple[tuple[Piece, ...], ...]
    flat: bool = False


class Quantity(NamedTuple):
    """What a trace holds at every step: its name and symbol, its range by meaning, and words for both ends.

    Where it is not ``bounded``, its values may leave the range.
    """

    name: str
    symbol: str
    kind: Literal["gate", "state"]
    low: float
    high: float
    meaning: str
    low_means: str
    high_means: str
    bounded: bool = True


@dataclass(frozen=True)
class Convention:
    """A named variant of a recurrent cell.

    Attributes:
        name: the key in ``CONVENTIONS``.
        title: what people call it.
        cell: ``"gru"``, ``"lstm"`` or ``"rnn"``.
        reset: where the reset gate acts, ``"after"`` or ``"before"`` the recurrent product; None without one.
        update: what z = 1 does with the old state, ``"keeps"`` it or ``"takes"`` the new one; None without one.
        biases: how many biases a gate has: 0, 1 or 2.
        matrices: its arrays, in its own names and layout.
        source: where the variant is defined.
        gate_function: what a gate's sum goes through, ``"sigmoid"`` or ``"hard_sigmoid(a,b)"``, which is a x + b
            within 0 … 1.
        state_function: what a candidate's sum, an RNN's sum and an LSTM's cell state go through: one of
            ``STATE_FUNCTIONS``.

    Example:
        >>> CONVENTIONS["chung_2014"].reset, CONVENTIONS["chung_2014"].update
        ('before', 'takes')
    """

    name: str
    title: str
    cell: Literal["gru", "lstm", "rnn"]
    reset: ResetPlace | None
    update: UpdateMeaning | None
    biases: Literal[0, 1, 2]
    matrices: tuple[Matrix, ...]
    source: str
    gate_function: str = "sigmoid"
    state_function: str = "tanh"

    @property
    def functions(self) -> tuple[str, str]:
        """The functions of its gates and of its states; an RNN has no gates."""
        return ("" if self.cell == "rnn" else self.gate_function, self.state_function)

    @property
    def cell_title(self) -> str:
        """What kind of cell it is, such as ``"GRU"`` or ``"ReLU RNN"``."""
        return self.cell.upper() if self.cell != "rnn" else f"{FUNCTION_TITLES[self.state_function]} RNN"

    @property
    def gates(self) -> tuple[str, ...]:
        """The names of the blocks that have weights, in the order in which gru_viz stacks them (torch's)."""
        return {"gru": GRU_GATES, "lstm": LSTM_GATES, "rnn": RNN_GATES}[self.cell]

    @property
    def states(self) -> tuple[str, ...]:
        """The names of what is carried from step to step."""
        return ("hidden", "cell") if self.cell == "lstm" else ("hidden",)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What a trace of this variant holds, in reading order."""
        bounded = self.state_function in BOUNDED
        hidden = _HIDDEN._replace(bounded=bounded)
        if self.cell == "rnn":
            return (hidden,)
        if self.cell == "lstm":
            return (
                _gate("input", "i", "is the candidate written?", "writes nothing", "writes it"),
                _gate("forget", "f", "does the old cell state stay?", "forgets it", "keeps it"),
                _gate("output", "o", "is the cell state shown?", "hides it", "shows it"),
                _state("cell_candidate", "g", "what this step would write", bounded),
                _state("cell", "c", "what is stored", False),
                hidden,
            )
        old_new = ("takes the new", "keeps the old")
        low, high = old_new if self.update == "keeps" else old_new[::-1]
        return (
            _gate("reset", "r", "what the candidate sees of the old state", "hides it", "shows it"),
            _gate("update", "z", "keep the old state, or take the new?", low, high),
            _state("candidate", "n", "what this step would write", bounded),
            hidden,
        )

    def has(self, part: Part, gate: str) -> bool:
        """Whether this variant has such a block: of W, U, b or b_h, for one of its gates."""
        return any(piece[:2] == (part, gate) for matrix in self.matrices for row in matrix.grid for piece in row)

    def quantity(self, name: str) -> Quantity:
        """Look a quantity up by name."""
        return next(q for q in self.quantities if q.name == name)


def _gate(name: str, symbol: str, meaning: str, low_means: str, high_means: str) -> Quantity:
    return Quantity(name, symbol, "gate", 0.0, 1.0, meaning, low_means, high_means)


def _state(name: str, symbol: str, meaning: str, bounded: bool = True) -> Quantity:
    return Quantity(name, symbol, "state", -1.0, 1.0, meaning, "negative", "positive", bounded)


_HIDDEN = _state("hidden", "h", "what is remembered")


def _rows(name: str, part: Part, *gates: str) -> Matrix:
    """Blocks one below the other: torch, ONNX."""
    return Matrix(name, tuple((Piece(part, gate),) for gate in gates))


def _columns(name: str, *rows: tuple[Part, tuple[str, ...]]) -> Matrix:
    """Transposed blocks side by side, for x @ W: Keras, TensorFlow 1."""
    return Matrix(name, tuple(tuple(Piece(part, gate, transposed=True) for gate in gates) for part, gates in rows))


def _vector(name: str, *runs: tuple[Part, tuple[str, ...]]) -> Matrix:
    """Biases end to end."""
    return Matrix(name, (tuple(Piece(part, gate) for part, gates in runs for gate in gates),), flat=True)


def _lettered(
    prefixes: dict[str, Part], letters: Iterable[str], gates: tuple[str, ...], *, transposed: bool = False
) -> tuple[Matrix, ...]:
    """One array a gate and part, named prefix + letter: the articles."""
    return tuple(
        Matrix(prefix + letter, ((Piece(part, gate, transposed and part in "WU"),),), flat=part in BIASES)
        for prefix, part in prefixes.items()
        for letter, gate in zip(letters, gates, strict=True)
    )


def _torch_like(*gates: str) -> tuple[Matrix, ...]:
    return (
        _rows("weight_ih", "W", *gates),
        _rows("weight_hh", "U", *gates),
        _vector("bias_ih", ("b", gates)),
        _vector("bias_hh", ("b_h", gates)),
    )


def _onnx_like(*gates: str) -> tuple[Matrix, ...]:
    return (_rows("W", "W", *gates), _rows("R", "U", *gates), _vector("B", ("b", gates), ("b_h", gates)))


def _keras_kernels(*gates: str) -> tuple[Matrix, ...]:
    return (_columns("kernel", ("W", gates)), _columns("recurrent_kernel", ("U", gates)))


_ZRN = ("update", "reset", "candidate")
_IOFC = ("input", "output", "forget", "cell_candidate")
_PLAIN = _lettered({"W": "W", "U": "U"}, ("_z", "_r", ""), _ZRN)
_D2L = _lettered({"W_x": "W", "W_h": "U", "b_": "b"}, "zrh", _ZRN, transposed=True)


def _gru(
    name: str, title: str, reset: ResetPlace, update: UpdateMeaning, biases: Literal[0, 1, 2], *rest: Any
) -> Convention:
    return Convention(name, title, "gru", reset, update, biases, *rest)


_ALL = (
    _gru("torch", "torch.nn.GRU", "after", "keeps", 2, _torch_like(*GRU_GATES), "PyTorch, torch.nn.GRU and GRUCell"),
    _gru(
        "cudnn",
        "cuDNN",
        "after",
        "keeps",
        2,
        _lettered({"W_": "W", "R_": "U", "b_W": "b", "b_R": "b_h"}, "rih", GRU_GATES),
        "NVIDIA cuDNN, CUDNN_GRU; its update gate is called i",
    ),
    _gru(
        "keras_reset_after",
        "Keras, reset_after=True",
        "after",
        "keeps",
        2,
        (*_keras_kernels(*_ZRN), _columns("bias", ("b", _ZRN), ("b_h", _ZRN))),
        "Keras, layers.GRU with its default reset_after=True",
    ),
    _gru(
        "keras_reset_before",
        "Keras, reset_after=False",
        "before",
        "keeps",
        1,
        (*_keras_kernels(*_ZRN), _vector("bias", ("b", _ZRN))),
        "Keras, layers.GRU with reset_after=False",
    ),
    _gru("onnx", "ONNX, default", "before", "keeps", 2, _onnx_like(*_ZRN), "ONNX operator GRU, linear_before_reset=0"),
    _gru(
        "onnx_linear_before_reset",
        "ONNX, linear_before_reset",
        "after",
        "keeps",
        2,
        _onnx_like(*_ZRN),
        "ONNX operator GRU, linear_before_reset=1",
    ),
    _gru("cho_2014_v1", "Cho et al. 2014, v1", "after", "keeps", 0, _PLAIN, "Cho et al. 2014, arXiv 1406.1078 v1, v2"),
    _gru("cho_2014_v3", "Cho et al. 2014, v3", "before", "keeps", 0, _PLAIN, "Cho et al. 2014, arXiv 1406.1078 v3"),
    _gru("chung_2014", "Chung et al. 2014", "before", "takes", 0, _PLAIN, "Chung et al. 2014, arXiv 1412.3555"),
    _gru(
        "ai_summer",
        "AI Summer",
        "after",
        "keeps",
        2,
        _lettered({"W_i": "W", "b_i": "b", "W_h": "U", "b_h": "b_h"}, "rzn", GRU_GATES),
        "AI Summer, the article on GRU cells against LSTM cells",
    ),
    _gru(
        "gentle_introduction",
        "A Gentle Introduction",
        "after",
        "keeps",
        0,
        _PLAIN,
        "A Gentle Introduction to GRU Networks, 2020",
    ),
    _gru(
        "gru_simple",
        "GRUSimple",
        "before",
        "takes",
        0,
        _lettered({"W": "W", "U": "U"}, "zrh", _ZRN),
        "The GRUSimple PyTorch tutorial",
    ),
    _gru("d2l_equation", "D2L, the equation", "before", "keeps", 1, _D2L, "Dive into Deep Learning, the equations"),
    _gru("d2l_code", "D2L, the early code", "after", "keeps", 1, _D2L, "Dive into Deep Learning, early edition's code"),
    _gru(
        "tf1",
        "TensorFlow 1 GRUCell",
        "before",
        "keeps",
        1,
        (
            _columns("gates/kernel", ("W", ("reset", "update")), ("U", ("reset", "update"))),
            _vector("gates/bias", ("b", ("reset", "update"))),
            _columns("candidate/kernel", ("W", ("candidate",)), ("U", ("candidate",))),
            _vector("candidate/bias", ("b", ("candidate",))),
        ),
        "TensorFlow 1, GRUCell; its gate biases start at 1",
    ),
    Convention(
        "torch_lstm", "torch.nn.LSTM", "lstm", None, None, 2, _torch_like(*LSTM_GATES), "PyTorch, torch.nn.LSTM"
    ),
    Convention(
        "keras_lstm",
        "Keras LSTM",
        "lstm",
        None,
        None,
        1,
        (*_keras_kernels(*LSTM_GATES), _vector("bias", ("b", LSTM_GATES))),
        "Keras, layers.LSTM",
    ),
    Convention("onnx_lstm", "ONNX LSTM", "lstm", None, None, 2, _onnx_like(*_IOFC), "ONNX operator LSTM"),
    Convention("torch_rnn", "torch.nn.RNN, tanh", "rnn", None, None, 2, _torch_like(*RNN_GATES), "PyTorch, nn.RNN"),
    Convention(
        "keras_rnn",
        "Keras SimpleRNN, tanh",
        "rnn",
        None,
        None,
        1,
        (*_keras_kernels(*RNN_GATES), _vector("bias", ("b", RNN_GATES))),
        "Keras, layers.SimpleRNN",
    ),
    Convention("onnx_rnn", "ONNX RNN, tanh", "rnn", None, None, 2, _onnx_like(*RNN_GATES), "ONNX operator RNN"),
)

CONVENTIONS = MappingProxyType({each.name: each for each in _ALL})
"""Every convention by name, read-only."""


def convention(name: str | Convention) -> Convention:
    """Look a convention up by name, such as ``"torch"`` or ``"torch_rnn+relu"``.

    Raises:
        ConventionError: there is none of that name.

    Example:
        >>> convention("keras_lstm+hard_sigmoid(0.2,0.5)+relu").title
        'Keras LSTM, hard sigmoid, ReLU'
    """
    return name if isinstance(name, Convention) else _by_name(name)


@lru_cache(256)
def _by_name(name: str) -> Convention:
    base, *changes = name.split("+")
    if base not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise ConventionError("convention", repr(name), f"one of {known}", "Choose one of these names.")
    kind = CONVENTIONS[base]
    for change in changes:
        if change in STATE_FUNCTIONS:
            kind = with_functions(kind, state=change)
        elif kind.cell != "rnn" and _HARD_SIGMOID.fullmatch(change):
            kind = with_functions(kind, gate=change)
        elif kind.cell == "gru" and change in ("reset_before", "reset_after", "takes_new", "keeps_old"):
            kind = _with_choice(kind, change)
        else:
            functions = (
                f"{', '.join(STATE_FUNCTIONS)}, hard_sigmoid(a,b), reset_before, reset_after, takes_new, keeps_old"
            )
            raise ConventionError(f"convention {base}", f"the variant {change!r}", f"one of {functions}", "Choose one.")
    return kind


def hard_sigmoid(function: str) -> tuple[float, float]:
    """The slope and the offset of a hard sigmoid, max(0, min(1, slope · x + offset))."""
    match = _HARD_SIGMOID.fullmatch(function)
    assert match is not None
    return float(match[1]), float(match[2])


def with_functions(kind: Convention, gate: str | None = None, state: str | None = None) -> Convention:
    """A convention with other functions of its gates or states, named after it."""
    name, title = kind.name, kind.title
    if gate not in (None, kind.gate_function):
        name, title = f"{name}+{gate}", f"{title}, hard sigmoid"
    if state not in (None, kind.state_function):
        name, title = f"{name}+{state}", f"{title.removesuffix(', tanh')}, {FUNCTION_TITLES[str(state)]}"
    gate, state = gate or kind.gate_function, state or kind.state_function
    return replace(kind, name=name, title=title, gate_function=gate, state_function=state)


def _with_choice(kind: Convention, change: str) -> Convention:
    """A GRU whose reset gate acts elsewhere, or whose update gate means the other thing."""
    name = f"{kind.name}+{change}"
    if change.startswith("reset"):
        place: ResetPlace = "before" if change == "reset_before" else "after"
        return replace(kind, name=name, title=f"{kind.title}, reset {place} the product", reset=place)
    meaning: UpdateMeaning = "takes" if change == "takes_new" else "keeps"
    return replace(kind, name=name, title=f"{kind.title}, z = 1 {change.replace('_', ' the ')}", update=meaning)
