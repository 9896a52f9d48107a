"""Analyses an ONNX graph: its constants, folded where exporters rearrange them, and the origin of each value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import ArrayBudget, Limits, damaged, printable

__all__ = ["KINDS", "Flow", "Scope", "attributes", "axes_of", "parse"]

KINDS = ("GRU", "LSTM", "RNN")
STANDARD = ("", "ai.onnx")
DEEPEST = 100
MOST_FILLED = 64
FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE}
FIELDS: Mapping[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.FLOAT16: "int32_data",
    TensorProto.BFLOAT16: "int32_data",
    TensorProto.INT32: "int32_data",
    TensorProto.INT64: "int64_data",
}
UNCHANGED = {"Identity", "Dropout", "Cast"}
PICKED = {"Slice", "Gather", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "ReduceMean", "ReduceMax", "Flatten"}
"""Nodes that may be between hidden states and a linear layer that reads some of them."""


@dataclass(frozen=True)
class Flow:
    """The origin of a value in a graph.

    Attributes:
        kind: ``"states"``: all hidden states of a node; ``"last"``: some of them; ``"table"``: rows of an embedding.
        source: the name of that node or embedding.
        axes: the meaning of each axis: T time, B batch, D directions, H units, DH both; () if unknown.
    """

    kind: str = "other"
    source: str = ""
    axes: tuple[str, ...] = ()


def parse(data: bytes, where: str, limits: Limits) -> ModelProto:
    """Parse a model, refused if it has too many parts or stores numbers in other files, which are not opened."""
    _refuse_many_parts(data, where, limits)
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's error types differ between its builds
        raise damaged(where, f"not an ONNX model: {error}") from error
    if not model.HasField("graph") or not model.graph.node:
        raise FormatError(where, "an ONNX file without a graph", "a model", "Export the model again.")
    for tensor in _tensors(model, where, limits):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            where, found = f"{where}, {printable(tensor.name)}", "numbers in another file, which was not opened"
            remedy = "Save it whole: onnx.save(onnx.load(path), path, save_as_external_data=False)."
            raise FormatError(where, found, "a model in one file", remedy)
    return model


def _refuse_many_parts(data: bytes, where: str, limits: Limits) -> None:
    """Count the messages of the graph before parsing, which takes far more memory for each than its bytes here."""
    view, count = memoryview(data), 0
    try:
        for field, start, end in _fields(view, 0, len(view)):
            if field == 7:  # the graph
                for _ in _fields(view, start, end):
                    count += 1
                    if count > 4 * limits.max_entries:
                        found = f"a graph of more than {4 * limits.max_entries:,} parts"
                        raise FormatError(where, found, "fewer", "Export only the network.")
    except (IndexError, ValueError) as error:
        raise damaged(where, "not an ONNX model") from error


def _fields(view: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a protobuf message: number, start and end of its bytes."""
    while at < end:
        tag, at = _varint(view, at)
        match tag & 7:
            case 0:
                start, at = at, _varint(view, at)[1]
            case 1:
                start, at = at, at + 8
            case 2:
                length, start = _varint(view, at)
                at = start + length
            case 5:
                start, at = at, at + 4
            case wire:
                raise ValueError(wire)
        if at > end:
            raise IndexError(at)
        yield tag >> 3, start, at


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number that does not end")


def _tensors(model: ModelProto, where: str, limits: Limits) -> Iterator[TensorProto]:
    graphs: list[Any] = [model.graph, *model.functions]
    seen = 0
    while graphs:
        graph = graphs.pop()
        if isinstance(graph, GraphProto):
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                seen += 1
                if seen > 20 * limits.max_entries:
                    found, remedy = "a graph of too many attributes", "Export only the network."
                    raise FormatError(where, found, "that of a model", remedy)
                yield from (attribute.t, *attribute.tensors)
                graphs += _graphs(attribute)


def _graphs(attribute: AttributeProto) -> list[GraphProto]:
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def attributes(node: NodeProto) -> dict[str, Any]:
    """A node's attributes, except graphs and references to a caller's attributes."""
    graphs = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    return {
        each.name: helper.get_attribute_value(each)
        for each in node.attribute
        if not each.ref_attr_name and each.type not in graphs
    }


class Scope:
    """A graph or function, possibly nested: the node that makes each value, and which values are constant."""

    def __init__(self, graph: Any, budget: ArrayBudget, prefix: str = "", outer: Scope | None = None) -> None:
        self.graph, self.budget, self.prefix, self.outer = graph, budget, prefix, outer
        self.tensors: Mapping[str, TensorProto] = {each.name: each for each in getattr(graph, "initializer", ())}
        self.makers = {name: (node, k) for node in graph.node for k, name in enumerate(node.output) if name}
        self.readers: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.folded: dict[str, np.ndarray | None] = {}
        self.names: dict[int, str] = {}
        taken: dict[str, int] = {}
        for node in graph.node:
            if node.op_type in KINDS:
                name = prefix + printable(node.name or node.op_type)
                count = taken[name] = taken.get(name, 0) + 1
                self.names[id(node)] = name if count == 1 else f"{name}, {count}"

    def inner(self) -> Iterator[Scope]:
        """The graphs nested in this one: the branches of an If, the body of a Loop or Scan."""
        for node in self.graph.node:
            for attribute in node.attribute:
                for graph in _graphs(attribute):
                    yield Scope(graph, self.budget, f"{self.prefix}{printable(node.name or node.op_type)}/", self)

    def constant(self, name: str, depth: int = 0) -> np.ndarray | None:
        """The numbers of a constant value; None if it is not constant."""
        if name not in self.folded:
            self.folded[name] = None  # for cycles, which have no constants
            self.folded[name] = self._constant(name, depth)
        return self.folded[name]

    def _constant(self, name: str, depth: int) -> np.ndarray | None:
        if not name or depth > DEEPEST:
            return None
        if name in self.tensors:
            return self._array(self.tensors[name], name)
        if name not in self.makers:
            return self.outer.constant(name, depth + 1) if self.outer is not None else None
        node, _ = self.makers[name]
        if node.domain not in STANDARD:
            return None
        if node.op_type == "Constant":
            return self._given(node, name)
        if node.op_type not in FOLDS or len(node.output) > 1:
            return None
        inputs = [self.constant(each, depth + 1) if each else None for each in node.input]
        if any(array is None for array, each in zip(inputs, node.input, strict=True) if each):
            return None
        values = [np.empty(0) if array is None else array for array in inputs]
        self.budget.take(name, (sum(array.nbytes for array in values),), 1)
        try:
            return FOLDS[node.op_type](values, attributes(node))
        except (ValueError, TypeError, IndexError, KeyError, np.exceptions.AxisError) as error:
            raise damaged(f"{self.budget.where}, {printable(name)}", error) from error

    def _given(self, node: NodeProto, name: str) -> np.ndarray | None:
        for key, value in attributes(node).items():
            if key == "value":
                return self._array(value, name)
            if key in ("value_float", "value_floats"):
                return np.array(value, np.float32)
            if key in ("value_int", "value_ints"):
                return np.array(value, np.int64)
        return None

    def _array(self, tensor: TensorProto, name: str) -> np.ndarray | None:
        field = FIELDS.get(tensor.data_type)
        if field is None:
            return None
        itemsize = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        stored = len(tensor.raw_data) if tensor.HasField("raw_data") else len(getattr(tensor, field)) * itemsize
        self.budget.take(name, tuple(tensor.dims), itemsize, stored)
        array = numpy_helper.to_array(tensor)
        return array.astype(np.float32) if tensor.data_type == TensorProto.BFLOAT16 else array

    def flow(self, name: str, depth: int = 0) -> Flow:
        """The origin of a value, traced back to its node."""
        if depth > DEEPEST or name not in self.makers:
            return Flow()
        node, k = self.makers[name]
        if node.domain not in STANDARD:
            return Flow()
        if node.op_type in KINDS:
            first = ("B", "T", "D", "H") if attributes(node).get("layout") == 1 else ("T", "D", "B", "H")
            states = Flow("states", self.names[id(node)], first)
            return states if k == 0 else Flow("last", states.source) if k == 1 else Flow()
        if node.op_type == "Gather" and self._is_table(node):
            return Flow("table", table_name(node, self))
        if node.op_type == "Concat":
            flows = {(flow.kind, flow.source) for flow in (self.flow(each, depth + 1) for each in node.input)}
            return Flow("last", flows.pop()[1]) if len(flows) == 1 and next(iter(flows))[0] == "last" else Flow()
        if not node.input or node.op_type not in UNCHANGED | PICKED:
            return Flow()
        below = self.flow(node.input[0], depth + 1)
        if below.kind == "other" or node.op_type in UNCHANGED:
            return below
        if below.kind == "table":
            return below if node.op_type in ("Transpose", "Squeeze", "Reshape") else Flow()
        axes = self._moved(node, below)
        return Flow("states", below.source, axes) if axes else Flow("last", below.source)

    def _moved(self, node: NodeProto, below: Flow) -> tuple[str, ...]:
        """The axes of hidden states after a node that only rearranges them; () if it does more."""
        axes, given = below.axes, attributes(node)
        if not axes:
            return ()
        if node.op_type == "Transpose":
            order = given.get("perm", range(len(axes))[::-1])
            return tuple(axes[k] for k in order) if sorted(order) == list(range(len(axes))) else ()
        if node.op_type == "Squeeze":
            return tuple(axis for axis in axes if axis != "D") if "D" in axes and self._squeezes_one(node, axes) else ()
        if node.op_type == "Reshape":
            count, last = self.target_shape(node)
            if axes[2:] == ("D", "H") and count == 3 and last in (-1, self._width(below.source)):
                return (*axes[:2], "DH")
            return axes if count == len(axes) == 3 and last in (-1, self._width(below.source)) else ()
        return ()

    def _squeezes_one(self, node: NodeProto, axes: Sequence[str]) -> bool:
        given = axes_of(node, self)
        return given is not None and [k % len(axes) for k in given] == [axes.index("D")]

    def target_shape(self, node: NodeProto) -> tuple[int, int]:
        """The number of axes after a Reshape, and the length of the last; (0, 0) if they are not constant."""
        if len(node.input) < 2:
            return 0, 0
        target = self.constant(node.input[1])
        if target is not None and target.size:
            return target.size, int(target.ravel()[-1])
        maker = self.makers.get(node.input[1], (NodeProto(), 0))[0]
        if maker.op_type == "Concat":
            last = self.constant(maker.input[-1])
            return (len(maker.input), int(last.ravel()[0])) if last is not None and last.size == 1 else (0, 0)
        return 0, 0

    def _width(self, source: str) -> int:
        node = next(node for node in self.graph.node if self.names.get(id(node)) == source)
        recurrent = self.constant(node.input[2]) if len(node.input) > 2 else None
        return 0 if recurrent is None or recurrent.ndim != 3 else recurrent.shape[0] * recurrent.shape[2]

    def _is_table(self, node: NodeProto) -> bool:
        if len(node.input) != 2 or attributes(node).get("axis", 0) != 0:
            return False
        table = self.constant(node.input[0])
        is_matrix = table is not None and table.ndim == 2 and table.dtype.kind == "f"
        return is_matrix and self.constant(node.input[1]) is None


def axes_of(node: NodeProto, scope: Scope) -> list[int] | None:
    """The axes that a Squeeze or Unsqueeze names; None if they are not constant."""
    given = attributes(node).get("axes")
    if given is None and len(node.input) > 1:
        found = scope.constant(node.input[1])
        given = None if found is None else found.ravel()
    return None if given is None else [int(k) for k in given]


def table_name(node: NodeProto, scope: Scope) -> str:
    """The name of an embedding."""
    return scope.prefix + printable(node.input[0].removesuffix(".weight"))


def _axes(values: list[np.ndarray], given: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(k) for k in (values[1].ravel() if len(values) > 1 else given["axes"]))


def _slice(values: list[np.ndarray], given: Mapping[str, Any]) -> np.ndarray:
    if len(values) > 1:
        starts, ends = (values[k].ravel().tolist() for k in (1, 2))
        axes = values[3].ravel().tolist() if len(values) > 3 and values[3].size else range(len(starts))
        steps = values[4].ravel().tolist() if len(values) > 4 and values[4].size else [1] * len(starts)
    else:
        starts, ends = given["starts"], given["ends"]
        axes, steps = given.get("axes", range(len(starts))), [1] * len(starts)
    index: list[slice] = [slice(None)] * values[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        length = values[0].shape[int(axis)]
        index[int(axis)] = slice(start, None if step < 0 and end < -length else end, step)
    return values[0][tuple(index)]


def _squeeze(values: list[np.ndarray], given: Mapping[str, Any]) -> np.ndarray:
    return np.squeeze(values[0], _axes(values, given) if len(values) > 1 or "axes" in given else None)


def _reshape(values: list[np.ndarray], given: Mapping[str, Any]) -> np.ndarray:
    target = [int(n) for n in (values[1].ravel() if len(values) > 1 else given["shape"])]
    copies = not given.get("allowzero", 0)
    return values[0].reshape([values[0].shape[k] if n == 0 and copies else n for k, n in enumerate(target)])


def _cast(values: list[np.ndarray], given: Mapping[str, Any]) -> np.ndarray | None:
    """Casts between floating-point types are skipped: the numbers stay as stored."""
    if values[0].dtype.kind == "f" and given["to"] in FLOATS:
        return values[0]
    if given["to"] in (TensorProto.FLOAT16, TensorProto.INT64, TensorProto.INT32, *FLOATS):
        return values[0].astype(helper.tensor_dtype_to_np_dtype(given["to"]))
    return None


def _filled(values: list[np.ndarray], given: Mapping[str, Any]) -> np.ndarray | None:
    """A few equal numbers, such as the widths of a padding."""
    shape = [int(n) for n in values[0].ravel()]
    if min(shape, default=1) < 0 or math.prod(shape) > MOST_FILLED:
        return None
    return np.full(shape, numpy_helper.to_array(given["value"]).ravel()[0] if "value" in given else np.float32(0))


FOLDS: Mapping[str, Any] = {
    "Identity": lambda values, given: values[0],
    "Cast": _cast,
    "Transpose": lambda values, given: np.transpose(values[0], given.get("perm")),
    "Squeeze": _squeeze,
    "Unsqueeze": lambda values, given: np.expand_dims(values[0], _axes(values, given)),
    "Concat": lambda values, given: np.concatenate(values, given["axis"]),
    "ConstantOfShape": _filled,
    "Slice": _slice,
    "Reshape": _reshape,
}
"""Nodes that exporters put between stored numbers and a recurrent node; none makes many more numbers than it reads."""
