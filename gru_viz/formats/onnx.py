"""Reads ONNX models: GRU, LSTM and RNN nodes, joined as in the graph and compared with onnxruntime."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from onnx import NodeProto, OperatorSetIdProto

from gru_viz.conventions import CONVENTIONS, STATE_FUNCTIONS, Convention, with_functions
from gru_viz.errors import ConventionError, FormatError
from gru_viz.formats.layer_stacks import GraphHead, RecurrentLayer, build_networks, stack_layers
from gru_viz.formats.model_bytes import ArrayBudget, ModelBytes, damaged, printable, refuse_many_networks
from gru_viz.formats.model_file import Embedding, FoundModel, FrameworkCheck, Head, ModelFile
from gru_viz.formats.onnx_chain import Followed, follow, follow_head, layer_name
from gru_viz.formats.onnx_check import Front, RecurrentNode, check_against_onnxruntime
from gru_viz.formats.onnx_graph import KINDS, STANDARD, Flow, Scope, attributes, parse, table_name
from gru_viz.weights import CellWeights

__all__ = ["read"]

FUNCTIONS = {"GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh"), "RNN": ("Tanh",)}
AFTERWARDS = {"Softmax", "LogSoftmax", "Sigmoid", "Tanh", "Relu"}
RESET_BEFORE = (
    "PyTorch exported a GRU with linear_before_reset=0, where the reset gate acts before the recurrent product. "
    "torch.nn.GRU has it after: the file, which is shown here, computes another model than the one that was exported."
)


def read(content: ModelBytes) -> ModelFile:
    """Read every GRU, LSTM and RNN node, with the embeddings and linear layers around it."""
    try:
        return _read(content)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, ArithmeticError) as error:
        raise damaged(content.name, error) from error  # a graph that onnx.checker would refuse too


def _read(content: ModelBytes) -> ModelFile:
    model = parse(content.data, content.name, content.limits)
    most = min(32 * len(content.data) + (1 << 20), content.limits.max_array_bytes)  # exporters hardly copy
    budget = ArrayBudget(content.name, replace(content.limits, max_array_bytes=most))
    scopes = list(_scopes([Scope(model.graph, budget), *(Scope(f, budget, f"{f.name}/") for f in model.functions)],
                          content))  # fmt: skip
    many = sum(node.op_type in KINDS for scope in scopes for node in scope.graph.node)
    refuse_many_networks(many, content.name, content.limits)
    nodes: dict[str, _Recurrent] = {}
    layers: list[RecurrentLayer] = []
    problems: list[FormatError] = []
    tables: dict[str, Embedding] = {}
    heads: list[GraphHead] = []
    for scope in scopes:
        for node in scope.graph.node:
            try:
                if _is_recurrent(node, content.name):
                    found = nodes[scope.names[id(node)]] = _Recurrent(node, scope, content.name)
                    layers.append(found.layer())
            except FormatError as problem:
                problems.append(problem)
        _find_embeddings_and_heads(scope, tables, heads)
    if not layers:
        raise problems[0] if problems else _nothing(content.name, scopes)
    joined = stack_layers(layers)
    models = build_networks(content.name, joined, f"ONNX, {content.name}", tuple(tables.values()), heads)
    checked = tuple(
        replace(found, checker=_checker(found, [nodes[layer.name] for layer in stack.layers], model.opset_import))
        for found, stack in zip(models, joined, strict=True)
    )
    notices = [f"{problem.where} is left out: {problem.found}." for problem in problems]
    if model.producer_name == "pytorch" and any(layer.cells[0].convention.reset == "before" for layer in layers):
        notices.append(RESET_BEFORE)
    return ModelFile(content.name, "ONNX", checked, tuple(notices))


def _nothing(where: str, scopes: Sequence[Scope]) -> FormatError:
    """The error for a graph without a recurrent node, which may be one taken apart."""
    counts = Counter(node.op_type for scope in scopes for node in scope.graph.node)
    sigmoids, tanhs = counts["Sigmoid"] + counts["HardSigmoid"], counts["Tanh"]
    products = [kind for kind in ("MatMul", "Gemm") if counts[kind]]
    if not (sigmoids and tanhs and products and counts["Mul"]):
        return FormatError(where, "no GRU, LSTM or RNN node", "one", "Export a model that has one.")
    network = {(3, 2): "an LSTM", (1, 2): "an LSTM", (2, 1): "a GRU", (1, 1): "a GRU"}.get(
        (sigmoids // math.gcd(sigmoids, tanhs), tanhs // math.gcd(sigmoids, tanhs)), "a recurrent network"
    )
    loop = ", in a loop" if any(counts[kind] for kind in ("Loop", "Scan")) else ""
    found = f"{network} taken apart into {', '.join(products)}, Sigmoid, Tanh and others{loop}"
    remedy = (
        "Read the file that it was exported from; or export it whole: nn.GRU or nn.LSTM with "
        "torch.onnx.export(…, dynamo=False), Keras layers by tf2onnx with tanh and sigmoid, unroll=False and opset 14."
    )
    return FormatError(where, found, "a GRU, LSTM or RNN node", remedy)


def _scopes(waiting: list[Scope], content: ModelBytes) -> Iterator[Scope]:
    count = 0
    while waiting:
        scope = waiting.pop(0)
        count += 1
        if count > content.limits.max_entries // 10:
            raise FormatError(content.name, "too many nested graphs", "fewer", "Export only the network.")
        yield scope
        waiting += scope.inner()


def _checker(
    model: FoundModel, parts: Sequence[_Recurrent], opsets: Sequence[OperatorSetIdProto]
) -> Callable[[], FrameworkCheck | None]:
    """The comparison with onnxruntime, to be made when it is asked for."""
    nodes = [part.node() for part in parts]
    front = Front.of(parts[0].scope, parts[0].reads, parts[0].proto.input[0], opsets)
    return lambda: check_against_onnxruntime(model.weights, nodes, front)


def _is_recurrent(node: NodeProto, where: str) -> bool:
    """Whether a node is a standard GRU, LSTM or RNN; a variant, such as a quantised one, is refused."""
    if node.op_type in KINDS and node.domain in STANDARD:
        return True
    if any(kind in node.op_type for kind in KINDS):
        what = "a quantised network" if "Quant" in node.op_type else "not a standard node"
        kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        where, found = f"{where}, {printable(node.name or node.op_type)}", f"{printable(kind)}, {what}"
        raise FormatError(where, found, "a GRU, LSTM or RNN of floating-point numbers", "Export it as one.")
    return False


class _Recurrent:
    """One recurrent node, checked for what gru_viz can compute."""

    def __init__(self, node: NodeProto, scope: Scope, where: str) -> None:
        self.proto, self.scope = node, scope
        self.name = scope.names[id(node)]
        self.where = f"{where}, {self.name}"
        self.given: Mapping[str, Any] = attributes(node)
        self.direction = _decoded(self.given.get("direction", "forward")).lower()
        self._refuse_other_equations()
        self.w, self.r = self._matrix(1, "W"), self._matrix(2, "R")
        bias = self._optional(3)
        self.b = np.zeros((len(self.w), 2 * self.w.shape[1]), self.w.dtype) if bias is None else bias
        if not len(self.w) == len(self.r) == len(self.b) == (2 if self.direction == "bidirectional" else 1):
            found = f"{len(self.w)}, {len(self.r)} and {len(self.b)} directions in W, R and B"
            raise self._problem(found, f"as many as {printable(self.direction)!r} has")

    @property
    def convention(self) -> Convention:
        kind = self.proto.op_type
        name = {"LSTM": "onnx_lstm", "RNN": "onnx_rnn"}.get(kind, "onnx")
        if kind == "GRU" and self.given.get("linear_before_reset", 0):
            name = "onnx_linear_before_reset"
        *gate, state = self._functions()
        return with_functions(CONVENTIONS[name], gate[0] if gate else None, state)

    def _functions(self) -> list[str]:
        """The function of the gates, if it has any, and that of the states."""
        count = len(FUNCTIONS[self.proto.op_type])
        named = [_decoded(each) for each in self.given.get("activations", ())] or list(FUNCTIONS[self.proto.op_type])
        slopes, offsets = (list(self.given.get(f"activation_{key}", ())) for key in ("alpha", "beta"))
        found = []
        for function in named:
            name = function.lower()
            if name == "hardsigmoid":
                slope, offset = (
                    values.pop(0) if values else default for values, default in ((slopes, 0.2), (offsets, 0.5))
                )
                name = f"hard_sigmoid({np.float32(slope)!s},{np.float32(offset)!s})"
            found.append(name)
        first, again = found[:count], found[count:]
        gates, states = first[: count > 1], first[count > 1 :]
        known = len(first) == count and states[0] in STATE_FUNCTIONS
        known = known and all(each == "sigmoid" or each.startswith("hard") for each in gates)
        if not known or len(set(states)) > 1 or (again and again != first):
            wanted = "Sigmoid or HardSigmoid for gates, one of Tanh, Relu, Softsign for states"
            raise self._problem(f"the activations {', '.join(map(printable, named))}", wanted)
        return [*gates, states[0]]

    def layer(self) -> RecurrentLayer:
        dtype = np.result_type(self.w, self.r, self.b)
        arrays = zip(*(array.astype(dtype) for array in (self.w, self.r, self.b)), strict=True)
        try:
            kind = self.convention
            cells = tuple(CellWeights(kind, dict(zip("WRB", each, strict=True))) for each in arrays)
        except ConventionError as error:
            raise FormatError(f"{self.where}: {error.where}", error.found, error.wanted, error.remedy) from error
        hidden = self.given.get("hidden_size", cells[0].hidden)
        if hidden != cells[0].hidden:
            raise self._problem(f"hidden_size {printable(hidden)}", f"{cells[0].hidden}, as in R")
        notices, backward = tuple(self._notices(dtype)), self.direction == "reverse"
        return RecurrentLayer(self.name, cells, self.reads.origin, backward, notices=notices)

    def node(self) -> RecurrentNode:
        """The node for onnxruntime."""
        after = 1 if self.convention.reset == "after" else 0
        keys = [key for key in ("activations", "activation_alpha", "activation_beta") if key in self.given]
        functions = {key: self.given[key] for key in keys}
        return RecurrentNode(self.proto.op_type, self.direction, after, self.w, self.r, self.b, functions)

    @cached_property
    def reads(self) -> Followed:
        """Where its input comes from."""
        axes = ("B", "T", "F") if self.given.get("layout") == 1 else ("T", "B", "F")
        return follow(self.scope, self.proto.input[0], axes)

    def _notices(self, dtype: np.dtype) -> Iterator[str]:
        for k in (5, 6):
            start = self._value(k)
            if start is not None and np.any(start):
                yield f"{self.name} has an initial state in the file; here it starts from h0, by default zero."
                break
            given = self.proto.input[k] if k < len(self.proto.input) else ""
            if self.scope.flow(given).kind in ("states", "last"):
                yield f"{self.name} gets its initial state from another layer; here it starts from h0, by default zero."
                break
        if len(self.proto.input) > 4 and self.proto.input[4]:
            yield f"{self.name} reads each sequence up to a length that the model is given; here up to its end."
        if dtype == np.float64:
            yield f"{self.name} has matrices in float64; onnxruntime computes in float32."

    def _refuse_other_equations(self) -> None:
        kind, given = self.proto.op_type, self.given
        if any(each.ref_attr_name for each in self.proto.attribute):
            raise self._problem("attributes of a caller", "attributes with values", "Inline the model's functions.")
        if self.direction not in ("forward", "reverse", "bidirectional"):
            raise self._problem(f"direction {printable(self.direction)!r}", "forward, reverse or bidirectional")
        if "clip" in given:
            raise self._problem(f"clip {printable(given['clip'])}, which clips the inputs of the gates", "no clip")
        if given.get("input_forget", 0):
            raise self._problem("input_forget, which couples two gates", "an LSTM with both gates")
        if kind == "LSTM" and len(self.proto.input) > 7 and self.proto.input[7]:
            peepholes = self._value(7)
            if peepholes is None or np.any(peepholes):
                raise self._problem("peepholes (the input P), which let the gates read the cell state", "none")

    def _matrix(self, k: int, name: str) -> np.ndarray:
        array = self._optional(k)
        if array is None:
            raise self._problem(f"no {name}", "the three inputs X, W and R")
        if array.ndim != 3:
            raise self._problem(f"{name} of shape {array.shape}", "three axes: directions, gates · units, width")
        return array

    def _optional(self, k: int) -> np.ndarray | None:
        name = self.proto.input[k] if k < len(self.proto.input) else ""
        if not name:
            return None
        array = self.scope.constant(name)
        if array is None:
            maker = self.scope.makers.get(name, (NodeProto(), 0))[0].op_type
            found = f"{printable(name)!r}, which is known only when the model runs"
            found = "quantised matrices" if "Dequantize" in maker else found
            raise self._problem(found, "floating-point matrices in the file")
        if array.dtype.kind != "f" or not array.size:
            raise self._problem(f"{printable(name)!r} of {array.dtype}, shape {array.shape}", "floating-point numbers")
        return array

    def _value(self, k: int) -> np.ndarray | None:
        return self.scope.constant(self.proto.input[k]) if k < len(self.proto.input) and self.proto.input[k] else None

    def _problem(self, found: str, wanted: str, remedy: str = "") -> FormatError:
        remedy = remedy or "Its gates would differ from the model's; export it without that."
        return FormatError(self.where, found, wanted, remedy)


def _decoded(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _find_embeddings_and_heads(scope: Scope, tables: dict[str, Embedding], heads: list[GraphHead]) -> None:
    """Add a graph's embeddings and linear layers to ``tables`` and ``heads``."""
    for node in scope.graph.node:
        if node.domain not in STANDARD or not node.output:
            continue
        flow = scope.flow(node.output[0]) if node.op_type == "Gather" else Flow()
        if flow.kind == "table" and flow.source == table_name(node, scope):
            matrix = scope.constant(node.input[0])
            if matrix is not None:
                tables.setdefault(flow.source, Embedding(flow.source, matrix))
        if node.op_type in ("MatMul", "Gemm") and len(node.input) > 1:
            head = _head(node, scope)
            if head is not None:
                heads.append(GraphHead(head, follow_head(scope, node.input[0])))


def _head(node: NodeProto, scope: Scope) -> Head | None:
    """A linear layer; None if its matrix is not constant or it is scaled."""
    given, matrix = attributes(node), scope.constant(node.input[1])
    if matrix is None or matrix.ndim != 2 or matrix.dtype.kind != "f" or given.get("transA"):
        return None
    if given.get("alpha", 1.0) != 1 or given.get("beta", 1.0) != 1:
        return None
    weight = matrix if given.get("transB") else matrix.T
    bias: np.ndarray | None = np.zeros(len(weight), weight.dtype)
    out = node.output[0]
    if node.op_type == "Gemm" and len(node.input) > 2:
        bias = scope.constant(node.input[2])
    elif (adds := [each for each in scope.readers.get(out, []) if each.op_type == "Add"]) and node.op_type == "MatMul":
        added = scope.constant(next(name for name in (*adds[0].input, "") if name != out))
        if added is not None and added.size == len(weight):
            bias, out = added.reshape(-1), adds[0].output[0]
    if bias is None or bias.size not in (1, len(weight)) or bias.dtype.kind != "f":
        return None
    after = [each.op_type for each in scope.readers.get(out, []) if each.op_type in AFTERWARDS]
    full = np.broadcast_to(bias.reshape(-1), len(weight)).copy()
    return Head(layer_name(node, scope), weight, full, after[0].lower() if after else "")
