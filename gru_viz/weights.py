"""Weights: frozen, named matrices in a convention's own names and layout, one set per layer and direction."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from gru_viz.conventions import BIASES, PARTS, Convention, convention as lookup, hard_sigmoid, with_functions
from gru_viz.errors import ConventionError
from gru_viz.keras_layer import is_keras, take_layer_apart
from gru_viz.matrix_layout import GateBlocks, assemble, sizes, stacks, take_apart

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gru_viz.equations import Parameters

__all__ = ["TORCH_CELL", "CellWeights", "Weights", "convert", "kind_of", "sort_tensors", "torch_class", "torch_twin"]

TORCH_CELL = {"gru": "torch", "lstm": "torch_lstm", "rnn": "torch_rnn"}


def torch_twin(kind: Convention) -> Convention:
    """The variant of torch that is likest a convention: of the same cell and, for an RNN, of the same function."""
    twin = lookup(TORCH_CELL[kind.cell])
    return with_functions(twin, state="relu") if kind.cell == "rnn" and kind.state_function == "relu" else twin


Derived = TypeVar("Derived")
TENSORS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

SMALL = 1 << 18
"""Of so many bytes at most, the weights of torch's tensors are taken from a cache where the numbers are the same."""


@dataclass(frozen=True, eq=False)
class CellWeights:
    """The matrices of one layer and direction.

    Attributes:
        convention: the variant whose names and layout the matrices have.
        matrices: name → read-only array.
    """

    convention: Convention
    matrices: Mapping[str, np.ndarray]
    _size: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        arrays = {}
        for name, array in self.matrices.items():
            arrays[name] = np.array(array)
            if arrays[name].dtype.kind != "f":
                found, remedy = f"dtype {arrays[name].dtype}", "Convert the array first."
                raise ConventionError(f"{self.convention.name}, {name}", found, "floating-point numbers", remedy)
            arrays[name].flags.writeable = False
        object.__setattr__(self, "matrices", MappingProxyType(arrays))
        object.__setattr__(self, "_size", sizes(self.convention, arrays))

    def __reduce__(self) -> tuple[Any, ...]:
        return CellWeights, (self.convention, dict(self.matrices))

    @classmethod
    def from_parameters(cls, convention: Convention, parameters: Parameters) -> CellWeights:
        """Lay stacked tensors out as the convention does; the inverse of ``parameters``."""
        count = len(convention.gates)
        blocks: GateBlocks = {
            (part, gate): block
            for part, tensor in zip(PARTS, parameters, strict=True)
            for gate, block in zip(convention.gates, np.split(tensor.detach().cpu().numpy(), count), strict=True)
        }
        return cls(convention, {matrix.name: assemble(matrix, blocks) for matrix in convention.matrices})

    @property
    def features(self) -> int:
        """How many numbers it reads at each step."""
        return self._size["W"]

    @property
    def hidden(self) -> int:
        """How many units it has."""
        return self._size["U"]

    def blocks(self) -> GateBlocks:
        """Take the matrices apart into one array per part and gate; biases that the convention has not are zero."""
        blocks: GateBlocks = {}
        for matrix in self.convention.matrices:
            blocks |= take_apart(matrix, self.matrices[matrix.name], self._size)
        dtype = next(iter(self.matrices.values())).dtype
        for key in product(BIASES, self.convention.gates):
            if key not in blocks:
                blocks[key] = np.zeros(self.hidden, dtype)
        return blocks

    def once(self, key: Hashable, make: Callable[[CellWeights], Derived]) -> Derived:
        """Compute something from these matrices on first use, and cache it: they never change."""
        made: dict[Hashable, Any] = self.__dict__.setdefault("_made", {})
        if key not in made:
            made[key] = make(self)
        return made[key]

    def stacked(self) -> tuple[np.ndarray, ...]:
        """The same numbers as W, U, b and b_h, gates stacked in torch's order."""
        names, order = stacks(self.convention), self.convention.gates
        if len(names) == len(PARTS):
            return tuple(self.matrices[names[part]] for part in PARTS)
        blocks = self.blocks()
        return tuple(np.concatenate([blocks[part, gate] for gate in order]) for part in PARTS)

    def parameters(self, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Parameters:
        """The same numbers as the tensors that ``equations`` takes, gates stacked in torch's order."""
        import torch

        from gru_viz.equations import Parameters

        return Parameters(*(torch.from_numpy(array.copy()).to(device, dtype) for array in self.stacked()))


@dataclass(frozen=True, eq=False)
class Weights:
    """All the matrices of a recurrent network; its layers may differ in size.

    Attributes:
        layers: for each layer its directions: forward, or forward and backward.
        origin: where the numbers come from, in words for a person, such as ``"random, seed 0"``.

    Example:
        >>> import torch
        >>> w = Weights.from_module(torch.nn.GRU(3, 4, num_layers=2))
        >>> w.features, w.hidden, len(w.layers), w.parameters
        (3, 4, 2, 228)
    """

    layers: tuple[tuple[CellWeights, ...], ...]
    origin: str = "given"

    @classmethod
    def from_matrices(
        cls,
        convention: str | Convention,
        layers: Mapping[str, np.ndarray] | Sequence[Mapping[str, np.ndarray] | Sequence[Mapping[str, np.ndarray]]],
        origin: str = "given",
    ) -> Weights:
        """Wrap arrays that already have the convention's names and layout.

        Args:
            convention: a name in ``CONVENTIONS``.
            layers: a dict of arrays; or, for several layers, a list with for each layer a dict, or (forward, backward).
            origin: where the numbers come from.

        Raises:
            ConventionError: a name is missing or unknown, or the shapes disagree.

        Example:
            >>> zeros = {name: np.zeros((4, 3 if name[0] == "W" else 4)) for name in ("Wz Wr Wh Uz Ur Uh".split())}
            >>> Weights.from_matrices("gru_simple", zeros).hidden
            4
        """
        kind = lookup(convention)
        listed = [layers] if isinstance(layers, Mapping) else list(layers)
        pairs = [[layer] if isinstance(layer, Mapping) else list(layer) for layer in listed]
        weights = cls(tuple(tuple(CellWeights(kind, cell) for cell in layer) for layer in pairs), origin)
        weights._check_stack()
        return weights

    @classmethod
    def from_module(cls, module: torch.nn.Module, origin: str = "") -> Weights:
        """Copy the weights of a module of torch or of a layer of Keras, every layer and direction.

        A module without biases gets zeros. A layer of Keras must be built.

        Raises:
            ConventionError: it is no GRU, LSTM or RNN, nor a cell of one, or it has projections, which change the
                equations.

        Example:
            >>> import torch
            >>> Weights.from_module(torch.nn.GRUCell(3, 4)).origin
            'torch.nn.GRUCell'
        """
        if is_keras(module):
            found, matrices = take_layer_apart(module)
            return cls.from_matrices(found, matrices, origin or f"keras.layers.{type(module).__name__}")
        kind = kind_of(module)
        layers = sort_tensors(module, lambda name: getattr(module, name, None))
        return cls.from_tensors(kind, layers, origin or f"torch.nn.{type(module).__name__}")

    @classmethod
    def from_tensors(cls, kind: str, layers: Sequence[Sequence[Mapping[str, Tensor]]], origin: str) -> Weights:
        """Copy torch's tensors, by layer, direction and name (``weight_ih``, …); biases that are not there are zero."""

        import torch

        def numbers(tensor: Tensor) -> np.ndarray:
            return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy(force=True)

        def whole(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
            arrays = {name: numbers(tensor) for name, tensor in tensors.items()}
            for name in TENSORS:
                if name not in arrays:
                    arrays[name] = np.zeros_like(arrays["weight_hh"][:, 0])
            return arrays

        matrices = [[whole(each) for each in layer] for layer in layers]
        if sum(array.nbytes for layer in matrices for each in layer for array in each.values()) > SMALL:
            return cls.from_matrices(kind, matrices, origin)
        return _from_bytes(kind, tuple(tuple(map(_as_bytes, layer)) for layer in matrices), origin)

    def to_module(self) -> torch.nn.GRU | torch.nn.LSTM | torch.nn.RNN:
        """Build the torch module with exactly these weights, batch_first, in eval mode.

        Raises:
            ConventionError: torch has no such variant (reset before), or no such stack (layers of unequal size).
        """
        import torch

        torch_like = self.as_torch()
        dtype = getattr(torch, str(self.dtype))
        module = torch_class(self.convention.cell)(
            self.features,
            self.hidden,
            num_layers=len(self.layers),
            bidirectional=self.bidirectional,
            batch_first=True,
            dtype=dtype,
            device="meta",  # so that nothing is drawn from the caller's global random state
            **({"nonlinearity": self.convention.state_function} if self.convention.cell == "rnn" else {}),
        )
        tensors = {
            f"{name}_l{k}{suffix}": torch.tensor(array)
            for k, layer in enumerate(torch_like.layers)
            for cell, suffix in zip(layer, ("", "_reverse"), strict=False)
            for name, array in cell.matrices.items()
        }
        module.load_state_dict(tensors, assign=True)
        return module.eval()

    def as_torch(self) -> Weights:
        """The same network in torch's convention, as one module of torch has it.

        Raises:
            ConventionError: torch has no such variant (reset before), or no such stack (layers of unequal size).
        """
        if len(set(self.units)) > 1:
            units = ", ".join(map(str, self.units))
            raise ConventionError(
                f"torch.nn.{self.convention.cell.upper()}",
                f"layers of {units} units",
                "as many units in every layer, the only stack that torch builds in one module",
                "Build a module a layer: Weights((weights.layers[k],)).to_module().",
            )
        return convert(self, to=torch_twin(self.convention))

    @property
    def convention(self) -> Convention:
        """The variant that all layers share."""
        return self.layers[0][0].convention

    @property
    def bidirectional(self) -> bool:
        """Whether each layer reads in both directions."""
        return len(self.layers[0]) == 2

    @property
    def features(self) -> int:
        """How many numbers the first layer reads at each step."""
        return self.layers[0][0].features

    @property
    def hidden(self) -> int:
        """How many units the top layer has, per direction: the size of the network's output."""
        return self.layers[-1][0].hidden

    @property
    def units(self) -> tuple[int, ...]:
        """How many units each layer has, per direction."""
        return tuple(layer[0].hidden for layer in self.layers)

    @cached_property
    def dtype(self) -> np.dtype:
        """The floating-point type of the matrices."""
        return next(iter(self.matrices_of(0).values())).dtype

    @property
    def compute_dtype(self) -> np.dtype:
        """The type the network runs in: float64, or else float32."""
        return np.dtype(np.float64 if self.dtype == np.float64 else np.float32)

    @property
    def parameters(self) -> int:
        """How many parameters it has."""
        return sum(array.size for layer in self.layers for cell in layer for array in cell.matrices.values())

    @property
    def matrices(self) -> Mapping[str, np.ndarray]:
        """The arrays of a network of one layer and one direction, by the convention's own names.

        Raises:
            ConventionError: there is more than one layer or direction; use ``layers[k][d].matrices``.
        """
        if len(self.layers) > 1 or self.bidirectional:
            found = f"{len(self.layers)} layers, {len(self.layers[0])} directions"
            raise ConventionError("Weights.matrices", found, "one of each", "Use weights.layers[k][d].matrices.")
        return self.matrices_of(0)

    def matrices_of(self, layer: int, direction: Literal[0, 1] = 0) -> Mapping[str, np.ndarray]:
        """The arrays of one layer and direction (0 forward, 1 backward)."""
        return self.layers[layer][direction].matrices

    @cached_property
    def runs_in_torch(self) -> bool:
        """Whether torch's own layers can run exactly this model."""
        try:
            convert(self, to=torch_twin(self.convention))
        except ConventionError:
            return False
        return True

    def read_as(self, name: str | Convention) -> Weights:
        """The same U, W and biases put into another variant, whether or not the model stays the same.

        What is a mere relabelling is converted, so that only a real difference shows: the gates of z-takes variants
        are negated, biases that can be summed are summed. Where the reset acts is simply read the other way, and
        biases that the other variant has not are dropped.
        """
        return self._map_cells(lambda cell: _put_together(lookup(name), _relabel(cell, lookup(name)), lossy=True))

    def _map_cells(self, change: Callable[[CellWeights], CellWeights]) -> Weights:
        return replace(self, layers=tuple(tuple(change(cell) for cell in layer) for layer in self.layers))

    def _check_stack(self) -> None:
        directions = len(self.layers[0]) if self.layers else 0
        if directions not in (1, 2):
            counted = f"{len(self.layers)} layers, {directions} directions"
            raise ConventionError("layers", counted, "a layer or more, of 1 or 2 directions", "Correct the nesting.")
        reads = self.features
        for k, layer in enumerate(self.layers):
            sizes = [(cell.features, cell.hidden) for cell in layer]
            if len(layer) != directions or len(set(sizes)) > 1 or sizes[0][0] != reads:
                described = " and ".join(
                    f"{features} features, {hidden} units" for features, hidden in dict.fromkeys(sizes)
                )
                raise ConventionError(
                    f"layer {k}",
                    f"{len(layer)} directions, {described or 'no matrices'}",
                    f"{directions} directions of one size, {reads} features, the output of the layer below",
                    "Check the order and the shapes of the layers.",
                )
            reads = directions * layer[0].hidden


_Bytes = tuple[tuple[str, np.dtype, tuple[int, ...], bytes], ...]
"""The matrices of a cell: name, dtype, shape, and all numbers."""


def _as_bytes(matrices: Mapping[str, np.ndarray]) -> _Bytes:
    return tuple((name, array.dtype, array.shape, array.tobytes()) for name, array in matrices.items())


@lru_cache(16)
def _from_bytes(convention: str, layers: tuple[tuple[_Bytes, ...], ...], origin: str) -> Weights:
    """The same numbers lead to the same object, which has been prepared for a backend and the proof already."""
    cells = [
        [{name: np.frombuffer(data, dtype).reshape(shape) for name, dtype, shape, data in cell} for cell in layer]
        for layer in layers
    ]
    return Weights.from_matrices(convention, cells, origin)


def torch_class(cell: str, suffix: str = "") -> Any:
    """The module of torch for a cell, such as ``torch.nn.GRU``; with ``"Cell"`` the one of a single step."""
    import torch

    return getattr(torch.nn, cell.upper() + suffix)


def kind_of(module: torch.nn.Module) -> str:
    """Name the convention of a torch module, such as ``"torch"`` or ``"torch_rnn+relu"``.

    Raises:
        ConventionError: none of these, or with other equations: projections.
    """
    where = type(module).__name__
    kind = next(
        (name for name in TORCH_CELL if isinstance(module, (torch_class(name), torch_class(name, "Cell")))), None
    )
    if kind is None:
        wanted = "an nn.GRU, nn.LSTM or nn.RNN, or a cell of one"
        raise ConventionError(where, "this module", wanted, "Pass the recurrent module.")
    if getattr(module, "proj_size", 0):
        raise ConventionError(where, f"proj_size={module.proj_size}", "0", "Projections are not supported.")
    return TORCH_CELL[kind] + ("+relu" if getattr(module, "nonlinearity", "tanh") == "relu" else "")


def sort_tensors(module: torch.nn.Module, get: Callable[[str], Tensor | None]) -> list[list[dict[str, Tensor]]]:
    """Sort the tensors that a recurrent module has by layer, direction and name within a cell."""
    import torch

    places = [[""]]
    if isinstance(module, torch.nn.RNNBase):
        directions = ("", "_reverse") if module.bidirectional else ("",)
        places = [[f"_l{k}{direction}" for direction in directions] for k in range(module.num_layers)]
    named = [[{name: get(name + place) for name in TENSORS} for place in layer] for layer in places]
    return [[{n: t for n, t in each.items() if t is not None} for each in layer] for layer in named]


def convert(weights: Weights, to: str | Convention) -> Weights:
    """Express weights exactly in another convention: the same model, other names, layout and labels.

    Where z = 1 takes the new, the update gate's weights are negated. Two biases are summed where one is enough.

    Raises:
        ConventionError: no exact conversion exists, with the reason: the reset acts elsewhere (unless U of the
            candidate is diagonal, where both placements agree), a bias has no place, or it is another cell.

    Example:
        >>> import torch
        >>> w = Weights.from_module(torch.nn.GRU(2, 3))
        >>> sorted(convert(w, to="keras_reset_after").matrices)
        ['bias', 'kernel', 'recurrent_kernel']
    """
    target = lookup(to)
    source = weights.convention
    if source.cell != target.cell:
        where, remedy = f"convert {source.name} to {target.name}", "A cell of one kind has no equivalent of another."
        raise ConventionError(where, f"a {source.cell.upper()}", f"a {target.cell.upper()}", remedy)
    if source == target:
        return weights
    if source.functions != target.functions:
        where = f"convert {source.name} to {target.name}"
        found, wanted = (" and ".join(each for each in kind.functions if each) for kind in (source, target))
        remedy = "Other functions make another model, and no exact conversion exists."
        raise ConventionError(where, f"a cell with {found}", f"one with {wanted}", remedy)
    return weights._map_cells(lambda cell: _put_together(target, _move_reset(cell, target)))


def _relabel(cell: CellWeights, target: Convention) -> GateBlocks:
    """The cell's blocks with the update gate meaning what the target means by it."""
    blocks = cell.blocks()
    if cell.convention.update != target.update:
        if cell.convention.gate_function != "sigmoid" and hard_sigmoid(cell.convention.gate_function)[1] != 0.5:
            found = f"an update gate of {cell.convention.gate_function}, which is not symmetric"
            where = f"convert {cell.convention.name} to {target.name}"
            raise ConventionError(where, found, "an offset of 0.5", "No exact conversion exists.")
        for part in PARTS:
            blocks[part, "update"] = -blocks[part, "update"]
    return blocks


def _move_reset(cell: CellWeights, target: Convention) -> GateBlocks:
    """The relabelled blocks, once the reset acts at the same place in both or provably makes no difference."""
    blocks, source = _relabel(cell, target), cell.convention
    if source.reset == target.reset:
        return blocks
    where = f"convert {source.name} to {target.name}"
    u = blocks["U", "candidate"]
    if np.any(u[~np.eye(len(u), dtype=bool)]):
        acts = {"after": "after the recurrent product, r * (U h + b_h)", "before": "before it, U (r * h)"}
        found, wanted = (acts[each.reset or "after"] for each in (source, target))
        remedy = "These are different models and no exact conversion exists; train again, or compare them with read_as."
        raise ConventionError(where, f"a reset gate that acts {found}", f"one that acts {wanted}", remedy)
    if source.reset == "after" and np.any(blocks["b_h", "candidate"]):
        found = "a recurrent candidate bias, which the reset gate multiplies"
        wanted = "none, since a reset before the product does not reach it"
        raise ConventionError(where, found, wanted, "No exact conversion exists.")
    if source.reset == "before":  # there the recurrent bias stands outside the reset; after, only the input bias does
        blocks["b", "candidate"] = blocks["b", "candidate"] + blocks["b_h", "candidate"]
        blocks["b_h", "candidate"] = np.zeros_like(blocks["b_h", "candidate"])
    return blocks


def _put_together(target: Convention, blocks: GateBlocks, *, lossy: bool = False) -> CellWeights:
    """Lay blocks out as the target does, summing biases where one is enough and refusing those without a place."""
    room = {piece[:2] for matrix in target.matrices for row in matrix.grid for piece in row}
    for gate in target.gates:
        summable = target.cell != "gru" or gate != "candidate" or target.reset == "before"
        if ("b_h", gate) not in room and summable:
            blocks["b", gate] = blocks["b", gate] + blocks["b_h", gate]
            blocks["b_h", gate] = np.zeros_like(blocks["b_h", gate])
        for part, name in (("b", "input"), ("b_h", "recurrent")):
            if (part, gate) not in room and np.any(blocks[part, gate]) and not lossy:
                raise ConventionError(
                    f"convert to {target.name}",
                    f"a {name} bias of the {gate} that is not zero",
                    "zero, since this convention has no place for it",
                    "Choose a convention with as many biases.",
                )
    return CellWeights(target, {matrix.name: assemble(matrix, blocks) for matrix in target.matrices})
