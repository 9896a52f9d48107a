"""Joins the recurrent layers of a Keras or ONNX graph into networks, with their embeddings and heads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gru_viz.errors import ConventionError, FormatError
from gru_viz.formats.layer_chain import NO_LAYERS, DenseLayer, LayerChain, RecurrentBefore
from gru_viz.formats.model_file import Embedding, FoundModel, Head
from gru_viz.matrix_layout import assemble
from gru_viz.weights import CellWeights, Weights

__all__ = ["GraphHead", "Origin", "RecurrentLayer", "Stack", "build_networks", "stack_layers"]

BACKWARD_ONLY = (
    "It reads sequences backward only. It is stored as a bidirectional network whose forward half has zero weights "
    "and stays at 0; the backward half is exact."
)

MOST_BELOW = 100
"""The most networks that feed each other in one file."""


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the input of a layer comes from.

    Attributes:
        kind: ``"input"`` of the model, all ``"states"`` of a recurrent layer or its ``"last"``, rows of a ``"table"``,
            or ``"other"``.
        source: the name of that layer or embedding.
        chain: what is applied to it on the way.
        unknown: what is on the way and cannot be applied, in words; ``""`` if nothing.
    """

    kind: str = "other"
    source: str = ""
    chain: LayerChain = NO_LAYERS
    unknown: str = ""

    @property
    def joined(self) -> str:
        """The name of the recurrent layer whose hidden states are read as they are; ``""`` if there is none."""
        return self.source if self.kind == "states" and not self.chain and not self.unknown else ""


UNKNOWN = Origin()


@dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """One recurrent layer of a graph.

    Attributes:
        cells: one cell, or forward and backward.
        backward: whether its only cell reads backward.
        concatenates: whether its output is all hidden states, both directions concatenated.
        alternatives: names of other conventions that its matrices may be meant in.
        notices: what is unusual about it, in sentences.
        assumed: what the file does not say of it and changes its states, in words.
    """

    name: str
    cells: tuple[CellWeights, ...]
    reads: Origin = UNKNOWN
    backward: bool = False
    concatenates: bool = True
    alternatives: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    assumed: str = ""


@dataclass(frozen=True, eq=False)
class GraphHead:
    """A linear layer of a graph, and where its input comes from."""

    head: Head
    reads: Origin = UNKNOWN


@dataclass(frozen=True, eq=False)
class Stack:
    """Layers that feed each other, lowest first."""

    layers: tuple[RecurrentLayer, ...]

    @property
    def name(self) -> str:
        """The names of its layers."""
        return " + ".join(layer.name for layer in self.layers)

    @property
    def weights(self) -> Weights:
        """All their matrices, with a forward half of zeros if they only read backward."""
        cells = [layer.cells for layer in self.layers]
        if self.layers[0].backward:
            cells = [_beside_zeros(cell, below=cells[k - 1][0] if k else None) for k, (cell,) in enumerate(cells)]
        return Weights.from_matrices(
            cells[0][0].convention, [[cell.matrices for cell in layer] for layer in cells], self.layers[-1].name
        )


def stack_layers(layers: Sequence[RecurrentLayer]) -> tuple[Stack, ...]:
    """Join two layers of one kind if the upper one, and no other, reads the lower one's hidden states."""
    by_name = {layer.name: layer for layer in layers}
    readers = Counter(layer.reads.joined for layer in layers)
    above = {
        below: layer
        for layer in layers
        if (below := layer.reads.joined) in by_name and readers[below] == 1 and _fits(by_name[below], layer)
    }
    lowest = [layer for layer in layers if above.get(layer.reads.joined) is not layer]
    found = []
    for layer in lowest:
        chain = [layer]
        while chain[-1].name in above:
            chain.append(above[chain[-1].name])
        found.append(Stack(tuple(chain)))
    return tuple(found)


def build_networks(
    where: str,
    found: Sequence[Stack],
    origin: str,
    embeddings: Sequence[Embedding] = (),
    readers: Sequence[GraphHead] = (),
) -> tuple[FoundModel, ...]:
    """Make each stack a network, with what stands in front of it, its embeddings and its heads."""
    models = []
    for stack in found:
        bottom = stack.layers[0]
        name = stack.name
        try:
            weights = replace(stack.weights, origin=f"{origin}, {name}" if name else origin)
        except ConventionError as error:
            raise FormatError(f"{where}, {name}: {error.where}", error.found, error.wanted, error.remedy) from error
        before, unapplied = _in_front(stack, found)
        reads = before.inputs or weights.features
        tables = [
            replace(table, masks_zero=table.masks_zero and before.each_step)
            for table in embeddings
            if table.matrix.shape[1] == reads
        ]
        models.append(
            FoundModel(
                name,
                weights,
                tuple(sorted(tables, key=lambda table: table.name != bottom.reads.source)),
                _heads(stack, readers),
                tuple(dict.fromkeys(each for layer in stack.layers for each in layer.alternatives)),
                tuple(_notices(stack, before, unapplied)),
                before=before,
                unapplied=unapplied,
                assumed=next((layer.assumed for layer in stack.layers if layer.assumed), ""),
            )
        )
    return tuple(models)


def _in_front(stack: Stack, found: Sequence[Stack], depth: int = 0) -> tuple[LayerChain, str]:
    """What stands between the model's input and a stack; and in words what of it cannot be applied."""
    reads = stack.layers[0].reads
    if reads.kind in ("input", "table"):
        return reads.chain, reads.unknown
    if reads.kind in ("states", "last"):
        below = next((each for each in found if any(layer.name == reads.source for layer in each.layers)), None)
        if below is not None and depth < MOST_BELOW:
            at = [layer.name for layer in below.layers].index(reads.source)
            lower = Stack(below.layers[: at + 1])
            if lower.layers[0].backward or not lower.layers[-1].concatenates:
                return NO_LAYERS, f"{lower.name}, whose states are not passed on as they are"
            before, unapplied = _in_front(lower, found, depth + 1)
            network = RecurrentBefore(lower.name, lower.weights, reads.kind == "last")
            return LayerChain((*before, network, *reads.chain)), unapplied or reads.unknown
        return NO_LAYERS, reads.source
    return NO_LAYERS, reads.unknown


def _heads(stack: Stack, readers: Sequence[GraphHead]) -> tuple[Head, ...]:
    """The linear layers that read a stack's states, the last ones first; without any, those of the right width."""
    top = stack.layers[-1]
    width = sum(cell.hidden for cell in top.cells)
    connected = [each for each in readers if each.reads.kind in ("states", "last") and each.reads.source == top.name]
    named = [name for each in connected for layer in each.reads.chain if (name := layer.name)]
    heads = [
        replace(each.head, below=each.reads.chain, hidden=each.head.name in named)
        for each in connected
        if (each.reads.chain.inputs or each.head.weight.shape[1]) == width
        and each.reads.chain.each_step
        and not each.reads.unknown
    ]
    unconnected = [each.head for each in readers if each.reads.kind == "other" and each.head.weight.shape[1] == width]
    ordered = [*sorted(heads, key=lambda head: head.hidden), *unconnected]
    return tuple(_padded(head, width) if top.backward else head for head in ordered)


def _notices(stack: Stack, before: LayerChain, unapplied: str) -> Iterator[str]:
    yield from dict.fromkeys(each for layer in stack.layers for each in layer.notices)
    if stack.layers[0].backward:
        yield BACKWARD_ONLY
    if before:
        yield f"In front of it, and applied to the sequences: {before}."
    if unapplied:
        yield f"In front of it, and not applied: {unapplied}. Its inputs here are not those of the whole model."


def _fits(below: RecurrentLayer, above: RecurrentLayer) -> bool:
    return (
        below.concatenates
        and below.backward == above.backward
        and len(below.cells) == len(above.cells)
        and below.cells[0].convention == above.cells[0].convention
    )


def _beside_zeros(cell: CellWeights, below: CellWeights | None) -> tuple[CellWeights, CellWeights]:
    """A backward cell beside a forward one of zeros, whose states stay at exactly 0."""
    convention = cell.convention
    blocks = cell.blocks()
    if below is not None:  # the layer below outputs its forward zeros first
        for gate in convention.gates:
            read = blocks["W", gate]
            blocks["W", gate] = np.concatenate([np.zeros((len(read), below.hidden), read.dtype), read], 1)
    backward = CellWeights(convention, {matrix.name: assemble(matrix, blocks) for matrix in convention.matrices})
    zeros = {name: np.zeros_like(array) for name, array in backward.matrices.items()}
    return CellWeights(convention, zeros), backward


def _padded(head: Head, forward: int) -> Head:
    """The head of a network that only reads backward, with zero weights for the forward half."""
    if head.below:
        half = np.eye(forward, 2 * forward, forward, dtype=head.weight.dtype)
        return replace(head, below=LayerChain((DenseLayer("the backward half", half, half[:, 0]), *head.below)))
    zeros = np.zeros((len(head.weight), forward), head.weight.dtype)
    return replace(head, weight=np.concatenate([zeros, head.weight], 1))
