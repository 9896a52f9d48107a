"""Finds a network's embeddings and linear heads among the other arrays of a file, by shape and name."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from gru_viz.formats.layer_chain import ActivationLayer, ChainLayer, DenseLayer, LayerChain
from gru_viz.formats.matrix_names import SEPARATORS
from gru_viz.formats.model_file import Embedding, FoundModel, Head
from gru_viz.formats.state_dict_layers import FileLayers

__all__ = ["EmbeddingsAndHeads"]

MOST = 50
"""The most embeddings or heads returned for one network."""
_EMBEDDING = re.compile(r"emb|lookup|\bwte\b|word_?vec|vocab", re.IGNORECASE)
_HEAD = re.compile(
    r"fc|head|linear|lin\b|out|dense|decode|classif|predict|logit|readout|project|\bproj\b|answer|score|h2o|\btop\b",
    re.IGNORECASE,
)
_ATTENTION = re.compile(r"attn|attention|query|\bkey\b|norm", re.IGNORECASE)
_MATRIX = re.compile(r"(.*?)(weight|kernel|embeddings?)", re.DOTALL)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A matrix, and what its name suggests."""

    name: str
    path: tuple[str, ...]
    place: int
    weight: np.ndarray
    bias: np.ndarray | None
    is_embedding: bool
    is_head: bool
    is_attention: bool


class EmbeddingsAndHeads:
    """The matrices of a file outside its recurrent networks, whose paths are ``used``."""

    def __init__(self, arrays: Mapping[str, np.ndarray], used: set[str], layers: FileLayers) -> None:
        paths = list(arrays)
        self._file = {layer.name: layer for layer in layers.layers if layer.kind == "linear"}
        self._layers = layers
        self._sorted_by_name = paths == sorted(paths)  # then the order means nothing
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
        suggests = [pattern.search(path) is not None for pattern in (_EMBEDDING, _HEAD, _ATTENTION)]
        name = stem.rstrip(SEPARATORS) or path
        return _Layer(name, _folders(name), self._places[path], weight, bias, *suggests)

    def embeddings(self, model: FoundModel, start: int) -> tuple[Embedding, ...]:
        """Matrices as wide as the network's features, likeliest first; its own matrices start at place ``start``."""
        folders = _folders(model.name)

        def fits(layer: _Layer) -> bool:
            alone = layer.bias is None and not layer.is_head and not layer.is_attention
            return layer.is_embedding or (alone and (layer.place < start or self._sorted_by_name))

        ranked = heapq.nsmallest(
            MOST,
            filter(fits, self._by_width.get(model.features, ())),
            key=lambda layer: (not layer.is_embedding, -_shared(layer.path, folders), abs(start - layer.place)),
        )
        return tuple(Embedding(layer.name, layer.weight) for layer in ranked)

    def heads(self, model: FoundModel, start: int) -> tuple[Head, ...]:
        """Linear layers as wide as the network's hidden values, likeliest first; ``start`` as for embeddings."""
        folders = _folders(model.name)
        width = sum(cell.hidden for cell in model.weights.layers[-1])

        def fits(layer: _Layer) -> bool:
            complete = layer.bias is None or layer.bias.shape == (len(layer.weight),)
            after = layer.place > start or self._sorted_by_name
            return complete and not layer.is_embedding and (layer.bias is not None or layer.is_head or after)

        ranked = heapq.nsmallest(
            MOST,
            filter(fits, self._by_width.get(width, ())),
            key=lambda layer: (
                not layer.is_head,
                layer.is_attention,
                -_shared(layer.path, folders),
                layer.place < start,
                abs(start - layer.place),
            ),
        )
        found = [self._chain(layer) for layer in ranked]
        answers = [head for heads in found for head in heads if not head.hidden]
        names = [head.name for head in answers]
        answers = [
            replace(head, name=f"{head.name}, alone") if head.name in names[:k] else head
            for k, head in enumerate(answers)
        ]
        return (*answers, *(head for heads in found for head in heads if head.hidden))

    def _chain(self, layer: _Layer) -> list[Head]:
        """The head that a layer is; or the last layer that reads it through others, and then itself."""
        first = Head(layer.name, layer.weight, _bias(layer.weight, layer.bias))
        low, below, assumed = self._file.get(layer.name), list[ChainLayer](), list[str]()
        if low is None:
            return [first]
        while (step := self._layers.above(low)) is not None and len(below) < MOST:
            high, between, what = step
            below += [DenseLayer(low.name, low.weight, _bias(low.weight, low.arrays.get("bias"))), *between]
            assumed += [what] if what else []
            low = high
        activation = self._layers.after(low)
        if not below:
            return [replace(first, activation=activation)]
        last = Head(low.name, low.weight, _bias(low.weight, low.arrays.get("bias")), activation)
        heads = [replace(last, below=LayerChain(tuple(below)), assumed="; ".join(assumed))]
        if assumed:
            linear = LayerChain(tuple(each for each in below if not isinstance(each, ActivationLayer)))
            heads.append(replace(last, name=f"{low.name}, nothing between", below=linear))
        return [*heads, replace(first, hidden=True)]


def _bias(weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    return np.zeros(len(weight), weight.dtype) if bias is None else bias


def _folders(name: str) -> tuple[str, ...]:
    """All parts of a path but the last."""
    return tuple(re.split(r"[./]", name)[:-1])


def _shared(path: tuple[str, ...], other: tuple[str, ...]) -> int:
    """The length of the common prefix of two paths, in parts."""
    return sum(1 for _ in takewhile(lambda parts: parts[0] == parts[1], zip(path, other, strict=False)))
