"""Converts sequences to the features that a network from a file reads, through its alphabet or embedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.layer_chain import NO_LAYERS, LayerChain, MaskingLayer, ScalingLayer, Steps
from gru_viz.formats.model_file import Embedding, FoundModel
from gru_viz.sequences import Scaling, Sequence, Sequences
from gru_viz.sequences.one_hot_text import normalise_text, visible_character

__all__ = ["fit"]

_WHOLE = 1e-3
"""The largest distance of a symbol's number from a whole number, after its scaling is undone."""


def fit(
    model: FoundModel,
    sequences: Sequences,
    alphabet: str | None = None,
    embedding: Embedding | None = None,
    scaling: Scaling | None = None,
) -> Sequences:
    """Convert sequences to the features that a network reads.

    Sequences with as many features as the model reads are taken as they are. Otherwise an embedding maps symbols to
    features: a single column of whole numbers contains the symbols' numbers; a character's number is its position in
    the alphabet. Then the layers in front of the network, ``model.before``, are applied.

    Args:
        model: the network.
        sequences: its input; values (time, features).
        alphabet: for text: its characters in the order of training, at most one for each feature of the network or
            row of its embedding; by default those of the text, if their number fits.
        embedding: one of ``model.embeddings``; by default the likeliest.
        scaling: one of ``model.scalings``, the numbers of the training, in place of the scaling of the sequences; with
            as many features as these.

    Returns:
        What the network reads at each step, with a notice of the conversion. Steps that the model masks are left out.

    Raises:
        FormatError: the sequences do not fit the network.

    Example:
        >>> from gru_viz.initialisation import random_weights
        >>> from gru_viz.sequences import read_text
        >>> table = Embedding("embed", np.eye(4, 3, dtype=np.float32))
        >>> model = FoundModel("rnn", random_weights("torch", 3, 5), (table,))
        >>> fit(model, read_text("abba"), alphabet="ab")[0].values[:2].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    sequences = _rescaled(sequences, scaling) if scaling else sequences
    count = len(sequences.features)
    if model.fronts and count == model.weights.features != model.features:
        notice = f"The table has as many columns as the network reads: not applied in front of it: {model.before}."
        model, sequences = model.with_front(NO_LAYERS), replace(sequences, notices=(*sequences.notices, notice))
    sequences = _as_the_model_reads(model, sequences, alphabet, embedding or next(iter(model.embeddings), None))
    return _through(model.before, sequences) if model.before else sequences


def _as_the_model_reads(
    model: FoundModel, sequences: Sequences, alphabet: str | None, table: Embedding | None
) -> Sequences:
    """The features that the model reads, before its own layers."""
    if alphabet:
        sequences = _reencode(sequences, alphabet, model, len(table.matrix) if table else model.features)
    count = len(sequences.features)
    if count == model.features and not (table and alphabet):
        return sequences if alphabet or not _is_text(sequences) else _unchanged_text(sequences)
    if table is not None and _is_one_hot(sequences) and (alphabet or count == len(table.matrix)):
        return _embedded(sequences, table, [item.values @ table.matrix[:count] for item in sequences])
    if table is not None and count == 1:
        sequences = _without_zero(sequences) if table.masks_zero else sequences
        return _embedded(sequences, table, [_table_rows(item, sequences, table) for item in sequences])
    raise _mismatch(model, sequences, table)


def _reencode(sequences: Sequences, alphabet: str, model: FoundModel, most: int) -> Sequences:
    """The same characters, one-hot over another alphabet; zeros for a character outside it."""
    letters = [visible_character(letter) for letter in dict.fromkeys(normalise_text(alphabet))]
    if len(letters) > most:
        found = f"{len(letters)} characters"
        raise FormatError("alphabet", found, f"at most {most}, as many as {_called(model)} reads", "Remove some.")
    if not _is_text(sequences):
        raise FormatError("alphabet", "sequences of numbers", "text, one character a step", "Read a text.")
    column = {name: k for k, name in enumerate(sequences.features)}
    width = most if not model.embeddings else len(letters)
    items = []
    for item in sequences:
        values = np.zeros((len(item), width), np.float32)
        for k, letter in enumerate(letters):
            if letter in column:
                values[:, k] = item.values[:, column[letter]]
        items.append(values)
    names = (*letters, *(f"no character {k + 1}" for k in range(len(letters), width)))
    unknown = [name for name in sequences.features if name not in letters]
    notices = [f"Not in the alphabet, and read as zeros: {' '.join(unknown)}."] if unknown else []
    return _with_features(sequences, names, items, notices)


def _unchanged_text(sequences: Sequences) -> Sequences:
    order = f"Assumed: the network was trained with the characters in this order: {' '.join(sequences.features)}."
    return replace(sequences, notices=(*sequences.notices, order))


def _embedded(sequences: Sequences, table: Embedding, values: list[np.ndarray]) -> Sequences:
    names = tuple(f"{table.name}.{k + 1}" for k in range(table.matrix.shape[1]))
    notice = f"Symbols were mapped to {len(names)} features by the file's embedding {table.name}."
    return _with_features(sequences, names, values, [notice])


def _rescaled(sequences: Sequences, scaling: Scaling) -> Sequences:
    """The sequences scaled by other numbers than their own."""
    if len(scaling.centre) != len(sequences.features):
        found, wanted = (
            f"numbers for {len(scaling.centre)} features",
            f"{len(sequences.features)}, as the sequences have",
        )
        raise FormatError("scaling", found, wanted, "Choose as many columns, in the order of the training.")
    own = Scaling("given", sequences.features, scaling.centre, scaling.scale)
    items = tuple(
        Sequence(own.apply(sequences.scaling.undo(item.values)).astype(np.float32), item.features, item.time, item.name)
        for item in sequences
    )
    notice = "The features were scaled by the numbers in the model's file."
    return replace(sequences, items=items, scaling=own, notices=(*sequences.notices, notice))


def _without_zero(sequences: Sequences) -> Sequences:
    """The steps whose symbol is not 0, which the model masks."""
    items = []
    for item in sequences:
        read = np.flatnonzero(np.round(sequences.scaling.undo(item.values)[:, 0]) != 0)
        labels = item.time and tuple(item.time[k] for k in read.tolist())
        items.append(Sequence(item.values[read], item.features, labels, item.name))
    masked = sum(sequences.lengths) - sum(map(len, items))
    notice = (f"{masked:,} steps with symbol 0 were left out: the model masks them.",) if masked else ()
    return replace(sequences, items=tuple(items), notices=(*sequences.notices, *notice))


def _with_features(
    sequences: Sequences, names: tuple[str, ...], values: list[np.ndarray], notices: list[str]
) -> Sequences:
    """The same steps with other features, which are not scaled."""
    items = tuple(Sequence(array, names, item.time, item.name) for array, item in zip(values, sequences, strict=True))
    return replace(sequences, items=items, scaling=_unscaled(names), notices=(*sequences.notices, *notices))


def _unscaled(names: tuple[str, ...]) -> Scaling:
    return Scaling("none", names, np.zeros(len(names)), np.ones(len(names)))


def _through(before: LayerChain, sequences: Sequences) -> Sequences:
    """What the layers in front of a network make of the sequences; steps have the label of the last step they read."""
    items, left_out = [], 0
    for item in sequences:
        steps = before.apply(Steps(item.values.astype(np.float64), np.arange(len(item))))
        count = steps.values.shape[1]
        alike = count == len(sequences.features) and not any(layer.outputs for layer in before)
        names = sequences.features if alike else tuple(f"{before.layers[-1].name}.{k + 1}" for k in range(count))
        labels = item.time
        if labels is not None and not np.array_equal(steps.places, np.arange(len(item))):
            labels = tuple(labels[place] for place in steps.places.tolist())
        left_out += len(item) - len(steps.values)
        items.append(Sequence(steps.values.astype(np.float32), names, labels, item.name))
    notices = [f"The layers in front of the network were applied: {before}."]
    if left_out:
        total = sum(sequences.lengths)
        notices.append(f"{total:,} steps became {total - left_out:,}: the layers in front mask steps or join several.")
    scaling = _composed(before, sequences.scaling) if items[0].features == sequences.features else None
    scaling = scaling or _unscaled(items[0].features)
    return replace(sequences, items=tuple(items), scaling=scaling, notices=(*sequences.notices, *notices))


def _composed(before: LayerChain, scaling: Scaling) -> Scaling | None:
    """The scaling of a table together with the layers in front, where these only scale and mask."""
    centre, scale = scaling.centre, scaling.scale
    for layer in before:
        if isinstance(layer, ScalingLayer) and layer.gamma.all():
            factor = layer.scale / layer.gamma
            centre, scale = centre + scale * (layer.centre - layer.beta * factor), scale * factor
        elif not isinstance(layer, MaskingLayer):
            return None
    return Scaling(scaling.method, scaling.features, centre, scale)


def _table_rows(item: Sequence, sequences: Sequences, table: Embedding) -> np.ndarray:
    """The rows of an embedding whose numbers are in the only column of a sequence."""
    values = sequences.scaling.undo(item.values)[:, 0]
    numbers = np.round(values)
    wrong = (np.abs(values - numbers) > _WHOLE) | (numbers < 0) | (numbers >= len(table.matrix))
    if wrong.any():
        step = int(np.argmax(wrong))
        where, found = f"{item.name}, step {step + 1}", f"{sequences.features[0]} = {values[step]:g}"
        wanted = f"a whole number from 0 to {len(table.matrix) - 1}, a row of the embedding {table.name}"
        raise FormatError(where, found, wanted, "Choose the column with the symbols' numbers.")
    return table.matrix[numbers.astype(np.int64)]


def _is_text(sequences: Sequences) -> bool:
    return "alphabet" in sequences.details


def _is_one_hot(sequences: Sequences) -> bool:
    return all(np.isin(item.values, (0, 1)).all() and (item.values.sum(1) <= 1).all() for item in sequences)


def _mismatch(model: FoundModel, sequences: Sequences, table: Embedding | None) -> FormatError:
    count, wanted, text = len(sequences.features), model.features, _is_text(sequences)
    named = f" ({', '.join(sequences.features[:6])}{', …' if count > 6 else ''})" if not text else ""
    found = f"{count} {'character' if text else 'feature'}{'s' * (count != 1)} a step{named}"
    want = f"{wanted}, as {_called(model)} reads"
    if table is not None:
        want += f"; or one column of symbol numbers from 0 to {len(table.matrix) - 1}, for its embedding {table.name}"
    remedy = f"Choose {wanted} columns."
    if text:
        remedy = "Enter the characters in the order in which the network was trained."
    elif table is not None:
        remedy = f"Choose {wanted} columns, or the one column with the symbols' numbers."
    return FormatError(sequences.source or "the sequences", found, want, remedy)


def _called(model: FoundModel) -> str:
    return f"the network {model.name}" if model.name else "the network"
