"""Finds the recurrent networks among named arrays and assembles their layers and directions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from gru_viz.conventions import Convention, convention as lookup, with_functions
from gru_viz.errors import ConventionError, FormatError
from gru_viz.formats.embeddings_and_heads import EmbeddingsAndHeads
from gru_viz.formats.framework_check import check_against_torch
from gru_viz.formats.layer_chain import NO_LAYERS
from gru_viz.formats.matrix_names import PROJECTION, CellKey, Family, MatrixGroup, families, group
from gru_viz.formats.model_bytes import LIMITS, Fact, Limits, NamedArrays, printable, refuse_many_networks
from gru_viz.formats.model_file import FoundModel
from gru_viz.formats.scalers import find_scalings
from gru_viz.formats.shape_finder import find_by_shape
from gru_viz.formats.state_dict_layers import FileLayers, Front
from gru_viz.matrix_layout import sizes
from gru_viz.weights import CellWeights, Weights, torch_twin

__all__ = ["find_networks"]

CellMatrices = dict[CellKey, dict[str, np.ndarray]]
MOST_CHECKED = 1 << 25
"""A network with more parameters is not checked against torch.nn: that would take gibibytes of memory."""
MOST_STACKED = 4
"""The most matrices of products that a family has whose gates are stacked."""
_NONLINEARITY = re.compile(r"nonlinearity|(^|[._])(mode|rnn_type|cell_type|cell|rnn|model)$", re.IGNORECASE)
_TANH_OR_RELU = re.compile(r"(?:rnn_?)?(tanh|relu)", re.IGNORECASE)
_RECURRENT_ONLY = frozenset({"weight_ih", "weight_hh", "recurrent_kernel", "gates/kernel", PROJECTION})
"""Matrix names that only a recurrent network has."""


def find_networks(
    arrays: NamedArrays, where: str, limits: Limits = LIMITS
) -> tuple[tuple[FoundModel, ...], tuple[str, ...]]:
    """Find every network in a file, in its order, with embeddings and heads; and notices about the whole file."""
    order = {path: k for k, path in enumerate((*arrays.arrays, *arrays.unreadable))}
    finder = _Finder(arrays, where)
    models: list[tuple[int, FoundModel]] = []
    errors: list[FormatError] = []
    used: set[str] = set()
    for each, family in finder.candidates(order, limits):
        used.update(each.paths(family), each.unplaced)
        try:
            models.append((min(order[path] for path in each.paths(family)), finder.model(each, family)))
        except FormatError as error:
            errors.append(error)
            if len(family.products) > MOST_STACKED:
                finder.by_gate.add(error.where)
    if not models and all(error.where in finder.by_gate for error in errors):
        for shaped in find_by_shape(arrays, where, only_apart=bool(errors)):
            models.append((min(order[path] for path in shaped.paths), shaped.model))
            used.update(shaped.paths)
    if not models:
        raise errors[0] if errors else _nothing(arrays, where)
    refuse_many_networks(len(models), where, limits)
    models.sort(key=lambda pair: pair[0])
    complete = _with_layers_around(models, arrays, used)
    return complete, (*arrays.notices, *(f"Left out: {error}" for error in errors))


def _with_layers_around(
    models: list[tuple[int, FoundModel]], arrays: NamedArrays, used: set[str]
) -> tuple[FoundModel, ...]:
    """The networks, each with what may stand in front of it and on top of it."""
    layers = FileLayers(arrays, used, [model.name for _, model in models])
    others = EmbeddingsAndHeads(arrays.arrays, used, layers)
    below: dict[str, tuple[Weights, Front]] = {}
    complete = []
    for start, model in models:
        front = layers.in_front(model.name, model.weights, below)
        below[model.name] = model.weights, front or Front(NO_LAYERS)
        if front is not None:
            model = _behind(model, front)
        model = replace(model, scalings=find_scalings(arrays, model.features))
        heads = others.heads(model, start)
        guesses = [f"{head.name} is the output: {head.assumed}." for head in heads[:1] if head.assumed]
        complete.append(
            replace(model, embeddings=others.embeddings(model, start), heads=heads, notices=(*model.notices, *guesses))
        )
    return tuple(complete)


def _behind(model: FoundModel, front: Front) -> FoundModel:
    """A network with what stands in front of it, as far as that is known."""
    notices = [*model.notices]
    if front.chain:
        notices.append(
            f"In front of it, by the order and the widths in the file: {front.chain}. It is assumed and applied, since "
            "the file does not say what reads what."
        )
    if front.unapplied:
        notices.append(f"In front of it, and not applied: {front.unapplied}.")
    return replace(
        model,
        notices=tuple(notices),
        before=front.chain,
        fronts=(front.chain, NO_LAYERS) if front.chain else (),
        unapplied=front.unapplied,
        assumed="; ".join(each for each in (model.assumed, front.assumed) if each),
    )


class _Finder:
    """Assembles the networks of one file.

    Attributes:
        by_gate: where networks with a matrix for each gate could not be assembled under the names of a convention.
    """

    def __init__(self, arrays: NamedArrays, where: str) -> None:
        self.arrays, self.where = arrays, where
        self.by_gate: set[str] = set()

    def candidates(self, paths: Iterable[str], limits: Limits) -> list[tuple[MatrixGroup, Family]]:
        """The groups of arrays that look like a recurrent network, each with its likeliest conventions."""
        groups = [(each, family) for each in group(iter(paths)) if (family := self.family_of(each)) is not None]
        refuse_many_networks(len(groups), self.where, limits)
        return groups

    def family_of(self, found: MatrixGroup) -> Family | None:
        """The conventions whose matrix names fit a group best; None if it does not look recurrent."""
        names = {matrix for cell in found.places.values() for matrix in cell}

        def share(family: Family) -> float:
            return len(names.intersection(family.products)) / len(family.products)

        likeliest = max(families(), key=share)
        if share(likeliest) == 1 or names & _RECURRENT_ONLY or (share(likeliest) > 0.5 and len(likeliest.products) > 3):
            return likeliest
        return None

    def model(self, found: MatrixGroup, family: Family) -> FoundModel:
        """Assemble the network of a group."""
        self._refuse_projection(found)
        notices: list[str] = []
        cells = self._cells(found, family, notices)
        fitting, weights = self._fit(found, family, cells)
        self._refuse_unplaced(found, family, fitting[0])
        if not any(name in cell for cell in cells.values() for name in family.biases) and fitting[0].biases:
            notices.append("The file has no biases for this network: they are taken as zero.")
        more = [*fitting[1:], *_other_choices(fitting, family)] if fitting[0].name != self.arrays.convention else []
        others = tuple(each.name for each in more)
        if others:
            titles = ", ".join(each.title for each in more)
            notices.append(f"Read as {fitting[0].title}; its names and shapes also fit {titles}.")
        assumed = ""
        if fitting[0].cell == "rnn" and fitting[0].name != self.arrays.convention:
            function, sentence = self._nonlinearity(found, fitting[0])
            notices.append(sentence)
            if function == "relu":
                weights = _with_relu(weights)
            if not function:
                assumed, others = "tanh is assumed", (*others, f"{fitting[0].name}+relu")
        notices += _not_finite(found, cells)
        checker = None
        if weights.convention == torch_twin(weights.convention):
            named = {_in_torch(name, place): array for place, cell in cells.items() for name, array in cell.items()}
            why = "it is very large" * (weights.parameters > MOST_CHECKED)
            why = why or "its layers differ in size" * (len(set(weights.units)) > 1)
            checker = None if why else partial(check_against_torch, weights, named)
            if why:
                notices.append(f"It was not checked against torch.nn, since {why}.")
        return FoundModel(
            found.prefix, weights, alternatives=others, notices=tuple(notices), assumed=assumed, checker=checker
        )

    def _nonlinearity(self, found: MatrixGroup, kind: Convention) -> tuple[str, str]:
        """The function of an RNN, ``""`` if unknown, and how it is known, in a sentence."""
        module = self.arrays.modules.get(found.prefix)
        settings = {} if module is None else {f"{found.prefix}.{key}": each for key, each in module.settings.items()}
        stated = _nonlinearities(settings) or _nonlinearities(self.arrays.facts)
        if len(set(stated.values())) != 1:
            other = with_functions(kind, state="relu").title
            return "", f"The file does not name the nonlinearity of the RNN: tanh is assumed. It may also be {other}."
        path, function = next(iter(stated.items()))
        return function, f"The nonlinearity of the RNN is {function}, as {printable(path)} in the file says."

    def _refuse_projection(self, network: MatrixGroup) -> None:
        for cell in network.places.values():
            if PROJECTION in cell:
                where = f"{self.where}, {printable(cell[PROJECTION])}"
                found = "a projection of the hidden state (proj_size), which changes the equations"
                raise FormatError(where, found, "a network without one", "Train it with proj_size=0.")

    def _cells(self, found: MatrixGroup, family: Family, notices: list[str]) -> CellMatrices:
        """The matrices of every layer and direction, converted to one dtype."""
        layers = sorted({layer for layer, _ in found.places})
        directions = {backward for _, backward in found.places}
        biased = {name for cell in found.places.values() for name in cell if name in family.biases}
        cells: CellMatrices = {}
        for layer in range(len(layers)):
            for backward in sorted(directions | {False}):
                cell = found.places.get((layer, backward), {})
                wanted = [name for name in family.names if name in family.products or name in biased]
                place = (layer, backward)
                cells[place] = {
                    name: self._array(
                        cell.get(name), found, family, _in_torch(name, place) if found.layered else name, layers[-1]
                    )
                    for name in wanted
                }
        if family.products == ("W", "R"):
            cells = _split_directions(cells)
        dtypes = {array.dtype for cell in cells.values() for array in cell.values()}
        if len(dtypes) > 1:
            widest = np.result_type(*dtypes)
            notices.append(f"Its matrices have several dtypes; all were widened to {widest}, which is exact.")
            cells = {place: {n: a.astype(widest) for n, a in cell.items()} for place, cell in cells.items()}
        return cells

    def _array(self, path: str | None, found: MatrixGroup, family: Family, ending: str, last: int) -> np.ndarray:
        array = self.arrays.arrays.get(path) if path is not None else None
        if array is not None and array.dtype.kind == "f" and array.size:
            return array
        if path is not None:
            what = f"numbers of type {array.dtype}, shape {array.shape}" if array is not None else ""
            what = self.arrays.unreadable.get(path, what)
            remedy = "Convert the network to floating-point numbers before it is saved."
            raise FormatError(f"{self.where}, {printable(path)}", what, "one or more floating-point numbers", remedy)
        near = [each for each in self.arrays.arrays if each.startswith(_joined(found.prefix, ending))]
        there = ", ".join(printable(each, 60) for each in sorted({*found.paths(family), *near})[:8])
        raise FormatError(
            f"{self.where}, {printable(_joined(found.prefix, ending))}",
            f"no such array; the file has {there}",
            f"every matrix of every layer{f', 0 to {last}' if found.layered else ''}",
            "Save the whole state_dict; remove weight normalisation or weight dropout from the weights first."
            if near
            else "Save the whole network.",
        )

    def _fit(self, found: MatrixGroup, family: Family, cells: CellMatrices) -> tuple[list[Convention], Weights]:
        """The conventions that fit the shapes, likeliest first, and the weights in the first."""
        specified = self.arrays.convention or ""
        base = specified.partition("+")[0]
        kinds = [lookup(specified) if each.name == base else each for each in family.conventions]
        kinds.sort(key=lambda each: each.name != specified)
        fitting = [kind for kind in kinds if all(_fits(kind, family, cell) for cell in cells.values())]
        try:
            if fitting:
                weights = self._weights(found, fitting[0], family, cells)
                return (fitting[:1] if fitting[0].name == specified else fitting), weights
        except ConventionError:
            kinds = fitting
        raise self._why_not(found, family, cells, kinds)

    def _weights(self, found: MatrixGroup, kind: Convention, family: Family, cells: CellMatrices) -> Weights:
        layers = sorted({layer for layer, _ in cells})
        directions = sorted({backward for _, backward in cells})
        origin = f"{printable(self.where)}, {printable(found.prefix)}" if found.prefix else printable(self.where)
        listed = [[_with_biases(kind, family, cells[k, backward]) for backward in directions] for k in layers]
        return Weights.from_matrices(kind, listed, origin)

    def _why_not(self, found: MatrixGroup, family: Family, cells: CellMatrices, kinds: list[Convention]) -> FormatError:
        """The error for shapes that fit no convention: names the first wrong matrix and the one it contradicts."""
        recurrent = family.products[-1]

        def described(place: CellKey, name: str) -> str:
            return f"{printable(found.places.get(place, {}).get(name, name), 60)} of shape {cells[place][name].shape}"

        def error_at(place: CellKey, name: str, found_beside: str, wanted: str) -> FormatError:
            path = found.places.get(place, {}).get(name, name)
            what = f"shape {cells[place][name].shape}{found_beside}" if name in cells[place] else "no biases"
            return FormatError(f"{self.where}, {printable(path)}", what, wanted, "Check how the file was made.")

        for place, cell in cells.items():
            shape = cell[recurrent].shape
            if len({each.cell for each in kinds}) > 1 and len(shape) == 2:
                kinds = [each for each in kinds if max(shape) == len(each.gates) * min(shape)]
                if not kinds:
                    wanted = "units × units for each gate: 3 of a GRU, 4 of an LSTM, 1 of an RNN"
                    return error_at(place, recurrent, "", wanted)
            try:
                Weights.from_matrices(kinds[0], _with_biases(kinds[0], family, cell))
            except ConventionError as error:
                name = error.where.rpartition(", ")[2]
                beside = recurrent if name != recurrent else family.products[0]
                return error_at(place, name, f", beside {described(place, beside)}", error.wanted)
        for layer in sorted({layer for layer, _ in cells}):
            upto = {place: cell for place, cell in cells.items() if place[0] <= layer}
            try:
                self._weights(found, kinds[0], family, upto)
            except ConventionError as error:
                forward, backward = (layer, False), (layer, True)
                odd = backward if backward in cells and _shapes(cells[backward]) != _shapes(cells[forward]) else forward
                below = (layer - 1, False) if layer and odd == forward else forward
                return error_at(odd, family.products[0], f", beside {described(below, recurrent)}", error.wanted)
        where, remedy = f"{self.where}, {printable(found.prefix)}", "Save each network in its own file."
        return FormatError(where, "layers of different kinds", "layers of one kind", remedy)

    def _refuse_unplaced(self, found: MatrixGroup, family: Family, kind: Convention) -> None:
        for path in set(found.unplaced).difference(found.paths(family)):
            if np.any(self.arrays.arrays.get(path, np.ones(1))):
                where, wanted = f"{self.where}, {printable(path)}", f"no such bias: {kind.title} has none"
                remedy = "Use the names of a convention with biases, such as ai_summer."
                raise FormatError(where, "a bias that is not zero", wanted, remedy)


def _other_choices(fitting: list[Convention], family: Family) -> list[Convention]:
    """What a GRU with a matrix for each gate may also be: only code says where its reset acts and what z = 1 means."""
    if len(fitting) > 1 or fitting[0].cell != "gru" or len(family.products) <= MOST_STACKED:
        return []
    first = fitting[0]
    place = "+reset_before" if first.reset == "after" else "+reset_after"
    meaning = "+takes_new" if first.update == "keeps" else "+keeps_old"
    return [lookup(first.name + change) for change in (place, meaning, place + meaning)]


def _with_relu(weights: Weights) -> Weights:
    kind = with_functions(weights.convention, state="relu")
    layers = tuple(tuple(CellWeights(kind, cell.matrices) for cell in layer) for layer in weights.layers)
    return replace(weights, layers=layers)


def _nonlinearities(facts: Mapping[str, Fact]) -> dict[str, str]:
    """Where the facts of a file name the nonlinearity of an RNN: path → ``"tanh"`` or ``"relu"``."""
    found = {path: _TANH_OR_RELU.fullmatch(str(each)) for path, each in facts.items() if _NONLINEARITY.search(path)}
    return {path: match[1].lower() for path, match in found.items() if match}


def _fits(kind: Convention, family: Family, cell: dict[str, np.ndarray]) -> bool:
    try:
        sizes(kind, _with_biases(kind, family, cell))
    except ConventionError:
        return False
    return True


def _with_biases(kind: Convention, family: Family, cell: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A cell's matrices, with zeros for missing biases."""
    matrices = {matrix.name: matrix for matrix in kind.matrices}
    recurrent = matrices[family.products[-1]]
    array = cell[recurrent.name]
    hidden = (array.shape[-1] if array.ndim else 0) // len(recurrent.grid[0])
    hidden = min(hidden, math.isqrt(array.size))  # bounds the biases of a matrix that is not square
    zeros = {}
    for name in family.biases:
        rows, columns = len(matrices[name].grid), len(matrices[name].grid[0])
        shape = (hidden * columns,) if matrices[name].flat else (rows, hidden * columns)
        zeros[name] = np.zeros(shape, array.dtype)
    return zeros | cell


def _split_directions(cells: CellMatrices) -> CellMatrices:
    """ONNX stacks both directions of a layer along the first axis of one array."""
    split: CellMatrices = {}
    for (layer, backward), cell in cells.items():
        count = cell["W"].shape[0] if cell["W"].ndim == 3 else 0
        if backward or count not in (1, 2) or any(array.shape[:1] != (count,) for array in cell.values()):
            split[layer, backward] = cell
            continue
        for direction in range(count):
            split[layer, bool(direction)] = {name: array[direction] for name, array in cell.items()}
    return split


def _not_finite(found: MatrixGroup, cells: CellMatrices) -> Iterable[str]:
    for place, cell in cells.items():
        for name, array in cell.items():
            count = array.size - int(np.count_nonzero(np.isfinite(array)))
            if count:
                path = found.places.get(place, {}).get(name, name)
                yield f"{printable(path)} has {count:,} non-finite numbers of {array.size:,}."


def _shapes(cell: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in cell.items()}


def _in_torch(name: str, place: CellKey) -> str:
    return f"{name}_l{place[0]}{'_reverse' * place[1]}"


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _nothing(arrays: NamedArrays, where: str) -> FormatError:
    listed = [f"{printable(name, 40)} {array.shape}" for name, array in list(arrays.arrays.items())[:6]]
    count = len(arrays.arrays)
    found = f"no recurrent layer among {count:,} array{'s' * (count != 1)}"
    if listed:
        found += f" ({', '.join(listed)}{', …' if count > len(listed) else ''})"
    if arrays.unreadable:
        path, what = next(iter(arrays.unreadable.items()))
        found += f", and {what} at {printable(path, 60)}"
    wanted = "the matrices of a GRU, LSTM or RNN under their usual names, such as weight_ih_l0 and weight_hh_l0"
    remedy = "Save the network with its recurrent layers, or rename the matrices after one of CONVENTIONS."
    return FormatError(where, found, wanted, remedy)
