"""Joins the recurrent layers of a Keras or ONNX graph into networks, with their embeddings and heads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gru_viz.errors import ConventionError, FormatError
from gru_viz.formats.model_file import Embedding, FoundModel, Head
from gru_viz.matrix_layout import assemble
from gru_viz.weights import CellWeights, Weights

__all__ = ["GraphHead", "RecurrentLayer", "Stack", "build_networks", "stack_layers"]

BACKWARD_ONLY = (
    "It reads sequences backward only. It is stored as a bidirectional network whose forward half has zero weights "
    "and stays at 0; the backward half is exact."
)


@dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """One recurrent layer of a graph.

    Attributes:
        cells: one cell, or forward and backward.
        reads: the name of the layer or embedding whose output is its input, unchanged; ``""`` for any other input.
        backward: whether its only cell reads backward.
        concatenates: whether its output is all hidden states, both directions concatenated.
    """

    name: str
    cells: tuple[CellWeights, ...]
    reads: str = ""
    backward: bool = False
    concatenates: bool = True
    alternatives: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class GraphHead:
    """A linear layer of a graph, and the name of the layer that it reads; ``""`` if that is not a single layer."""

    head: Head
    reads: str = ""


@dataclass(frozen=True, eq=False)
class Stack:
    """Layers that feed each other, lowest first."""

    layers: tuple[RecurrentLayer, ...]

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
    readers = Counter(layer.reads for layer in layers)
    above = {
        layer.reads: layer
        for layer in layers
        if layer.reads in by_name and readers[layer.reads] == 1 and _fits(by_name[layer.reads], layer)
    }
    lowest = [layer for layer in layers if above.get(layer.reads) is not layer]
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
    """Make each stack a network, with the embeddings and heads whose widths fit, those connected to it first."""
    models = []
    for stack in found:
        bottom, top = stack.layers[0], stack.layers[-1]
        name = " + ".join(layer.name for layer in stack.layers)
        try:
            weights = replace(stack.weights, origin=f"{origin}, {name}" if name else origin)
        except ConventionError as error:
            raise FormatError(f"{where}, {name}: {error.where}", error.found, error.wanted, error.remedy) from error
        width = sum(cell.hidden for cell in top.cells)
        tables = [table for table in embeddings if table.matrix.shape[1] == weights.features]
        heads = [reader for reader in readers if reader.head.weight.shape[1] == width]
        models.append(
            FoundModel(
                name,
                weights,
                tuple(sorted(tables, key=lambda table: table.name != bottom.reads)),
                tuple(
                    _padded(reader.head, width) if top.backward else reader.head
                    for reader in sorted(heads, key=lambda reader: reader.reads != top.name)
                ),
                tuple(dict.fromkeys(each for layer in stack.layers for each in layer.alternatives)),
                tuple(dict.fromkeys(each for layer in stack.layers for each in layer.notices))
                + ((BACKWARD_ONLY,) if bottom.backward else ()),
            )
        )
    return tuple(models)


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
    zeros = np.zeros((len(head.weight), forward), head.weight.dtype)
    return replace(head, weight=np.concatenate([zeros, head.weight], 1))
