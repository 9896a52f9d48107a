"""The matrices of a recurrent layer of Keras in memory, and the convention that they have; Keras is not imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gru_viz.conventions import CONVENTIONS, STATE_FUNCTIONS, Convention, with_functions
from gru_viz.errors import ConventionError

__all__ = ["is_keras", "take_layer_apart"]

_PACKAGES = ("keras", "tf_keras", "tensorflow")
_NAMES = ("kernel", "recurrent_kernel", "bias")
_KINDS = {"GRU": "gru", "LSTM": "lstm", "SimpleRNN": "rnn"}
_REMEDY = "Pass a GRU, LSTM or SimpleRNN, a cell of one, or a Bidirectional around one."


def is_keras(layer: object) -> bool:
    """Whether an object is a layer or model of Keras, whatever backend it has."""
    return any(cls.__module__.partition(".")[0] in _PACKAGES for cls in type(layer).__mro__)


def take_layer_apart(layer: Any) -> tuple[Convention, list[list[Mapping[str, np.ndarray]]]]:
    """The convention of a layer, and for each of its layers the matrices of each direction.

    Raises:
        ConventionError: it is no recurrent layer, has not been built, or has functions that gru_viz does not compute.
    """
    where = type(layer).__name__
    if where == "Bidirectional":
        forward, backward = layer.forward_layer, layer.backward_layer
        (kind, one), (other, two) = take_layer_apart(forward), take_layer_apart(_turned(backward))
        if kind != other:
            raise ConventionError(where, f"{kind.title} and {other.title}", "one cell in both directions", _REMEDY)
        return kind, [[*a, *b] for a, b in zip(one, two, strict=True)]
    if getattr(layer, "go_backwards", False) and not isinstance(layer, _Turned):
        remedy = "Pass the sequences in reverse to a layer without it, or wrap it in Bidirectional."
        raise ConventionError(where, "go_backwards=True", "a layer that reads forward", remedy)
    inner = layer.layer if isinstance(layer, _Turned) else layer
    cells = getattr(inner, "cell", inner)
    listed = getattr(cells, "cells", [cells])
    found = [_cell(each) for each in listed]
    if len({kind for kind, _ in found}) > 1:
        raise ConventionError(where, "cells of several kinds", "cells of one kind", _REMEDY)
    return found[0][0], [[matrices] for _, matrices in found]


class _Turned:
    """The backward layer of a Bidirectional, which reads in the other direction by its place."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer


def _turned(layer: Any) -> _Turned:
    return _Turned(layer)


def _cell(cell: Any) -> tuple[Convention, dict[str, np.ndarray]]:
    name = type(cell).__name__
    kind = _KINDS.get(name.removesuffix("Cell"))
    if kind is None or not is_keras(cell):
        raise ConventionError(f"Keras, {name}", "this layer", "a recurrent layer of Keras", _REMEDY)
    config, arrays = cell.get_config(), [np.asarray(array) for array in cell.get_weights()]
    if len(arrays) not in (2, 3):
        found = f"{len(arrays)} arrays of weights"
        raise ConventionError(f"Keras, {name}", found, "a layer that is built", "Call it on an input first.")
    after = bool(config.get("reset_after", False))
    base = {"gru": "keras_reset_after" if after else "keras_reset_before"}.get(kind, f"keras_{kind}")
    convention = _with_functions(CONVENTIONS[base], config, type(cell).__module__.startswith("keras"))
    if len(arrays) == 2:
        rows = (2,) if after else ()
        arrays.append(np.zeros((*rows, arrays[0].shape[1]), arrays[0].dtype))
    return convention, dict(zip(_NAMES, arrays, strict=True))


def _with_functions(kind: Convention, config: Mapping[str, Any], flatter: bool) -> Convention:
    """A convention with the functions of a layer; the hard sigmoid of Keras 3 is flatter than that of Keras 2."""
    state, gate = config.get("activation") or "linear", config.get("recurrent_activation", "sigmoid")
    hard = f"hard_sigmoid({1 / 6!r},0.5)" if flatter else "hard_sigmoid(0.2,0.5)"
    if state not in STATE_FUNCTIONS or (kind.cell != "rnn" and gate not in ("sigmoid", "hard_sigmoid")):
        found = f"activation {state!r}" + (f", recurrent_activation {gate!r}" if kind.cell != "rnn" else "")
        wanted = f"one of {', '.join(STATE_FUNCTIONS)}, with gates of sigmoid or hard_sigmoid"
        raise ConventionError(f"Keras, {kind.title}", found, wanted, "Other functions are not computed.")
    return with_functions(kind, hard if gate == "hard_sigmoid" and kind.cell != "rnn" else None, state)
