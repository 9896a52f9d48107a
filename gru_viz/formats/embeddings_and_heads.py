"""What stands before and after a network in a file of named arrays: embeddings and linear heads, by shape and name."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gru_viz.formats.matrix_names import SEPARATORS
from gru_viz.formats.model_file import Embedding, FoundModel, Head

__all__ = ["EmbeddingsAndHeads"]

MOST = 50
"""Embeddings or heads of one network: the likeliest."""
_EMBEDS = re.compile(r"emb|lookup|\bwte\b|word_?vec|vocab", re.IGNORECASE)
_ANSWERS = re.compile(
    r"fc|head|linear|lin\b|out|dense|decode|classif|predict|logit|readout|project|\bproj\b|answer|score|h2o|\btop\b",
    re.IGNORECASE,
)
_ATTENDS = re.compile(r"attn|attention|query|\bkey\b|norm", re.IGNORECASE)
_MATRIX = re.compile(r"(.*?)(weight|kernel|embeddings?)", re.DOTALL)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A matrix and what its name says of it."""

    name: str
    path: tuple[str, ...]
    place: int
    weight: np.ndarray
    bias: np.ndarray | None
    embeds: bool
    answers: bool
    attends: bool


class EmbeddingsAndHeads:
    """The matrices of a file that belong to no recurrent network.

    Args:
        arrays: all of a file, in its order.
        used: the paths of those that belong to recurrent networks.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], used: set[str]) -> None:
        paths = list(arrays)
        self._sorted_by_name = paths == sorted(paths)  # then their order says nothing
        self._places = {path: k for k, path in enumerate(paths)}
        self._by_width: dict[int, list[_Layer]] = {}
        for path, array in arrays.items():
            if array.ndim == 2 and array.dtype.kind == "f" and array.size and path not in used:
                layer = self._layer(path, array, arrays)
                self._by_width.setdefault(layer.weight.shape[1], []).append(layer)

    def _layer(self, path: str, array: np.ndarray, arrays: Mapping[str, np.ndarray]) -> _Layer:
        match = _MATRIX.fullmatch(path)
        stem, leaf = match.groups() if match else (path, "")
        weight = array.T if leaf == "kernel" else array
        bias = arrays.get(f"{stem}bias") if match else None
        said = [pattern.search(path) is not None for pattern in (_EMBEDS, _ANSWERS, _ATTENDS)]
        name = stem.rstrip(SEPARATORS) or path
        return _Layer(name, _folders(name), self._places[path], weight, bias, *said)

    def embeddings(self, model: FoundModel, start: int) -> tuple[Embedding, ...]:
        """Tables whose rows are as wide as what a network reads, the likeliest first.

        Args:
            model: the network.
            start: where its first matrix stands in the file.
        """

        folders = _folders(model.name)

        def fits(layer: _Layer) -> bool:
            alone = layer.bias is None and not layer.answers and not layer.attends
            return layer.embeds or (alone and (layer.place < start or self._sorted_by_name))

        ranked = heapq.nsmallest(
            MOST,
            filter(fits, self._by_width.get(model.weights.features, ())),
            key=lambda layer: (not layer.embeds, -_shared(layer.path, folders), abs(start - layer.place)),
        )
        return tuple(Embedding(layer.name, layer.weight) for layer in ranked)

    def heads(self, model: FoundModel, start: int) -> tuple[Head, ...]:
        """Linear layers that can read all of a network's hidden states, the likeliest first.

        Args:
            model: the network.
            start: where its first matrix stands in the file.
        """
        folders = _folders(model.name)
        width = sum(cell.hidden for cell in model.weights.layers[-1])

        def fits(layer: _Layer) -> bool:
            beside = layer.bias is None or layer.bias.shape == (len(layer.weight),)
            after = layer.place > start or self._sorted_by_name
            return beside and not layer.embeds and (layer.bias is not None or layer.answers or after)

        ranked = heapq.nsmallest(
            MOST,
            filter(fits, self._by_width.get(width, ())),
            key=lambda layer: (
                not layer.answers,
                layer.attends,
                -_shared(layer.path, folders),
                layer.place < start,
                abs(start - layer.place),
            ),
        )
        return tuple(
            Head(layer.name, layer.weight, np.zeros(len(layer.weight), layer.weight.dtype))
            if layer.bias is None
            else Head(layer.name, layer.weight, layer.bias)
            for layer in ranked
        )


def _folders(name: str) -> tuple[str, ...]:
    """What stands before the last part of a path."""
    return tuple(re.split(r"[./]", name)[:-1])


def _shared(path: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many parts two paths share from their start."""
    return next(
        (k for k, (mine, theirs) in enumerate(zip(path, other, strict=False)) if mine != theirs),
        min(len(path), len(other)),
    )
