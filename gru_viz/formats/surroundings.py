"""What stands before and after a network in a file of named arrays: embeddings and linear heads, by shape and name."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from gru_viz.formats.found import Embedding, FoundModel, Head
from gru_viz.formats.names import SEPARATORS

__all__ = ["embeddings_of", "heads_of"]

_EMBEDS = re.compile(r"emb|lookup|\bwte\b|word_?vec|vocab", re.IGNORECASE)
_ANSWERS = re.compile(
    r"fc|head|linear|lin\b|out|dense|decode|classif|predict|logit|readout|project|\bproj\b|answer|score|h2o|\btop\b",
    re.IGNORECASE,
)
_ATTENDS = re.compile(r"attn|attention|query|\bkey\b|norm", re.IGNORECASE)
_WEIGHT = re.compile(r"(?P<path>.*?)(?:^|[./:|_-])?(?P<leaf>weight|kernel|embeddings?)", re.DOTALL)


def embeddings_of(
    model: FoundModel, rest: Mapping[str, np.ndarray], everything: Mapping[str, np.ndarray]
) -> tuple[Embedding, ...]:
    """Tables whose rows are as wide as the network's input, the likeliest first.

    Args:
        model: the network.
        rest: the arrays that belong to no network.
        everything: all arrays, in the order of the file.
    """
    order, start = _order(everything, model)
    ranked = []
    for path, array in rest.items():
        if array.ndim != 2 or array.dtype.kind != "f" or array.shape[1] != model.weights.features:
            continue
        name, leaf = _split(path)
        named = _EMBEDS.search(path) is not None
        alone = _bias_of(path, rest) is None and order[path] <= start and leaf != "kernel"
        if named or (alone and not _ANSWERS.search(name) and not _ATTENDS.search(name)):
            ranked.append((not named, -_kinship(name, model.name), start - order[path], Embedding(name, array)))
    return tuple(entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1]))


def heads_of(
    model: FoundModel, rest: Mapping[str, np.ndarray], everything: Mapping[str, np.ndarray]
) -> tuple[Head, ...]:
    """Linear layers that can read the network's hidden states, the likeliest first.

    Args:
        model: the network.
        rest: the arrays that belong to no network.
        everything: all arrays, in the order of the file.
    """
    order, start = _order(everything, model)
    width = sum(cell.hidden for cell in model.weights.layers[-1])
    ranked = []
    for path, array in rest.items():
        if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
            continue
        name, leaf = _split(path)
        weight = array.T if leaf == "kernel" else array
        beside = _bias_of(path, rest)
        bias = rest[beside] if beside is not None else np.zeros(len(weight), weight.dtype)
        if weight.shape[1] != width or bias.shape != (len(weight),) or not leaf:
            continue
        answers = _ANSWERS.search(name) is not None
        if _EMBEDS.search(path) or (beside is None and not answers and order[path] < start):
            continue
        rank = (not answers, _ATTENDS.search(name) is not None, -_kinship(name, model.name), order[path] < start)
        ranked.append((rank, abs(order[path] - start), Head(name, weight, bias)))
    return tuple(entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1]))


def _split(path: str) -> tuple[str, str]:
    """A layer's path, and what its matrix is called; all and nothing where it is not called a weight."""
    match = _WEIGHT.fullmatch(path)
    return (match["path"].rstrip(SEPARATORS) or path, match["leaf"]) if match else (path, "")


def _bias_of(path: str, rest: Mapping[str, np.ndarray]) -> str | None:
    _, leaf = _split(path)
    beside = path.removesuffix(leaf) + "bias" if leaf else ""
    return beside if beside in rest else None


def _order(everything: Mapping[str, np.ndarray], model: FoundModel) -> tuple[dict[str, int], int]:
    """Where each array stands, and the network's first; all at one place in a file that sorts its arrays by name."""
    paths = list(everything)
    order = dict.fromkeys(paths, 0) if paths == sorted(paths) else {path: k for k, path in enumerate(paths)}
    return order, min((k for path, k in order.items() if path.startswith(model.name)), default=0)


def _kinship(path: str, other: str) -> int:
    """How many of the first names of two paths are the same."""
    shared = 0
    for mine, theirs in zip(re.split(r"[./]", path)[:-1], re.split(r"[./]", other)[:-1], strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared
